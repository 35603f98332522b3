#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154,SC2317
# The life of a container with Podman: logs, attach, restarts, health, events.

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

@test "attach, detach by the default keys and by another, attach until the end" {
	vm -dit --name tty busybox sh
	client() {
		local code=0
		in_terminal attach "$@" tty >"$TMP/out" || code=$?
		echo "$code" >"$TMP/client"
	}
	# press KEY...: until the client has ended. One key at a time, and again: Podman
	# knows its keys only if it reads each of them alone.
	press() {
		local keys=("$@") next=0
		ends() {
			[ ! -e "$TMP/client" ] || return 0
			printf %b "${keys[next]}"
			next=$(((next + 1) % ${#keys[@]}))
			return 1
		}
		await ends
	}
	(
		echo 'tty; echo first-$((40+2))'
		await logs_have tty first-42
		press '\020' '\021'
	) | client
	[ "$(cat "$TMP/client")" = 0 ]
	run cat "$TMP/out"
	has /dev/pts/0
	has first-42
	is_state tty running
	rm "$TMP/client"
	(
		echo 'echo second-$((40+2))'
		await logs_have tty second-42
		press '\032'
	) | client --detach-keys ctrl-z
	[ "$(cat "$TMP/client")" = 0 ]
	is_state tty running
	rm "$TMP/client"
	(
		echo 'exit 3'
		podman wait tty >"$TMP/code"
	) | client
	# Of Podman's client the code is its own.
	[ "$(cat "$TMP/client" "$TMP/code")" = $'0\n3' ]
}

@test "restart, and the restart policy on-failure" {
	vm -d --name c1 --restart on-failure:1 busybox sh -c 'trap "echo term; exit 5" TERM; echo begin; test -e /second || { touch /second; exit 3; }; while :; do sleep 0.1; done'
	begun() { [ "$(podman logs c1 | grep -c begin)" = "$1" ]; }
	await begun 2
	await is_state c1 running
	[ "$(inspect c1 '{{.RestartCount}}')" = 1 ]
	podman restart -t 60 c1
	await begun 3
	[ "$(podman logs c1 | grep -c term)" = 1 ]
	is_state c1 running
}

# The timer that runs it is systemd's.
@test "healthcheck run: one that succeeds, one that fails until the container counts as unhealthy" {
	vm -d --name c1 --health-cmd 'test -e /healthy' --health-interval disable --health-retries 2 busybox sleep 10000
	health() { inspect c1 '{{.State.Health.Status}} {{.State.Health.FailingStreak}}'; }
	podman exec c1 touch /healthy
	podman healthcheck run c1
	[ "$(health)" = "healthy 0" ]
	podman exec c1 rm /healthy
	run -1 podman healthcheck run c1
	run -1 podman healthcheck run c1
	[ "$(health)" = "unhealthy 2" ]
	podman exec c1 touch /healthy
	podman healthcheck run c1
	[ "$(health)" = "healthy 0" ]
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
