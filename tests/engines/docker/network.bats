#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Networks.

load lib

@test "bridge: an address, a route, a published port, a large transfer; its network for another container" {
	server web --hostname webhost -p 18080:80
	run -0 inside curl -sf http://127.0.0.1:18080/
	is "page of webhost"
	[ "$(inside curl -sf http://127.0.0.1:18080/big | sha256sum)" = "$(docker exec web sh -c 'sha256sum </w/big')" ]
	# The same network namespace is the same VM: localhost is shared.
	run -0 vm --rm --network container:web busybox sh -c 'wget -qO- http://127.0.0.1/; hostname; ip -o -4 addr show eth0'
	has $'page of webhost\nwebhost'
	has "$(inspect web '{{.NetworkSettings.IPAddress}}')"
	# And its processes, where they are asked for, too.
	run -0 vm --rm --network container:web --pid container:web busybox sh -c 'tr "\0" " " </proc/1/cmdline; ps'
	[[ $output == "sleep 10000"* ]]
	has "httpd -p 80"
	# The one that joined is gone, the one that was there first is not.
	run -0 inside curl -sf "http://$(inspect web '{{.NetworkSettings.IPAddress}}')/"
}

@test "a published port of UDP" {
	vm -d --name udp -p 18082:5000/udp busybox probe udp-echo 5000
	await logs_have udp ready
	run -0 inside "$DOCKER_DIR/probe" udp 127.0.0.1:18082 hello
	is "echo hello"
	run -0 inside "$DOCKER_DIR/probe" udp "$(inspect udp '{{.NetworkSettings.IPAddress}}'):5000" again
	is "echo again"
}

@test "two networks: an interface in each; a third is connected while it runs, and one disconnected" {
	local net
	for net in one two three; do docker network create --label test "$net" >/dev/null; done
	docker create --runtime kata --label test --name both --network one busybox sh -c 'mkdir /w; echo page >/w/index.html; httpd -p 80 -h /w; echo ready; exec sleep 10000' >/dev/null
	docker network connect --alias second two both
	docker start both
	await logs_have both ready
	addresses() { docker exec both ip -o -4 addr show scope global | awk '{print $4}' | sort; }
	of() { docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}/{{.IPPrefixLen}} {{end}}' both | tr ' ' '\n' | grep . | sort; }
	diff <(addresses) <(of)
	[ "$(addresses | wc -l)" = 2 ]
	run -0 vm --rm --network two busybox wget -qO- http://second/
	is page
	run -0 vm --rm --network one busybox wget -qO- http://both/
	is page
	same() { [ "$(addresses)" = "$(of)" ]; }
	docker network connect --alias third three both
	await same
	[ "$(addresses | wc -l)" = 3 ]
	run -0 vm --rm --network three busybox wget -qO- http://third/
	is page
	docker network disconnect two both
	await same
	[ "$(addresses | wc -l)" = 2 ]
	# The default route moves with its network.
	docker network disconnect one both
	await same
	run -0 docker exec both ip route
	has "default via $(inspect both '{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}')"
	docker restart -t 0 both
	same
	docker rm -f both
	docker network rm one two three
}

@test "a container of the default bridge is connected to a network of the user's: it finds names there" {
	docker network create --label test un >/dev/null
	vm -d --name late busybox sleep 10000
	server web --network un
	docker network connect un late
	finds() { [[ "$(docker exec late timeout 20 wget -qO- http://web/ 2>/dev/null)" == "page of "* ]]; }
	await finds
	docker rm -f web late
	docker network rm un
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

@test "macvlan: the interface of the parent's network, a neighbour there, and another VM" {
	inside ip link add kata-mv0 type veth peer name kata-mv1
	inside ip link set kata-mv0 up
	inside ip addr add 10.235.0.1/24 dev kata-mv1
	inside ip link set kata-mv1 up
	docker network create -d macvlan --label test --subnet 10.235.0.0/24 --gateway 10.235.0.1 -o parent=kata-mv0 mv >/dev/null
	server web --network mv --ip 10.235.0.10
	run -0 inside curl -sf http://10.235.0.10/
	has "page of"
	[ "$(inside curl -sf http://10.235.0.10/big | sha256sum)" = "$(docker exec web sh -c 'sha256sum </w/big')" ]
	run -0 vm --rm --network mv busybox sh -c 'wget -qO- http://web/; ping -c 1 10.235.0.1 >/dev/null && echo gateway; ip route'
	has "page of"
	has gateway
	has "default via 10.235.0.1"
	docker rm -f web
	docker network rm mv
	inside ip link del kata-mv0
}
