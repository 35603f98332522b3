#!/usr/bin/env bats
# shellcheck disable=SC2154
# Many pods at once, with each engine by its CRI: twenty, or KATA_TEST_PODS.

bats_require_minimum_version 1.5.0

setup_file() {
	load lib
	load cri
	full
	TMP=$(mktemp -d /tmp/kata-pods.XXXXXX)
	start_registry "$TMP"
	export TMP REGISTRY REGISTRY_PID
}

teardown_file() {
	load cri
	stop_registry
	[ -z "${TMP-}" ] || rm -rf "$TMP"
}

setup() {
	load lib
	load cri
	load ../teardown
	full
}

teardown() {
	[ -n "${CRI_ENGINE-}" ] || return 0
	cri rmp -af >/dev/null || true
	await no_shims >/dev/null 2>&1 || true
	must halt_cri
	must nothing pods "$(cri_left | grep -v '^cgroup ')"
	end_sandboxes "$CRI_DIR"
	checked
}

# many HANDLER: pods that are all begun before the first is up.
many() {
	local n pids=() failed=0 count=${KATA_TEST_PODS:-20}
	for n in $(seq "$count"); do
		pod_up "$1" "p$n" >"$TMP/$CRI_ENGINE/p$n.id" 2>"$TMP/$CRI_ENGINE/p$n.err" 3>&- &
		pids+=($!)
	done
	for n in "${!pids[@]}"; do
		wait "${pids[n]}" || { failed=$((failed + 1)); cat "$TMP/$CRI_ENGINE/p$((n + 1)).err"; }
	done
	[ "$failed" = 0 ]
	[ "$(cri ps -q | wc -l)" = "$count" ]
	# Each is a VM, and answers.
	local kernels
	kernels=$(cri ps -q | while read -r n; do cri exec -s "$n" cat /proc/sys/kernel/random/boot_id; done | grep . | sort -u)
	[ "$(wc -l <<<"$kernels")" = "$count" ]
	cri pods -q | xargs -n 1 -P "$count" "$CRICTL" --config "$CRI_DIR/crictl.yaml" --runtime-endpoint "unix://$ENDPOINT" --timeout 580s stopp >/dev/null
	cri rmp -a >/dev/null
	[ -z "$(cri pods -q)" ]
}

@test "containerd: twenty pods at once" { start_cri containerd "$TMP/containerd"; many kata; }
@test "CRI-O, conmon: twenty pods at once" { start_cri crio "$TMP/crio"; many kata-oci; }
@test "CRI-O, shimv2: twenty pods at once" { start_cri crio "$TMP/crio"; many kata-vm; }
