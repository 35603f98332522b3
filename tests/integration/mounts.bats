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
	umount -l "$TMP/volume/sub" "$TMP/volume/gone" 2>/dev/null
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
