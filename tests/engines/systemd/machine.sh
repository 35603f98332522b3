#!/bin/bash
# Runs the tests of this folder in an emulated machine with systemd and cgroup
# v2: Debian 13 from a tree that is made once and cached, with its own kernel,
# its engines, and what is built here installed in /usr/local. TAP on stdout.
# Usage: machine.sh [COMMAND]
# COMMAND is for the shell, in this folder, in place of all its tests, such as
# "bats --tap -f WORDS docker.bats".
# KATA_MACHINE_DIR keeps the machine's console there.
set -euo pipefail
[ -n "${PRIVATE_MOUNTS:-}" ] || PRIVATE_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
here=$(dirname "$(readlink -f "$0")")
checkout=$(readlink -f "$here/../../..")
# shellcheck source=tests/engines/tree.bash
. "$here/../tree.bash"

packages=systemd-sysv,dbus,udev,kmod,linux-image-cloud-amd64
packages+=,docker.io,docker-cli,podman,conmon,crun,iptables,nftables,netavark,aardvark-dns,iproute2
packages+=,qemu-system-x86,virtiofsd,bats,jq,busybox-static,procps,util-linux,e2fsprogs,runc,attr,ca-certificates
tree=$(debian_tree trixie "$packages")

# disk FILE FOLDER MEGABYTES: an ext4 file system of what is in a folder.
disk() {
	truncate -s "$3M" "$1.new"
	mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1,root_owner=0:0 -d "$2" "$1.new"
	mv "$1.new" "$1"
}

# Beside the tree, since it is made of nothing else.
(
	flock 9
	[ -e "$tree.ext4" ] || disk "$tree.ext4" "$tree" 8192
) 9>"$tree.lock"

dir=$(mktemp -d "${TMPDIR:-/tmp}/kata-systemd.XXXXXX")
finish() {
	[ -z "${KATA_MACHINE_DIR:-}" ] || { mkdir -p "$KATA_MACHINE_DIR"; cp "$dir/console" "$KATA_MACHINE_DIR/"; } || true
	rm -rf --one-file-system "$dir"
}
trap finish EXIT

usr=$dir/usr
mkdir -p "$usr"
make --no-print-directory -C "$checkout" install DESTDIR="$dir/installed" PREFIX=/usr/local >"$dir/install.log" || { cat "$dir/install.log"; exit 1; }
mv "$dir/installed/usr/local/"* "$usr/"
mkdir -p "$usr"/{sbin,tests}
cp -r "$checkout"/tests/{engines,integration,teardown.bash} "$usr/tests/"
CGO_ENABLED=0 go -C "$here/../probe" build -buildvcs=false -o "$usr/bin/probe" .
printf '%s\n' "${1:-}" >"$usr/tests/command"
disk "$dir/usr.ext4" "$usr" 512

# The tests come through a port of their own: no kernel message gets between
# their lines, and no terminal changes their ends.
kernel=$(echo "$tree"/boot/vmlinuz-*)
run='/bin/bash /usr/local/tests/engines/systemd/inside.sh'
timeout "${KATA_MACHINE_SECONDS:-5400}" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
	-machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 6G \
	-kernel "$kernel" -initrd "$(echo "$tree"/boot/initrd.img-*)" \
	-append "console=ttyS0 root=/dev/vda rw quiet panic=-1 systemd.show_status=1 systemd.mount-extra=/dev/vdb:/usr/local:ext4:rw systemd.run=\"$run\" systemd.run_success_action=poweroff systemd.run_failure_action=poweroff" \
	-drive "if=virtio,format=raw,file=$tree.ext4,snapshot=on" -drive "if=virtio,format=raw,file=$dir/usr.ext4" \
	-serial "file:$dir/console" -device virtio-serial-pci -chardev file,id=results,path=/dev/stdout -device virtserialport,chardev=results,name=results </dev/null | tee "$dir/results"
# Its own kernel's: QEMU 7.2 can keep translated code that another CPU has just
# replaced (docs/limitations.md), seen twice on 2026-11-28 in KVM's static branches.
! grep -A 3 'Kernel panic' "$dir/console" >&2 || { echo 'the machine itself has panicked, as above: what it had not come to has not run' >&2; exit 1; }
grep -q '^1\.\.' "$dir/results" || { tail -n 40 "$dir/console" >&2; echo 'the machine has run no test: its console ends as above' >&2; exit 1; }
