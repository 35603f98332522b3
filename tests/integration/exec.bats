#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2143,SC2010,SC2030,SC2031
# Further processes in a container.

load lib

setup_file() {
	(cd "$BATS_TEST_DIRNAME/../.." && "${GO:-go}" build -buildvcs=false -o "$BATS_FILE_TMPDIR/console" ./tests/integration/console)
}

start_sleeper() {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
}

@test "exec: output, arguments, exit code" {
	start_sleeper
	run -0 kata exec "$C1" sh -c 'echo out; echo err >&2'
	[[ $output == *out* && $output == *err* ]]
	run -7 kata exec "$C1" sh -c 'exit 7'
	run -0 --separate-stderr kata exec --cwd /tmp --env FOO=bar --user 12:34 "$C1" sh -c 'pwd; echo $FOO; id -u; id -g'
	[ "$output" = "$(printf '/tmp\nbar\n12\n34')" ]
}

@test "exec: a daemon that it leaves behind lives on, whatever it prints" {
	start_sleeper
	# Only when the exec is over it prints, and says that it did.
	kata exec "$C1" sh -c '(until [ -e /tmp/over ]; do sleep 0.1; done; echo late; echo late >&2; touch /tmp/printed) & exit 0' >"$TMP/said"
	[ ! -s "$TMP/said" ]
	kata exec "$C1" touch /tmp/over
	await kata exec "$C1" test -e /tmp/printed
}

@test "exec of a command that is not there" {
	start_sleeper
	run -255 kata exec "$C1" no-such-command
	[[ $output == *"executable file not found in \$PATH"* ]]
	kata exec "$C1" true
}

@test "exec with more arguments than Linux lets one have bytes" {
	start_sleeper
	# shellcheck disable=SC2046
	run -0 kata exec "$C1" sh -c 'echo $#' sh $(seq 30000)
	[ "$output" = 30000 ]
}

@test "exec in a container whose creation was cut off" {
	mkdir -p "$ROOT/containers"
	ln -s "../sandboxes/$C1" "$ROOT/containers/$C1"
	run -255 kata exec "$C1" true
	[ "${#lines[@]}" = 1 ]
	[[ $output == *"cannot exec in a container in the state stopped"* ]]
}

@test "exec: standard input, byte for byte" {
	start_sleeper
	head -c 20000000 /dev/urandom >"$TMP/data"
	kata exec "$C1" cat <"$TMP/data" >"$TMP/copy"
	cmp "$TMP/data" "$TMP/copy"
}

@test "exec with a terminal of its own size" {
	start_sleeper
	run -0 script -qec "stty rows 33 cols 77; '$KATA_RUNTIME' --root '$ROOT' exec --tty $C1 sh -c 'tty; stty size'" /dev/null
	[[ $output == *"/dev/pts/"* ]]
	[[ $output == *"33 77"* ]]
}

@test "a terminal whose standard input is another file" {
	start_sleeper
	run -0 script -qec "stty rows 33 cols 77; echo typed | '$KATA_RUNTIME' --root '$ROOT' exec --tty $C1 sh -c 'read x; tty; stty size; echo \"got \$x\"'" /dev/null
	[[ $output == *"/dev/pts/"* ]]
	[[ $output == *"33 77"* ]]
	[[ $output == *"got typed"* ]]
}

@test "no terminal for a process in the foreground: refused before anything begins" {
	edit "$TMP/bundle" '.process.terminal = true'
	run -1 setsid --wait "$KATA_RUNTIME" --root "$ROOT" run --bundle "$TMP/bundle" "$C1" </dev/null
	[[ $output == *"to have a terminal, but this command has none"* ]]
	[ "${#lines[@]}" = 1 ]
	edit "$TMP/bundle" '.process.terminal = false'
	start_sleeper
	run -255 setsid --wait "$KATA_RUNTIME" --root "$ROOT" exec --tty "$C1" touch /begun </dev/null
	[[ $output == *"to have a terminal, but this command has none"* ]]
	[ "${#lines[@]}" = 1 ]
	run ! kata exec "$C1" ls /begun
}

@test "a terminal is as it was after what could not begin" {
	start_sleeper
	local kata="'$KATA_RUNTIME' --root '$ROOT'"
	run -0 script -qec "$kata exec --tty $C1 no-such-command; stty -a" /dev/null
	[[ $output == *"executable file not found"* ]]
	[[ $output == *" icanon "* && $output == *" echo "* && $output =~ [^-]isig ]]
	edit "$TMP/bundle" '.process.terminal = true | .process.args = ["no-such-command"]'
	run -0 script -qec "$kata run --bundle '$TMP/bundle' $C2; stty -a" /dev/null
	[[ $output == *"executable file not found"* ]]
	[[ $output == *" icanon "* && $output == *" echo "* && $output =~ [^-]isig ]]
}

@test "Ctrl-C while a VM boots for a terminal" {
	edit "$TMP/bundle" '.process.terminal = true'
	command_is "$TMP/bundle" sleep 1000
	mkfifo "$TMP/keys"
	timeout "$DEADLINE" script -qec "trap : INT; '$KATA_RUNTIME' --root '$ROOT' run --bundle '$TMP/bundle' $C1; stty -a" /dev/null <"$TMP/keys" >"$TMP/out" 2>&1 &
	local pid=$!
	exec 9>"$TMP/keys"
	# By then the terminal is the shim's.
	await jq -e '.sandbox.containers[].shim.pid > 0' "$ROOT/sandboxes/$C1/state.json"
	printf '\003' >&9
	wait "$pid"
	exec 9>&-
	[[ $(<"$TMP/out") == *interrupted* ]]
	[[ $(<"$TMP/out") == *" icanon "* ]]
}

@test "exec --detach and its pid file" {
	start_sleeper
	kata exec --detach --pid-file "$TMP/pid" "$C1" sh -c 'exec sleep 500' </dev/null >"$TMP/o" 2>&1
	[ -d "/proc/$(cat "$TMP/pid")" ]
	[ "$(kata ps -f json "$C1" | jq length)" = 2 ]
	kill -TERM "$(cat "$TMP/pid")"
	timeout "$DEADLINE" tail --pid="$(cat "$TMP/pid")" -f /dev/null
	[ "$(status "$C1")" = running ]
}

@test "an exec whose stand-in is killed ends in the guest" {
	start_sleeper
	kata exec --detach --pid-file "$TMP/pid" "$C1" sh -c 'echo up; sleep 500 & wait' </dev/null >"$TMP/o" 2>&1
	local end=$((SECONDS + DEADLINE))
	# What it says shows that the stand-in is at work.
	until grep -q up "$TMP/o"; do [ "$SECONDS" -lt "$end" ]; done
	kill -KILL "$(cat "$TMP/pid")"
	# The shell; what that has started is the container's.
	while kata ps "$C1" | grep -q 'sleep 500 & wait'; do [ "$SECONDS" -lt "$end" ]; done
	[ "$(status "$C1")" = running ]
}

# waits PID: it waits for a lock.
waits() { grep -q -- "-> FLOCK .* $1 " /proc/locks; }

@test "the container's stand-in ends after those of its other processes" {
	start_sleeper
	kata exec --detach --pid-file "$TMP/pid" "$C1" sleep 500 </dev/null >"$TMP/o" 2>&1
	local exec init
	exec=$(<"$TMP/pid")
	init=$(kata state "$C1" | jq .pid)
	kill -STOP "$exec"
	kata kill "$C1" KILL
	# It cannot end yet, whatever the guest has told of both.
	await waits "$init"
	[ -d "/proc/$exec" ]
	kill -CONT "$exec"
	timeout "$DEADLINE" tail --pid="$init" -f /dev/null
	[ ! -d "/proc/$exec" ] || [[ $(<"/proc/$exec/stat") == *") Z "* ]]
	wait_stopped "$C1"
}

@test "exec with a process document" {
	start_sleeper
	jq '.process | .args = ["sh", "-c", "echo from document; exit 3"]' "$TMP/bundle/config.json" >"$TMP/process.json"
	run -3 kata exec --process "$TMP/process.json" "$C1"
	[ "$output" = "from document" ]
	echo '{' >"$TMP/process.json"
	run -255 kata exec --process "$TMP/process.json" "$C1"
	[[ $output == *"process.json: invalid JSON at line"* ]]
}

@test "ten execs at once" {
	start_sleeper
	local i pids=()
	for i in $(seq 10); do
		kata exec "$C1" sh -c "echo $i; exit $i" >"$TMP/out$i" 3>&- &
		pids+=($!)
	done
	for i in $(seq 10); do
		local code=0
		wait "${pids[i - 1]}" || code=$?
		[ "$code" = "$i" ]
		[ "$(cat "$TMP/out$i")" = "$i" ]
	done
}

@test "a flood of output does not hold up another process" {
	start_sleeper
	mkfifo "$TMP/fifo"
	kata exec "$C1" yes >"$TMP/fifo" 3>&- &
	local flood=$!
	exec 5<"$TMP/fifo" # nobody reads it
	run -0 kata exec "$C1" echo still here
	[ "$output" = "still here" ]
	exec 5<&-
	wait "$flood" || true
}

@test "create and start with a terminal, by a console socket; run with one" {
	edit "$TMP/bundle" '.process.terminal = true | .process.consoleSize = {height: 31, width: 71}'
	command_is "$TMP/bundle" sh -c 'read x; tty; stty size; echo "got $x"; exit 6'
	run -6 script -qec "echo typed | '$KATA_RUNTIME' --root '$ROOT' run --bundle '$TMP/bundle' $C1" /dev/null
	[[ $output == *"/dev/"*"got typed"* ]]
	timeout "$DEADLINE" "$BATS_FILE_TMPDIR/console" "$TMP/console" >"$TMP/out" 3>&- <<<typed &
	local console=$!
	await test -S "$TMP/console"
	kata create --console-socket "$TMP/console" --bundle "$TMP/bundle" "$C1" </dev/null
	kata start "$C1"
	wait "$console"
	wait_stopped "$C1"
	[[ "$(cat "$TMP/out")" == *"/dev/"*"31 71"*"got typed"* ]]
	kata delete "$C1"
}
