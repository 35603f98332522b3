#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# docker run: streams, exit codes, terminals.

load lib

@test "run: both streams, the exit code, and a kernel that is not the host's" {
	run --separate-stderr vm --rm busybox sh -c 'echo out; echo err >&2; uname -r; exit 42'
	[ "$status" = 42 ]
	[ "${lines[0]}" = out ]
	[ "${lines[1]}" != "$(uname -r)" ]
	[ "$stderr" = err ]
}

@test "run: a program that is not there is 127, one that cannot be executed 126, a refusal 125" {
	run -127 vm --rm busybox no-such-program
	has "executable file not found in \$PATH"
	run -126 vm --rm busybox /bin/notexecutable
	has "permission denied"
	run -125 vm --rm --net host busybox true
	has "the host's network namespace cannot be shared with a VM"
}

@test "run -i: a pipe of megabytes in and out, byte for byte" {
	head -c 8M /dev/urandom >"$TMP/in"
	vm --rm -i busybox sh -c 'tee /dev/stderr | cat' <"$TMP/in" >"$TMP/out" 2>"$TMP/err"
	cmp "$TMP/in" "$TMP/out"
	cmp "$TMP/in" "$TMP/err"
}

@test "run -i: a hundred megabytes in and out, byte for byte" {
	full
	head -c 100M /dev/urandom >"$TMP/in"
	vm --rm -i busybox cat <"$TMP/in" >"$TMP/out"
	cmp "$TMP/in" "$TMP/out"
}

@test "logs of a million lines" {
	full
	vm -d --name logs busybox seq 1000000
	[ "$(docker wait logs)" = 0 ]
	docker logs logs | cmp - <(seq 1000000)
}

@test "exit codes, of run and of exec, and those of signals" {
	vm -d --name codes busybox sleep 10000
	local code
	for code in 0 1 2 63 64 100 124 125 126 127 128 130 137 143 200 254 255; do
		run "-$code" docker exec codes sh -c "exit $code"
	done
	run -137 docker exec codes sh -c 'kill -9 $$'
	run -143 docker exec codes sh -c 'kill -15 $$'
	for code in 1 255; do
		run "-$code" vm --rm busybox sh -c "exit $code"
	done
	# A process 1 cannot end itself by a signal that it does not handle.
	run -0 vm --rm busybox sh -c 'kill -9 $$; kill -15 $$; exit 0'
}

@test "every exit code from 0 to 255" {
	full
	vm -d --name codes busybox sleep 10000
	local code
	for code in $(seq 0 255); do
		run "-$code" docker exec codes sh -c "exit $code"
	done
	# A container's own end comes by another way: a VM for each.
	for code in 0 2 3 7 8 15 16 31 32 63 64 99 123 124 125 126 127 128 129 143 192 254; do
		run "-$code" vm --rm busybox sh -c "exit $code"
	done
}

@test "run --rm: the container is gone, and without it is there" {
	vm --rm --name gone busybox true
	run ! docker inspect gone
	vm --name stays busybox true
	[ "$(inspect stays '{{.State.ExitCode}}')" = 0 ]
}

@test "run -d, logs: a hundred thousand lines in their order; wait answers the code" {
	vm -d --name logs busybox sh -c 'seq 100000; exit 7'
	[ "$(docker wait logs)" = 7 ]
	docker logs logs >"$TMP/out"
	cmp "$TMP/out" <(seq 100000)
	[ "$(docker logs --tail 1 logs)" = 100000 ]
}

@test "run -t, exec -t: each line ends with one carriage return" {
	vm -t --rm busybox sh -c 'echo a; echo b' >"$TMP/run"
	[ "$(od -An -c "$TMP/run" | tr -d ' \n')" = 'a\r\nb\r\n' ]
	vm -d --name lines busybox sleep 1000
	docker exec -t lines sh -c 'echo a; echo b >&2' >"$TMP/exec"
	[ "$(od -An -c "$TMP/exec" | tr -d ' \n')" = 'a\r\nb\r\n' ]
}

@test "run -t: a change of the terminal's size reaches the process" {
	vm -d -t --name size busybox sh -c 'trap "stty size" WINCH; stty size; echo ready; while :; do sleep 1; done'
	await logs_have size ready
	resize size 44 132
	await logs_have size "44 132"
	resize size 25 81
	await logs_have size "25 81"
}

@test "exec -t: a change of its terminal's size reaches the process, and no other" {
	local id
	vm -d -t --name size busybox sh -c 'trap "stty size" WINCH; echo ready; while :; do sleep 1; done'
	await logs_have size ready
	docker exec -dt size sh -c 'trap "stty size >>/tmp/sizes" WINCH; touch /tmp/ready; while :; do sleep 1; done'
	id=$(inspect size '{{index .ExecIDs 0}}')
	await docker exec size test -e /tmp/ready
	resize_exec "$id" 44 132
	await docker exec size grep -qx "44 132" /tmp/sizes
	resize_exec "$id" 25 81
	await docker exec size grep -qx "25 81" /tmp/sizes
	# The container's own terminal has none of it.
	resize size 33 99
	await logs_have size "33 99"
	run -0 docker logs size
	hasnt "44 132"
	hasnt "25 81"
	run -0 docker exec size cat /tmp/sizes
	hasnt "33 99"
}

@test "run -t: a terminal, its size and its change; attach, detach, attach" {
	vm -d -it --name tty busybox sh
	resize tty 33 99
	# Each command is written when the one before has been answered; the last
	# keys are the client's own for detaching. It tells that as an error.
	(
		echo 'tty; echo first-$((40+2))'
		await logs_have tty first-42
		printf '\020\021'
	) | in_terminal attach tty >"$TMP/out" || true
	run cat "$TMP/out"
	has /dev/pts/0
	has first-42
	is_state tty running
	resize tty 44 132
	docker exec -i tty sh -c 'cat >/tmp/size' <<<'stty size; exit 3'
	(
		echo '. /tmp/size'
		docker wait tty >"$TMP/code"
	) | in_terminal attach --no-stdin=false --detach-keys ctrl-z,z tty >/dev/null &
	local client=$!
	# The client's own terminal has no size, so the one that was set stays.
	wait "$client" || true
	[ "$(cat "$TMP/code")" = 3 ]
}
