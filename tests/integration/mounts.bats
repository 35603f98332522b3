#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Folders of the host in a container, with mounts below them.

load lib

eval "$(declare -f setup | sed '1s/setup/plain_setup/')"
eval "$(declare -f teardown | sed '1s/teardown/plain_teardown/')"

setup() {
	plain_setup
	VOLUME=$TMP/volume
	mkdir -p "$VOLUME/sub" "$VOLUME/gone"
	mount -t tmpfs none "$VOLUME/sub"
	mkdir "$VOLUME/sub/deep"
	mount -t tmpfs none "$VOLUME/sub/deep"
	mount -t tmpfs none "$VOLUME/gone"
}

teardown() {
	umount -l "$TMP/volume/sub" "$TMP/volume/gone" "$TMP/layers" 2>/dev/null
	plain_teardown
}

# box OPTION...: a container that sleeps and has the volume at each of these
# paths, "PATH OPTIONS".
box() {
	local each
	for each; do
		edit "$TMP/bundle" ".mounts += [{destination: \"${each% *}\", type: \"bind\", source: \"$VOLUME\", options: [$(printf '"%s",' "${each#* }" | sed 's/,$//; s/,/","/g')]}]"
	done
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || { cat "$TMP/out"; return 1; }
	kata start "$C1"
}

# within SCRIPT: in the container.
within() { kata exec "$C1" sh -c "$1"; }

@test "a read-only volume: what is mounted below is writable, and with rro it is not" {
	box "/ro rbind,ro,rprivate" "/rro rbind,rro,rprivate" "/rw rbind,rw,rprivate" "/alone bind,rw"
	run -0 within 'for d in ro ro/sub ro/sub/deep rro rro/sub rro/sub/deep rw rw/sub rw/sub/deep; do touch /$d/x 2>/dev/null && echo $d; done; true'
	[ "$output" = $'ro/sub\nro/sub/deep\nrw\nrw/sub\nrw/sub/deep' ]
	[ -e "$VOLUME/x" ]
	[ -e "$VOLUME/sub/deep/x" ]
	# Without those below.
	run -0 within 'ls -A /alone/sub; touch /alone/sub/hidden'
	[ "$output" = "" ]
	[ ! -e "$VOLUME/sub/hidden" ]
}

@test "the host takes a mount below a volume away, and its folder" {
	box "/data rbind,rw,rprivate"
	run -0 within 'echo kept >/data/gone/file; cat /data/gone/file'
	umount "$VOLUME/gone"
	rmdir "$VOLUME/gone"
	mkdir "$VOLUME/gone"
	rmdir "$VOLUME/gone"
	run -0 within 'echo more >/data/file; ls /data/sub'
	[ "$output" = deep ]
	[ "$(cat "$VOLUME/file")" = more ]
}

@test "over 9p: what is mounted below a volume" {
	configured shared_fs '"virtio-9p"'
	box "/ro rbind,ro,rprivate"
	run -0 within 'echo x >/ro/sub/deep/x; touch /ro/x 2>/dev/null || echo refused'
	[ "$output" = refused ]
	umount "$VOLUME/gone"
	rmdir "$VOLUME/gone"
	[ "$(cat "$VOLUME/sub/deep/x")" = x ]
}

# flags_hold: what a mount of the host forbids, it forbids in the container, and
# for those below it their own; an option that sets or lifts a flag counts, as with runc.
flags_hold() {
	mount -o remount,nosuid,noexec,nodev "$VOLUME/sub"
	mount -o remount,noexec "$VOLUME/sub/deep"
	cp /bin/busybox "$VOLUME/sub/true"
	cp /bin/busybox "$VOLUME/sub/deep/true"
	local above=$VOLUME found
	VOLUME=$VOLUME/sub
	box "/data rbind,rprivate" "/exec rbind,rw,exec" "/ro rbind,ro" "/slave rbind,rslave"
	VOLUME=$above
	found=$(within 'awk "\$5 ~ \"^/(data|exec|ro|slave)\" { sub(\",relatime\", \"\", \$6); print \$5, \$6 }" /proc/self/mountinfo | grep -v slave/')
	[ "$found" = "/data rw,nosuid,nodev,noexec
/data/deep rw,noexec
/exec rw,nosuid,nodev
/exec/deep rw,noexec
/ro ro
/ro/deep rw,noexec
/slave rw,nosuid,nodev,noexec" ]
	found=$(within 'for f in /data/true /data/deep/true /exec/true /ro/true /slave/true; do $f 2>/dev/null && echo $f; done; true')
	[ "$found" = $'/exec/true\n/ro/true' ]
}

@test "nosuid, nodev and noexec of a volume's mount on the host" {
	flags_hold
}

@test "over 9p: nosuid, nodev and noexec of a volume's mount on the host" {
	configured shared_fs '"virtio-9p"'
	flags_hold
}

@test "the host's root as a volume" {
	VOLUME=/
	box "/host rbind,ro,rprivate"
	run -0 within 'cat /host/etc/os-release; ls /host/proc/1/status'
	[[ "$output" == *"/host/proc/1/status" ]]
	VOLUME=$TMP/volume
}

@test "a file that the engine writes between create and start" {
	echo first >"$TMP/hosts"
	edit "$TMP/bundle" ".mounts += [{destination: \"/hosts\", type: \"bind\", source: \"$TMP/hosts\", options: [\"bind\", \"rw\"]}]"
	command_is "$TMP/bundle" cat /hosts
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || { cat "$TMP/out"; return 1; }
	echo second >>"$TMP/hosts"
	kata start "$C1"
	wait_stopped "$C1"
	[ "$(cat "$TMP/out")" = $'first\nsecond' ]
}

@test "a file that the engine writes just before an exec" {
	echo first >"$TMP/hosts"
	edit "$TMP/bundle" ".mounts += [{destination: \"/hosts\", type: \"bind\", source: \"$TMP/hosts\", options: [\"bind\", \"rw\"]}]"
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || { cat "$TMP/out"; return 1; }
	kata start "$C1"
	run -0 within 'cat /hosts'
	echo second >>"$TMP/hosts"
	run -0 within 'cat /hosts'
	[ "$output" = $'first\nsecond' ]
}

@test "devices of the kernel's own: the guest's are mounted, also over a file of a read-only root" {
	echo secret >"$TMP/bundle/rootfs/etc/foo.conf"
	edit "$TMP/bundle" '.root.readonly = true | .mounts += [
		{destination: "/etc/foo.conf", type: "bind", source: "/dev/null", options: ["rbind", "ro"]},
		{destination: "/etc/new.conf", type: "bind", source: "/dev/null", options: ["rbind", "ro"]},
		{destination: "/dev/random", type: "bind", source: "/dev/urandom", options: ["bind"]},
		{destination: "/zero", type: "bind", source: "/dev/zero", options: ["bind"]},
		{destination: "/full", type: "bind", source: "/dev/full", options: ["bind"]}]'
	command_is "$TMP/bundle" sh -c 'cat /etc/foo.conf /etc/new.conf; ls -ln /etc/foo.conf /dev/random | awk "{print \$1, \$5, \$6}"; head -c 3 /zero | md5sum; (echo x >/full) 2>&1; echo code $?'
	run -0 kata run --bundle "$TMP/bundle" "$C1" </dev/null
	[ "${lines[0]}" = "crw-rw-rw- 1, 9" ]
	[ "${lines[1]}" = "crw-rw-rw- 1, 3" ]
	[ "${lines[2]}" = "$(head -c 3 /dev/zero | md5sum)" ]
	[[ ${lines[3]} == *"No space left on device" ]]
	[ "${lines[4]}" = "code 1" ]
}

@test "other devices as a volume are refused by name" {
	edit "$TMP/bundle" '.mounts += [{destination: "/kvm", type: "bind", source: "/dev/loop-control", options: ["bind"]}]'
	[ -e /dev/loop-control ] || skip "no /dev/loop-control here"
	run ! kata run --bundle "$TMP/bundle" "$C1" </dev/null
	[[ $output == *"/dev/loop-control is a device, which cannot be shared with a VM"* ]]
}

# overlay_bundle OPTION...: the bundle gets an overlay on /o, its folders on a tmpfs
# (an overlay cannot write into another one, which the tests may lie on).
overlay_bundle() {
	LAYERS=$TMP/layers
	mkdir -p "$LAYERS"
	mount -t tmpfs none "$LAYERS"
	mkdir "$LAYERS/lower" "$LAYERS/upper" "$LAYERS/work" "$LAYERS/merge"
	echo lower >"$LAYERS/lower/file"
	edit "$TMP/bundle" ".mounts += [{destination: \"/o\", type: \"overlay\", source: \"$LAYERS/merge\",
		options: [\"lowerdir=$LAYERS/lower\", \"upperdir=$LAYERS/upper\", \"workdir=$LAYERS/work\", \"private\"]}]"
}

@test "an overlay (podman -v SOURCE:DESTINATION:O): its upper folder gets the writes" {
	overlay_bundle
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || { cat "$TMP/out"; return 1; }
	kata start "$C1"
	run -0 within 'cat /o/file; echo upper >/o/file; echo new >/o/new; grep -c " /o " /proc/self/mounts; ls /o'
	[ "$output" = $'lower\n1\nfile\nnew' ]
	[ "$(cat "$LAYERS/lower/file" "$LAYERS/upper/file" "$LAYERS/upper/new")" = $'lower\nupper\nnew' ]
	kata delete --force "$C1"
	[ "$(leftovers)" = "$BEFORE" ]
	# Nobody has it any more.
	umount "$LAYERS"
}

@test "an overlay: a create that was killed leaves nothing after delete --force" {
	overlay_bundle
	local pid
	"$KATA_RUNTIME" --root "$ROOT" create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&- &
	pid=$!
	await grep -q "$ROOT.*/mounts/.*/overlay " /proc/self/mountinfo
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" || true
	kata delete --force "$C1"
	[ "$(leftovers)" = "$BEFORE" ]
	umount "$LAYERS"
}

@test "a file system of a device of the host's is refused by name" {
	edit "$TMP/bundle" '.mounts += [{destination: "/data", type: "ext4", source: "/dev/sdb1", options: ["rw"]}]'
	run ! kata run --bundle "$TMP/bundle" "$C1" </dev/null
	[[ $output == *'(/data): the type '*'ext4'*' with the source /dev/sdb1 is not supported in a VM'* ]]
}
