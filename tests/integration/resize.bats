#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# The VM's size follows its containers' limits: at boot, when a container joins,
# and when limits are changed.

load lib

# sandbox ID: the annotations of a pod's sandbox container.
sandbox() { echo "\"io.kubernetes.cri.container-type\": \"sandbox\", \"io.kubernetes.cri.sandbox-id\": \"$1\""; }

# pod [ANNOTATION...]: a pod's sandbox container, with annotations as JSON members.
pod() {
	local IFS=,
	edit "$TMP/bundle" ".annotations = {$(sandbox "$POD")${1:+, $*}}"
	kata create --bundle "$TMP/bundle" "$POD" </dev/null >"$TMP/$POD.out" 2>&1
	kata start "$POD"
}

# member ID RESOURCES: a container of the pod that sleeps runs, with linux.resources.
member() {
	[ -d "$TMP/$1" ] || make_bundle "$TMP/$1"
	member_of "$TMP/$1" "$POD"
	edit "$TMP/$1" ".linux.resources += $2"
	command_is "$TMP/$1" sleep 1000
	kata create --bundle "$TMP/$1" "$1" </dev/null >"$TMP/$1.out" 2>&1
	kata start "$1"
}

# alone RESOURCES: the container "box" has a VM of its own.
alone() {
	edit "$TMP/bundle" ".linux.resources += $1"
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/$BOX.out" 2>&1
	kata start "$BOX"
}

# total ID: the guest's memory in MiB as a container of it sees it.
total() { kata exec "$1" awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo; }
cpus() { kata exec "$1" nproc; }
limit_of() { kata exec "$1" cat /sys/fs/cgroup/memory.max; }

# fills ID MIB: a process of it has that much memory for a moment.
fills() { kata exec "$1" dd if=/dev/zero of=/dev/null bs="${2}M" count=1; }

@test "update grows the VM beyond its size at boot, and the container can use it all" {
	alone '{memory: {limit: 67108864}, cpu: {quota: 100000, period: 100000}}'
	[ "$(total "$BOX")" -lt 192 ]
	[ "$(cpus "$BOX")" = 1 ]
	run ! fills "$BOX" 400 # more than the guest has
	kata update --memory 700m "$BOX"
	[ "$(limit_of "$BOX")" = $((700 << 20)) ]
	[ "$(total "$BOX")" -ge 730 ]
	fills "$BOX" 680
	# Smaller again: the limit, not the VM.
	kata update --memory 96m "$BOX"
	[ "$(limit_of "$BOX")" = $((96 << 20)) ]
	[ "$(total "$BOX")" -ge 730 ]
	run -137 fills "$BOX" 400 # more than the limit
	[ "$(status "$BOX")" = running ]
}

@test "update grows a VM whose container has used its limit up" {
	edit "$TMP/bundle" '.mounts |= map(if .destination == "/dev/shm" then .options = ["nosuid", "nodev", "size=1g"] else . end)'
	alone '{memory: {limit: 67108864}}'
	kata exec "$BOX" dd if=/dev/zero of=/dev/shm/fill bs=1M count=58
	kata update --memory 700m "$BOX"
	kata exec "$BOX" dd if=/dev/zero of=/dev/shm/fill bs=1M count=600
	[ "$(total "$BOX")" -ge 730 ]
}

@test "update adds CPUs" {
	[ "$(nproc)" -ge 2 ] || skip "the host has one CPU"
	alone '{cpu: {quota: 50000, period: 100000}}'
	[ "$(cpus "$BOX")" = 1 ]
	kata update --cpu-quota 150000 "$BOX"
	[ "$(cpus "$BOX")" = 2 ]
	run -0 kata exec "$BOX" cat /sys/fs/cgroup/cpu.max
	[ "$output" = "150000 100000" ]
	kata update --cpu-quota 50000 "$BOX"
	[ "$(cpus "$BOX")" = 2 ]
}

@test "an update beyond the maximum is refused and changes nothing" {
	configured default_maxmemory 1024
	alone '{memory: {limit: 67108864}, cpu: {quota: 50000, period: 100000}}'
	local before
	before=$(total "$BOX")
	run -1 kata update --memory 4g "$BOX"
	[[ $output == *"cannot grow that far"*"default_maxmemory"*"1024 MiB"* ]]
	run -1 kata update --cpu-quota 100000000 --memory 128m "$BOX"
	[[ $output == *"cannot grow that far"*"default_maxvcpus"* ]]
	[ "$(limit_of "$BOX")" = $((64 << 20)) ]
	[ "$(total "$BOX")" = "$before" ]
	# What is within it still goes.
	kata update --memory 300m "$BOX"
	[ "$(total "$BOX")" -gt 300 ]
}

@test "a VM grows to a ceiling that is no multiple of what is plugged at once" {
	configured default_maxmemory 1000
	alone '{memory: {limit: 67108864}}'
	kata update --memory 850m "$BOX"
	[ "$(total "$BOX")" -ge 900 ]
}

@test "a member gets its CPUs where the VM has no room for its memory" {
	[ "$(nproc)" -ge 2 ] || skip "the host has one CPU"
	configured memory_slots 1
	pod
	member "$ONE" '{memory: {limit: 536870912}}'
	member "$TWO" '{memory: {limit: 536870912}, cpu: {quota: 200000, period: 100000}}'
	[[ "$(cat "$TMP/$TWO.out")" == *"keeps its size"*"no room is left"* ]]
	[ "$(cpus "$TWO")" = 2 ]
}

@test "a pod has the size that the engine announces" {
	pod '"io.kubernetes.cri.sandbox-memory": "536870912"' '"io.kubernetes.cri.sandbox-cpu-period": "100000"' \
		'"io.kubernetes.cri.sandbox-cpu-quota": "150000"'
	member "$ONE" '{memory: {limit: 536870912}, cpu: {quota: 150000, period: 100000}}'
	[ "$(total "$ONE")" -ge 560 ]
	[ "$(nproc)" -lt 2 ] || [ "$(cpus "$ONE")" = 2 ]
	# All of it was there at boot.
	[ -z "$(kata exec "$ONE" sh -c 'ls -d /sys/bus/acpi/devices/PNP0C80* 2>/dev/null | while read -r d; do cat "$d/status" 2>/dev/null; done | grep -x 15')" ]
}

@test "a pod grows with each member, and keeps its size when they go" {
	pod
	member "$ONE" '{memory: {limit: 104857600}}'
	local small
	small=$(total "$ONE")
	member "$TWO" '{memory: {limit: 419430400}, cpu: {quota: 200000, period: 100000}}'
	[ "$(total "$TWO")" -ge 540 ]
	[ "$(total "$ONE")" -gt "$small" ]
	[ "$(nproc)" -lt 2 ] || [ "$(cpus "$TWO")" -ge 2 ]
	local grown
	grown=$(total "$ONE")
	kata delete --force "$TWO"
	[ "$(total "$ONE")" = "$grown" ]
	# The room is used again.
	member "$TWO" '{memory: {limit: 419430400}}'
	[ "$(total "$ONE")" = "$grown" ]
}

@test "updates at the same time all get their room (with 9p)" {
	configured shared_fs '"virtio-9p"'
	pod
	member "$ONE" '{memory: {limit: 67108864}}'
	member "$TWO" '{memory: {limit: 67108864}}'
	kata update --memory 400m "$ONE" &
	local first=$!
	kata update --memory 400m "$TWO"
	wait "$first"
	[ "$(total "$ONE")" -ge 850 ]
	[ "$(limit_of "$ONE")" = $((400 << 20)) ]
	[ "$(limit_of "$TWO")" = $((400 << 20)) ]
}

@test "CRI-O's announcement, and one that cannot be read" {
	pod '"io.kubernetes.cri-o.PodLinuxResources": "{\"cpu_period\":100000,\"memory_limit_in_bytes\":419430400}"'
	member "$ONE" '{memory: {limit: 419430400}}'
	[ "$(total "$ONE")" -ge 430 ]
	make_bundle "$TMP/$BAD"
	edit "$TMP/$BAD" ".annotations = {$(sandbox "$BAD"), \"io.kubernetes.cri.sandbox-memory\": \"lots\"}"
	run -1 kata create --bundle "$TMP/$BAD" "$BAD"
	[[ $output == *"io.kubernetes.cri.sandbox-memory"*lots* ]]
	[ ! -L "$ROOT/containers/$BAD" ]
}

@test "static_sandbox_resource_mgmt keeps the size" {
	configured static_sandbox_resource_mgmt true
	pod
	member "$ONE" '{memory: {limit: 104857600}}'
	local before
	before=$(total "$ONE")
	member "$TWO" '{memory: {limit: 419430400}, cpu: {quota: 200000, period: 100000}}'
	[ "$(total "$ONE")" = "$before" ]
	[ "$(cpus "$ONE")" = 1 ]
	kata update --memory 1g "$ONE"
	[ "$(total "$ONE")" = "$before" ]
	[ "$(limit_of "$ONE")" = $((1 << 30)) ]
}

@test "microvm cannot grow: a member joins with a warning, an update is refused" {
	configured machine_type '"microvm"'
	pod
	member "$ONE" '{memory: {limit: 419430400}}'
	[[ "$(cat "$TMP/$ONE.out")" == *"keeps its size"*"cannot hot-plug memory"* ]]
	run -1 kata update --memory 1g "$ONE"
	[[ $output == *"cannot grow that far"*"machine microvm"*q35* ]]
	[ "$(limit_of "$ONE")" = $((400 << 20)) ]
	kata update --memory 64m "$ONE"
	[ "$(limit_of "$ONE")" = $((64 << 20)) ]
}

@test "virtio-mem: the VM grows, and shrinks when limits do and when containers go" {
	configured enable_virtio_mem true
	pod
	member "$ONE" '{memory: {limit: 67108864}}'
	local small
	small=$(total "$ONE")
	kata update --memory 700m "$ONE"
	[ "$(total "$ONE")" -ge 730 ]
	fills "$ONE" 650
	kata update --memory 64m "$ONE"
	shrunk() { [ "$(total "$ONE")" -lt $((small + 64)) ]; }
	await shrunk
	member "$TWO" '{memory: {limit: 524288000}}'
	[ "$(total "$TWO")" -gt $((small + 400)) ]
	fills "$TWO" 450
	kata delete --force "$TWO"
	await shrunk
	run -1 kata update --memory 4t "$ONE"
	[[ $output == *"cannot grow that far"* ]]
}
