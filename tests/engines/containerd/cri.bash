# shellcheck shell=bash
# containerd's CRI plugin with kata and, beside it, runc.

# shellcheck source=tests/engines/containerd/containerd.bash
. "${BASH_SOURCE[0]%/*}/containerd.bash"
# shellcheck source=tests/engines/cni.bash
. "${BASH_SOURCE[0]%/*}/../cni.bash"

NAMESPACE=k8s.io
# A subnet and a bridge of this process's own.
CRI_BRIDGE=kata-cri$$
CRI_SUBNET=10.231.$(($$ % 256)).0/24
CRI_SUBNET2=10.233.$(($$ % 256)).0/24

# cri_config DIR REGISTRY: the lines of containerd's configuration; every image
# comes from the registry at that address. HANDLER_CONF is the configuration that
# the handler "kata" names; without it the shim finds it by itself.
cri_config() {
	mkdir -p "$1/cni" "$1/certs.d/_default"
	printf 'server = "http://%s"\n[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' "$2" "$2" >"$1/certs.d/_default/hosts.toml"
	cni_conflist kata-cri "$CRI_BRIDGE" "$CRI_SUBNET" "$1/cni-data" >"$1/cni/10-kata.conflist"
	local networks=1
	if [ "${CNI_KIND-}" = two ]; then
		networks=2
		cni_second kata-cri2 "$CRI_SUBNET2" "$1/cni-data" >"$1/cni/20-kata.conflist"
	fi
	cat <<-EOF
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "kata.test/pause:3.10"
		  restrict_oom_score_adj = true
		  stream_server_address = "127.0.0.1"
		  stream_server_port = "0"
		[plugins."io.containerd.grpc.v1.cri".registry]
		  config_path = "$1/certs.d"
		[plugins."io.containerd.grpc.v1.cri".cni]
		  bin_dir = "/usr/lib/cni"
		  conf_dir = "$1/cni"
		  max_conf_num = $networks
		[plugins."io.containerd.grpc.v1.cri".containerd]
		  default_runtime_name = "runc"
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		  runtime_type = "io.containerd.runc.v2"
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
		  runtime_type = "io.containerd.kata.v2"
		  pod_annotations = ["io.katacontainers.*"]
	EOF
	[ -n "${HANDLER_CONF-}" ] || return 0
	cat <<-EOF
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata.options]
		  ConfigPath = "$HANDLER_CONF"
	EOF
}
