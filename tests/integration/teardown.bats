#!/usr/bin/env bats
# shellcheck disable=SC2154
# The tests' own check that a teardown's failures are seen (tests/teardown.bash).

load lib

# ends COMMAND: how a test ends whose teardown says that this must succeed, and
# then removes a file.
ends() {
	local at=@ # bats would take the line for a test of this file
	cat >"$TMP/its.bats" <<-EOF
		. "$BATS_TEST_DIRNAME/../teardown.bash"
		teardown() {
			must $1
			must rm "$TMP/file"
			checked
		}
		${at}test "it" { :; }
	EOF
	touch "$TMP/file"
	run bats --tap "$TMP/its.bats"
	[ ! -e "$TMP/file" ]
}

@test "a check that fails before a teardown's last command fails the test, and the rest is cleaned" {
	ends true
	[ "$status" = 0 ]
	ends '[ a = b ]'
	[ "$status" = 1 ]
	[[ $output == *"this failed after the test: [ a = b ]"* ]]
	ends 'nothing files "one two"'
	[ "$status" = 1 ]
	[[ $output == *"left behind: files: one two"* ]]
}
