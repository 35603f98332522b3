#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2143,SC2010,SC2030,SC2031
# The same container on each machine type, share and guest image that this host can run.

load lib

# works: a container runs, reads and writes its root file system and a volume.
works() {
	mkdir "$TMP/volume"
	echo from-host >"$TMP/volume/in"
	edit "$TMP/bundle" ".mounts += [{destination: \"/vol\", type: \"bind\", source: \"$TMP/volume\", options: [\"rbind\", \"rw\"]}]"
	command_is "$TMP/bundle" sh -c 'cat /vol/in; echo from-guest >/vol/out; echo x >/written; uname -r'
	run -0 kata run --bundle "$TMP/bundle" "$C1"
	[ "${lines[0]}" = from-host ]
	[ "${lines[1]}" != "$(uname -r)" ]
	[ "$(cat "$TMP/volume/out")" = from-guest ]
	[ "$(cat "$TMP/bundle/rootfs/written")" = x ]
}

@test "q35 and virtiofs" {
	configured machine_type '"q35"'
	configured shared_fs '"virtio-fs"'
	works
}

@test "q35 and 9p" {
	configured shared_fs '"virtio-9p"'
	works
}

@test "microvm and virtiofs" {
	configured machine_type '"microvm"'
	configured shared_fs '"virtio-fs"'
	works
}

@test "microvm and 9p" {
	configured machine_type '"microvm"'
	configured shared_fs '"virtio-9p"'
	works
}

@test "a root file system image on a disk in place of the initrd" {
	local image
	image=$(find "$(dirname "$KATA_RUNTIME")/guest" -name rootfs.img | head -n 1)
	[ -n "$image" ] || skip "no rootfs.img was built: it needs the kernel of make kernel"
	[ -e "$(dirname "$image")/vmlinux" ] || skip "the kernel that can mount it was not built (make kernel)"
	configured kernel "\"$(dirname "$image")/vmlinux\""
	configured initrd '""'
	configured image "\"$image\""
	works
}

@test "an initrd that is compressed with zstd" {
	zstd -q -19 -o "$TMP/initrd.zst" "$(initrd)"
	configured initrd "\"$TMP/initrd.zst\""
	works
}

# adder FILE N: a program that adds N to a register on each of 251 pages, and
# exits with the sum.
adder() {
	local page add jump end='\xb8\x3c\0\0\0\x0f\x05'
	# ELF's header and one segment, which maps all of the file at 4 MiB; it is
	# entered at the second page.
	printf '\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0\0\x10\x40\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\x38\0\x01\0\0\0\0\0\0\0' >"$1"
	printf '\x01\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\xd0\x0f\0\0\0\0\0\0\xd0\x0f\0\0\0\0\0\0\x10\0\0\0\0\0\0' >>"$1"
	add=$(printf '\\x83\\xc7\\x%02x' "$2") jump='\xe9\xf8\x0f\0\0'
	for page in {1..252}; do
		truncate -s $((page * 4096)) "$1"
		if [ "$page" = 252 ]; then printf %b "$end"; else printf %b "$add$jump"; fi >>"$1"
	done
	truncate -s $((253 * 4096)) "$1"
	chmod 755 "$1"
}

# Without KVM, QEMU keeps what it has translated until it sees the code change,
# and what virtiofsd writes into the guest's memory it does not see. A kernel that
# clears pages by itself, as Debian's does, passes without being told to;
# hypervisor's TestCommandLine has that it is told.
@test "a program in memory that another one had runs as it is" {
	[ "$(uname -m)" = x86_64 ] || skip "the program is x86-64 code"
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	kata start "$C1"
	local n
	for n in {1..20}; do adder "$TMP/bundle/rootfs/adder$n" "$n"; done
	# Each is removed, so that the next ones get its memory.
	run -0 kata exec "$C1" sh -c 'for n in $(seq 20); do
		/adder$n
		[ $? = $((251 * n % 256)) ] || echo "$n: wrong"
		rm /adder$n
	done'
	[ -z "$output" ]
	kata delete --force "$C1"
}

# guest_memory: the KiB that the host has given to the guest.
guest_memory() {
	awk '/^[0-9a-f]+-/ { file = $6 } /^Rss:/ && file ~ /memory-backend|^\/#[0-9]/ { n += $2 } END { print n + 0 }' \
		"/proc/$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/$C1/state.json")/smaps"
}

memory_below() { [ "$(guest_memory)" -lt "$1" ]; }

@test "memory that a container no longer uses goes back to the host" {
	command_is "$TMP/bundle" sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=60; echo >/full; while [ ! -e /enough ]; do sleep 0.1; done; rm /dev/shm/x; sleep 1000'
	kata create --bundle "$TMP/bundle" "$C1" >"$TMP/out" 2>&1 </dev/null
	kata start "$C1"
	await test -e "$TMP/bundle/rootfs/full"
	local full
	full=$(guest_memory)
	touch "$TMP/bundle/rootfs/enough"
	await memory_below $((full - 40 * 1024))
	kata delete --force "$C1"
}

@test "a smaller limit gives what the guest has cached back to the host" {
	dd if=/dev/urandom of="$TMP/bundle/rootfs/file" bs=1M count=60 status=none
	command_is "$TMP/bundle" sh -c 'cat /file >/dev/null; echo >/full; sleep 1000'
	kata create --bundle "$TMP/bundle" "$C1" >"$TMP/out" 2>&1 </dev/null
	kata start "$C1"
	await test -e "$TMP/bundle/rootfs/full"
	local full
	full=$(guest_memory)
	kata update --memory $((16 << 20)) "$C1"
	await memory_below $((full - 35 * 1024))
	kata delete --force "$C1"
}

@test "an interface in the namespace becomes the guest's, with its addresses and routes" {
	ip netns add "kata-it-$$"
	ip -n "kata-it-$$" link add eth0 type veth peer name peer0
	ip -n "kata-it-$$" addr add 10.234.5.2/24 dev eth0
	ip -n "kata-it-$$" link set eth0 up
	ip -n "kata-it-$$" link set peer0 up
	ip -n "kata-it-$$" route add default via 10.234.5.1
	edit "$TMP/bundle" ".linux.namespaces |= map(if .type == \"network\" then .path = \"/run/netns/kata-it-$$\" else . end)"
	command_is "$TMP/bundle" sh -c 'ip -o -4 addr show eth0; ip route'
	run kata run --bundle "$TMP/bundle" "$C1"
	local code=$status text=$output
	run ip -n "kata-it-$$" -o link
	ip netns del "kata-it-$$"
	[ "$code" = 0 ]
	[[ $text == *"10.234.5.2/24"* ]]
	[[ $text == *"default via 10.234.5.1 dev eth0"* ]]
	[[ $output != *kata0* ]]
}

@test "an interface that comes between create and start (Docker 28)" {
	command_is "$TMP/bundle" sh -c 'ip -o -4 addr show eth9'
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	local pid
	pid=$(kata state "$C1" | jq .pid)
	nsenter -t "$pid" -n ip link add eth9 type dummy ||
		nsenter -t "$pid" -n ip link add eth9 type veth peer name p9
	nsenter -t "$pid" -n ip addr add 10.234.6.2/24 dev eth9
	nsenter -t "$pid" -n ip link set eth9 up
	kata start "$C1"
	wait_stopped "$C1"
	[[ $(cat "$TMP/out") == *"10.234.6.2/24"* ]]
}

@test "without a network: the guest has a loopback only, also without a namespace of its own" {
	configured internetworking_model '"none"'
	command_is "$TMP/bundle" sh -c 'ls /sys/class/net; cat /proc/net/route | wc -l'
	run -0 kata run --bundle "$TMP/bundle" "$C1"
	[ "$output" = $'lo\n1' ]
	configured disable_new_netns true
	run -0 kata run --bundle "$TMP/bundle" "$C1"
	[ "$output" = $'lo\n1' ]
}

merged() { [ "$(cat /sys/kernel/mm/ksm/pages_sharing)" -gt 1000 ]; }

@test "enable_ksm: the host merges pages of two guests" {
	local ksm=/sys/kernel/mm/ksm/run code=0
	[ "$(cat $ksm)" = 0 ] || skip "the host has no KSM, or runs it already"
	configured enable_ksm true
	configured shared_fs '"virtio-9p"'
	command_is "$TMP/bundle" sleep 1000
	cp -a "$TMP/bundle" "$TMP/other"
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&-
	kata run -d --bundle "$TMP/other" "$C2" </dev/null >"$TMP/out" 2>&1 3>&-
	echo 1 >$ksm
	await merged || code=1
	[ "$(kata exec "$C1" echo still)" = still ] || code=2
	# Apart again, and then off as it was.
	echo 2 >$ksm
	echo 0 >$ksm
	return "$code"
}
