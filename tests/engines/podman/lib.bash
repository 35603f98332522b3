# shellcheck shell=bash disable=SC2016
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

# What the tests that are Docker's, too, ask for (docker/lib.bash). Podman is told
# of a kill for want of memory by a file (virtcontainers/container/conmon.go).
# shellcheck disable=SC2034
REFUSED=126 SOCKET=$PODMAN_DIR/socket PROBE=$PODMAN_DIR/probe MTU=mtu UNKNOWN=none.dns.podman. OOM_SEEN=true

# nameserver NETWORK: that of the containers in it: aardvark-dns, on the bridge.
nameserver() { podman network inspect -f '{{range .Subnets}}{{.Gateway}} {{end}}' "$1" | tr ' ' '\n' | grep -F .; }

# group CONTROLLER CONTAINER: its cgroup on a host with cgroup v1.
group() { echo "/sys/fs/cgroup/$1$(inspect "$2" '{{.State.CgroupPath}}')"; }

# default_capabilities: what a container has by default, which depends on Podman's configuration.
default_capabilities() { vm --rm busybox awk '$1 == "CapBnd:" {print $2}' /proc/self/status; }

# vm ARG...: podman run, with the runtime that RUNTIME names.
vm() { podman ${RUNTIME:+--runtime "$PODMAN_DIR/$RUNTIME"} run "$@"; }

# docker ARG...: "rm -f" ends at once, as Docker's does.
docker() {
	case "$1 ${2-}" in
	"rm -f") podman rm -f -t 0 "${@:3}" ;;
	*) podman "$@" ;;
	esac
}

# in_terminal ARG...: podman with a terminal of its own. timeout must not put it
# into the background, where it could not read.
in_terminal() {
	local WORDS
	words "timeout --foreground" "$@"
	script -qefc "$(printf '%q ' "${WORDS[@]}")" /dev/null
}
