# shellcheck shell=bash
# Sets one podman up for all files of this folder, and counts what is left at the end.

# shellcheck source=tests/engines/podman/engine.bash
. "$(dirname "${BASH_SOURCE[0]}")/engine.bash"

setup_suite() { start_podman "$(mktemp -d /tmp/kata-podman.XXXXXX)"; }

teardown_suite() { stop_podman; }
