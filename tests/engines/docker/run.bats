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

@test "run: a process that a signal ends is 128 and the signal's number" {
	run -137 vm --rm busybox sh -c 'sh -c "kill -9 \$PPID" & wait; sleep 100'
	run -143 vm --rm --init busybox sh -c 'kill -15 $$; sleep 100'
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

@test "run -t: a terminal, its size and its change, attach and detach" {
	vm -d -it --name tty busybox sh
	resize tty 33 99
	# The client waits for a key sequence of its own to detach.
	(
		echo 'tty; stty size; echo in-$((40+2))'
		await logs_have tty in-42 >/dev/null
		printf '\020\021'
	) | script -qfec "$(printf '%q ' "$DOCKER" --config "$DOCKER_DIR/client" -H "unix://$DOCKER_DIR/docker.sock" attach tty)" /dev/null >"$TMP/out"
	run cat "$TMP/out"
	has /dev/pts/0
	has in-42
	is_state tty running
	resize tty 44 132
	printf 'stty size\nexit 3\n' | script -qfec "$(printf '%q ' "$DOCKER" --config "$DOCKER_DIR/client" -H "unix://$DOCKER_DIR/docker.sock" attach --no-stdin tty)" /dev/null &
	resize tty 44 132
	docker logs tty
	wait || true
}
