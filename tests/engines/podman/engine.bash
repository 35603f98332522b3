# shellcheck shell=bash
# A podman of our own: its folders, its networks' configuration and its network
# namespace are private, so that its bridges and rules go with it.

ENGINES=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/engines/lib.bash
. "$ENGINES/lib.bash"

[ -z "${PODMAN_DIR:-}" ] || CGROUP_PARENT=$(cgroup_parent "$PODMAN_DIR")

# inside COMMAND...: in the namespace where podman's bridges are.
inside() { nsenter --net="$PODMAN_DIR/netns" "$@"; }

# words TIMEOUT ARG...: the command line of podman ARG... into WORDS, with what
# bounds its time. The runtime is a script, because Podman passes no environment
# to it, and its --runtime-flag does not reach its own cleanup processes.
# PODMAN_CONF and PODMAN_NETWORKS are another configuration and its networks,
# PODMAN_RUNTIME is a runtime that the configuration names.
words() {
	local bound
	read -ra bound <<<"$1"
	shift
	WORDS=(env PODMAN_IGNORE_CGROUPSV1_WARNING=1 CONTAINERS_CONF="${PODMAN_CONF:-$PODMAN_DIR/containers.conf}" CONTAINERS_STORAGE_CONF="$PODMAN_DIR/storage.conf"
		nsenter --net="$PODMAN_DIR/netns" "${bound[@]}" "$DEADLINE" podman --root "$PODMAN_DIR/root" --runroot "$PODMAN_DIR/run" --tmpdir "$PODMAN_DIR/tmp"
		--network-config-dir "${PODMAN_NETWORKS:-$PODMAN_DIR/networks}" --cgroup-manager cgroupfs --events-backend file
		--runtime "${PODMAN_RUNTIME:-$PODMAN_DIR/kata-runtime}" "$@")
}

# podman ARG...
podman() {
	local WORDS
	words timeout "$@"
	"${WORDS[@]}" 3>&-
}

# runtime_script NAME CONFIG
runtime_script() {
	printf '#!/bin/sh\nexec %q --root %q --kata-config %q "$@"\n' "$KATA_RUNTIME" "$PODMAN_DIR/kata" "$2" >"$PODMAN_DIR/$1"
	chmod +x "$PODMAN_DIR/$1"
}

# start_podman DIR: DIR must be empty. Exports PODMAN_DIR.
start_podman() {
	export PODMAN_DIR=$1
	CGROUP_PARENT=$(cgroup_parent "$PODMAN_DIR")
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
	sed -E 's|^#? *shared_fs *=.*|shared_fs = "virtio-9p"|' "$KATA_CONF_FILE" >"$PODMAN_DIR/9p.toml"
	runtime_script kata-runtime "$KATA_CONF_FILE"
	runtime_script kata-9p "$PODMAN_DIR/9p.toml"
	perl -MSocket -e 'my $s; socket($s, AF_UNIX, SOCK_STREAM, 0) && bind($s, sockaddr_un($ARGV[0])) || die "$!\n"' "$PODMAN_DIR/socket"
	make_rootfs_tar "$PODMAN_DIR/rootfs.tar"
	# CMD is what the infra container of play kube runs.
	podman import --change 'ENV PATH=/bin:/usr/bin' --change 'CMD ["sleep", "100000"]' "$PODMAN_DIR/rootfs.tar" busybox >/dev/null
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
