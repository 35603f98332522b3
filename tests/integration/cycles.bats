#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2143,SC2010,SC2030,SC2031,SC2153
# Again and again: nothing stays behind, and /run, which is memory, does not grow.

load lib

eval "$(declare -f setup | sed '1s/setup/plain_setup/')"
eval "$(declare -f teardown | sed '1s/teardown/plain_teardown/')"

setup() {
	plain_setup
	ROOT=/run/kata-it-$MARK
}

teardown() {
	plain_teardown
	must rm -rf --one-file-system "$ROOT"
	checked
}

# in_run: KiB and files of the root, and what is elsewhere in /run by this
# test's names; of others' tests there is more.
in_run() {
	du -sk "$ROOT"
	du -s --inodes "$ROOT"
	find /run -xdev -name "*$MARK*" ! -path "$ROOT*" 2>/dev/null | sort
}

@test "50 containers one after the other" {
	command_is "$TMP/bundle" sh -c 'exit 5'
	local i before
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	before=$(in_run)
	kata delete --force "$C1"
	[ "$(in_run)" != "$before" ]
	before=$(in_run)
	for i in $(seq 50); do
		run -5 kata run --bundle "$TMP/bundle" "$C1"
		[ "$(leftovers)" = "$BEFORE" ] || { echo "after $i runs:"; diff <(echo "$BEFORE") <(leftovers); return 1; }
	done
	diff <(echo "$before") <(in_run)
}
