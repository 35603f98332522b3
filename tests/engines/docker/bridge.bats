#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Bridges of the user's; Podman's suite has these tests too.

load lib

@test "a user-defined bridge: VMs find each other by name, and over IPv6" {
	docker network create --ipv6 --subnet fd00:e7::/64 --label test un >/dev/null
	server web --network un --network-alias alias
	local v6
	v6=$(inspect web '{{.NetworkSettings.Networks.un.GlobalIPv6Address}}')
	run -0 vm --rm --network un busybox sh -c "cat /etc/resolv.conf; wget -qO- http://web/; wget -qO- http://alias/; wget -qO- 'http://[$v6]/'; nslookup $UNKNOWN || echo unknown"
	has "nameserver $(nameserver un)"
	[ "$(grep -c "page of" <<<"$output")" = 3 ]
	has unknown
	docker rm -f web
	docker network rm un
}

@test "MTU and IPv6 of a network; a large transfer into the container" {
	docker network create --ipv6 --subnet fd00:e8::/64 --label test -o "$MTU=1400" small >/dev/null
	head -c 30000000 /dev/urandom >"$TMP/big"
	# Its input stays open: where it has ended, a nc that listens ends the connection.
	vm -di --name sink --network small busybox sh -c 'echo ready; nc -l -p 9 >/big; sha256sum </big; exec sleep 10000'
	await logs_have sink ready
	local v4 v6
	v4=$(inspect sink '{{.NetworkSettings.Networks.small.IPAddress}}')
	v6=$(inspect sink '{{.NetworkSettings.Networks.small.GlobalIPv6Address}}')
	run -0 docker exec sink sh -c 'cat /sys/class/net/eth0/mtu; ip -6 addr show dev eth0 scope global'
	has 1400
	has "$v6/64"
	# As large as fits, larger, and over both protocols.
	inside busybox ping -c 1 -s 1372 -W 20 "$v4" >/dev/null
	inside busybox ping -c 1 -s 3000 -W 20 "$v4" >/dev/null
	# The bridge's own address is tried out by the host's kernel at first.
	await inside busybox ping -6 -c 1 -W 5 "$v6" >/dev/null
	inside busybox nc "$v4" 9 <"$TMP/big"
	await logs_have sink "$(sha256sum <"$TMP/big")"
	docker rm -f sink
	docker network rm small
}
