#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# The life of a container, and what can be done to one that runs.

load lib

@test "exec: streams, codes, user, folder, environment, terminal" {
	vm -d --name c1 busybox sleep 10000
	run -9 docker exec c1 sh -c 'exit 9'
	run -0 docker exec -u 1000:2000 -w /home -e A=b c1 sh -c 'id -u; id -g; pwd; echo $A'
	is $'1000\n2000\n/home\nb'
	head -c 3M /dev/urandom >"$TMP/in"
	docker exec -i c1 cat <"$TMP/in" >"$TMP/out"
	cmp "$TMP/in" "$TMP/out"
	run -0 docker exec -t c1 tty
	has /dev/pts/
	# 126, and of Docker 28 127.
	docker run -d --runtime runc --label test --name ref busybox sleep 10000
	local missing=0
	docker exec ref no-such-program || missing=$?
	[ "$missing" = 126 ] || [[ $missing = 127 && -n ${DOCKER_VERSION-} ]]
	run "-$missing" docker exec c1 no-such-program
	has "executable file not found in \$PATH"
	run -126 docker exec c1 /bin/notexecutable
	has "permission denied"
	# A container on cgroup v2 sees its own group as the root.
	run -0 docker exec c1 cat /proc/self/cgroup
	is "0::/"
	docker exec -d c1 sh -c 'echo done >/tmp/detached; exec sleep 9999'
	await docker exec c1 test -s /tmp/detached
	# top shows the shims by the commands that they stand for.
	run -0 docker top c1
	has "sleep 10000"
	has "sleep 9999"
}

@test "pause, update, cp, diff, commit, rename, inspect" {
	vm -d --name c1 -v "$TMP:/tmp/host" busybox sleep 10000
	docker pause c1
	is_state c1 paused
	run -1 docker exec c1 true
	docker unpause c1
	docker exec c1 true

	docker update --memory 100m --memory-swap 100m --cpus 0.5 c1
	run -0 docker exec c1 cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max
	is $'104857600\n50000 100000'
	# Beyond what the VM had at boot: it grows.
	docker update --memory 600m --memory-swap 600m c1
	run -0 docker exec c1 sh -c 'cat /sys/fs/cgroup/memory.max; test $(grep MemTotal /proc/meminfo | tr -dc 0-9) -gt 614400 && echo grown'
	is $'629145600\ngrown'

	echo from-host >"$TMP/file"
	docker cp "$TMP/file" c1:/root/copied
	run -0 docker exec c1 sh -c 'cat /root/copied; echo from-guest >/root/made; rm /bin/zcat'
	is from-host
	docker cp c1:/root/made "$TMP/back"
	[ "$(cat "$TMP/back")" = from-guest ]
	run -0 docker diff c1
	has "A /root/copied"
	has "A /root/made"
	has "D /bin/zcat"

	docker commit c1 committed >/dev/null
	docker rename c1 c2
	[ "$(inspect c2 '{{.HostConfig.Runtime}} {{.State.Running}}')" = "kata true" ]
	# The pid that engines know lives on the host.
	[ -d "/proc/$(inspect c2 '{{.State.Pid}}')" ]
	docker rm -f c2
	run -0 vm --rm committed cat /root/made
	is from-guest
	docker rmi committed
}

@test "checkpoint: refused with its cause; the container goes on and is not paused" {
	vm -d --name c1 busybox sleep 10000
	run -1 docker checkpoint create c1 saved
	has "checkpoint and restore are not supported: a container's processes are in its VM"
	run -1 docker checkpoint create --leave-running c1 saved
	has "checkpoint and restore are not supported"
	[ "$(inspect c1 '{{.State.Status}} {{.State.Paused}}')" = "running false" ]
	run -0 docker exec c1 echo answers
	is answers
	run -0 docker checkpoint ls c1
	hasnt saved
}

@test "a restart policy and a health check" {
	vm -d --name c1 --restart on-failure:1 --health-cmd 'test -e /healthy' --health-interval 1s --health-timeout 60s --health-retries 1000 \
		busybox sh -c 'test -e /second && { touch /healthy; exec sleep 10000; }; touch /second; exit 3'
	await is_healthy c1 healthy
	[ "$(inspect c1 '{{.RestartCount}}')" = 1 ]
}

@test "events: each step of a life, in its order" {
	local since
	since=$(date +%s.%N)
	vm -d --name c1 busybox sleep 10000
	docker exec c1 true
	docker pause c1
	docker unpause c1
	docker kill -s USR1 c1
	docker rm -f c1
	run -0 docker events --since "$since" --until "$(date +%s.%N)" --filter type=container --filter container=c1 --format '{{.Action}}'
	# An exec's events end with its command.
	[ "$(cut -d: -f1 <<<"$output" | xargs)" = "create start exec_create exec_start exec_die pause unpause kill kill die destroy" ] ||
		{ xargs <<<"$output"; false; }
	run -0 docker events --since "$since" --until "$(date +%s.%N)" --filter event=die --filter container=c1 --format '{{.Actor.Attributes.exitCode}}'
	is 137
}

@test "health: one that fails, one that hangs" {
	vm -d --name c1 --health-cmd 'exit 3' --health-interval 1s --health-retries 2 busybox sleep 10000
	vm -d --name c2 --health-cmd 'sleep 1000' --health-interval 1s --health-timeout 1s --health-retries 1 busybox sleep 10000
	await is_healthy c1 unhealthy
	[ "$(inspect c1 '{{(index .State.Health.Log 0).ExitCode}}')" = 3 ]
	await is_healthy c2 unhealthy
	# What timed out is not left in the guest.
	gone() { [ "$(docker exec c2 sh -c 'ps | grep -c "[s]leep 1000$"')" -le 1 ]; }
	await gone
}

# share: how much of a CPU Docker says that c1 has, in whole percent.
share() { docker stats --no-stream --format '{{.CPUPerc}}' c1 | cut -d. -f1; }

@test "stats: the CPU's use as it is" {
	vm -d --name c1 busybox sleep 10000
	idle() { [ "$(share)" -lt 25 ]; }
	await idle
	docker exec -d c1 sh -c 'while :; do :; done'
	busy() { [ "$(share)" -gt 40 ]; }
	await busy
	[ "$(share)" -le $((100 * $(nproc) + 10)) ]
}
