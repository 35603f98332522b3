#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031
# CRI-O with both of its ways to run a VM: conmon with kata-runtime (kata-oci)
# and containerd-shim-kata-v2 (kata-vm), driven by crictl.

bats_require_minimum_version 1.5.0

IMAGE=registry.k8s.io/e2e-test-images/busybox:1.29-2

setup_file() {
	load ../lib
	load ../images
	load crio
	# Real paths only: CRI-O compares them.
	TMP=$(mktemp -d /tmp/kata-crio.XXXXXX)
	start_registry "$TMP"
	export TMP REGISTRY REGISTRY_PID
}

teardown_file() {
	load ../images
	load ../end
	stop_registry
	end_sandboxes "$TMP" # of a test that was broken off
	rm -rf "$TMP"
}

setup() {
	load ../lib
	load ../end
	load crio
	CGROUP_PARENT=/kata-crio-$$
	start_crio "$TMP/c" "$REGISTRY"
	crictl pull "$IMAGE" >/dev/null
}

# Each test ends with nothing of a sandbox on the host, however it ended.
teardown() {
	crictl rmp -af >/dev/null || true
	stop_crio
	clean_crio
	# CRI-O leaves the groups of its conmons, with runc as well.
	left=$(traces "$TMP/c" | grep -v /crio-conmon- || true)
	find /sys/fs/cgroup -depth -type d -path "*$CGROUP_PARENT*" -exec rmdir {} + 2>/dev/null || true
	# A VM must not go on when its root is gone: nobody would find it.
	[ -z "$left" ] || { echo "left: $left"; end_sandboxes "$TMP/c"; return 1; }
	rm -rf "$TMP/c"
}

# pod NAME [JSON]: makes a pod of this test's handler; POD is its id. JSON is
# merged into its configuration.
pod() {
	mkdir -p "$TMP/c/pods/$1"
	jq -n --arg n "$1" --arg l "$TMP/c/pods/$1" --arg c "$CGROUP_PARENT" --argjson more "${2-null}" \
		'{metadata: {name: $n, uid: $n, namespace: "test", attempt: 1}, log_directory: $l, linux: {cgroup_parent: $c}} * ($more // {})' >"$TMP/c/$1.json"
	POD=$(crictl runp --runtime "$HANDLER" "$TMP/c/$1.json")
	POD_JSON=$TMP/c/$1.json
}

# container NAME JSON SCRIPT: starts a container in the pod; CONTAINER is its id.
container() {
	jq -n --arg n "$1" --arg i "$IMAGE" --arg s "$3" --argjson more "$2" \
		'{metadata: {name: $n}, image: {image: $i}, command: ["sh", "-c", $s], log_path: ($n + ".log"), linux: {}} * $more' >"$TMP/c/container.json"
	CONTAINER=$(crictl create "$POD" "$TMP/c/container.json" "$POD_JSON")
	crictl start "$CONTAINER" >/dev/null
}

# STAY is a container that ends with 5 on SIGTERM.
STAY='trap "exit 5" TERM; echo up; while :; do sleep 0.2; done'

inspect() { crictl inspect "$1" | jq -r ".status.$2"; }
is_exited() { [ "$(inspect "$1" state)" = CONTAINER_EXITED ]; }
logged() { crictl logs "$1" 2>&1 | grep -q "$2"; }

life() {
	pod life
	container c1 '{}' "echo out; echo err >&2; uname -v; $STAY"
	await logged "$CONTAINER" up
	run -0 --separate-stderr crictl logs "$CONTAINER"
	[ "${lines[0]}" = out ]
	[ "${lines[1]}" != "$(uname -v)" ]
	[ "$stderr" = err ]

	run -0 crictl exec "$CONTAINER" uname -v
	[ "$output" != "$(uname -v)" ]
	run -0 bash -c 'seq 20000 | "$@" | tail -n 1' - timeout 100 "$CRICTL" --config /dev/null --runtime-endpoint "unix://$CRIO_DIR/crio.sock" exec -i "$CONTAINER" cat
	is 20000
	run -0 crictl exec -s "$CONTAINER" sh -c 'echo sync; exit 0'
	has sync
	run crictl exec "$CONTAINER" sh -c 'exit 3'
	has "exit code 3"

	run -0 crictl stats -o json "$CONTAINER"
	[ "$(jq '.stats[0].memory.workingSetBytes.value | tonumber > 0' <<<"$output")" = true ]
	[ "$(jq '.stats[0].cpu.usageCoreNanoSeconds.value | tonumber > 0' <<<"$output")" = true ]

	run crictl rm "$CONTAINER"
	[ "$status" != 0 ]
	crictl stop -t 20 "$CONTAINER"
	is_exited "$CONTAINER"
	[ "$(inspect "$CONTAINER" exitCode)" = 5 ]
	crictl rm "$CONTAINER"
	crictl stopp "$POD"
	crictl rmp "$POD"
	run -0 crictl pods -q
	is ""
}

several() {
	pod several '{"linux": {"security_context": {"namespace_options": {"pid": 0}}}}'
	mkdir -p "$TMP/c/volume"
	local volume server=$((RANDOM % 20000 + 20000))
	volume=$(jq -n --arg p "$TMP/c/volume" '{mounts: [{container_path: "/vol", host_path: $p}]}')
	container server "$volume" "echo hello >/vol/file; echo page >/tmp/index; httpd -f -p $server -h /tmp & echo up; wait"
	local first=$CONTAINER
	await logged "$first" up
	container client "$volume" "cat /vol/file; hostname; $STAY"
	await logged "$CONTAINER" hello
	# localhost is the pod's, and so is the address.
	run -0 crictl exec "$CONTAINER" wget -qO- "http://127.0.0.1:$server/index"
	is page
	local ip
	ip=$(crictl inspectp "$POD" | jq -r .status.network.ip)
	run curl -sS --max-time 60 "http://$ip:$server/index"
	[ "$status" = 0 ] || { ip -br link show master "$CRIO_BRIDGE"; ip neigh show "$ip"; }
	is page
	# One pid namespace.
	run -0 crictl exec "$CONTAINER" ps
	has "httpd -f -p $server"
	# One that ends takes none with it, and its place can be taken.
	crictl stop -t 0 "$first"
	crictl rm "$first"
	run -0 crictl exec "$CONTAINER" echo still
	is still
	container again "$volume" 'cat /vol/file; exit 4'
	await is_exited "$CONTAINER"
	[ "$(inspect "$CONTAINER" exitCode)" = 4 ]
}

bad() {
	pod bad
	jq -n --arg i "$IMAGE" '{metadata: {name: "c"}, image: {image: $i}, command: ["no-such-command"], log_path: "c.log", linux: {}}' >"$TMP/c/container.json"
	run crictl create "$POD" "$TMP/c/container.json" "$POD_JSON"
	[ "$status" = 0 ] && run crictl start "$output"
	[ "$status" != 0 ]
	has no-such-command
	container c1 '{}' "$STAY"
	run crictl exec -s "$CONTAINER" no-such-command
	[ "$status" != 0 ]
	run -0 crictl exec "$CONTAINER" echo fine
	is fine
	# A pod that is not there any more when it ends.
	pkill -KILL -f "qemu-system.* -name ${POD}[, ]"
	await is_exited "$CONTAINER"
	crictl rmp -f "$POD"
}

restart() {
	pod restart
	container c1 '{}' "$STAY"
	await logged "$CONTAINER" up
	stop_crio
	run_crio
	[ "$(inspect "$CONTAINER" state)" = CONTAINER_RUNNING ]
	run -0 crictl exec -s "$CONTAINER" echo again
	has again
	crictl stop -t 20 "$CONTAINER"
	[ "$(inspect "$CONTAINER" exitCode)" = 5 ]
}

forwarding() {
	pod forwarding
	# The server is on localhost only: the pod's address does not lead there.
	container c1 '{}' "echo page >/tmp/index; exec httpd -f -p 127.0.0.1:8080 -h /tmp"
	await crictl exec -s "$CONTAINER" wget -qO /dev/null http://127.0.0.1:8080/index
	crictl port-forward "$POD" 0:8080 0:8081 >"$TMP/c/forward" 2>&1 3>&- &
	local pid=$! ports
	await grep -q '8081$' "$TMP/c/forward"
	mapfile -t ports < <(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) -> .*/\1/p' "$TMP/c/forward")
	run -0 curl -sS --max-time 60 "http://127.0.0.1:${ports[0]}/index"
	is page
	run curl -sS --max-time 60 "http://127.0.0.1:${ports[1]}/index"
	[ "$status" != 0 ]
	# crictl may have ended by itself: it gives up when a connection fails.
	kill "$pid" 2>/dev/null || true
	wait "$pid" || true
}

# The pod's VM has the size that the kubelet announces, and grows by an update.
sizes() {
	local limits='{"resources": {"memory_limit_in_bytes": 536870912, "cpu_period": 100000, "cpu_quota": 50000}}'
	pod sizes "{\"linux\": $limits}"
	container c1 "{\"linux\": $limits}" "$STAY"
	run -0 crictl exec "$CONTAINER" sh -c 'grep MemTotal /proc/meminfo | tr -dc 0-9'
	[ "$output" -gt $((512 << 10)) ]
	local before=$output
	crictl update --memory $((900 << 20)) "$CONTAINER"
	run -0 crictl exec "$CONTAINER" sh -c 'cat /sys/fs/cgroup/memory.max; grep MemTotal /proc/meminfo | tr -dc 0-9'
	[ "${lines[0]}" = $((900 << 20)) ]
	[ "${lines[1]}" -gt $((before + (300 << 10))) ]
	run crictl update --memory $((4 << 40)) "$CONTAINER"
	[ "$status" != 0 ]
	has "cannot grow that far"
	run -0 crictl exec "$CONTAINER" cat /sys/fs/cgroup/memory.max
	is $((900 << 20))
}

memory() {
	pod memory
	container c1 '{"linux": {"resources": {"memory_limit_in_bytes": 33554432}}}' 'exec dd if=/dev/zero of=/dev/null bs=48M'
	await is_exited "$CONTAINER"
	[ "$(inspect "$CONTAINER" exitCode)" = 137 ]
	[ "$(inspect "$CONTAINER" reason)" = OOMKilled ]
}

timeouts() {
	pod timeouts
	container c1 '{}' "$STAY"
	run crictl exec -s --timeout 2 "$CONTAINER" sleep 1234
	[ "$status" != 0 ]
	gone() { ! crictl exec -s "$CONTAINER" ps | grep -q 'sleep 1234'; }
	await gone
}

@test "CRI-O, conmon: a pod's life" { HANDLER=kata-oci life; }
@test "CRI-O, conmon: several containers in a pod" { HANDLER=kata-oci several; }
@test "CRI-O, conmon: a pod has its size and grows" { HANDLER=kata-oci sizes; }
@test "CRI-O, conmon: what fails leaves nothing" { HANDLER=kata-oci bad; }
@test "CRI-O, conmon: restarted while a pod runs" { HANDLER=kata-oci restart; }
@test "CRI-O, conmon: killed for want of memory" { HANDLER=kata-oci memory; }
@test "CRI-O, conmon: an exec that takes too long" { HANDLER=kata-oci timeouts; }
@test "CRI-O, conmon: a port of localhost forwarded" { HANDLER=kata-oci forwarding; }

@test "CRI-O, shimv2: a pod's life" { HANDLER=kata-vm life; }
@test "CRI-O, shimv2: several containers in a pod" { HANDLER=kata-vm several; }
@test "CRI-O, shimv2: a pod has its size and grows" { HANDLER=kata-vm sizes; }
@test "CRI-O, shimv2: what fails leaves nothing" { HANDLER=kata-vm bad; }
@test "CRI-O, shimv2: restarted while a pod runs" { HANDLER=kata-vm restart; }
@test "CRI-O, shimv2: killed for want of memory" { HANDLER=kata-vm memory; }
@test "CRI-O, shimv2: an exec that takes too long" { HANDLER=kata-vm timeouts; }
# CRI-O forwards no ports of a runtime of type "vm": it takes the connection and
# does nothing with it (1.34, runtimeVM.PortForwardContainer).
