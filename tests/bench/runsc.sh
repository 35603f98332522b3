#!/bin/bash
# Prints the path of gVisor's runsc, built from its Go module into the cache
# (a few minutes the first time).
set -euo pipefail
# shellcheck source=tests/engines/module.bash
. "$(dirname "$0")/../engines/module.bash"
echo "$(gvisor_built)/runsc"
