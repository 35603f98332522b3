# shellcheck shell=bash
# A podman of our own: its folders, its networks' configuration and its network
# namespace are private, so that its bridges and rules go with it.

ENGINES=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/engines/lib.bash
. "$ENGINES/lib.bash"

CGROUP_PARENT=/kata-engines-podman

# inside COMMAND...: in the namespace where podman's bridges are.
inside() { nsenter --net="$PODMAN_DIR/netns" "$@"; }

# podman ARG...: conmon gets no environment, so the configuration is a flag.
podman() {
	CONTAINERS_CONF="$PODMAN_DIR/containers.conf" CONTAINERS_STORAGE_CONF="$PODMAN_DIR/storage.conf" \
		inside timeout "$DEADLINE" podman --root "$PODMAN_DIR/root" --runroot "$PODMAN_DIR/run" --tmpdir "$PODMAN_DIR/tmp" \
		--network-config-dir "$PODMAN_DIR/networks" --cgroup-manager cgroupfs --events-backend file \
		--runtime "$KATA_RUNTIME" --runtime-flag "kata-config=$KATA_CONF_FILE" --runtime-flag "root=$PODMAN_DIR/kata" "$@" 3>&-
}

# start_podman DIR: DIR must be empty. Exports PODMAN_DIR.
start_podman() {
	export PODMAN_DIR=$1
	mkdir -p "$PODMAN_DIR"/{root,run,tmp,networks}
	touch "$PODMAN_DIR/netns"
	unshare --net="$PODMAN_DIR/netns" sh -c 'ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward'
	printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' \
		"$PODMAN_DIR/root" "$PODMAN_DIR/run" >"$PODMAN_DIR/storage.conf"
	cat >"$PODMAN_DIR/containers.conf" <<-END
		[containers]
		pids_limit = 0
		default_sysctls = []
		[network]
		default_subnet = "10.233.0.0/24"
		[engine]
		lock_type = "file"
		infra_image = "localhost/busybox"
		infra_command = "sleep 100000"
	END
	make_rootfs_tar "$PODMAN_DIR/rootfs.tar"
	# CMD is what the infra container of play kube runs.
	podman import --change 'CMD ["sleep", "100000"]' "$PODMAN_DIR/rootfs.tar" busybox >/dev/null
}

# stop_podman removes all of it and fails if anything is left.
stop_podman() {
	local left
	podman pod rm -af -t 0 >/dev/null
	podman rm -af -t 0 >/dev/null
	podman volume rm -af >/dev/null
	umount "$PODMAN_DIR/root/overlay" 2>/dev/null || true
	umount "$PODMAN_DIR/netns"
	left=$(processes_in "$PODMAN_DIR"; grep -F "$PODMAN_DIR" /proc/self/mountinfo)
	find /sys/fs/cgroup -depth -type d -path "*$CGROUP_PARENT*" -exec rmdir {} + 2>/dev/null
	[ -z "$left" ] || { echo "left behind by the engine: $left" >&2; return 1; }
	rm -rf "$PODMAN_DIR"
}
