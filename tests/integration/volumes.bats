#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Volumes on block devices: those that the VM mounts by itself (direct-volume),
# and those that a container gets as a device. A loop device is the disk.

load lib

STORE=/run/kata-containers/shared/direct-volumes

eval "$(declare -f setup | sed '1s/setup/sandbox_setup/')"
eval "$(declare -f teardown | sed '1s/teardown/sandbox_teardown/')"

setup() {
	sandbox_setup
	VOLUME=$TMP/volume # not there: nothing is mounted on the host
	IMAGE=$TMP/disk.img
	truncate -s 64M "$IMAGE"
	mkfs.ext4 -q "$IMAGE"
	DEVICE=$(losetup -f --show "$IMAGE")
}

teardown() {
	must kata delete --force "$BOX"
	must kata delete --force "$POD"
	must nothing "users of the volume" "$(find "$(folder)" -type f ! -name mountInfo.json 2>/dev/null)"
	must "$KATA_RUNTIME" direct-volume remove --volume-path "$VOLUME"
	must losetup -d "$DEVICE"
	sandbox_teardown
}

# folder: where the volume's assignment is.
folder() { echo "$STORE/$(printf %s "$VOLUME" | base64 -w0 | tr '+/' '-_')"; }

volume() {
	local verb=$1
	shift
	kata direct-volume "$verb" --volume-path "$VOLUME" "$@"
}

# assign [JSON]: members added to the mount info.
assign() { volume add --mount-info "{\"volume-type\": \"block\", \"device\": \"$DEVICE\", \"fstype\": \"ext4\"${1:+, $1}}"; }

# mounts BUNDLE: it mounts the volume on /data.
mounts() { edit "$1" ".mounts += [{destination: \"/data\", type: \"bind\", source: \"$VOLUME\", options: [\"rbind\", \"rw\"]}]"; }

box() {
	mounts "$TMP/bundle"
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/$BOX.out" 2>&1
	kata start "$BOX"
}

pod() {
	edit "$TMP/bundle" '.annotations = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "'"$POD"'"}'
	kata create --bundle "$TMP/bundle" "$POD" </dev/null >"$TMP/$POD.out" 2>&1
	kata start "$POD"
}

# bundle ID: for a member of the pod that sleeps.
bundle() {
	make_bundle "$TMP/$1"
	member_of "$TMP/$1" "$POD"
	command_is "$TMP/$1" sleep 1000
}

ran() { kata create --bundle "$TMP/$1" "$1" </dev/null >"$TMP/$1.out" 2>&1 && kata start "$1"; }

# on_disk FILE: what the file system on the device holds now.
on_disk() { debugfs -R "cat $1" "$DEVICE" 2>/dev/null; }

@test "direct-volume: the guest mounts the device, and the host never does" {
	assign '"options": ["noatime"], "metadata": {"fsGroup": "1234"}'
	[ "$(stat -c %a "$(folder)")" = 700 ]
	box
	run -0 kata exec "$BOX" sh -c 'grep " /data " /proc/mounts; stat -c %g /data; echo kept >/data/file'
	[[ ${lines[0]} == /dev/vd?" /data ext4 rw,"*noatime* ]]
	[ "${lines[1]}" = 1234 ]
	run ! grep -F "$DEVICE" /proc/self/mounts
	[ ! -e "$VOLUME" ]
	kata kill "$BOX" KILL
	wait_stopped "$BOX"
	kata delete "$BOX"
	[ "$(on_disk file)" = kept ]
	# The next one finds what was written.
	kata create --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/$BOX.out" 2>&1
	kata start "$BOX"
	run -0 kata exec "$BOX" cat /data/file
	[ "$output" = kept ]
}

@test "direct-volume: stats and resize go to the VM that has it, whatever the root" {
	assign
	run -1 volume stats
	[[ $output == *"no running virtual machine has this volume"* ]]
	box
	run -0 "$KATA_RUNTIME" direct-volume stats --volume-path "$VOLUME"
	local before
	before=$(jq '.usage[] | select(.unit == 1) | .total' <<<"$output")
	[ "$before" -gt $((40 << 20)) ]
	[ "$before" -lt $((64 << 20)) ]
	[ "$(jq '.usage[] | select(.unit == 2) | .used > 0' <<<"$output")" = true ]
	run -1 volume resize --size 128Mi
	[[ $output == *"grow it first"* ]]
	truncate -s 128M "$IMAGE"
	losetup -c "$DEVICE"
	"$KATA_RUNTIME" direct-volume resize --volume-path "$VOLUME" --size 128Mi
	run -0 volume stats
	[ "$(jq '.usage[] | select(.unit == 1) | .total' <<<"$output")" -gt $((before + (50 << 20))) ]
	run -0 kata exec "$BOX" dd if=/dev/zero of=/data/big bs=1M count=90
	run -1 volume resize --size 32Mi
	[[ $output == *"can only grow"* ]]
}

@test "direct-volume: a pod's containers share it, and it goes with the last" {
	assign
	pod
	local id
	for id in "$ONE" "$TWO"; do
		bundle "$id"
		mounts "$TMP/$id"
		ran "$id"
	done
	kata exec "$ONE" sh -c 'echo from-one >/data/file'
	run -0 kata exec "$TWO" cat /data/file
	[ "$output" = from-one ]
	[ "$(jq '[.sandbox.containers[].volumes[]?.id] | unique | length' "$ROOT/sandboxes/$POD/state.json")" = 1 ]
	kata delete --force "$ONE"
	run -0 kata exec "$TWO" sh -c 'cat /data/file; echo from-two >/data/file'
	[ "$output" = from-one ]
	kata delete --force "$TWO"
	[ "$(on_disk file)" = from-two ]
	[ "$(find "$(folder)" -type f)" = "$(folder)/mountInfo.json" ]
	# QEMU has let go of it.
	flock --nonblock --exclusive "$DEVICE" true
	[ -z "$(find "/proc/$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/$POD/state.json")/fd" -lname "$DEVICE")" ]
	ran "$ONE"
	run -0 kata exec "$ONE" cat /data/file
	[ "$output" = from-two ]
}

@test "direct-volume: read-only is QEMU's to enforce, or the container's" {
	assign '"options": ["ro"]'
	box
	run ! kata exec "$BOX" touch /data/x
	run -0 kata exec "$BOX" sh -c 'cat /sys/block/vd*/ro'
	[[ $output == *1* ]]
	kata delete --force "$BOX"
	assign
	edit "$TMP/bundle" '.mounts |= map(if .destination == "/data" then .options = ["rbind", "ro"] else . end)'
	kata create --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/$BOX.out" 2>&1
	kata start "$BOX"
	run ! kata exec "$BOX" touch /data/x
}

@test "direct-volume: what cannot be used fails by name and leaves nothing" {
	run -1 volume add --mount-info '{"device": "/dev/null", "fstype": "ext4"}'
	[[ $output == *"/dev/null is no block device"* ]]
	run -1 volume add --mount-info '{"device": "'"$DEVICE"'", "fstype": "ext4", "options": ["bind"]}'
	[[ $output == *"bind"* ]]
	[ ! -e "$(folder)" ]
	assign '"options": ["no-such-option"]'
	mounts "$TMP/bundle"
	run -1 kata create --bundle "$TMP/bundle" "$BOX"
	[[ $output == *"no-such-option"* ]]
	[ ! -L "$ROOT/containers/$BOX" ]
	assign
	chmod 755 "$(folder)"
	run -1 kata create --bundle "$TMP/bundle" "$BOX"
	[[ $output == *"is not a folder of root's alone"* ]]
	chmod 700 "$(folder)"
	cp "$TMP/bundle/config.json" "$TMP/config.json"
	edit "$TMP/bundle" '.mounts |= map(select(.destination != "/data"))'
	pod
	bundle "$ONE"
	mounts "$TMP/$ONE"
	# Another VM has it.
	mv "$TMP/config.json" "$TMP/bundle/config.json"
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/$BOX.out" 2>&1
	run -1 kata create --bundle "$TMP/$ONE" "$ONE"
	[[ $output == *"$DEVICE"*lock* ]]
	[ ! -L "$ROOT/containers/$ONE" ]
	[ "$(status "$POD")" = running ]
	kata delete --force "$BOX"
	ran "$ONE"
	kata exec "$ONE" touch /data/x
}

@test "a block volume (volumeMode: Block): the device itself, in a container of a pod" {
	pod
	bundle "$ONE"
	local major minor
	major=$((0x$(stat -c %t "$DEVICE"))) minor=$((0x$(stat -c %T "$DEVICE")))
	edit "$TMP/$ONE" ".linux.devices += [{path: \"/dev/xvda\", type: \"b\", major: $major, minor: $minor, fileMode: 432, uid: 0, gid: 0}]
		| .linux.resources.devices += [{allow: true, type: \"b\", major: $major, minor: $minor, access: \"rwm\"}]"
	ran "$ONE"
	run -0 kata exec "$ONE" sh -c 'head -c 4096 /dev/urandom >/tmp/f; dd if=/tmp/f of=/dev/xvda bs=4096 seek=1000 conv=fsync 2>/dev/null; md5sum </tmp/f'
	[ "$output" = "$(dd if="$IMAGE" bs=4096 skip=1000 count=1 2>/dev/null | md5sum)" ]
	kata delete --force "$ONE"
	[ "$(status "$POD")" = running ]
}
