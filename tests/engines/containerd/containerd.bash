# shellcheck shell=bash
# A containerd of our own beside the machine's: own root, state and socket.
# CONTAINERD and CTR name other binaries than Debian's; CONTAINERD_VERSION
# ("v2.2.9") has them built from containerd's Go module.

# shellcheck source=tests/engines/containerd/image.bash
. "${BASH_SOURCE[0]%/*}/image.bash"

# shellcheck source=tests/engines/module.bash
. "${BASH_SOURCE[0]%/*}/../module.bash"

if [ -n "${CONTAINERD_VERSION-}" ]; then
	dir=$(containerd_built "$CONTAINERD_VERSION") || exit 1
	CONTAINERD=$dir/containerd REAL_CTR=$dir/ctr CTR=${BASH_SOURCE[0]%/*}/ctr
	export REAL_CTR
fi
CONTAINERD=${CONTAINERD:-containerd}
CTR=${CTR:-ctr}

# start_containerd DIR [CONFIG-LINES]: starts it, with our shim in its PATH.
start_containerd() {
	CTD=$1
	mkdir -p "$CTD"
	cat >"$CTD/config.toml" <<-EOF
		version = 2
		root = "$CTD/root"
		state = "$CTD/state"
		${3-}
		[grpc]
		address = "$CTD/ctd.sock"
		[ttrpc]
		address = "$CTD/ctd.ttrpc"
		${2-disabled_plugins = []}
	EOF
	run_containerd
}

# run_containerd: also after a stop_containerd.
run_containerd() {
	PATH=$(dirname "$KATA_RUNTIME"):$PATH "$CONTAINERD" --config "$CTD/config.toml" --log-level debug >>"$CTD/log" 2>&1 3>&- &
	CTD_PID=$!
	local end=$((SECONDS + 60))
	until ctr version >"$CTD/version" 2>&1; do
		[ "$SECONDS" -lt "$end" ] || { tail -n 20 "$CTD/log"; return 1; }
		[ -d "/proc/$CTD_PID" ] || { tail -n 20 "$CTD/log"; return 1; }
	done
}

# stop_containerd fails if it has ended by itself.
stop_containerd() {
	local code=0
	kill "$CTD_PID" || code=1
	wait "$CTD_PID" || true
	return "$code"
}

# The namespace is the test's own, and so is the folder with our state.
NAMESPACE=kata-test-$$

ctr() { timeout 120 "$CTR" --address "$CTD/ctd.sock" --namespace "$NAMESPACE" "$@"; }
