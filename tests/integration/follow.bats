#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# A sandbox follows its network namespace: what changes there while it runs,
# its guest gets without a command.

load lib
load netns

sees() { net list-ifaces "$BOX" | jq -e "$1" >/dev/null; }
routes() { net list-routes "$BOX" | jq -e "$1" >/dev/null; }

no_link() { [ -z "$(ip -n "$NS" link show "$1" 2>/dev/null)" ]; }

@test "interfaces that come, change and go reach the guest" {
	box
	link eth1 peer1 10.78.0
	ip -n "$NS" route add 10.99.0.0/16 via 10.78.0.1
	await routes 'any(.dest == "10.99.0.0/16" and .gateway == "10.78.0.1" and .device == "eth1")'
	reaches 10.78.0.1
	reaches 10.77.0.1
	# Its address, its routes, its MTU and its name.
	ip -n "$NS" addr add 10.78.0.7/24 dev eth1
	ip -n "$NS" link set eth1 mtu 1400
	ip -n "$NS" route del 10.99.0.0/16
	ip -n "$NS" route add default via 10.78.0.1
	await sees 'any(.name == "eth1" and .mtu == 1400 and any(.IPAddresses[]; .address == "10.78.0.7"))'
	await routes 'any(.gateway == "10.78.0.1" and (.dest // "") == "") and all(.dest != "10.99.0.0/16")'
	reaches 10.78.0.1
	ip -n "$NS" link del eth1
	await sees 'all(.name != "eth1")'
	# The host's end goes after the guest's.
	await no_link kata1
	# That of the boot, too; another takes its NIC.
	ip -n "$NS" link del eth0
	await sees 'all(.IPAddresses == null)'
	link eth5 peer5 10.79.0
	await sees 'any(.name == "eth5")'
	await reaches 10.79.0.1
	[ "$(jq '.sandbox.network.nics | length' "$ROOT/sandboxes/$BOX/state.json")" = 1 ]
}

@test "what the user gave or took by hand does not change with the namespace" {
	box
	link eth1 peer1 10.78.0
	await sees 'any(.name == "eth1")'
	# It is there already: by this it gets the user's values.
	net add-iface "$BOX" - <<<'{"device": "eth1", "name": "data", "IPAddresses": [{"address": "10.78.0.9", "mask": "24"}]}'
	run -1 net add-iface "$BOX" - <<<'{"name": "eth1"}'
	[[ $output == *"has this interface already"* ]]
	ip -n "$NS" addr add 10.78.0.7/24 dev eth1
	link eth2 peer2 10.79.0
	await sees 'any(.name == "eth2")'
	sees 'any(.name == "data" and ([.IPAddresses[].address | select(startswith("10."))] == ["10.78.0.9"]))'
	reaches 10.78.0.1
	net del-iface "$BOX" - <<<'{"name": "data"}'
	link eth3 peer3 10.80.0
	await sees 'any(.name == "eth3")'
	sees 'all(.name != "data" and .name != "eth1")'
}

@test "a change that comes between create and start, and many at once" {
	box create
	link eth1 peer1 10.78.0
	kata start "$BOX"
	reaches 10.78.0.1
	local n
	for n in 2 3 4; do link "eth$n" "peer$n" "10.8$n.0"; done
	await sees 'length == 5'
	for n in 2 3 4; do await reaches "10.8$n.0.1"; done
}

@test "the process that follows ends with the VM, and is not there if it shall not be" {
	box
	local helper
	helper=$(jq .sandbox.helper.pid "$ROOT/sandboxes/$BOX/state.json")
	[ "$(readlink "/proc/$helper/exe")" = "$(dirname "$(readlink -f "$KATA_RUNTIME")")/kata-shim" ]
	kill -9 "$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/$BOX/state.json")"
	timeout "$DEADLINE" tail --pid="$helper" -f /dev/null
	kata delete --force "$BOX"
	configured disable_network_follow true
	kata create --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/$BOX.out" 2>&1
	kata start "$BOX"
	[ "$(jq .sandbox.helper.pid "$ROOT/sandboxes/$BOX/state.json")" = 0 ]
}
