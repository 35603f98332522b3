#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Programs of a container that are executed over and over.

load lib

# box: a container that sleeps.
box() {
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || { cat "$TMP/out"; return 1; }
	kata start "$C1"
}

# within SCRIPT: in the container.
within() { kata exec "$C1" sh -c "$1"; }

# settled FILE: its last change is so old that the guest's kernel trusts its time.
settled() { [ "$(($(date +%s) - $(stat -c %Z "$1")))" -gt 3 ]; }

# version FILE DIGIT: writes another version into a copy of busybox, in place.
version() {
	local offset
	while read -r offset; do
		printf '%s' "$2" | dd of="$1" bs=1 seek=$((offset + 9)) conv=notrunc status=none
	done < <(grep -abo 'BusyBox v[0-9]' "$1" | cut -d: -f1)
}

# says TEXT: the program begins with it. A name that is another file's now is seen
# a second later.
says() { [[ $(within '/program/busybox | head -n 1') == "$1"* ]]; }

@test "a program that the host changes in place is executed as it is by then" {
	local program=$TMP/bundle/rootfs/program/busybox each
	mkdir "${program%/*}"
	cp /bin/busybox "$program"
	box
	run -0 within '/program/busybox | head -n 1'
	[[ $output == "BusyBox v1."* ]]
	await settled "$program"
	within '/program/busybox >/dev/null'
	within '/program/busybox >/dev/null'
	for each in 2 3 4; do
		version "$program" "$each"
		run -0 within '/program/busybox | head -n 1'
		[[ $output == "BusyBox v$each."* ]]
	done
	# By the guest, and another file in its place.
	run -0 within 'sed "s/BusyBox v4/BusyBox v5/" /program/busybox >/program/new; cat /program/new >/program/busybox; /program/busybox | head -n 1'
	[[ $output == "BusyBox v5."* ]]
	await settled "$program"
	within '/program/busybox >/dev/null'
	cp "$program" "$program.new"
	version "$program.new" 6
	mv "$program.new" "$program"
	await says "BusyBox v6."
}

@test "a program that runs keeps its pages when it is executed again" {
	box
	[[ $(within 'uname -r') == *-kata ]] || skip "the kernel is not ours (make kernel)"
	await settled "$TMP/bundle/rootfs/bin/busybox"
	# The first one after that takes the pages away once more.
	within true
	within 'sleep 2000 >/dev/null 2>&1 & echo $! >/tmp/pid'
	within true
	# Of the text that the sleeping one has mapped, in kB.
	run -0 within 'sed -n "/r-xp.*busybox/,/^Rss:/ s/^Rss: *//p" "/proc/$(cat /tmp/pid)/smaps"'
	echo "mapped: $output"
	[ "${output% kB}" -gt 100 ]
}
