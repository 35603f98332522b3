#!/bin/bash
# Runs an engine's tests with Debian 13's engine: in a Debian 13 tree that is
# made once and cached, under private mounts. Nothing is written to the tree.
# Usage: debian13.sh docker|podman [BATS ARG...]
set -euo pipefail
: "${KATA_RUNTIME:?the runtime under test}" "${KATA_CONF_FILE:?its configuration}" "${KATA_CACHE:=/var/cache/kata-runtime}"
[ -n "${PRIVATE_MOUNTS:-}" ] || PRIVATE_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
suite=$1
shift
here=$(dirname "$(readlink -f "$0")")
checkout=$(readlink -f "$here/../..")

packages=docker.io,docker-cli,podman,conmon,crun,runc,iptables,nftables,netavark,aardvark-dns,iproute2
packages+=,qemu-system-x86,virtiofsd,bats,jq,busybox-static,curl,procps,attr,bsdutils,ca-certificates
# A tree is of the packages that it was asked for and the month it was made in:
# Debian's point releases and fixes come in with the next one.
key=$(echo "trixie $packages $(date +%Y-%m)" | sha256sum | cut -c1-32)
tree=$KATA_CACHE/debian13-$key

mkdir -p "$KATA_CACHE"
exec 9>"$tree.lock"
flock 9
if [ ! -d "$tree" ]; then
	echo "making $tree" >&2
	rm -rf --one-file-system "$tree.new"
	mmdebstrap --quiet --variant=minbase --include="$packages" trixie "$tree.new" >&2
	mv "$tree.new" "$tree"
fi
exec 9>&-

root=$(mktemp -d /tmp/kata-debian13.XXXXXX)
finish() {
	umount -l "$root" || true
	rmdir "$root"
}
trap finish EXIT
mount -t tmpfs -o mode=755 none "$root"
mkdir "$root"/{upper,work,root}
mount -t overlay -o "lowerdir=$tree,upperdir=$root/upper,workdir=$root/work" none "$root/root"
cd "$root/root"
mount --rbind /proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 none run
mount -t tmpfs -o mode=1777 none tmp
mkdir -p ".$checkout"
mount --bind "$checkout" ".$checkout"
mount -o remount,bind,ro ".$checkout"
CGO_ENABLED=0 go -C "$here/probe" build -buildvcs=false -o "$root/root/usr/local/bin/probe" .

# Not chroot: a runtime that enters a container's mount namespace would find
# the machine's root there. The tests have their own environment.
mkdir -p .old
# shellcheck disable=SC2016  # the inner shell's
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
	KATA_RUNTIME="$KATA_RUNTIME" KATA_CONF_FILE="$KATA_CONF_FILE" KATA_TEST_FULL="${KATA_TEST_FULL:-}" KATA_PROBE=/usr/local/bin/probe \
	unshare --mount --propagation private sh -c 'cd "$1" && shift && pivot_root . .old && cd / && umount -l /.old && exec bats --tap "$@"' \
	sh "$root/root" "$@" "$here/$suite"
