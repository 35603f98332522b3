# shellcheck shell=bash disable=SC2154,SC2034
# The same calls of runc and of us, for tests that compare them.

setup_file() {
	command -v runc >/dev/null || skip "runc is not installed"
}

eval "$(declare -f teardown | sed '1s/teardown/kata_teardown/')"
teardown() {
	rc delete --force "$C1" >/dev/null 2>&1 || true
	kata_teardown
}

rc() { timeout "$DEADLINE" runc --root "$TMP/runc" "$@"; }

# same WORDS ARG...: both fail with the same code, and the words are in both
# errors, whatever their case.
same() {
	local words=$1 theirs=0 ours=0
	shift
	rc "$@" </dev/null >"$TMP/runc.out" 2>&1 || theirs=$?
	kata "$@" </dev/null >"$TMP/kata.out" 2>&1 || ours=$?
	if [ "$theirs" = 0 ] || [ "$theirs" != "$ours" ] || ! grep -qi -- "$words" "$TMP/runc.out" || ! grep -qi -- "$words" "$TMP/kata.out"; then
		echo "$*, \"$words\": runc $theirs, kata $ours"
		cat "$TMP/runc.out" "$TMP/kata.out"
		return 1
	fi
}

# neither: no container, and nothing of one on the host.
neither() {
	[ "$(rc list -q)$(kata list -q)" = "" ]
	[ "$(leftovers)" = "$BEFORE" ]
}

# each VERB...: both succeed.
each() {
	rc "$@" </dev/null >"$TMP/runc.out" 2>&1 || { cat "$TMP/runc.out"; return 1; }
	kata "$@" </dev/null >"$TMP/kata.out" 2>&1 || { cat "$TMP/kata.out"; return 1; }
}

# dead_sockets: a file that is no socket, and a socket's that nobody listens on.
dead_sockets() {
	touch "$TMP/plain"
	perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un($ARGV[0])) or die $!' "$TMP/dead"
}

stopped_in_runc() { [ "$(rc state "$C1" | jq -r .status)" = stopped ]; }

both_stop() {
	each kill "$C1" KILL
	wait_stopped "$C1"
	await stopped_in_runc
}
