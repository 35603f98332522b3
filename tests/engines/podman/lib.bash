# shellcheck shell=bash
# shellcheck source=tests/engines/podman/engine.bash
. "$BATS_TEST_DIRNAME/engine.bash"
bats_require_minimum_version 1.5.0

setup() {
	TMP=$(mktemp -d "${BATS_TMPDIR:-/tmp}/kata-et.XXXXXX")
	BEFORE=$(traces "$PODMAN_DIR")
}

# Whatever a test left running goes; what the runtime left is a failure.
teardown() {
	podman pod rm -af -t 0 >/dev/null
	podman rm -af -t 0 >/dev/null
	rm -rf "$TMP"
	local after
	after=$(traces "$PODMAN_DIR")
	[ "$after" = "$BEFORE" ] || { echo "left behind:"; diff <(echo "$BEFORE") <(echo "$after"); return 1; }
}

inspect() { podman inspect -f "$2" "$1"; }

is_state() { [ "$(inspect "$1" '{{.State.Status}}')" = "$2" ]; }

logs_have() { podman logs "$1" 2>&1 | grep -qF -- "$2"; }
