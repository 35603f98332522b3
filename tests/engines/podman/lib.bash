# shellcheck shell=bash
# shellcheck source=tests/engines/podman/engine.bash
. "$BATS_TEST_DIRNAME/engine.bash"
bats_require_minimum_version 1.5.0

setup() {
	TMP=$(mktemp -d "${BATS_TMPDIR:-/tmp}/kata-et.XXXXXX")
	BEFORE=$(left)
}

# Whatever a test left running goes; what the runtime left is a failure.
teardown() {
	podman pod rm -af -t 0 >/dev/null
	podman rm -af -t 0 >/dev/null
	rm -rf "$TMP"
	local after
	after=$(left)
	[ "$after" = "$BEFORE" ] || { echo "left behind:"; diff <(echo "$BEFORE") <(echo "$after"); return 1; }
}

# Podman's namespaces besides (ours are in the sandboxes' folders), and the
# containers' cgroups, which are in Podman's own place.
left() {
	traces "$PODMAN_DIR"
	find /sys/fs/cgroup -type d -path '*/libpod_parent/libpod-*' ! -path '*conmon*' 2>/dev/null | sort | sed 's/^/cgroup /'
	find /run/netns -maxdepth 1 -name 'netns-*' 2>/dev/null | sort | sed 's/^/netns /'
}

inspect() { podman inspect -f "$2" "$1"; }

is_state() { [ "$(inspect "$1" '{{.State.Status}}')" = "$2" ]; }

logs_have() { podman logs "$1" 2>&1 | grep -qF -- "$2"; }

# What the tests of volumes, which are Docker's, ask for.
# shellcheck disable=SC2034
REFUSED=126 SOCKET=$PODMAN_DIR/socket PROBE=$PODMAN_DIR/probe

# vm ARG...: podman run, with the runtime that RUNTIME names.
vm() { podman ${RUNTIME:+--runtime "$PODMAN_DIR/$RUNTIME"} run "$@"; }

docker() { podman "$@"; }
