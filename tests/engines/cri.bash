# shellcheck shell=bash
# Both engines by their CRI: what the tests of pods and their measurement share.

# shellcheck source=tests/engines/images.bash
. "${BASH_SOURCE[0]%/*}/images.bash"
# shellcheck source=tests/engines/containerd/cri.bash
. "${BASH_SOURCE[0]%/*}/containerd/cri.bash"
# shellcheck source=tests/engines/crio/crio.bash
. "${BASH_SOURCE[0]%/*}/crio/crio.bash"
# shellcheck source=tests/engines/end.bash
. "${BASH_SOURCE[0]%/*}/end.bash"

POD_IMAGE=kata.test/e2e-test-images/busybox:1.29-2

# start_cri ENGINE DIR: "containerd" or "crio", with the registry that
# start_registry has started; for cri.
start_cri() {
	CRI_ENGINE=$1 CRI_DIR=$2
	CRICTL=$(critools)/crictl || return 1
	mkdir -p "$CRI_DIR/pods"
	: >"$CRI_DIR/crictl.yaml"
	case $1 in
	containerd) start_containerd "$CRI_DIR/containerd" "$(cri_config "$CRI_DIR" "$REGISTRY")" && ENDPOINT=$CRI_DIR/containerd/ctd.sock ;;
	crio) start_crio "$CRI_DIR/crio" "$REGISTRY" && ENDPOINT=$CRI_DIR/crio/crio.sock ;;
	*) echo "there is no engine $1" >&2; return 1 ;;
	esac || return 1
	cri pull "$POD_IMAGE" >/dev/null
}

# restart_cri: the engine alone ends and comes again.
restart_cri() {
	case $CRI_ENGINE in
	containerd) stop_containerd && run_containerd ;;
	crio) stop_crio && run_crio ;;
	esac
}

# stop_cri: with all of its pods.
stop_cri() {
	halt_cri
	end_sandboxes "$CRI_DIR"
}

# halt_cri: the engine removes its pods, and ends. It fails if the engine has
# ended by itself.
halt_cri() {
	local code=0
	cri rmp -af >/dev/null 2>&1 || true
	case $CRI_ENGINE in
	containerd) stop_containerd || code=1; ip link del "$CRI_BRIDGE" 2>/dev/null || true ;;
	crio) stop_crio || code=1; clean_crio ;;
	esac
	return "$code"
}

# shims: those of this engine's pods; one has answered its last call before it ends.
shims() { pgrep -fa -- "containerd-shim-kata-v2 .*$CRI_DIR/"; }
no_shims() { [ -z "$(shims)" ]; }

# cri_left: what is left of the pods of an engine that has halted.
cri_left() {
	shims
	sandboxes_in "$CRI_DIR"
	# CRI-O leaves the groups of its conmons, with runc as well.
	traces "$CRI_DIR" | grep -v /crio-conmon-
}

cri() { timeout 600 "$CRICTL" --config "$CRI_DIR/crictl.yaml" --runtime-endpoint "unix://$ENDPOINT" --timeout 580s "$@"; }

# pod_config NAME: writes a pod's configuration and prints its path.
pod_config() {
	mkdir -p "$CRI_DIR/pods/$1"
	jq -n --arg n "$1" --arg l "$CRI_DIR/pods/$1" \
		'{metadata: {name: $n, uid: $n, namespace: "test", attempt: 1}, log_directory: $l, linux: {}}' >"$CRI_DIR/pods/$1.json"
	echo "$CRI_DIR/pods/$1.json"
}

# pod_container POD NAME CONFIG: starts a container that sleeps in a pod, and
# prints its id.
pod_container() {
	local id
	jq -n --arg n "$2" --arg i "$POD_IMAGE" \
		'{metadata: {name: $n}, image: {image: $i}, command: ["sleep", "100000"], log_path: ($n + ".log"), linux: {}}' >"$3.$2"
	id=$(cri create "$1" "$3.$2" "$3") && cri start "$id" >/dev/null && echo "$id"
}

# pod_up HANDLER NAME: a pod with one container; prints its id.
pod_up() {
	local config pod
	config=$(pod_config "$2")
	pod=$(cri runp --runtime "$1" "$config") && pod_container "$pod" one "$config" >/dev/null && echo "$pod"
}
