#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# What ends a container or starts it again, and what else can be sent to its
# process; Podman's suite has these tests too.

load lib

@test "signals, stop of a process that traps, start again, restart, kill" {
	vm -d --name c1 busybox sh -c 'trap "echo usr1" USR1; trap "echo term; exit 5" TERM; echo ready; while :; do sleep 1; done'
	await logs_have c1 ready
	docker kill -s USR1 c1
	await logs_have c1 usr1
	docker stop -t 60 c1
	[ "$(inspect c1 '{{.State.Status}} {{.State.ExitCode}}')" = "exited 5" ]
	docker start c1
	# A pid 1 that has no trap yet would ignore the signal.
	twice() { [ "$(docker logs c1 | grep -c ready)" = 2 ]; }
	await twice
	docker restart -t 60 c1
	[ "$(docker logs c1 | grep -c term)" = 2 ]
	docker kill c1
	[ "$(docker wait c1)" = 137 ]
}

@test "stop of a process that ignores the signal" {
	vm -d --name c1 busybox sh -c 'trap "" TERM; echo ready; while :; do sleep 1; done'
	await logs_have c1 ready
	docker stop -t 1 c1
	[ "$(inspect c1 '{{.State.Status}} {{.State.ExitCode}}')" = "exited 137" ]
}

@test "every signal reaches the process, once" {
	local all n
	# 32 and 33 are the C library's own, for its threads; Docker refuses them.
	all="1 2 3 4 5 6 7 8 10 11 12 13 14 15 16 17 18 20 21 22 23 24 25 26 27 28 29 30 31 $(seq -s ' ' 34 64)"
	# With no child of its own, a SIGCHLD (17) is one that was sent.
	vm -di --name c1 busybox sh -c "for s in $all; do trap \"echo got-\$s-\" \$s; done; echo ready; while :; do read -r line; done"
	await logs_have c1 ready
	for n in $all; do docker kill -s "$n" c1; done
	for n in $all; do await logs_have c1 "got-$n-"; done
	[ "$(docker logs c1 | grep -c got-)" = "$(wc -w <<<"$all")" ]
	is_state c1 running
	docker kill -s 9 c1
	[ "$(docker wait c1)" = 137 ]
}

@test "STOP and CONT: the process halts with all that it does, and goes on" {
	vm -d --name c1 busybox sh -c 'trap "echo usr1" USR1; echo ready; while :; do sleep 0.1; done'
	await logs_have c1 ready
	shows() { [ "$(docker exec c1 awk '$1 == "State:" {print $2}' /proc/1/status)" = "$1" ]; }
	docker kill -s STOP c1
	await shows T
	is_state c1 running
	docker kill -s USR1 c1
	shows T
	! logs_have c1 usr1 || false
	docker kill -s CONT c1
	await logs_have c1 usr1
	shows S || shows R
}

@test "restart policies: always, unless-stopped, and no" {
	# The third run stays, so that no stop meets a container that is about to start.
	vm -d --name always --restart always busybox sh -c 'echo begin; echo >>/runs; [ "$(wc -l </runs)" != 3 ] || exec sleep 10000'
	third() { [ "$(docker logs always | grep -c begin)" = 3 ]; }
	await third
	await is_state always running
	[ "$(inspect always '{{.RestartCount}}')" = 2 ]
	docker stop -t 0 always
	vm -d --name unless --restart unless-stopped busybox sh -c 'echo begin; test -e /second && exec sleep 10000; touch /second; exit 1'
	again() { [ "$(docker logs unless | grep -c begin)" = 2 ]; }
	await again
	await is_state unless running
	[ "$(inspect unless '{{.RestartCount}}')" = 1 ]
	docker stop -t 0 unless
	vm -d --name never busybox false
	[ "$(docker wait never)" = 1 ]
	[ "$(inspect never '{{.RestartCount}} {{.State.Status}}')" = "0 exited" ]
	is_state always exited
	is_state unless exited
}

@test "pause: a process halts, and goes on" {
	mkdir "$TMP/v"
	vm -d --name c1 -v "$TMP/v:/v" busybox sh -c 'while :; do echo >>/v/lines; sleep 0.05; done'
	lines() { wc -l <"$TMP/v/lines"; }
	more() { [ "$(lines)" -gt "$1" ]; }
	await test -s "$TMP/v/lines"
	docker pause c1
	local before
	before=$(lines)
	# As long as a whole VM takes.
	vm --rm busybox true
	[ "$(lines)" = "$before" ]
	docker unpause c1
	await more "$before"
}
