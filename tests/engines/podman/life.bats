#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# The life of a container with Podman: logs, signals, restarts, events.

load lib

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
	# Not by "rm -f": whether its "stop" is before or behind "died" is chance.
	podman kill -s KILL c1
	podman wait c1
	podman rm c1
	run -0 podman events --stream=false --since "$since" --filter container=c1 --format '{{.Status}}'
	# Podman 5 tells of an exec's death once or twice, with runc too.
	output=$(xargs <<<"$output")
	output=${output/exec_died exec_died/exec_died}
	[[ $output == *"create init start exec exec_died pause unpause kill kill died cleanup remove"* ]] || { echo "$output"; false; }
}

@test "Podman, its conmon and the runtime are killed in the middle of a create: nothing stays" {
	podman create --name killed busybox sleep 10000 >/dev/null
	podman start killed >/dev/null 2>&1 3>&- &
	await compgen -G "$PODMAN_DIR/kata/sandboxes/*/qmp.sock"
	pgrep -f "(podman|conmon|kata-runtime) .*$PODMAN_DIR/.*(start killed|create)" | xargs kill -9
	wait
	gone() { ! compgen -G "$PODMAN_DIR/kata/sandboxes/*"; }
	await gone
	podman rm -f -t 0 killed >/dev/null
}
