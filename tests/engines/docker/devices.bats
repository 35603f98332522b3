#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# The host's devices, and what is allowed to a process; Podman's suite has these
# tests too.

load lib

@test "--privileged: every capability, and none of the host's disks" {
	local disk own have
	# So that the host has one for certain.
	truncate -s 4M "$TMP/a"
	echo secret | dd of="$TMP/a" conv=notrunc status=none
	disk=$(losetup -f --show "$TMP/a")
	# Nor by a node that the container makes.
	run vm --rm --privileged busybox sh -c "grep CapEff /proc/self/status; find /dev -type b; mkdir /m; mount -t tmpfs none /m && echo mounted; echo x >/dev/null && echo written
		mknod /m/disk b $(lsblk -dno MAJ:MIN "$disk" | tr : ' ') && echo made && head -n 1 /m/disk"
	losetup -d "$disk"
	# Newer engines give what they have themselves; Docker 20.10 knows 38 of them.
	have=$(awk '$1 == "CapEff:" {print $2}' <<<"$output")
	own=$(awk '$1 == "CapBnd:" {print $2}' /proc/self/status)
	((((1 << 38) - 1) & 0x$own & ~0x$have)) && { echo "$have lacks some of $own"; false; }
	has mounted
	has written
	has made
	hasnt /dev/
	hasnt secret
}

@test "--device: a block device of the host, also read-only, and a character device" {
	local a b
	truncate -s 4M "$TMP/a" "$TMP/b"
	# In one stream: what is written to two may come mixed within a line.
	echo second | dd of="$TMP/b" conv=notrunc status=none
	a=$(losetup -f --show "$TMP/a")
	b=$(losetup -f --show "$TMP/b")
	run vm --rm --device "$a:/dev/first" --device "$b:/dev/second:r" --device /dev/null:/dev/mine \
		busybox sh -c 'exec 2>&1; echo written | dd of=/dev/first conv=fsync 2>/dev/null; head -n 1 /dev/second; echo x >/dev/second; echo x >/dev/mine && awk "NR > 2 {print \"disk\", \$3}" /proc/partitions'
	losetup -d "$a" "$b"
	[ "$status" = 0 ]
	has second
	has "not permitted"
	# The two disks of 4 MiB, and no other.
	has $'disk 4096\ndisk 4096'
	[ "$(grep -c "^disk " <<<"$output")" = 2 ] || { echo "$output"; false; }
	[ "$(head -n 1 "$TMP/a")" = written ]
	[ "$(head -n 1 "$TMP/b")" = second ]
}

@test "--security-opt seccomp=FILE: the profile's own answer" {
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 78}]}' >"$TMP/profile"
	run -1 vm --rm --security-opt seccomp="$TMP/profile" busybox mkdir /x
	# ENOSYS is 38; 78 is EREMCHG, which nothing else answers.
	has "Remote address changed"
}
