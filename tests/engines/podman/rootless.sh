#!/bin/bash
# Runs a script as a user without privileges who has a rootless Podman, $podman,
# with the image busybox. /dev/net/tun is open to all there, as udev leaves it. All
# of it is private, and ends with the script. To be called by
# unshare --mount --pid --fork --kill-child --mount-proc --propagation private.
# Usage: rootless.sh DIR SCRIPT   (DIR is empty, and can be reached by all)
set -euo pipefail
dir=$1 script=$2 user=20000
build=$(dirname "$KATA_RUNTIME")

mount --make-rshared / # as systemd has it; nothing of this goes outside
mount -t tmpfs none /dev/net
mknod -m 666 /dev/net/tun c 10 200
mkdir "$dir"/{build,home,run,etc}
mount --bind "$build" "$dir/build"
sed "s|$build/|$dir/build/|g" "$KATA_CONF_FILE" >"$dir/kata.toml"
printf '#!/bin/sh\nexec %q --kata-config %q "$@"\n' "$dir/build/$(basename "$KATA_RUNTIME")" "$dir/kata.toml" >"$dir/kata"
chmod +x "$dir/kata"

# The user's entries, for this namespace alone.
mount -t tmpfs -o mode=755 none "$dir/etc"
mkdir "$dir"/etc/{upper,work}
mount -t overlay -o "lowerdir=/etc,upperdir=$dir/etc/upper,workdir=$dir/etc/work" none /etc
echo "rootless:x:$user:$user::$dir/home:/bin/bash" >>/etc/passwd
echo "rootless:x:$user:" >>/etc/group
echo "rootless:200000:65536" | tee -a /etc/subuid >>/etc/subgid
printf '[containers]\npids_limit = 0\ndefault_sysctls = []\n[engine]\ninfra_image = "localhost/busybox"\ninfra_command = "sleep 100000"\n' >"$dir/containers.conf"

cp "$PODMAN_DIR/rootfs.tar" "$dir/"
chown "$user:$user" "$dir/home" "$dir/run"
chmod 700 "$dir/home" "$dir/run"
chmod 755 "$dir"
cd "$dir/home"
# shellcheck disable=SC2016
exec setpriv --reuid $user --regid $user --clear-groups env -i PATH="$PATH" HOME="$dir/home" XDG_RUNTIME_DIR="$dir/run" \
	CONTAINERS_CONF="$dir/containers.conf" PODMAN_IGNORE_CGROUPSV1_WARNING=1 bash -euc '
		podman="podman --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime $1/kata"
		$podman import -q --change "ENV PATH=/bin:/usr/bin" --change "CMD [\"sleep\", \"100000\"]" "$2" busybox >/dev/null
		eval "$3"
		# Nothing of the runtime is left: Podman itself keeps one process, and conmon may
		# be on its way.
		find "$XDG_RUNTIME_DIR/kata-containers" -mindepth 2
		for program in kata- qemu virtiofsd; do pgrep -l "$program" || true; done
	' rootless "$dir" "$dir/rootfs.tar" "$script"
