# shellcheck shell=bash disable=SC2154
# A container in a network namespace that the test makes and changes.

NS=kata-it-$$

# networked: the test's bundle is of the network namespace $NS, whose eth0 leads
# to peer0 in $NS-out.
networked() {
	ip netns add "$NS"
	ip netns add "$NS-out"
	ip -n "$NS-out" link set lo up
	link eth0 peer0 10.77.0
	edit "$TMP/bundle" ".linux.namespaces |= map(if .type == \"network\" then .path = \"/run/netns/$NS\" else . end)
		| .process.capabilities.bounding += [\"CAP_NET_RAW\"] | .process.capabilities.effective += [\"CAP_NET_RAW\"]
		| .process.capabilities.permitted += [\"CAP_NET_RAW\"]"
}

# box [create]: the container "box" runs, or is only created, in such a namespace.
box() {
	networked
	boxed "$@"
}

# boxed [create]: the same in the namespace that is there.
boxed() {
	ln -sf busybox "$TMP/bundle/rootfs/bin/ping"
	ln -sf busybox "$TMP/bundle/rootfs/bin/wget"
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/$BOX.out" 2>&1
	[ "${1-}" = create ] || kata start "$BOX"
}

# link NAME PEER NET: NAME in $NS has NET.2, PEER outside has NET.1.
link() {
	ip -n "$NS" link add "$1" type veth peer name "$2" netns "$NS-out"
	ip -n "$NS" addr add "$3.2/24" dev "$1"
	ip -n "$NS" link set "$1" up
	ip -n "$NS-out" addr add "$3.1/24" dev "$2"
	ip -n "$NS-out" link set "$2" up
}

eval "$(declare -f teardown | sed '1s/teardown/sandbox_teardown/')"
teardown() {
	sandbox_teardown
	local left=$?
	ip netns del "$NS" 2>/dev/null || true
	ip netns del "$NS-out" 2>/dev/null || true
	return "$left"
}

net() { kata kata-network "$@"; }

# reaches ADDRESS: from inside the container.
reaches() { kata exec "$BOX" ping -c 1 -W 5 "$1"; }
