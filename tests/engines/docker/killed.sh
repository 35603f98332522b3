#!/bin/bash
# Kills a dockerd with SIGKILL while it creates a container in a VM, starts it
# again, and waits until nothing of that VM is left.
# Usage: killed.sh DIR   (an empty folder)
set -euo pipefail
# shellcheck source=tests/engines/docker/engine.bash
. "$(dirname "$0")/engine.bash"
start_docker "$1/engine"
finish() {
	local code=$?
	set +e
	docker ps -aq | xargs -r timeout "$DEADLINE" "$DOCKER" -H "unix://$DOCKER_DIR/docker.sock" rm -f >/dev/null
	# containerd leaves its own shim of a task that it did not see made.
	processes_in "$DOCKER_DIR" | awk '$2 ~ /containerd-shim-runc-v2$/ {print $1}' | xargs -r kill -9
	stop_docker || code=1
	exit "$code"
}
trap finish EXIT

machines() { processes_in "$DOCKER_DIR" | grep -c qemu; }
booting() { pgrep -f "qemu.*$DOCKER_DIR/" >/dev/null; }
none() { [ "$(machines)" = 0 ] && [ -z "$(traces "$DOCKER_DIR")" ]; }

# running: the container's process was told to start.
running() {
	local root
	root=$(find "$DOCKER_DIR" -type d -name sandboxes -prune)
	"$KATA_RUNTIME" --root "${root%/sandboxes}" list -f json | jq -e 'any(.[]?; .status == "running")' >/dev/null
}

pid=$(cat "$DOCKER_DIR/dockerd.pid")
containerd=$(cat "$DOCKER_DIR/exec/containerd/containerd.pid")
docker run --rm --runtime kata --name victim busybox sleep 10000 >/dev/null 2>&1 &
client=$!
await booting
kill -9 "$pid"
! running || echo "too late"
# Its containerd goes with it: the next daemon must not take the old one for its own.
for pid in "$pid" "$containerd"; do timeout "$DEADLINE" tail --pid="$pid" -f /dev/null; done
wait "$client" || true
rm -f "$DOCKER_DIR/dockerd.pid" # it would keep the next one from starting
launch_docker
await none || { processes_in "$DOCKER_DIR"; traces "$DOCKER_DIR"; exit 1; }
echo "nothing is left"
# The name is free, or can be had.
docker rm -f victim >/dev/null 2>&1 || true
docker run --rm --runtime kata --name victim busybox echo runs again
