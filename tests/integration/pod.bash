# shellcheck shell=bash
# shellcheck disable=SC2154
# A pod as containerd's CRI plugin makes it, for tests: its sandbox container,
# and members that join it.

# pod: the sandbox container "pod" runs. It is created first, as engines do it.
pod() {
	edit "$TMP/bundle" '.annotations = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "'"$POD"'"}
		| .hostname = "'"${HOSTNAME_OF_POD-the-pod}"'"'
	command_is "$TMP/bundle" sleep 1000000
	kata create --bundle "$TMP/bundle" "$POD" </dev/null >"$TMP/$POD.out" 2>&1
	kata start "$POD"
}

# member ID ARG...: a bundle for a container of the pod that runs ARG...
member() {
	local id=$1
	shift
	make_bundle "$TMP/$id"
	member_of "$TMP/$id" "$POD"
	edit "$TMP/$id" '.hostname = "" | .linux.namespaces |= map(if .type == "ipc" or .type == "uts" then .path = "/proc/self/ns/\(.type)" else . end)'
	command_is "$TMP/$id" "$@"
}

# created ID, ran ID: creates, and starts, with its output in $TMP/ID.out
created() { kata create --bundle "$TMP/$1" "$1" </dev/null >"$TMP/$1.out" 2>&1 || { cat "$TMP/$1.out"; return 1; }; }
ran() { created "$1" && kata start "$1"; }

# places: how many root file systems and volumes are in the pod's shared folder.
places() { find "$ROOT/sandboxes/$POD/shared" -mindepth 1 -maxdepth 1 | wc -l; }

# clean ID: stopped and deleted, its place and link gone.
clean() {
	local before
	before=$(places)
	wait_stopped "$1"
	kata delete "$1"
	[ "$(places)" -lt "$before" ]
	[ ! -L "$ROOT/containers/$1" ]
}
