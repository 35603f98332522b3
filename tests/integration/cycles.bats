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

# life: a container from create to delete, with an exec and one with a terminal.
# Each cycle ends it in another way.
life() {
	local kata="'$KATA_RUNTIME' --root '$ROOT'"
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	kata start "$C1"
	run -3 kata exec "$C1" sh -c 'exit 3' </dev/null
	run -0 script -qec "$kata exec --tty $C1 tty" /dev/null </dev/null
	[[ $output == *"/dev/pts/"* ]]
	if (($1 % 4)); then
		kata kill "$C1" TERM
		wait_stopped "$C1"
		kata delete "$C1"
	else
		kata delete --force "$C1"
	fi
}

@test "50 containers one after the other" {
	local i before
	edit "$TMP/bundle" '.process.args = ["sh", "-c", "trap \"exit 5\" TERM; sleep 1000 & wait"]'
	cp -r "$TMP/bundle" "$TMP/short"
	command_is "$TMP/short" sh -c 'exit 5'
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	before=$(in_run)
	kata delete --force "$C1"
	[ "$(in_run)" != "$before" ]
	before=$(in_run)
	for i in $(seq 50); do
		if ((i % 2)); then
			run -5 kata run --bundle "$TMP/short" "$C1"
		else
			life "$i"
		fi
		[ "$(leftovers)" = "$BEFORE" ] || { echo "after $i containers:"; diff <(echo "$BEFORE") <(leftovers); return 1; }
	done
	diff <(echo "$before") <(in_run)
}
