#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Podman's networks, and its streams and codes in full.

load lib

@test "published ports, TCP and UDP; a large transfer" {
	podman run -d --name web --hostname webhost -p 18083:80 -p 18084:5000/udp busybox sh -c \
		'mkdir /w; cd /w; echo "page of $(hostname)" >index.html; head -c 20000000 /dev/urandom >big; httpd -p 80; exec probe udp-echo 5000'
	await logs_have web ready
	run -0 inside curl -sf http://127.0.0.1:18083/
	is "page of webhost"
	[ "$(inside curl -sf http://127.0.0.1:18083/big | sha256sum)" = "$(podman exec web sh -c 'sha256sum </w/big')" ]
	run -0 inside "$PODMAN_DIR/probe" udp 127.0.0.1:18084 hello
	is "echo hello"
}

@test "--network container: without a pod: the same VM; a container outside of any VM is refused" {
	server web --hostname webhost
	run -0 vm --rm --network container:web --name joined busybox sh -c 'wget -qO- http://127.0.0.1/; hostname; ip -o -4 addr show eth0'
	has "page of webhost"
	# Podman shares no more than the network.
	[ "${lines[1]}" != webhost ]
	has "$(inspect web '{{.NetworkSettings.IPAddress}}')"
	# The one that joined is gone, the one that was there first is not.
	run -0 inside curl -sf "http://$(inspect web '{{.NetworkSettings.IPAddress}}')/"
	is "page of webhost"
	# Podman's own limits are more than every host allows.
	podman --runtime runc run -d --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --name runc busybox sleep 10000
	run "-$REFUSED" vm --rm --network container:runc busybox true
	has "is not that of a VM"
	podman exec runc ip -o -4 addr show eth0
}

@test "two networks of its own, and none" {
	local net
	for net in one two; do podman network create "$net" >/dev/null; done
	podman run -d --name both --network one --network two busybox sh -c 'mkdir /w; echo page >/w/index.html; httpd -p 80 -h /w; echo ready; exec sleep 10000'
	await logs_have both ready
	addresses() { podman exec both ip -o -4 addr show scope global | awk '{print $4}' | sort; }
	of() { podman inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}/{{.IPPrefixLen}} {{end}}' both | tr ' ' '\n' | grep . | sort; }
	diff <(addresses) <(of)
	[ "$(addresses | wc -l)" = 2 ]
	for net in one two; do
		run -0 podman run --rm --network "$net" busybox wget -qO- "http://$(podman inspect -f "{{(index .NetworkSettings.Networks \"$net\").IPAddress}}" both)/"
		is page
	done
	podman rm -f -t 0 both
	podman network rm one two
	run -0 podman run --rm --network none busybox sh -c 'ip -o link show up | cut -d : -f 2; ip route'
	is " lo"
}

@test "run -i: a hundred megabytes in and out, byte for byte; a million lines of logs" {
	full
	head -c 100M /dev/urandom >"$TMP/in"
	podman run --rm -i busybox cat <"$TMP/in" >"$TMP/out"
	cmp "$TMP/in" "$TMP/out"
	podman run -d --name logs busybox seq 1000000
	[ "$(podman wait logs)" = 0 ]
	podman logs logs | cmp - <(seq 1000000)
}

@test "exit codes, of run and of exec; a shared memory map on a volume" {
	mkdir "$TMP/v"
	head -c 1M /dev/urandom >"$TMP/v/f"
	podman run -d --name codes -v "$TMP/v:/v" busybox sleep 10000
	local code
	for code in $([ -n "${KATA_TEST_FULL-}" ] && seq 0 255 || echo 0 1 2 63 64 100 124 125 126 127 128 130 137 143 200 254 255); do
		run "-$code" podman exec codes sh -c "exit $code"
	done
	run -137 podman exec codes sh -c 'kill -9 $$'
	run -0 podman exec codes probe mmap /v/f through-the-map
	[ "$(head -c 15 "$TMP/v/f")" = through-the-map ]
	for code in 1 255; do
		run "-$code" podman run --rm --name "gone$code" busybox sh -c "exit $code"
		run ! podman inspect "gone$code"
	done
}

@test "run -t: a change of the terminal's size reaches the process" {
	podman run -d -t --name size busybox sh -c 'trap "stty size" WINCH; echo ready; while :; do sleep 1; done'
	await logs_have size ready
	# conmon's control: the two numbers are rows and columns (conmon, "ctl").
	printf '1 44 132\n' >"$(podman inspect -f '{{.StaticDir}}' size)/ctl"
	await logs_have size "44 132"
}

@test "macvlan; a network is connected and disconnected while the container runs" {
	inside ip link add kata-mv0 type veth peer name kata-mv1
	inside ip link set kata-mv0 up
	inside ip addr add 10.236.0.1/24 dev kata-mv1
	inside ip link set kata-mv1 up
	podman network create -d macvlan --subnet 10.236.0.0/24 --gateway 10.236.0.1 -o parent=kata-mv0 mv >/dev/null
	podman network create three >/dev/null
	podman run -d --name web --network mv busybox sh -c 'mkdir /w; echo page >/w/index.html; httpd -p 80 -h /w; echo ready; exec sleep 10000'
	await logs_have web ready
	address() { podman inspect -f "{{(index .NetworkSettings.Networks \"$1\").IPAddress}}" web; }
	run -0 inside curl -sf "http://$(address mv)/"
	is page
	podman network connect three web
	reached() { [ "$(inside curl -sf -m 10 "http://$(address three)/")" = page ]; }
	await reached
	podman network disconnect three web
	interfaces() { podman exec web ip -o -4 addr show scope global | wc -l; }
	one() { [ "$(interfaces)" = 1 ]; }
	await one
	podman rm -f -t 0 web
	podman network rm mv three
	inside ip link del kata-mv0
}

@test "networks of CNI in place of netavark: a published port, a second network" {
	local net=kata-cni-$$
	PODMAN_CONF=$TMP/containers.conf PODMAN_NETWORKS=$TMP/networks
	sed 's|^\[network\]|&\nnetwork_backend = "cni"\ncni_plugin_dirs = ["/usr/lib/cni"]|' "$PODMAN_DIR/containers.conf" >"$PODMAN_CONF"
	mkdir "$PODMAN_NETWORKS"
	run podman info -f '{{.Host.NetworkBackend}}'
	[[ $output != *"cni support is not enabled"* ]] || skip "this Podman is built without CNI"
	is cni
	podman network create --subnet 10.237.0.0/24 "$net-1" >/dev/null
	podman network create --subnet 10.237.1.0/24 "$net-2" >/dev/null
	podman run -d --name web --network "$net-1" --network "$net-2" -p 18085:80 busybox sh -c 'mkdir /w; uname -r >/w/index.html; httpd -p 80 -h /w; echo ready; exec sleep 10000'
	await logs_have web ready
	run -0 inside curl -sf http://127.0.0.1:18085/
	hasnt "$(uname -r)"
	run -0 podman exec web ip -o -4 addr show scope global
	has "inet 10.237.0."
	has "inet 10.237.1."
	podman rm -f -t 0 web
	podman network rm "$net-1" "$net-2"
	# What host-local remembers of its networks stays when they go.
	rm -rf "/var/lib/cni/networks/$net-1" "/var/lib/cni/networks/$net-2"
}
