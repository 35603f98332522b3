#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# The life of a container with Podman: codes, logs, signals, restarts, events.

load lib

@test "exit codes, of run and of exec, and those of signals" {
	vm -d --name codes busybox sleep 10000
	local code
	for code in 0 1 2 63 64 100 124 125 126 127 128 130 137 143 200 254 255; do
		run "-$code" podman exec codes sh -c "exit $code"
	done
	run -137 podman exec codes sh -c 'kill -9 $$'
	run -143 podman exec codes sh -c 'kill -15 $$'
	for code in 1 255; do
		run "-$code" vm --rm busybox sh -c "exit $code"
	done
}

@test "logs in their order; wait answers the code; rename, commit, inspect" {
	vm -d --name logs busybox sh -c 'seq 100000; echo made >/root/made; exit 7'
	[ "$(podman wait logs)" = 7 ]
	podman logs logs | cmp - <(seq 100000)
	[ "$(podman logs --tail 1 logs)" = 100000 ]
	podman rename logs renamed
	podman commit -q renamed committed >/dev/null
	run -0 vm --rm committed cat /root/made
	is made
	podman rmi committed >/dev/null
	vm -d --name c1 busybox sleep 10000
	# The pid that engines know lives on the host.
	[ -d "/proc/$(inspect c1 '{{.State.Pid}}')" ]
}

@test "every signal reaches the process" {
	local all="1 2 3 4 5 6 7 8 10 11 12 13 14 15 16 18 20 21 22 23 24 25 26 27 28 29 30 31 34 64" n
	vm -d --name c1 busybox sh -c "for s in $all; do trap \"echo got-\$s-\" \$s; done; echo ready; while :; do sleep 1; done"
	await logs_have c1 ready
	for n in $all; do podman kill -s "$n" c1; done
	for n in $all; do await logs_have c1 "got-$n-"; done
	[ "$(podman logs c1 | grep -c got-)" = "$(wc -w <<<"$all")" ]
	is_state c1 running
	podman kill -s 9 c1
	[ "$(podman wait c1)" = 137 ]
}

@test "a restart policy, and health checks" {
	vm -d --name c1 --restart on-failure:1 --health-cmd 'test -e /healthy' --health-interval disable \
		busybox sh -c 'test -e /second && { touch /healthy; exec sleep 10000; }; touch /second; exit 3'
	again() { [ "$(inspect c1 '{{.RestartCount}}')" = 1 ]; }
	await again
	await podman healthcheck run c1
	podman exec c1 rm /healthy
	run -1 podman healthcheck run c1
}

@test "events: each step of a life, in its order" {
	local since
	since=$(date +%s)
	vm -d --name c1 busybox sleep 10000
	podman exec c1 true
	podman pause c1
	podman unpause c1
	podman kill -s USR1 c1
	podman rm -f -t 0 c1
	run -0 podman events --stream=false --since "$since" --filter container=c1 --format '{{.Status}}'
	[[ "$(xargs <<<"$output")" == *"create init start exec exec_died pause unpause kill died"*remove* ]] || { xargs <<<"$output"; false; }
}

@test "run -i: a hundred megabytes in and out, byte for byte" {
	full
	head -c 100M /dev/urandom >"$TMP/in"
	vm --rm -i busybox cat <"$TMP/in" >"$TMP/out"
	cmp "$TMP/in" "$TMP/out"
}

@test "run -t: a change of the terminal's size reaches the process" {
	vm -d -t --name size busybox sh -c 'trap "stty size" WINCH; stty size; echo ready; while :; do sleep 1; done'
	await logs_have size ready
	# conmon takes a size by its control file.
	local control
	control=$(find "$PODMAN_DIR/root" -path "*$(inspect size '{{.Id}}')*" -name ctl)
	echo "1 44 132" >"$control"
	await logs_have size "44 132"
}
