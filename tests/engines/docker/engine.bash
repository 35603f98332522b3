# shellcheck shell=bash
# A dockerd of our own: its folders, socket, containerd and network namespace
# are private, so that its bridges and its iptables rules go with it, and
# nothing of another dockerd on this host is seen or touched.

ENGINES=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/engines/lib.bash
. "$ENGINES/lib.bash"

# shellcheck source=tests/engines/module.bash
. "$ENGINES/module.bash"

# The programs of Debian, even if there are others in the path; or those of
# DOCKER_VERSION, built from their Go modules.
find_docker() {
	DOCKER=/usr/bin/docker DOCKERD=dockerd PROXY=
	[ -x "$DOCKER" ] || DOCKER=docker
	[ -n "${DOCKER_VERSION:-}" ] || return 0
	local built
	built=$(docker_built "$DOCKER_VERSION") || return 1
	{ read -r DOCKERD; read -r DOCKER; } <<<"$built"
	PROXY=$DOCKERD/docker-proxy DOCKERD=$DOCKERD/dockerd DOCKER=$DOCKER/docker
}
find_docker || exit 1

[ -z "${DOCKER_DIR:-}" ] || CGROUP_PARENT=$(cgroup_parent "$DOCKER_DIR")

docker() { timeout "$DEADLINE" "$DOCKER" --config "$DOCKER_DIR/client" -H "unix://$DOCKER_DIR/docker.sock" "$@"; }

# inside COMMAND...: in the daemon's network namespace, where its bridges are.
inside() { nsenter --net="$DOCKER_DIR/netns" "$@"; }

# start_docker DIR [ARG...]: DIR must be empty; ARG are dockerd's. Exports DOCKER_DIR.
start_docker() {
	export DOCKER_DIR=$1
	CGROUP_PARENT=$(cgroup_parent "$DOCKER_DIR")
	shift
	mkdir -p "$DOCKER_DIR"/{client,data,exec}
	touch "$DOCKER_DIR/netns"
	unshare --net="$DOCKER_DIR/netns" sh -c 'ip link set lo up
		ip link add kata-eng0 type bridge
		ip addr add 10.231.17.1/24 dev kata-eng0
		ip link set kata-eng0 up
		echo 1 >/proc/sys/net/ipv4/ip_forward'
	sed -E 's|^#? *shared_fs *=.*|shared_fs = "virtio-9p"|' "$KATA_CONF_FILE" >"$DOCKER_DIR/9p.toml"
	jq -n --arg runtime "$KATA_RUNTIME" --arg config "$KATA_CONF_FILE" --arg nine "$DOCKER_DIR/9p.toml" \
		'{runtimes: {kata: {path: $runtime, runtimeArgs: ["--kata-config", $config]},
			"kata-9p": {path: $runtime, runtimeArgs: ["--kata-config", $nine]}}}' >"$DOCKER_DIR/daemon.json"
	launch_docker "$@" || return 1
	make_rootfs_tar "$DOCKER_DIR/rootfs.tar"
	docker import --change 'CMD ["sh"]' "$DOCKER_DIR/rootfs.tar" busybox >/dev/null
}

# launch_docker [ARG...]: the daemon alone, as start_docker does it; also again
# after its end.
launch_docker() {
	# In whose PATH it looks for containerd-shim-kata-v2.
	PATH=$(dirname "$KATA_RUNTIME"):$PATH inside "$DOCKERD" --config-file "$DOCKER_DIR/daemon.json" --data-root "$DOCKER_DIR/data" \
		--exec-root "$DOCKER_DIR/exec" --pidfile "$DOCKER_DIR/dockerd.pid" -H "unix://$DOCKER_DIR/docker.sock" \
		--bridge kata-eng0 --cgroup-parent "$CGROUP_PARENT" \
		--default-address-pool base=10.232.0.0/16,size=24 ${PROXY:+--userland-proxy-path "$PROXY"} "$@" >>"$DOCKER_DIR/dockerd.log" 2>&1 3>&- &
	local pid=$!
	# dockerd has no other sign of being ready than an answer.
	until docker version >/dev/null 2>&1; do
		kill -0 "$pid" 2>/dev/null || { tail -n 20 "$DOCKER_DIR/dockerd.log" >&2; return 1; }
	done
}

# stop_docker ends it, with all its containers, and removes its folder. It
# fails if anything is left.
stop_docker() {
	local pid left
	docker ps -aq | xargs -r timeout "$DEADLINE" "$DOCKER" --config "$DOCKER_DIR/client" -H "unix://$DOCKER_DIR/docker.sock" rm -f >/dev/null
	pid=$(cat "$DOCKER_DIR/dockerd.pid")
	kill "$pid"
	timeout "$DEADLINE" tail --pid="$pid" -f /dev/null
	umount "$DOCKER_DIR/netns"
	# dockerd leaves its mount of the host's namespace now and then.
	umount "$DOCKER_DIR/exec/netns/default" 2>/dev/null || true
	# And that of its data, if one was killed.
	umount "$DOCKER_DIR/data" 2>/dev/null || true
	left=$(processes_in "$DOCKER_DIR"; grep -F "$DOCKER_DIR" /proc/self/mountinfo)
	find /sys/fs/cgroup -depth -type d -path "*$CGROUP_PARENT*" -exec rmdir {} + 2>/dev/null
	[ -z "$left" ] || { echo "left behind by the engine: $left" >&2; return 1; }
	rm -rf "$DOCKER_DIR"
}
