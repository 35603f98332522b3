#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2143,SC2010,SC2030,SC2031
# Again and again: nothing stays behind, and /run does not grow.

load lib

@test "50 containers one after the other" {
	command_is "$TMP/bundle" sh -c 'exit 5'
	local i used
	used=$(run_use)
	for i in $(seq 50); do
		run -5 kata run --bundle "$TMP/bundle" "$C1"
		[ "$(leftovers)" = "$BEFORE" ] || { echo "after $i runs:"; diff <(echo "$BEFORE") <(leftovers); return 1; }
	done
	[ "$(run_use)" -le "$used" ]
}

# run_use: bytes and files of the runtime's root.
run_use() { find "$ROOT" -type f -printf '%s\n' 2>/dev/null | awk '{ s += $1 + 1 } END { print s + 0 }'; }
