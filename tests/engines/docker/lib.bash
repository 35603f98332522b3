# shellcheck shell=bash
# shellcheck source=tests/engines/docker/engine.bash
. "$BATS_TEST_DIRNAME/engine.bash"
bats_require_minimum_version 1.5.0

setup() {
	TMP=$(mktemp -d "${BATS_TMPDIR:-/tmp}/kata-et.XXXXXX")
	BEFORE=$(traces "$DOCKER_DIR")
}

# Whatever a test left running goes; what the runtime left is a failure.
teardown() {
	docker ps -aq --filter label=test | xargs -r timeout "$DEADLINE" "$DOCKER" --config "$DOCKER_DIR/client" -H "unix://$DOCKER_DIR/docker.sock" rm -f >/dev/null
	rm -rf "$TMP"
	# Newer engines say that a container is gone while its shim still goes.
	await clean || { echo "left behind:"; diff <(echo "$BEFORE") <(traces "$DOCKER_DIR"); return 1; }
}

clean() { [ "$(traces "$DOCKER_DIR")" = "$BEFORE" ]; }

# What the tests that Podman's suite has too ask for: the exit code of a refusal
# by the runtime, a socket, the host's probe, a network's option, a name that no
# server knows, and whether the engine sees a kill for want of memory: Docker
# looks for that in the host's cgroup.
# shellcheck disable=SC2034
REFUSED=125 SOCKET=$DOCKER_DIR/docker.sock PROBE=$DOCKER_DIR/probe MTU=com.docker.network.driver.mtu UNKNOWN=none.such.name. OOM_SEEN=false

# nameserver NETWORK: that of the containers in it.
nameserver() { echo 127.0.0.11; }

# group CONTROLLER CONTAINER: its cgroup on a host with cgroup v1.
group() { echo "/sys/fs/cgroup/$1$CGROUP_PARENT/$(inspect "$2" '{{.Id}}')"; }

# default_capabilities: what a container has by default.
default_capabilities() { echo 00000000a80425fb; }

# vm ARG...: docker run in a VM, labelled so that teardown finds it.
vm() { docker run --runtime "${RUNTIME:-kata}" --label test "$@"; }

# inspect CONTAINER FORMAT
inspect() { docker inspect -f "$2" "$1"; }

is_state() { [ "$(inspect "$1" '{{.State.Status}}')" = "$2" ]; }

is_healthy() { [ "$(inspect "$1" '{{.State.Health.Status}}')" = "$2" ]; }

logs_have() { docker logs "$1" 2>&1 | grep -qF -- "$2"; }

# resize CONTAINER ROWS COLUMNS, resize_exec ID ROWS COLUMNS: as a client does it
# whose window changes.
resize() { curl -sf --unix-socket "$DOCKER_DIR/docker.sock" -X POST "http://d/containers/$1/resize?h=$2&w=$3"; }
resize_exec() { curl -sf --unix-socket "$DOCKER_DIR/docker.sock" -X POST "http://d/exec/$1/resize?h=$2&w=$3"; }

# in_terminal ARG...: docker with a terminal of its own. timeout must not put it
# into the background, where it could not read.
in_terminal() {
	script -qefc "$(printf '%q ' timeout --foreground "$DEADLINE" "$DOCKER" --config "$DOCKER_DIR/client" -H "unix://$DOCKER_DIR/docker.sock" "$@")" /dev/null
}
