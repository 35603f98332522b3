#!/bin/bash
# Measures what a pod costs the host above its workload, for a RuntimeClass's
# overhead: PSS of all of the sandbox's processes, and how much of it is what.
# KATA_RUNTIME is the runtime, KATA_CONF_FILE its configuration.
# shellcheck disable=SC1091,SC2034,SC2154
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
bats_require_minimum_version() { :; }
# shellcheck source=tests/integration/lib.bash
. "$HERE/../integration/lib.bash"

TMP=$(mktemp -d)
ROOT=$TMP/root
trap 'kata delete --force pod 2>/dev/null || true; rm -rf "$TMP"' EXIT

CRI='"io.kubernetes.cri.sandbox-id": "pod", "io.kubernetes.cri.container-type"'

pod() {
	rm -rf "$TMP/pod" "$TMP"/c?
	make_bundle "$TMP/pod"
	edit "$TMP/pod" ".annotations = {$CRI: \"sandbox\"$1}"
	kata create --bundle "$TMP/pod" pod </dev/null >/dev/null 2>&1
	kata start pod
}

# member ID LIMIT: a container that sleeps, with a memory limit in MiB (0: none).
member() {
	make_bundle "$TMP/$1"
	member_of "$TMP/$1" pod
	edit "$TMP/$1" ".mounts |= map(if .destination == \"/dev/shm\" then .options = [\"size=2g\"] else . end)"
	[ "$2" = 0 ] || edit "$TMP/$1" ".linux.resources.memory.limit = $(($2 << 20))"
	command_is "$TMP/$1" sleep 100000
	kata create --bundle "$TMP/$1" "$1" </dev/null >/dev/null 2>&1
	kata start "$1"
}

# sum PID FILTER: PSS in MiB of the mappings whose first line fits the filter.
sum() { awk -v f="$2" '/^[0-9a-f]+-[0-9a-f]+ /{on = ($0 ~ f)} on && /^Pss:/{n += $2} END{printf "%d", n / 1024}' "/proc/$1/smaps"; }

# report NAME USED: USED is the workload in MiB.
report() {
	local qemu pid all=0 ram jit
	qemu=$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/pod/state.json")
	for pid in $(grep -lzF "$ROOT/sandboxes/pod" /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | cut -d/ -f3) ; do
		all=$((all + $(awk '/^Pss:/{print $2}' "/proc/$pid/smaps_rollup" 2>/dev/null || echo 0)))
	done
	all=$((all / 1024))
	# The file of hypervisor.sharedMemory, which has no name; and translated code, which
	# is QEMU's own or, where it is kept, a file's.
	ram=$(sum "$qemu" 'memory-backend-memfd|/#[0-9]+ \\(deleted\\)$')
	jit=$(sum "$qemu" ' rwxp |/translations$')
	echo "| $1 | $all | $ram | $jit | $((all - ram - jit)) | $2 | $((all - $2)) | $((all - jit - $2)) |"
}

echo "| pod | PSS | guest memory | TCG's code | the rest | workload | overhead | without TCG's code |"
echo "|---|---|---|---|---|---|---|---|"
pod ""
member c1 0
report "1 container, idle" 0
for i in 2 3 4 5; do member "c$i" 0; done
report "5 containers, idle" 0
kata delete --force pod
for size in 256 1024; do
	pod ", \"io.kubernetes.cri.sandbox-memory\": \"$((size << 20))\""
	member c1 "$size"
	kata exec c1 dd if=/dev/zero of=/dev/shm/fill bs=1M count=$((size * 9 / 10)) 2>/dev/null
	report "1 container, limit $size MiB, nine tenths in use" $(($(kata exec c1 cat /sys/fs/cgroup/memory.current) >> 20))
	kata delete --force pod
done
