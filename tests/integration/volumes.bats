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
	kata delete --force box 2>/dev/null
	kata delete --force pod 2>/dev/null
	local users
	users=$(find "$(folder)" -type f ! -name mountInfo.json 2>/dev/null)
	"$KATA_RUNTIME" direct-volume remove --volume-path "$VOLUME"
	losetup -d "$DEVICE"
	sandbox_teardown && [ -z "$users" ]
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
	kata create --bundle "$TMP/bundle" box </dev/null >"$TMP/box.out" 2>&1
	kata start box
}

pod() {
	edit "$TMP/bundle" '.annotations = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "pod"}'
	kata create --bundle "$TMP/bundle" pod </dev/null >"$TMP/pod.out" 2>&1
	kata start pod
}

# bundle ID: for a member of the pod that sleeps.
bundle() {
	make_bundle "$TMP/$1"
	member_of "$TMP/$1" pod
	command_is "$TMP/$1" sleep 1000
}

ran() { kata create --bundle "$TMP/$1" "$1" </dev/null >"$TMP/$1.out" 2>&1 && kata start "$1"; }

# on_disk FILE: what the file system on the device holds now.
on_disk() { debugfs -R "cat $1" "$DEVICE" 2>/dev/null; }

@test "direct-volume: the guest mounts the device, and the host never does" {
	assign '"options": ["noatime"], "metadata": {"fsGroup": "1234"}'
	[ "$(stat -c %a "$(folder)")" = 700 ]
	box
	run -0 kata exec box sh -c 'grep " /data " /proc/mounts; stat -c %g /data; echo kept >/data/file'
	[[ ${lines[0]} == /dev/vd?" /data ext4 rw,"*noatime* ]]
	[ "${lines[1]}" = 1234 ]
	run ! grep -F "$DEVICE" /proc/self/mounts
	[ ! -e "$VOLUME" ]
	kata kill box KILL
	wait_stopped box
	kata delete box
	[ "$(on_disk file)" = kept ]
	# The next one finds what was written.
	kata create --bundle "$TMP/bundle" box </dev/null >"$TMP/box.out" 2>&1
	kata start box
	run -0 kata exec box cat /data/file
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
	run -0 kata exec box dd if=/dev/zero of=/data/big bs=1M count=90
	run -1 volume resize --size 32Mi
	[[ $output == *"can only grow"* ]]
}

@test "direct-volume: a pod's containers share it, and it goes with the last" {
	assign
	pod
	local id
	for id in one two; do
		bundle "$id"
		mounts "$TMP/$id"
		ran "$id"
	done
	kata exec one sh -c 'echo from-one >/data/file'
	run -0 kata exec two cat /data/file
	[ "$output" = from-one ]
	[ "$(jq '[.sandbox.containers[].volumes[]?.id] | unique | length' "$ROOT/sandboxes/pod/state.json")" = 1 ]
	kata delete --force one
	run -0 kata exec two sh -c 'cat /data/file; echo from-two >/data/file'
	[ "$output" = from-one ]
	kata delete --force two
	[ "$(on_disk file)" = from-two ]
	[ "$(find "$(folder)" -type f)" = "$(folder)/mountInfo.json" ]
	# QEMU has let go of it.
	flock --nonblock --exclusive "$DEVICE" true
	[ -z "$(find "/proc/$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/pod/state.json")/fd" -lname "$DEVICE")" ]
	ran one
	run -0 kata exec one cat /data/file
	[ "$output" = from-two ]
}

@test "direct-volume: read-only is QEMU's to enforce, or the container's" {
	assign '"options": ["ro"]'
	box
	run ! kata exec box touch /data/x
	run -0 kata exec box sh -c 'cat /sys/block/vd*/ro'
	[[ $output == *1* ]]
	kata delete --force box
	assign
	edit "$TMP/bundle" '.mounts |= map(if .destination == "/data" then .options = ["rbind", "ro"] else . end)'
	kata create --bundle "$TMP/bundle" box </dev/null >"$TMP/box.out" 2>&1
	kata start box
	run ! kata exec box touch /data/x
}

@test "direct-volume: what cannot be used fails by name and leaves nothing" {
	run -1 volume add --mount-info '{"device": "/dev/null", "fstype": "ext4"}'
	[[ $output == *"/dev/null is no block device"* ]]
	run -1 volume add --mount-info '{"device": "'"$DEVICE"'", "fstype": "ext4", "options": ["bind"]}'
	[[ $output == *"bind"* ]]
	[ ! -e "$(folder)" ]
	assign '"options": ["no-such-option"]'
	mounts "$TMP/bundle"
	run -1 kata create --bundle "$TMP/bundle" box
	[[ $output == *"no-such-option"* ]]
	[ ! -L "$ROOT/containers/box" ]
	assign
	chmod 755 "$(folder)"
	run -1 kata create --bundle "$TMP/bundle" box
	[[ $output == *"is not a folder of root's alone"* ]]
	chmod 700 "$(folder)"
	cp "$TMP/bundle/config.json" "$TMP/config.json"
	edit "$TMP/bundle" '.mounts |= map(select(.destination != "/data"))'
	pod
	bundle one
	mounts "$TMP/one"
	# Another VM has it.
	mv "$TMP/config.json" "$TMP/bundle/config.json"
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" box </dev/null >"$TMP/box.out" 2>&1
	run -1 kata create --bundle "$TMP/one" one
	[[ $output == *"$DEVICE"*lock* ]]
	[ ! -L "$ROOT/containers/one" ]
	[ "$(status pod)" = running ]
	kata delete --force box
	ran one
	kata exec one touch /data/x
}

@test "a block volume (volumeMode: Block): the device itself, in a container of a pod" {
	pod
	bundle one
	local major minor
	major=$((0x$(stat -c %t "$DEVICE"))) minor=$((0x$(stat -c %T "$DEVICE")))
	edit "$TMP/one" ".linux.devices += [{path: \"/dev/xvda\", type: \"b\", major: $major, minor: $minor, fileMode: 432, uid: 0, gid: 0}]
		| .linux.resources.devices += [{allow: true, type: \"b\", major: $major, minor: $minor, access: \"rwm\"}]"
	ran one
	run -0 kata exec one sh -c 'head -c 4096 /dev/urandom >/tmp/f; dd if=/tmp/f of=/dev/xvda bs=4096 seek=1000 conv=fsync 2>/dev/null; md5sum </tmp/f'
	[ "$output" = "$(dd if="$IMAGE" bs=4096 skip=1000 count=1 2>/dev/null | md5sum)" ]
	kata delete --force one
	[ "$(status pod)" = running ]
}
