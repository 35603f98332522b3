# shellcheck shell=bash
# A CRI-O of our own: own storage, socket, network and logs; and crictl for it.
# Runtime handlers: runc, kata-oci (conmon drives kata-runtime), kata-vm
# (containerd-shim-kata-v2; HANDLER_CONF is the configuration that it names).

# shellcheck source=tests/engines/module.bash
. "${BASH_SOURCE[0]%/*}/../module.bash"
# shellcheck source=tests/engines/cni.bash
. "${BASH_SOURCE[0]%/*}/../cni.bash"

# A subnet and a bridge of this process's own.
CRIO_BRIDGE=kata-crio$$
CRIO_SUBNET=10.232.$(($$ % 256)).0/24

# start_crio DIR REGISTRY: REGISTRY is the address that serves every image.
start_crio() {
	CRIO_DIR=$1
	local bin
	bin=$(crio_built) || return 1
	CRIO_BIN=$bin/crio
	CRICTL=$(critools)/crictl || return 1
	mkdir -p "$CRIO_DIR"/{cni,etc}
	cni_conflist kata-crio "$CRIO_BRIDGE" "$CRIO_SUBNET" "$CRIO_DIR/cni-data" >"$CRIO_DIR/cni/10-kata.conflist"
	crio_config "$bin" >"$CRIO_DIR/crio.conf"
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$CRIO_DIR/etc/policy.json"
	: >"$CRIO_DIR/etc/crictl.yaml"
	local host
	for host in kata.test $(<"${CRICTL%/*}/hosts"); do
		printf '[[registry]]\nprefix = "%s"\nlocation = "%s"\ninsecure = true\n' "$host" "$2"
	done >"$CRIO_DIR/etc/registries.conf"
	runc_wrapper "$CRIO_DIR/runc"
	run_crio
}

# run_crio: also after a stop_crio.
run_crio() {
	"$CRIO_BIN" --config "$CRIO_DIR/crio.conf" --config-dir "" --registries-conf "$CRIO_DIR/etc/registries.conf" \
		--registries-conf-dir "$CRIO_DIR/etc" --log-level debug >>"$CRIO_DIR/log" 2>&1 3>&- &
	CRIO_PID=$!
	local end=$((SECONDS + 60))
	until crictl version >"$CRIO_DIR/version" 2>&1; do
		[ "$SECONDS" -lt "$end" ] || { tail -n 20 "$CRIO_DIR/log"; return 1; }
		[ -d "/proc/$CRIO_PID" ] || { tail -n 20 "$CRIO_DIR/log"; return 1; }
	done
}

# stop_crio: 1.34 can wait for its own exit monitor for ever, so it is given a
# time; it has written its state by then. It fails if CRI-O has ended by itself.
stop_crio() {
	local code=0
	kill "$CRIO_PID" || code=1
	timeout 20 tail --pid "$CRIO_PID" -f /dev/null || kill -KILL "$CRIO_PID"
	wait "$CRIO_PID" || true
	return "$code"
}

# clean_crio: what CRI-O itself leaves.
clean_crio() {
	ip link del "$CRIO_BRIDGE" 2>/dev/null || true
	umount "$CRIO_DIR/root/overlay" 2>/dev/null || true
}

crictl() { timeout 300 "$CRICTL" --config "$CRIO_DIR/etc/crictl.yaml" --runtime-endpoint "unix://$CRIO_DIR/crio.sock" --timeout 200s "$@"; }

crio_config() {
	cat <<-EOF
		[crio]
		root = "$CRIO_DIR/root"
		runroot = "$CRIO_DIR/runroot"
		log_dir = "$CRIO_DIR/pods"
		version_file = "$CRIO_DIR/version-now"
		version_file_persist = "$CRIO_DIR/version-kept"
		clean_shutdown_file = "$CRIO_DIR/clean.shutdown"
		[crio.api]
		listen = "$CRIO_DIR/crio.sock"
		stream_port = "0"
		[crio.image]
		pause_image = "kata.test/pause:3.10"
		pause_command = "/bin/pause"
		signature_policy = "$CRIO_DIR/etc/policy.json"
		[crio.network]
		network_dir = "$CRIO_DIR/cni"
		plugin_dirs = ["/usr/lib/cni"]
		[crio.runtime]
		apparmor_profile = "unconfined"
		cgroup_manager = "cgroupfs"
		conmon = "$(command -v conmon)"
		conmon_cgroup = "pod"
		container_attach_socket_dir = "$CRIO_DIR/attach"
		container_exits_dir = "$CRIO_DIR/exits"
		default_runtime = "runc"
		hooks_dir = []
		namespaces_dir = "$CRIO_DIR/namespaces"
		pinns_path = "$1/pinns"
		[crio.nri]
		enable_nri = false
		[crio.runtime.runtimes.runc]
		runtime_path = "$CRIO_DIR/runc"
		runtime_root = "$CRIO_DIR/state-runc"
		monitor_path = "$(command -v conmon)"
		monitor_cgroup = "pod"
		[crio.runtime.runtimes.kata-oci]
		runtime_path = "$KATA_RUNTIME"
		runtime_type = "oci"
		runtime_root = "$CRIO_DIR/state-oci"
		monitor_path = "$(command -v conmon)"
		monitor_cgroup = "pod"
		monitor_env = ["PATH=$PATH", "KATA_CONF_FILE=$KATA_CONF_FILE"]
		[crio.runtime.runtimes.kata-vm]
		runtime_path = "$(dirname "$KATA_RUNTIME")/containerd-shim-kata-v2"
		runtime_type = "vm"
		runtime_root = "$CRIO_DIR/state-vm"
		runtime_config_path = "${HANDLER_CONF:-$KATA_CONF_FILE}"
	EOF
}

# runc_wrapper FILE: runc for a machine that cannot raise limits: without
# CAP_SYS_RESOURCE it refuses what CRI-O asks of every container, and every
# privileged one.
runc_wrapper() {
	cat >"$1" <<-'EOF'
		#!/bin/sh
		filter='del(.oomScoreAdj, .rlimits) | del(.capabilities[]?[]? | select(. == "CAP_SYS_RESOURCE"))'
		file=
		previous=
		for arg; do
			case $previous in
			--bundle) file=$arg/config.json filter=".process |= ($filter)" ;;
			--process | -p) file=$arg ;;
			esac
			previous=$arg
		done
		if [ -n "$file" ] && ! setpriv --dump | grep -q "^Capability bounding set:.*sys_resource"; then
			jq "$filter" "$file" >"$file.new" && mv "$file.new" "$file"
		fi
		exec runc "$@"
	EOF
	chmod 755 "$1"
}
