#!/usr/bin/env bats
# shellcheck disable=SC2154
# What is on its way to a disk when a container is deleted: what it has written
# itself is on the host then, and what others have written is none of its business.

load lib

eval "$(declare -f setup | sed '1s/setup/sandbox_setup/')"
eval "$(declare -f teardown | sed '1s/teardown/sandbox_teardown/')"

# A file system of the host's, with a volume, that writes nothing by itself while
# a test runs but its journal when it is made to.
setup() {
	sandbox_setup
	HOST=$TMP/host
	mkdir "$HOST"
	truncate -s 256M "$TMP/host.img"
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$TMP/host.img"
	DEVICE=$(losetup -f --show "$TMP/host.img")
	mount -o commit=300 "$DEVICE" "$HOST"
	mkdir "$HOST/volume"
}

teardown() {
	must kata delete --force "$BOX"
	must umount "$HOST"
	must losetup -d "$DEVICE"
	sandbox_teardown
}

# box: sleeps, with the volume.
box() {
	edit "$TMP/bundle" ".mounts += [{destination: \"/data\", type: \"bind\", source: \"$HOST/volume\", options: [\"rbind\", \"rw\"]}]"
	command_is "$TMP/bundle" sleep 1000
	kata run --detach --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/$BOX.out" 2>&1
}

# written: MiB that the disk has been given; sectors are of 512 bytes
# (Documentation/block/stat.rst).
written() { awk '{print int($7 / 2048)}' "/sys/block/${DEVICE##*/}/stat"; }

@test "a delete leaves to the host's kernel when it writes what others have written" {
	configured shared_fs '"virtio-fs"'
	box
	kata exec "$BOX" sh -c 'echo mine >/data/file'
	sync -f "$HOST"
	local before
	before=$(written)
	dd if=/dev/zero of="$HOST/others" bs=1M count=96 status=none
	kata delete --force "$BOX"
	[ "$(($(written) - before))" -lt 48 ]
	# It can be told from a flush.
	sync -f "$HOST"
	[ "$(($(written) - before))" -ge 96 ]
	[ "$(cat "$HOST/volume/file")" = mine ]
}

# loop_mounted: the container has a file system of its own making in a file of the
# volume, and ends with it mounted.
loop_mounted() {
	edit "$TMP/bundle" '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN", "CAP_MKNOD"])
		| .linux.resources.devices += [{allow: true, access: "rwm"}] | .linux.seccomp = null | .linux.maskedPaths = []'
	truncate -s 16M "$HOST/volume/disk.img"
	mkfs.ext4 -q "$HOST/volume/disk.img"
	box
	# The first loop device is made when it is asked for (LOOP_CTL_GET_FREE).
	kata exec "$BOX" sh -c 'mknod /dev/loop-control c 10 237; mknod /dev/loop0 b 7 0; mkdir /dev/disk &&
		losetup -f && losetup /dev/loop0 /data/disk.img && mount -t ext4 /dev/loop0 /dev/disk && echo kept >/dev/disk/file'
	kata delete --force "$BOX"
	[ "$(debugfs -R "cat /file" "$HOST/volume/disk.img" 2>/dev/null)" = kept ]
}

@test "what a container has written to a file system in a file of a volume is there after it, by virtiofs" {
	configured shared_fs '"virtio-fs"'
	loop_mounted
}

@test "what a container has written to a file system in a file of a volume is there after it, by 9p" {
	configured shared_fs '"virtio-9p"'
	loop_mounted
}
