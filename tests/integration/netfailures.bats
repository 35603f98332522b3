#!/usr/bin/env bats
# shellcheck disable=SC2154
# A creation that fails, or is cut off, leaves the engine's network namespace as
# it found it: interfaces, addresses, routes, queueing disciplines and filters.

load lib
load netns

# network_of NAMESPACE: all that a sandbox could change there.
network_of() {
	local device
	ip -n "$1" -d -o link
	# Newer programs tell who made an address: one that is given back is ours.
	ip -n "$1" -o addr | sed 's/valid_lft.*//; s/ nodad//; s/ proto kernel_ll//'
	ip -n "$1" route show table all
	ip -n "$1" -6 route show table all
	ip -n "$1" neigh show nud permanent
	tc -n "$1" qdisc
	for device in $(ip -n "$1" -o link | cut -d: -f2 | cut -d@ -f1); do
		tc -n "$1" filter show dev "$device" ingress
	done
}

settled() { ! ip -n "$1" -o addr | grep -q tentative; }

# kept: the namespace is as it was, and nothing else is left either. A taken-away
# tap goes from the kernel's list a moment after its last user.
kept() {
	[ "$(network_of "$NS")" = "$SEEN" ] && [ "$(leftovers)" = "$BEFORE" ]
}

prepared() {
	networked
	# As engines give it; and a gateway that they have made known.
	ip -n "$NS" addr del 10.77.0.2/24 dev eth0
	ip -n "$NS" addr add 10.77.0.2/24 brd + dev eth0
	ip -n "$NS" route add default via 10.77.0.1
	ip -n "$NS" neigh replace 10.77.0.1 lladdr 02:00:00:00:00:01 nud permanent dev eth0
	await settled "$NS"
	SEEN=$(network_of "$NS")
	BEFORE=$(leftovers)
}

fails() { # WANT: the creation fails with it, and all is as it was
	run -1 kata create --bundle "$TMP/bundle" "$BOX" </dev/null
	[[ $output == *"$1"* ]] || { echo "want $1: $output"; return 1; }
	kept || { diff <(echo "$SEEN") <(network_of "$NS"); return 1; }
}

# each_failure: before the VM is there, while it boots, and when it runs.
each_failure() {
	local conf=$TMP/conf.toml
	cp "$KATA_CONF_FILE" "$conf"
	command_is "$TMP/bundle" no-such-command
	fails "executable file not found"
	command_is "$TMP/bundle" sleep 1000
	program hypervisor.qemu /bin/false
	fails "QEMU"
	export KATA_CONF_FILE=$conf
	program shim.kata /no/such/shim
	fails "/no/such/shim"
	export KATA_CONF_FILE=$conf
	configured boot_timeout 8
	configured kernel_params '"rdinit=/bin/nothing init=/bin/nothing panic=0"'
	fails "console"
	export KATA_CONF_FILE=$conf
	edit "$TMP/bundle" '.hooks.prestart = [{path: "/bin/false"}]'
	fails "/bin/false"
}

@test "tcfilter: creations that fail" {
	configured internetworking_model '"tcfilter"'
	prepared
	each_failure
}

@test "macvtap: creations that fail" {
	configured internetworking_model '"macvtap"'
	prepared
	[[ $SEEN == *"inet6 fe80:"* ]]
	each_failure
}

@test "creations that are killed, and one that is interrupted" {
	prepared
	command_is "$TMP/bundle" sleep 1000
	local point signal pid
	for point in state.json qmp.sock console.log; do
		for signal in KILL TERM; do
			"$KATA_RUNTIME" --root "$ROOT" create --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/out" 2>&1 3>&- &
			pid=$!
			await test -e "$ROOT/sandboxes/$BOX/$point"
			kill "-$signal" "$pid"
			wait "$pid" 2>/dev/null || true
			kata delete --force "$BOX"
			kept || { echo "$point, $signal"; diff <(echo "$SEEN") <(network_of "$NS"); return 1; }
		done
	done
	# What went before did not spoil it.
	kata create --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/out" 2>&1
	[ "$(network_of "$NS")" != "$SEEN" ]
	kata start "$BOX"
	kata delete --force "$BOX"
	kept || { diff <(echo "$SEEN") <(network_of "$NS"); return 1; }
}
