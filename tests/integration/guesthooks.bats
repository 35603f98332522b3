#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# The guest image's own hooks (guest_hook_path).

load lib
load pod

# image_with STAGE COMMAND [STAGE COMMAND]...: goes on with an image that has a
# shell, and a hook for each stage. The kernel unpacks archives that follow one
# another over each other.
image_with() {
	local more=$TMP/more
	mkdir -p "$more/bin" "$more/hooks"
	cp /bin/busybox "$more/bin/"
	while [ $# -gt 0 ]; do
		mkdir -p "$more/hooks/$1"
		printf '#!/bin/busybox sh\n%s\n' "$2" >"$more/hooks/$1/hook"
		chmod +x "$more/hooks/$1/hook"
		shift 2
	done
	(cd "$more" && find . | busybox cpio -o -H newc) >"$TMP/more.cpio"
	cat "$(initrd)" "$TMP/more.cpio" >"$TMP/initrd"
	configured initrd "\"$TMP/initrd\""
	configured guest_hook_path '"/hooks"'
}

# told STAGE: what a hook has written to the guest's console.
told() { tr -d '\r' <"$ROOT/sandboxes/$POD/console.log" | sed -n "s/.*hook-$1 //p" | grep .; }

@test "they run in the guest, at their time, and get the container's state" {
	local say='read -r state; echo "hook-STAGE $(busybox uname -v)|$state" >/dev/console'
	image_with prestart "${say/STAGE/prestart}" poststart "${say/STAGE/poststart}" poststop "${say/STAGE/poststop}"
	pod
	member "$APP" uname -v
	created "$APP"
	await told prestart
	run ! told poststop
	kata start "$APP"
	wait_stopped "$APP"
	kata delete "$APP"
	local stage kernel
	kernel=$(cat "$TMP/$APP.out")
	[ "$kernel" != "$(uname -v)" ]
	for stage in prestart poststart poststop; do
		await told "$stage"
		run -0 told "$stage"
		[ "${lines[-1]%%|*}" = "$kernel" ]
		[ "$(jq -r .id <<<"${lines[-1]#*|}")" = "$APP" ]
	done
}

@test "a prestart hook that fails in the guest: the container is not made, nothing is left" {
	image_with prestart 'echo no luck >&2; exit 3'
	run -1 kata create --bundle "$TMP/bundle" "$C1" </dev/null
	[[ $output == *"hook #0: exit status 3"*"no luck"* ]]
	[ "$(leftovers)" = "$BEFORE" ]
}
