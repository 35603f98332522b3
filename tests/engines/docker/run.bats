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

@test "run -d, logs: a hundred thousand lines in their order; wait answers the code" {
	vm -d --name logs busybox sh -c 'seq 100000; exit 7'
	[ "$(docker wait logs)" = 7 ]
	docker logs logs >"$TMP/out"
	cmp "$TMP/out" <(seq 100000)
	[ "$(docker logs --tail 1 logs)" = 100000 ]
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
