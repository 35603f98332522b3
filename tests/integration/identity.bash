# shellcheck shell=bash disable=SC2154
# What VMs that were saved, or made before, must not have in common.

# their_own HAS: two sandboxes have random numbers, a boot id, a host name and
# the time of their own. "sleeper ID" starts one, and "HAS ID" says that its VM
# is of the kind that the test is about.
their_own() {
	local before after id line
	before=$(date +%s)
	for id in "$C1" "$C2"; do
		edit "$TMP/bundle" ".hostname = \"$id\""
		sleeper "$id"
		"$1" "$id"
	done
	for id in "$C1" "$C2"; do
		kata exec "$id" sh -c 'head -c 32 /dev/urandom | md5sum; cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; hostname; date +%s' >"$TMP/$id"
	done
	after=$(date +%s)
	for line in 1 2 3 4; do
		[ "$(sed -n ${line}p "$TMP/$C1")" != "$(sed -n ${line}p "$TMP/$C2")" ]
	done
	for id in "$C1" "$C2"; do
		[ "$(sed -n 4p "$TMP/$id")" = "$id" ]
		[ "$(sed -n 5p "$TMP/$id")" -ge "$before" ]
		[ "$(sed -n 5p "$TMP/$id")" -le "$after" ]
	done
}
