# shellcheck shell=bash
# Checks in teardowns. bats runs a teardown without errexit, so that of its
# commands only the last one counts: any other that fails, fails unseen.

MISSED=0

# must COMMAND...: it succeeds, or the teardown fails, but goes on: what is to
# be cleaned after it is cleaned all the same.
must() {
	"$@" && return
	echo "this failed after the test: $*"
	MISSED=1
}

# nothing WHAT TEXT: for must, where TEXT is what is left, none of which should be.
nothing() { [ -z "$2" ] || { echo "left behind: $1: $2"; return 1; }; }

# checked ends a teardown: it fails if anything that must succeed did not.
checked() { [ "$MISSED" = 0 ]; }
