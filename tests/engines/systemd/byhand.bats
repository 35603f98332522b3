#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2034,SC2153
# The verbs by hand, with each of the two drivers of cgroups.

load lib
load ../../integration/pod
load ../../integration/accounts

# limited BUNDLE PATH: sleeps, in that cgroup and with limits of every kind.
limited() {
	command_is "$1" sleep 10000
	edit "$1" '.linux.cgroupsPath = "'"$2"'" | .linux.resources = {
		cpu: {shares: 512, quota: 100000, period: 100000, cpus: "0-1"}, memory: {limit: 268435456}, pids: {limit: 99},
		blockIO: {throttleReadBpsDevice: [{major: 254, minor: 0, rate: 104857600}]}}'
}

# limits_hold: those of limited that are the host's are in $GROUP, the others not.
limits_hold() {
	run value cpu.max
	is "100000 100000"
	# 512 of 1024 shares, as runc reckons.
	[ "$(value cpu.weight)" -lt 100 ]
	[ "$(value cpuset.cpus)" = 0-1 ]
	run value io.max
	has "254:0 rbps=104857600"
	[ "$(value memory.max)" = max ]
	# systemd gives a scope a default of its own.
	[ "$(value pids.max)" != 99 ]
	pays "$GROUP" "$C1"
}

# cmdline_of_qemu ID
cmdline_of_qemu() {
	local p
	for p in $(vm_of "$1"); do [[ $(cat "/proc/$p/comm") != qemu* ]] || tr '\0' ' ' <"/proc/$p/cmdline"; done
}

@test "this is a machine with systemd and cgroup v2" {
	[ "$(cat /proc/1/comm)" = systemd ]
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]
	run -0 kata kata-check
	# QEMU emulates AMD's virtualization, too, so there is KVM, and so is vsock.
	[[ $output == *"accelerator    ok    kvm: "*"agent channel  ok    vsock"* ]] || { echo "$output"; false; }
}

@test "systemd: a scope from create to delete, its limits, and one in use is refused" {
	local unit=kata-$C1.scope
	GROUP=/system.slice/$unit
	limited "$TMP/bundle" "system.slice:kata:$C1"
	kata --systemd-cgroup create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || { cat "$TMP/out"; false; }
	[ "$(systemctl show -P ActiveState "$unit")" = active ]
	kata --systemd-cgroup start "$C1"
	run -0 kata --systemd-cgroup state "$C1"
	local shim
	shim=$(jq .pid <<<"$output")
	[ "$(jq -r .status <<<"$output")" = running ]
	placed "$C1" "$shim"
	limits_hold
	run cmdline_of_qemu "$C1"
	has accel=kvm
	has vhost-vsock
	has vhost=on

	run -0 kata --systemd-cgroup exec "$C1" sh -c 'cat /proc/self/cgroup; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max'
	is $'0::/\n268435456\n99'
	kata --systemd-cgroup update --cpu-quota 150000 "$C1"
	run value cpu.max
	is "150000 100000"
	[ "$(systemctl show -P CPUQuotaPerSecUSec "$unit")" = 1.500000s ]
	# systemd writes again what it knows: nothing of it is lost.
	systemctl daemon-reload
	limits_after_reload() { [ "$(value cpu.max)" = "150000 100000" ] && [ "$(value cpuset.cpus)" = 0-1 ]; }
	limits_after_reload
	placed "$C1" "$shim"
	# Nor does it keep what the kernel has refused.
	run -1 kata --systemd-cgroup update --cpu-quota 120000 --cpuset-cpus 100 "$C1"
	has "the host refuses the limits of cpuset"
	systemctl daemon-reload
	limits_after_reload
	[ "$(systemctl show -P CPUQuotaPerSecUSec "$unit")" = 1.500000s ]

	# The same group for a second one, below another root: the first goes on.
	run -1 kata --root "$TMP/other" --systemd-cgroup create --bundle "$TMP/bundle" "$C1" </dev/null
	has "container's cgroup is not empty"
	[ "$(status "$C1")" = running ]
	kata --systemd-cgroup exec "$C1" true

	kata --systemd-cgroup kill "$C1" KILL
	wait_stopped "$C1"
	kata --systemd-cgroup delete "$C1"
	[ ! -e "/sys/fs/cgroup$GROUP" ]
	run systemctl show -P LoadState "$unit"
	is not-found
}

@test "systemd: a scope of somebody else's is refused, and goes on" {
	systemd-run --quiet --scope --unit "kata-$C2" sleep 10000 3>&- &
	local other=$!
	await systemctl is-active --quiet "kata-$C2.scope"
	limited "$TMP/bundle" "system.slice:kata:$C2"
	run -1 kata --systemd-cgroup create --bundle "$TMP/bundle" "$C2" </dev/null
	has "container's cgroup is not empty: 1 process(es) found, $other among them"
	kill "$other"
	gone() { ! systemctl is-active --quiet "kata-$C2.scope"; }
	await gone
}

@test "systemd: with sandbox_cgroup_only the VM has a scope of its own" {
	configured sandbox_cgroup_only true
	command_is "$TMP/bundle" sleep 10000
	edit "$TMP/bundle" '.linux.cgroupsPath = "system.slice:kata:'"$C1"'"'
	kata --systemd-cgroup run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || { cat "$TMP/out"; false; }
	[ "$(group_of "$(kata state "$C1" | jq .pid)")" = "/system.slice/kata-$C1.scope" ]
	local p
	run vm_of "$C1"
	[ -n "$output" ]
	for p in $output; do [ "$(group_of "$p")" = "/system.slice/kata_sandbox-$C1.scope" ]; done
	# As after a crash of the host's QEMU.
	pkill -KILL -f "qemu.*-name $C1"
	wait_stopped "$C1"
	kata --systemd-cgroup delete "$C1"
	run scopes
	is ""
}

# As kubelet names the groups of a pod, whose members' limits are the guest's.
@test "systemd: a pod's VM is in a scope beside the pod, its containers in theirs" {
	kata() { timeout "$DEADLINE" "$KATA_RUNTIME" --root "$ROOT" --systemd-cgroup "$@"; }
	local slice=hand-$MARK.slice
	GROUP=/hand.slice/$slice
	edit "$TMP/bundle" '.linux.cgroupsPath = "'"$slice:cri:$POD"'"'
	pod
	member "$APP" sleep 10000
	edit "$TMP/$APP" '.linux.cgroupsPath = "'"$slice:cri:$APP"'" | .linux.resources = {cpu: {quota: 50000, period: 100000}}'
	ran "$APP"
	[ "$(group_of "$(kata state "$POD" | jq .pid)")" = "$GROUP/cri-$POD.scope" ]
	[ "$(group_of "$(kata state "$APP" | jq .pid)")" = "$GROUP/cri-$APP.scope" ]
	local p
	run vm_of "$POD"
	[ -n "$output" ]
	for p in $output; do [ "$(group_of "$p")" = "/system.slice/kata_overhead-$POD.scope" ]; done
	run -0 kata exec "$APP" cat /sys/fs/cgroup/cpu.max
	is "50000 100000"
	kata delete --force "$APP"
	[ ! -e "/sys/fs/cgroup$GROUP/cri-$APP.scope" ]
	[ -e "/sys/fs/cgroup/system.slice/kata_overhead-$POD.scope" ]
	kata delete --force "$POD"
	run scopes
	is ""
	# Its engine's, not ours.
	systemctl stop "$slice" hand.slice
}

# Its vsock is a module, which the agent has to load before it can listen.
@test "a guest with Debian's kernel is reached by vsock" {
	local guest=/usr/local/share/kata-containers/debian
	configured kernel "\"$guest/vmlinux\""
	configured initrd "\"$guest/initrd.img\""
	command_is "$TMP/bundle" uname -r
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || { cat "$TMP/out"; false; }
	[[ $(jq -r .sandbox.agent "$ROOT/sandboxes/$C1/state.json") == vsock://* ]]
	kata start "$C1"
	wait_stopped "$C1"
	[[ $(cat "$TMP/out") == *-amd64 ]] || { cat "$TMP/out"; false; }
}

@test "cgroupfs: a group from create to delete, its limits, and one in use is refused" {
	GROUP=/hand-$MARK/$C1
	# The test before has KVM and vsock.
	configured accelerator '"tcg"'
	configured use_vsock false
	limited "$TMP/bundle" "$GROUP"
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || { cat "$TMP/out"; false; }
	kata start "$C1"
	local shim
	shim=$(kata state "$C1" | jq .pid)
	placed "$C1" "$shim"
	limits_hold
	run cmdline_of_qemu "$C1"
	# With kept translations the accelerator has an argument of its own.
	[[ $output == *accel=tcg* || $output == *"-accel tcg,tb-"* ]]
	hasnt vhost-vsock
	has kata.agent.0
	kata update --cpu-quota 150000 --cpuset-cpus 0 "$C1"
	run value cpu.max
	is "150000 100000"
	[ "$(value cpuset.cpus)" = 0 ]
	[ "$(value kata/cpuset.cpus.effective 2>/dev/null || value cpuset.cpus.effective)" = 0 ]
	run -0 kata exec "$C1" cat /proc/self/cgroup
	is "0::/"
	kata pause "$C1"
	[ "$(status "$C1")" = paused ]
	kata resume "$C1"
	run -1 kata --root "$TMP/other" create --bundle "$TMP/bundle" "$C1" </dev/null
	has "container's cgroup is not empty"
	[ "$(status "$C1")" = running ]
	kata delete --force "$C1"
	[ ! -e "/sys/fs/cgroup/hand-$MARK" ]
}
