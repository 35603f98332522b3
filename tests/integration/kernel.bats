#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2034,SC2153
# What programs in containers ask of their kernel, which is the guest's.

load lib
load parity

# may BUNDLE CAPABILITY...: what its process may do.
may() {
	local bundle=$1
	shift
	edit "$bundle" ".process.capabilities |= with_entries(.value = $(printf '%s\n' "$@" | jq -R '"CAP_" + .' | jq -cs .))"
}

# host_runs SCRIPT: the container runs it, with the host's programs and no busybox.
host_runs() {
	local dir rootfs=$TMP/bundle/rootfs
	rm -r "${rootfs:?}/bin"
	mkdir "$rootfs"/{run,usr}
	for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$rootfs/$dir"; done
	edit "$TMP/bundle" '.mounts += [{destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"]}]'
	echo "$1" >"$rootfs/script"
	command_is "$TMP/bundle" sh -e /script
}

@test "packet filters: iptables and ip6tables of both kinds, nft, conntrack, sets" {
	may "$TMP/bundle" NET_ADMIN NET_RAW
	host_runs '
		for ip in iptables ip6tables; do for kind in nft legacy; do
			$ip-$kind -A INPUT -p tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
			$ip-$kind -A INPUT -p tcp --dport 81 -j REJECT
			$ip-$kind -t nat -A OUTPUT -p tcp -m owner --uid-owner 1337 -j RETURN
			$ip-$kind -t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 15001
			$ip-$kind -t mangle -A PREROUTING -p tcp -m socket -j MARK --set-mark 1
			$ip-$kind -t mangle -A PREROUTING -p tcp -j TPROXY --on-port 15006 --tproxy-mark 1
			echo $ip-$kind $($ip-$kind -S | grep -c "^-A") $($ip-$kind -t nat -S | grep -c "^-A") $($ip-$kind -t mangle -S | grep -c "^-A")
		done; done
		nft add table inet t
		nft add set inet t s "{ type ipv4_addr; flags interval; }"
		nft add element inet t s "{ 10.0.0.0/8 }"
		nft add chain inet t c "{ type filter hook input priority 0; }"
		nft add rule inet t c ip saddr @s tcp dport 22 ct state new limit rate 5/second counter log accept
		nft list table inet t | grep -c "@s tcp dport 22"'
	run -0 kata run --bundle "$TMP/bundle" "$C1" </dev/null
	echo "$output"
	[ "$output" = $'iptables-nft 2 2 2\niptables-legacy 2 2 2\nip6tables-nft 2 2 2\nip6tables-legacy 2 2 2\n1' ]
}

@test "network links: WireGuard, tunnels of IPsec, vxlan, vlan and others; none is there unasked" {
	may "$TMP/bundle" NET_ADMIN
	host_runs '
		ip link add d0 type dummy
		for link in "wg0 type wireguard" "br0 type bridge" "v0 type veth peer name v1" "vrf0 type vrf table 10" \
			"vx0 type vxlan id 1 dstport 4789 dev d0" "gn0 type geneve id 1 remote 127.0.0.1" "xf0 type xfrm dev d0 if_id 5" \
			"d0.5 link d0 type vlan id 5" "mv0 link d0 type macvlan" "iv0 link br0 type ipvlan"; do ip link add $link; done
		ip xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out tmpl src 10.0.0.1 dst 10.0.0.2 proto esp mode tunnel
		ip xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 1 mode tunnel aead "rfc4106(gcm(aes))" 0x0102030405060708090a0b0c0d0e0f1011121314 128
		for kind in prio cake fq_codel; do tc qdisc replace dev d0 root $kind; done
		ip -o link | sed "s/^[0-9]*: \([^:@]*\).*/\1/" | grep -v eth0 | sort | tr "\n" " "'
	run -0 kata run --bundle "$TMP/bundle" "$C1" </dev/null
	echo "$output"
	[ "$output" = "br0 d0 d0.5 gn0 iv0 lo mv0 v0 v1 vrf0 vx0 wg0 xf0 " ]
}

@test "of what works in a container of runc nothing is missing but what is known" {
	(cd "$BATS_TEST_DIRNAME/../.." && CGO_ENABLED=0 "${GO:-go}" build -buildvcs=false -o "$TMP/bundle/rootfs/bin/probes" ./tests/conformance/probes)
	may "$TMP/bundle" SYS_ADMIN NET_ADMIN NET_RAW SYS_PTRACE SYS_NICE IPC_LOCK CHOWN DAC_OVERRIDE SETUID SETGID MKNOD KILL BPF PERFMON
	edit "$TMP/bundle" 'del(.linux.maskedPaths, .linux.readonlyPaths)'
	command_is "$TMP/bundle" probes
	local runtime guest=debian
	for runtime in rc kata; do "$runtime" run --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/$runtime.txt"; done
	command_is "$TMP/bundle" uname -r
	run -0 kata run --bundle "$TMP/bundle" "$C1" </dev/null
	[[ $output != *-kata ]] || guest=tuned
	"$TMP/bundle/rootfs/bin/probes" compare "$BATS_TEST_DIRNAME/../conformance/known/probes-$guest" "$TMP/rc.txt" "$TMP/kata.txt"
}
