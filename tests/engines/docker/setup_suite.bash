# shellcheck shell=bash
# Starts one dockerd for all files of this folder, and counts what is left at the end.

# shellcheck source=tests/engines/docker/engine.bash
. "$(dirname "${BASH_SOURCE[0]}")/engine.bash"

setup_suite() {
	# A short path: the sockets of Docker's own containerd-shim are below it.
	# Experimental, because checkpoints are.
	start_docker "$(mktemp -d /tmp/kata-docker.XXXXXX)" --experimental
}

teardown_suite() { stop_docker; }
