#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# kata-network: what changes in a sandbox's network namespace while it runs.

load lib

load netns

# Nothing but the verbs changes what the guest has.
eval "$(declare -f setup | sed '1s/setup/sandbox_setup/')"
setup() {
	sandbox_setup
	configured disable_network_follow true
}

@test "an interface that comes later is plugged, carries traffic, goes, and comes again" {
	box
	reaches 10.77.0.1
	link eth1 peer1 10.78.0
	ip -n "$NS" route add 10.99.0.0/16 via 10.78.0.1
	run ! reaches 10.78.0.1
	run -0 net add-iface "$BOX" - <<<'{"name": "eth1"}'
	[ "$(jq -c '[.name, .mtu, .IPAddresses[0]]' <<<"$output")" = '["eth1",1500,{"address":"10.78.0.2","mask":"24"}]' ]
	[ "$(jq -r .hwAddr <<<"$output")" = "$(ip -n "$NS" -j link show eth1 | jq -r '.[0].address')" ]
	reaches 10.78.0.1
	# Other than ping, too: a server outside, a client in the guest.
	mkdir "$TMP/www"
	head -c 300000 /dev/urandom >"$TMP/www/file"
	ip netns exec "$NS-out" busybox httpd -f -p 10.78.0.1:80 -h "$TMP/www" &
	local server=$!
	await ip netns exec "$NS-out" busybox wget -qO /dev/null http://10.78.0.1/file
	run -0 kata exec "$BOX" sh -c 'wget -qO /tmp/f http://10.78.0.1/file && md5sum </tmp/f'
	kill "$server"
	[ "$output" = "$(md5sum <"$TMP/www/file")" ]
	run -0 net list-routes "$BOX"
	[ "$(jq -c '.[] | select(.dest == "10.99.0.0/16") | [.gateway, .device]' <<<"$output")" = '["10.78.0.1","eth1"]' ]
	run -0 net list-ifaces "$BOX"
	[ "$(jq -c 'map(.name) | sort' <<<"$output")" = '["eth0","eth1"]' ]

	run -1 net add-iface "$BOX" - <<<'{"name": "eth1"}'
	[[ $output == *"has this interface already"* ]]
	net del-iface "$BOX" - <<<'{"name": "eth1"}'
	run -0 net list-ifaces "$BOX"
	[ "$(jq -c 'map(.name)' <<<"$output")" = '["eth0"]' ]
	[ -z "$(ip -n "$NS" link show kata1 2>/dev/null)" ]
	[ -z "$(ip -n "$NS" -d filter show dev eth1 ingress)" ]
	reaches 10.77.0.1

	# Again, by another name and address.
	printf '{"device": "eth1", "name": "data", "mtu": 1400, "IPAddresses": [{"address": "10.78.0.9", "mask": "24"}]}' >"$TMP/iface"
	run -0 net add-iface "$BOX" "$TMP/iface"
	[ "$(jq -c '[.name, .mtu, .IPAddresses[0].address]' <<<"$output")" = '["data",1400,"10.78.0.9"]' ]
	reaches 10.78.0.1
}

# A kernel that hears of a device while it looks for devices gives it no memory,
# and the guest never sees it: docker start with two networks.
@test "an interface that a hook makes while the guest boots is plugged when it has booted" {
	cat >"$TMP/hook" <<-END
		#!/bin/sh -e
		ip -n "$NS" link add eth1 type veth peer name peer1 netns "$NS-out"
		ip -n "$NS" addr add 10.78.0.2/24 dev eth1
		ip -n "$NS" link set eth1 up
		ip -n "$NS-out" addr add 10.78.0.1/24 dev peer1
		ip -n "$NS-out" link set peer1 up
	END
	chmod +x "$TMP/hook"
	edit "$TMP/bundle" ".hooks.prestart = [{path: \"$TMP/hook\"}]
		| .process.capabilities |= map_values(. + [\"CAP_SYSLOG\"])"
	ln -sf busybox "$TMP/bundle/rootfs/bin/dmesg"
	box
	reaches 10.78.0.1
	reaches 10.77.0.1
	run -0 kata exec "$BOX" dmesg
	[ "$(grep -c '0000:01:01.0: \[1af4:1041\]' <<<"$output")" = 1 ]
	[[ ${output%%0000:01:01.0: \[1af4:1041\]*} == *"as init process"* ]]
}

@test "the interface of the boot can go, and another take its place" {
	box
	net del-iface "$BOX" - <<<'{"name": "eth0"}'
	run ! reaches 10.77.0.1
	link eth1 peer1 10.78.0
	net add-iface "$BOX" - <<<'{"name": "eth1"}'
	reaches 10.78.0.1
	# No second NIC was needed for it.
	[ "$(jq '.sandbox.network.nics | length' "$ROOT/sandboxes/$BOX/state.json")" = 1 ]
	net add-iface "$BOX" - <<<'{"name": "eth0"}'
	reaches 10.77.0.1
	reaches 10.78.0.1
}

@test "routes are replaced as a whole, or not at all" {
	box
	run -0 net update-routes "$BOX" - <<<'[{"dest": "default", "gateway": "10.77.0.1", "device": "eth0"}, {"dest": "10.5.0.0/16", "device": "eth0", "scope": 253}]'
	[ "$(jq 'length' <<<"$output")" = 2 ]
	run -0 kata exec "$BOX" cat /proc/net/route
	[[ $output == *$'eth0\t00000000\t01004D0A'* ]]
	run -1 net update-routes "$BOX" - <<<'[{"dest": "default", "gateway": "10.77.0.1", "device": "eth7"}]'
	[[ $output == *eth7* ]]
	run -0 net list-routes "$BOX"
	[ "$(jq 'length' <<<"$output")" = 2 ]
	net list-routes "$BOX" | net update-routes "$BOX" -
	run -0 net update-routes "$BOX" - <<<'[]'
	[ "$output" = '[]' ]
}

@test "what cannot be is refused and leaves the sandbox as it is" {
	box
	run -1 net add-iface "$BOX" - <<<'{"name": "nope0"}'
	[[ $output == *"no such interface: nope0"* ]]
	run -1 net del-iface "$BOX" - <<<'{"name": "nope0"}'
	[[ $output == *"no such interface"* ]]
	run -1 net add-iface nobody - <<<'{"name": "eth0"}'
	[[ $output == *"container does not exist"* ]]
	run -1 net add-iface "$BOX" - <<<'{"name": "eth0", "queues": 4}'
	[[ $output == *queues* ]]
	link eth1 peer1 10.78.0
	# The guest refuses the name: the NIC goes again.
	run -1 net add-iface "$BOX" - <<<'{"device": "eth1", "name": "a/b"}'
	[[ $output == *"a/b"* ]]
	[ -z "$(ip -n "$NS" link show kata1 2>/dev/null)" ]
	[ -z "$(ip -n "$NS" filter show dev eth1 ingress)" ]
	net add-iface "$BOX" - <<<'{"name": "eth1"}'
	reaches 10.78.0.1
	kata kill "$BOX" KILL
	wait_stopped "$BOX"
}

@test "sync brings all that has changed" {
	box
	link eth1 peer1 10.78.0
	ip -n "$NS" addr add 10.77.0.9/24 dev eth0
	ip -n "$NS" route add default via 10.77.0.1
	ip -n "$NS" neigh add 10.77.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent
	run -0 net sync "$BOX"
	[ "$(jq -c 'map(.name) | sort' <<<"$output")" = '["eth0","eth1"]' ]
	reaches 10.78.0.1
	[ "$(jq -c '[.[] | select(.name == "eth0") | .IPAddresses[].address | select(startswith("10."))]' <<<"$output")" = '["10.77.0.2","10.77.0.9"]' ]
	run -0 net list-routes "$BOX"
	[ "$(jq -c '.[] | select(.gateway == "10.77.0.1") | .device' <<<"$output")" = '"eth0"' ]
	run -0 kata exec "$BOX" ip neigh show to 10.77.0.77
	[[ $output == *"eth0 lladdr 02:00:00:00:00:77 "*PERMANENT* ]]
	# What was taken by hand stays away.
	net del-iface "$BOX" - <<<'{"name": "eth1"}'
	ip -n "$NS" route del default
	run -0 net sync "$BOX"
	[ "$(jq -c 'map(.name)' <<<"$output")" = '["eth0"]' ]
	[ "$(net list-routes "$BOX")" = '[]' ]
	ip -n "$NS" link del eth0
	run -0 net sync "$BOX"
	run ! reaches 10.77.0.1
	run -1 net sync nobody
	[[ $output == *"container does not exist"* ]]
}

@test "microvm plugs no NIC: an error that says so" {
	configured machine_type '"microvm"'
	box
	link eth1 peer1 10.78.0
	run -1 net add-iface "$BOX" - <<<'{"name": "eth1"}'
	[[ $output == *"machine microvm"*"cannot hot-plug NICs"* ]]
	reaches 10.77.0.1
}

@test "macvtap: the guest has the interface's address, which comes back; it cannot be taken away" {
	configured internetworking_model '"macvtap"'
	box
	reaches 10.77.0.1
	run -1 net del-iface "$BOX" - <<<'{"name": "eth0"}'
	[[ $output == *'eth0 is tied to its NIC while the VM runs'* ]]
	# What the interface in the namespace is like now is not for the guest.
	net sync "$BOX"
	reaches 10.77.0.1
	run -1 net add-iface "$BOX" - <<<'{"name": "eth0"}'
	[[ $output == *'the guest has this interface already: eth0'* ]]
	reaches 10.77.0.1
	run -0 net list-ifaces "$BOX"
	[[ $output == *'"name":"eth0"'* ]]
	[ -z "$(ip -n "$NS" -4 addr show dev eth0)" ]
	kata delete --force "$BOX"
	[[ $(ip -n "$NS" -4 addr show dev eth0) == *" 10.77.0."* ]]
}

@test "IPv6 switched off in the namespace: the guest has a link-local address all the same" {
	ip netns add "$NS"
	ip netns exec "$NS" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	# shellcheck disable=SC2317  # box calls it
	ip() { [ "$*" = "netns add $NS" ] || command ip "$@"; } # it is there
	box
	unset -f ip
	[ -z "$(ip -n "$NS" -6 addr show dev eth0)" ]
	# It comes when the guest's kernel has seen that the link is there.
	await kata exec "$BOX" sh -c 'ip -6 addr show dev eth0 | grep "inet6 fe80:"'
	reaches 10.77.0.1
}

@test "a point-to-point address leads to its other end, and to a gateway behind that" {
	networked
	ip -n "$NS" addr flush dev eth0
	ip -n "$NS" addr add 10.88.0.2 peer 10.88.9.1/32 dev eth0
	ip -n "$NS" route add default via 10.88.9.1
	ip -n "$NS-out" addr add 10.88.9.1 peer 10.88.0.2/32 dev peer0
	ip -n "$NS-out" addr add 10.99.0.1/32 dev lo
	boxed
	reaches 10.88.9.1
	reaches 10.99.0.1
}

@test "what of the routing the guest does not get is warned of" {
	networked
	ip -n "$NS" rule add from 10.77.0.2 table 100
	ip -n "$NS" route add 10.91.0.0/16 via 10.77.0.1 table 100
	ip -n "$NS" route add 10.92.0.0/16 nexthop via 10.77.0.1 nexthop via 10.77.0.3
	ip -n "$NS" route add 10.93.0.0/16 via 10.77.0.1
	ip -n "$NS" route add blackhole 10.94.0.0/16
	boxed
	run -0 net list-routes "$BOX"
	[ "$(jq -c 'map(.dest)' <<<"$output")" = '["10.93.0.0/16"]' ]
	local what
	for what in 'from 10.77.0.2' 10.91.0.0/16 10.92.0.0/16 10.94.0.0/16; do
		grep "does not get this.*$what" "$TMP/$BOX.out" || { cat "$TMP/$BOX.out"; return 1; }
	done
	run ! grep "does not get.*10.93" "$TMP/$BOX.out"
	[ "$(grep -c "does not get" "$TMP/$BOX.out")" = 4 ]
}
