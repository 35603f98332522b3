#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Limits that hold on the host or not at all, what stats tells, and what an exec
# gets besides; Podman's suite has these tests too.

load lib

@test "--env-file, --cpuset-cpus, --device-read-bps" {
	[ -d /sys/fs/cgroup/cpuset ] || skip "the files on the host are those of cgroup v1"
	printf '%s\n' 'ONE=1' '# no variable' 'TWO=two words' "HOME=/from-the-file" >"$TMP/env"
	local disk numbers
	truncate -s 1M "$TMP/disk"
	disk=$(losetup -f --show "$TMP/disk")
	numbers=$(lsblk -dno MAJ:MIN "$disk" | xargs)
	run vm -d --name c1 --env-file "$TMP/env" --cpuset-cpus 0 --device-read-bps "$disk:1mb" busybox sleep 10000
	losetup -d "$disk"
	[ "$status" = 0 ]
	# Debian 13's Docker 26.1.5 loses the limit itself, with every runtime.
	if [ "$(inspect c1 '{{len .HostConfig.BlkioDeviceReadBps}}')" = 0 ]; then
		[[ $(docker version -f '{{.Server.Version}}') == 26.1.5* ]]
	else
		[ "$(cat "$(group blkio c1)/blkio.throttle.read_bps_device")" = "$numbers 1048576" ]
	fi
	# For the stand-in and for the VM below it.
	[ "$(cat "$(group cpuset c1)/cpuset.cpus" "$(group cpuset c1)/kata/cpuset.cpus")" = $'0\n0' ]
	run -0 docker exec c1 sh -c 'echo "$ONE $TWO $HOME"'
	is "1 two words /from-the-file"
}

@test "--blkio-weight" {
	[ -d /sys/fs/cgroup/blkio ] || skip "the file on the host is that of cgroup v1"
	run -0 vm -d --name c1 --blkio-weight 300 busybox sleep 10000
	if grep -q "Weight discarded" <<<"$output"; then
		skip "the engine finds no weights on this host, and asks no runtime for one: $output"
	fi
	[ "$(cat "$(group blkio c1)"/blkio*.weight)" = 300 ]
}

@test "memory: a process that wants more is killed, also with --oom-kill-disable" {
	run -137 vm --name c1 --memory 64m busybox tail /dev/zero
	[ "$(inspect c1 '{{.State.ExitCode}} {{.State.OOMKilled}}')" = "137 $OOM_SEEN" ]
	if [ "$OOM_SEEN" = false ]; then
		run -0 docker events --since "$(date -d '-1 hour' +%s)" --until "$(date +%s)" --filter container=c1 --format '{{.Action}}'
		has die
		hasnt oom
	fi
	run -137 vm --rm --memory 64m --oom-kill-disable busybox tail /dev/zero
}

@test "--memory-swap: a guest has no swap, so the limit of memory is the end" {
	run -137 vm --rm --memory 64m --memory-swap 512m busybox sh -c 'dd if=/dev/zero of=/dev/null bs=128M count=1'
	run -0 vm --rm --memory 64m --memory-swap 512m busybox sh -c 'free | grep -i swap'
	[[ $output =~ ^Swap:[[:space:]]+0[[:space:]] ]]
}

@test "exec --privileged: every capability, for that process alone" {
	vm -d --name c1 busybox sleep 10000
	local own
	own=$(awk '$1 == "CapBnd:" {print $2}' /proc/self/status)
	run -0 docker exec --privileged c1 awk '$1 == "CapEff:" {print $2}' /proc/self/status
	# Docker 20.10 and Podman 4.3 know 38 of them.
	((((1 << 38) - 1) & 0x$own & ~0x$output)) && { echo "$output lacks some of $own"; false; }
	((0x$output & 1 << 21)) # CAP_SYS_ADMIN (capability.h)
	run -0 docker exec c1 awk '$1 == "CapEff:" {print $2}' /proc/self/status
	is "$(default_capabilities)"
}

@test "stats: memory and processes as the host's cgroup has them" {
	[ -d /sys/fs/cgroup/memory ] || skip "the files on the host are those of cgroup v1"
	vm -d --name c1 busybox sleep 10000
	local bytes used pids
	used=$(cat "$(group memory c1)/memory.usage_in_bytes")
	read -r bytes pids < <(docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' c1 | awk '{print $1, $NF}' | numfmt --from=auto --field=1 --suffix=B 2>/dev/null | tr -d B)
	# The VM's memory: more than a guest's kernel needs, and what the cgroup
	# says, but for caches and what has changed meanwhile.
	((bytes > 40 << 20 && bytes <= used + (64 << 20) && bytes >= used / 4)) || { echo "$bytes of $used"; false; }
	((pids >= 3 && pids < 200)) || { echo "$pids processes"; false; }
}

# moved FIELD: what "docker stats" says of it ("1.2kB / 0B"), in bytes and added up.
moved() { docker stats --no-stream --format "{{.$1}}" c1 | tr '/' '\n' | tr -d ' B' | tr k K | numfmt --from=si | awk '{ n += $1 } END { print n }'; }

@test "stats: what went over the network" {
	vm -d --name c1 --cap-add NET_RAW busybox sleep 10000
	local before
	before=$(moved NetIO)
	docker exec c1 sh -c 'ping -c 3 -s 30000 "$(ip route | awk "/^default/ { print \$3 }")"'
	grown() { [ "$(moved NetIO)" -ge $((before + 90000)) ]; }
	await grown
}
