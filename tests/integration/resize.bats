#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# The VM's size follows its containers' limits: at boot, when a container joins,
# and when limits are changed.

load lib

CRI='"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "pod"'

# pod [ANNOTATION...]: a pod's sandbox container, with annotations as JSON members.
pod() {
	local IFS=,
	edit "$TMP/bundle" ".annotations = {$CRI${1:+, $*}}"
	kata create --bundle "$TMP/bundle" pod </dev/null >"$TMP/pod.out" 2>&1
	kata start pod
}

# member ID RESOURCES: a container of the pod that sleeps runs, with linux.resources.
member() {
	[ -d "$TMP/$1" ] || make_bundle "$TMP/$1"
	member_of "$TMP/$1" pod
	edit "$TMP/$1" ".linux.resources += $2"
	command_is "$TMP/$1" sleep 1000
	kata create --bundle "$TMP/$1" "$1" </dev/null >"$TMP/$1.out" 2>&1
	kata start "$1"
}

# alone RESOURCES: the container "box" has a VM of its own.
alone() {
	edit "$TMP/bundle" ".linux.resources += $1"
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" box </dev/null >"$TMP/box.out" 2>&1
	kata start box
}

# total ID: the guest's memory in MiB as a container of it sees it.
total() { kata exec "$1" awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo; }
cpus() { kata exec "$1" nproc; }
limit_of() { kata exec "$1" cat /sys/fs/cgroup/memory.max; }

# fills ID MIB: a process of it has that much memory for a moment.
fills() { kata exec "$1" dd if=/dev/zero of=/dev/null bs="${2}M" count=1; }

@test "update grows the VM beyond its size at boot, and the container can use it all" {
	alone '{memory: {limit: 67108864}, cpu: {quota: 100000, period: 100000}}'
	[ "$(total box)" -lt 192 ]
	[ "$(cpus box)" = 1 ]
	run ! fills box 400 # more than the guest has
	kata update --memory 700m box
	[ "$(limit_of box)" = $((700 << 20)) ]
	[ "$(total box)" -ge 730 ]
	fills box 680
	# Smaller again: the limit, not the VM.
	kata update --memory 96m box
	[ "$(limit_of box)" = $((96 << 20)) ]
	[ "$(total box)" -ge 730 ]
	run -137 fills box 400 # more than the limit
	[ "$(status box)" = running ]
}

@test "update grows a VM whose container has used its limit up" {
	edit "$TMP/bundle" '.mounts |= map(if .destination == "/dev/shm" then .options = ["nosuid", "nodev", "size=1g"] else . end)'
	alone '{memory: {limit: 67108864}}'
	kata exec box dd if=/dev/zero of=/dev/shm/fill bs=1M count=58
	kata update --memory 700m box
	kata exec box dd if=/dev/zero of=/dev/shm/fill bs=1M count=600
	[ "$(total box)" -ge 730 ]
}

@test "update adds CPUs" {
	[ "$(nproc)" -ge 2 ] || skip "the host has one CPU"
	alone '{cpu: {quota: 50000, period: 100000}}'
	[ "$(cpus box)" = 1 ]
	kata update --cpu-quota 150000 box
	[ "$(cpus box)" = 2 ]
	run -0 kata exec box cat /sys/fs/cgroup/cpu.max
	[ "$output" = "150000 100000" ]
	kata update --cpu-quota 50000 box
	[ "$(cpus box)" = 2 ]
}

@test "an update beyond the maximum is refused and changes nothing" {
	configured default_maxmemory 1024
	alone '{memory: {limit: 67108864}, cpu: {quota: 50000, period: 100000}}'
	local before
	before=$(total box)
	run -1 kata update --memory 4g box
	[[ $output == *"cannot grow that far"*"default_maxmemory"*"1024 MiB"* ]]
	run -1 kata update --cpu-quota 100000000 --memory 128m box
	[[ $output == *"cannot grow that far"*"default_maxvcpus"* ]]
	[ "$(limit_of box)" = $((64 << 20)) ]
	[ "$(total box)" = "$before" ]
	# What is within it still goes.
	kata update --memory 300m box
	[ "$(total box)" -gt 300 ]
}

@test "a pod has the size that the engine announces" {
	pod '"io.kubernetes.cri.sandbox-memory": "536870912"' '"io.kubernetes.cri.sandbox-cpu-period": "100000"' \
		'"io.kubernetes.cri.sandbox-cpu-quota": "150000"'
	member one '{memory: {limit: 536870912}, cpu: {quota: 150000, period: 100000}}'
	[ "$(total one)" -ge 560 ]
	[ "$(nproc)" -lt 2 ] || [ "$(cpus one)" = 2 ]
	# All of it was there at boot.
	[ -z "$(kata exec one sh -c 'ls -d /sys/bus/acpi/devices/PNP0C80* 2>/dev/null | while read -r d; do cat "$d/status" 2>/dev/null; done | grep -x 15')" ]
}

@test "a pod grows with each member, and keeps its size when they go" {
	pod
	member one '{memory: {limit: 104857600}}'
	local small
	small=$(total one)
	member two '{memory: {limit: 419430400}, cpu: {quota: 200000, period: 100000}}'
	[ "$(total two)" -ge 540 ]
	[ "$(total one)" -gt "$small" ]
	[ "$(nproc)" -lt 2 ] || [ "$(cpus two)" -ge 2 ]
	local grown
	grown=$(total one)
	kata delete --force two
	[ "$(total one)" = "$grown" ]
	# The room is used again.
	member two '{memory: {limit: 419430400}}'
	[ "$(total one)" = "$grown" ]
}

@test "updates at the same time all get their room (with 9p)" {
	configured shared_fs '"virtio-9p"'
	pod
	member one '{memory: {limit: 67108864}}'
	member two '{memory: {limit: 67108864}}'
	kata update --memory 400m one &
	local first=$!
	kata update --memory 400m two
	wait "$first"
	[ "$(total one)" -ge 850 ]
	[ "$(limit_of one)" = $((400 << 20)) ]
	[ "$(limit_of two)" = $((400 << 20)) ]
}

@test "CRI-O's announcement, and one that cannot be read" {
	pod '"io.kubernetes.cri-o.PodLinuxResources": "{\"cpu_period\":100000,\"memory_limit_in_bytes\":419430400}"'
	member one '{memory: {limit: 419430400}}'
	[ "$(total one)" -ge 430 ]
	make_bundle "$TMP/bad"
	edit "$TMP/bad" ".annotations = {$CRI, \"io.kubernetes.cri.sandbox-memory\": \"lots\"}"
	run -1 kata create --bundle "$TMP/bad" bad
	[[ $output == *"io.kubernetes.cri.sandbox-memory"*lots* ]]
	[ ! -L "$ROOT/containers/bad" ]
}

@test "static_sandbox_resource_mgmt keeps the size" {
	configured static_sandbox_resource_mgmt true
	pod
	member one '{memory: {limit: 104857600}}'
	local before
	before=$(total one)
	member two '{memory: {limit: 419430400}, cpu: {quota: 200000, period: 100000}}'
	[ "$(total one)" = "$before" ]
	[ "$(cpus one)" = 1 ]
	kata update --memory 1g one
	[ "$(total one)" = "$before" ]
	[ "$(limit_of one)" = $((1 << 30)) ]
}

@test "microvm cannot grow: a member joins with a warning, an update is refused" {
	configured machine_type '"microvm"'
	pod
	member one '{memory: {limit: 419430400}}'
	[[ "$(cat "$TMP/one.out")" == *"keeps its size"*"cannot hot-plug memory"* ]]
	run -1 kata update --memory 1g one
	[[ $output == *"cannot grow that far"*"machine microvm"*q35* ]]
	[ "$(limit_of one)" = $((400 << 20)) ]
	kata update --memory 64m one
	[ "$(limit_of one)" = $((64 << 20)) ]
}

@test "virtio-mem: the VM grows, and shrinks when limits do and when containers go" {
	configured enable_virtio_mem true
	pod
	member one '{memory: {limit: 67108864}}'
	local small
	small=$(total one)
	kata update --memory 700m one
	[ "$(total one)" -ge 730 ]
	fills one 650
	kata update --memory 64m one
	shrunk() { [ "$(total one)" -lt $((small + 64)) ]; }
	await shrunk
	member two '{memory: {limit: 524288000}}'
	[ "$(total two)" -gt $((small + 400)) ]
	fills two 450
	kata delete --force two
	await shrunk
	run -1 kata update --memory 4t one
	[[ $output == *"cannot grow that far"* ]]
}
