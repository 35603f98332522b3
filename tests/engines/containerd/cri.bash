# shellcheck shell=bash
# containerd's CRI plugin with kata and, beside it, runc; critest's images.

# shellcheck source=tests/engines/containerd/containerd.bash
. "${BASH_SOURCE[0]%/*}/containerd.bash"

NAMESPACE=k8s.io
# A subnet and a bridge of the tests' own.
CRI_BRIDGE=kata-cri0
CRI_SUBNET=10.231.0.0/16

# cri_config DIR: the lines of containerd's configuration.
cri_config() {
	mkdir -p "$1/cni"
	cat >"$1/cni/10-kata.conflist" <<-EOF
		{"cniVersion": "0.4.0", "name": "kata-cri", "plugins": [
		  {"type": "bridge", "bridge": "$CRI_BRIDGE", "isGateway": true, "ipMasq": true,
		   "ipam": {"type": "host-local", "dataDir": "$1/cni-data", "ranges": [[{"subnet": "$CRI_SUBNET"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	EOF
	cat <<-EOF
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "registry.k8s.io/pause:3.6"
		  restrict_oom_score_adj = true
		  stream_server_address = "127.0.0.1"
		  stream_server_port = "0"
		[plugins."io.containerd.grpc.v1.cri".cni]
		  bin_dir = "/usr/lib/cni"
		  conf_dir = "$1/cni"
		[plugins."io.containerd.grpc.v1.cri".containerd]
		  default_runtime_name = "runc"
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		  runtime_type = "io.containerd.runc.v2"
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
		  runtime_type = "io.containerd.kata.v2"
	EOF
}

# cri_images DIR: busybox stands in for critest's images.
cri_images() {
	local dir=$1 name
	busybox_root "$dir/root"
	mkdir -p "$dir/root/www"
	echo 'Welcome to nginx! It works!' >"$dir/root/www/index.html"
	make_image "$dir/pause.tar" "$dir/root" registry.k8s.io/pause:3.6 '{"Cmd":["sleep","2147483647"],"Env":["PATH=/bin"]}'
	make_image "$dir/bb.tar" "$dir/root" registry.k8s.io/e2e-test-images/busybox:1.29-2
	make_image "$dir/nginx.tar" "$dir/root" registry.k8s.io/e2e-test-images/nginx:1.14-2 '{"Cmd":["httpd","-f","-p","80","-h","/www"],"Env":["PATH=/bin"]}'
	make_image "$dir/httpd.tar" "$dir/root" registry.k8s.io/e2e-test-images/httpd:2.4.39-4 \
		'{"Cmd":["sh","-c","echo httpd -D FOREGROUND; exec httpd -f -p 80 -h /www"],"Env":["PATH=/bin"]}'
	make_image "$dir/hostnet.tar" "$dir/root" gcr.io/k8s-staging-cri-tools/hostnet-nginx-amd64:latest '{"Cmd":["httpd","-f","-p","12003","-h","/www"],"Env":["PATH=/bin"]}'
	for name in pause bb nginx httpd hostnet; do ctr images import "$dir/$name.tar" >/dev/null; done
}
