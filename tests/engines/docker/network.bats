#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Networks.

load lib

# server NAME ARG...: a web server with a page and a large file.
server() {
	local name=$1
	shift
	vm -d --name "$name" "$@" busybox sh -c 'mkdir /w; cd /w; echo "page of $(hostname)" >index.html; head -c 20000000 /dev/urandom >big; httpd -p 80; echo ready; exec sleep 10000'
	await logs_have "$name" ready
}

@test "bridge: an address, a route, a published port, a large transfer; its network for another container" {
	server web --hostname webhost -p 18080:80
	run -0 inside curl -sf http://127.0.0.1:18080/
	is "page of webhost"
	[ "$(inside curl -sf http://127.0.0.1:18080/big | sha256sum)" = "$(docker exec web sh -c 'sha256sum </w/big')" ]
	# The same network namespace is the same VM: localhost is shared.
	run -0 vm --rm --network container:web busybox sh -c 'wget -qO- http://127.0.0.1/; hostname; ip -o -4 addr show eth0'
	has $'page of webhost\nwebhost'
	has "$(inspect web '{{.NetworkSettings.IPAddress}}')"
	# The one that joined is gone, the one that was there first is not.
	run -0 inside curl -sf "http://$(inspect web '{{.NetworkSettings.IPAddress}}')/"
}

@test "the network of a container outside of any VM is refused, and stays whole" {
	docker run -d --label test --name runc busybox sleep 10000
	run -125 vm --rm --network container:runc busybox true
	has "is not that of a VM"
	docker exec runc ping -c 1 10.231.17.1
}

@test "none: there is only a loopback" {
	run -0 vm --rm --network none busybox sh -c 'ip -o link show up | cut -d : -f 2; ip route; ping -c 1 127.0.0.1 >/dev/null && echo answers'
	is $' lo\nanswers'
}

@test "a user-defined bridge: VMs find each other by name, and over IPv6" {
	docker network create --ipv6 --subnet fd00:e7::/64 --label test un >/dev/null
	server web --network un --network-alias alias
	local v6
	v6=$(inspect web '{{.NetworkSettings.Networks.un.GlobalIPv6Address}}')
	run vm --rm --network un busybox sh -c "cat /etc/resolv.conf; wget -qO- http://web/; wget -qO- http://alias/; ping -6 -c 1 $v6 >/dev/null && echo six; nslookup none.such.name. || echo unknown"
	[ "$status" = 0 ]
	has "nameserver 127.0.0.11"
	has $'page of '
	[ "$(grep -c "page of" <<<"$output")" = 2 ]
	has six
	has unknown
	docker rm -f web
	docker network rm un
}
