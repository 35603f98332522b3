#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2143,SC2010,SC2030,SC2031
# The life of a container: run, create, start, kill, delete.

load lib

@test "run prints from a guest kernel that is not the host's" {
	command_is "$TMP/bundle" uname -rv
	run -0 kata run --bundle "$TMP/bundle" "$C1"
	[ -n "$output" ]
	[ "$output" != "$(uname -rv)" ]
}

@test "run answers the process's exit code" {
	local code
	for code in 0 1 42 255; do
		command_is "$TMP/bundle" sh -c "exit $code"
		run "-$code" kata run --bundle "$TMP/bundle" "$C1"
	done
}

@test "a process that a signal ends answers 128 + n" {
	# Not the init itself: no signal from its own pid namespace ends that.
	command_is "$TMP/bundle" sleep 1000
	kata run --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&- &
	local run=$!
	await is_status "$C1" running
	run -143 kata exec "$C1" sh -c 'kill -TERM $$'
	kata kill "$C1" KILL
	local code=0
	wait "$run" || code=$?
	[ "$code" = 137 ]
}

@test "run: a signal while it deletes, or a deletion that fails: the process's code all the same" {
	edit "$TMP/bundle" ".hooks.poststop = [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"/bin/touch $TMP/deleting; /bin/sleep 2\"]}]"
	command_is "$TMP/bundle" sh -c 'exit 7'
	"$KATA_RUNTIME" --root "$ROOT" run --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 &
	local pid=$! code=0
	await test -e "$TMP/deleting"
	kill -TERM "$pid"
	wait "$pid" || code=$?
	[ "$code" = 7 ]
	edit "$TMP/bundle" 'del(.hooks)'
	command_is "$TMP/bundle" sh -c 'read x; exit 8'
	mkfifo "$TMP/input"
	"$KATA_RUNTIME" --root "$ROOT" run --bundle "$TMP/bundle" "$C1" <"$TMP/input" >"$TMP/out" 2>&1 &
	pid=$!
	exec 9>"$TMP/input"
	await is_status "$C1" running
	mkdir "$ROOT/sandboxes/$C1/busy"
	mount -t tmpfs none "$ROOT/sandboxes/$C1/busy"
	exec 9>&-
	code=0
	wait "$pid" || code=$?
	umount "$ROOT/sandboxes/$C1/busy"
	cat "$TMP/out"
	[ "$code" = 8 ]
	grep -q "kata-runtime delete --force $C1" "$TMP/out"
	kata delete --force "$C1"
}

@test "create, state, start, kill, delete" {
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" --pid-file "$TMP/pid" "$C1" </dev/null >"$TMP/out" 2>&1
	[ "$(status "$C1")" = created ]
	[ "$(cat "$TMP/pid")" = "$(kata state "$C1" | jq .pid)" ]
	[ -d "/proc/$(cat "$TMP/pid")" ]
	run -1 kata delete "$C1"
	[[ $output == *"not stopped: created"* ]]
	kata start "$C1"
	[ "$(status "$C1")" = running ]
	run -1 kata start "$C1"
	[[ $output == *"cannot start a container in the state running"* ]]
	kata kill "$C1" TERM
	kata kill "$C1" KILL
	wait_stopped "$C1"
	run -1 kata kill "$C1" KILL
	[[ $output == *"container not running"* ]]
	kata delete "$C1"
	run -1 kata state "$C1"
	[[ $output == *"container does not exist"* ]]
}

@test "delete --force of a running container, of a gone one, twice" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	[ "$(status "$C1")" = running ]
	kata delete --force "$C1"
	kata delete --force "$C1"
	run -1 kata delete "$C1"
}

@test "signals reach the process and a trap runs" {
	command_is "$TMP/bundle" sh -c 'trap "echo got; exit 9" USR1; echo ready; while :; do sleep 1; done'
	mkfifo "$TMP/fifo"
	kata run --bundle "$TMP/bundle" "$C1" >"$TMP/fifo" 3>&- &
	local run=$!
	exec 4<"$TMP/fifo"
	read -r line <&4
	[ "$line" = ready ]
	kata kill "$C1" USR1
	read -r line <&4
	[ "$line" = got ]
	local code=0
	wait "$run" || code=$?
	[ "$code" = 9 ]
	exec 4<&-
}

@test "list and ps" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	run -0 kata list
	[[ ${lines[0]} == ID*PID*STATUS*BUNDLE*CREATED*OWNER ]]
	[[ ${lines[1]} == "$C1"*running*root* ]]
	[ "$(kata list -q)" = "$C1" ]
	[ "$(kata list -f json | jq -r '.[0].id')" = "$C1" ]
	[ "$(kata ps -f json "$C1" | jq '.[0]')" = "$(kata state "$C1" | jq .pid)" ]
	run -0 kata ps "$C1"
	[[ $output == *"sleep 1000"* ]]
}

@test "pause and resume" {
	command_is "$TMP/bundle" sh -c 'while :; do echo >>/tmp/lines; sleep 0.05; done'
	local file=$TMP/bundle/rootfs/tmp/lines before
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	more() { [ "$(wc -l <"$file")" -gt "$1" ]; }
	await test -s "$file"
	kata pause "$C1"
	[ "$(status "$C1")" = paused ]
	before=$(wc -l <"$file")
	run -255 kata exec "$C1" true
	# As long as a whole VM takes.
	make_bundle "$TMP/other"
	kata run --bundle "$TMP/other" "$C2" </dev/null >"$TMP/out" 2>&1
	[ "$(wc -l <"$file")" = "$before" ]
	kata resume "$C1"
	[ "$(status "$C1")" = running ]
	kata exec "$C1" true
	await more "$before"
}

# forgets FLAG VALUE: the state is as if the command that changed it had been
# killed before it wrote that.
forgets() {
	local file=$ROOT/sandboxes/$C1/state.json
	jq --arg id "$C1" ".sandbox.containers[\$id].$1 = $2" "$file" >"$TMP/state"
	cp "$TMP/state" "$file"
}

@test "a start, a pause and resume that were cut off can be repeated" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	forgets started false
	[ "$(status "$C1")" = created ]
	kata start "$C1"
	run -1 kata start "$C1"
	kata pause "$C1"
	forgets paused false
	run -1 kata resume "$C1"
	kata pause "$C1"
	run -1 kata pause "$C1"
	kata resume "$C1"
	forgets paused true
	[ "$(status "$C1")" = paused ]
	kata resume "$C1"
	[ "$(status "$C1")" = running ]
	kata exec "$C1" true
}

# It wakes a dozen times less often then.
@test "the kernel of a guest that lives for a while lets it sleep" {
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&-
	kata start "$C1"
	await sleeps "$C1"
}

sleeps() { [ "$(kata exec "$1" cat /proc/sys/vm/compaction_proactiveness /proc/sys/vm/stat_interval)" = $'0\n10' ]; }

@test "two sandboxes at the same time do not see each other" {
	make_bundle "$TMP/other"
	command_is "$TMP/bundle" sleep 1000
	command_is "$TMP/other" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out1" 2>&1 3>&- &
	local one=$!
	kata run -d --bundle "$TMP/other" "$C2" </dev/null >"$TMP/out2" 2>&1 3>&-
	wait "$one"
	kata exec "$C1" touch /only-in-c1
	run -1 kata exec "$C2" ls /only-in-c1
	kata delete --force "$C1"
	[ "$(status "$C2")" = running ]
}
