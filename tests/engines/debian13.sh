#!/bin/bash
# Runs tests with Debian 13's engine, QEMU and virtiofsd: in a Debian 13 tree
# that is made once and cached, under private mounts. Nothing is written to it.
# Usage: debian13.sh docker|podman|containerd|../integration [BATS ARG...]
set -euo pipefail
: "${KATA_RUNTIME:?the runtime under test}" "${KATA_CONF_FILE:?its configuration}"
[ -n "${PRIVATE_MOUNTS:-}" ] || PRIVATE_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
suite=$1
shift
here=$(dirname "$(readlink -f "$0")")
checkout=$(readlink -f "$here/../..")
# shellcheck source=tests/engines/tree.bash
. "$here/tree.bash"

packages=docker.io,docker-cli,podman,uidmap,slirp4netns,conmon,crun,catatonit,iptables,nftables,netavark,aardvark-dns,iproute2
packages+=,containerd,containernetworking-plugins,qemu-system-x86,virtiofsd,bats,jq,e2fsprogs,runc,busybox-static,curl,procps,attr,bsdutils,ca-certificates,zstd
tree=$(debian_tree trixie "$packages")
if [ "$suite" = containerd ]; then bash -c '. "$1" && critools' bash "$here/module.bash" >/dev/null; fi

dir=$(mktemp -d /tmp/kata-debian13.XXXXXX)
finish() {
	umount -l "$dir" || true
	rmdir "$dir"
}
trap finish EXIT
mount -t tmpfs -o mode=755 none "$dir"
mount_tree "$tree" "$dir" "$dir"
root=$dir/root
mkdir -p "$root$checkout"
mount --bind "$checkout" "$root$checkout"
mount -o remount,bind,ro "$root$checkout"
# The suites of the CRI build their registry there, with what is cached here.
go=$(go env GOROOT)
for d in "$go" "$(go env GOMODCACHE)" "$(go env GOCACHE)" "$KATA_CACHE"; do
	mkdir -p "$root$d"
	mount --bind "$d" "$root$d"
done
CGO_ENABLED=0 go -C "$here/probe" build -buildvcs=false -o "$root/usr/local/bin/probe" .

# shellcheck disable=SC2034  # in_tree's
TREE_ENV=(KATA_RUNTIME="$KATA_RUNTIME" KATA_CONF_FILE="$KATA_CONF_FILE" KATA_TEST_FULL="${KATA_TEST_FULL:-}" KATA_PROBE=/usr/local/bin/probe KATA_TEST_QEMU="${KATA_TEST_QEMU:-}"
	GO="$go/bin/go" GOFLAGS=-buildvcs=false GOMODCACHE="$(go env GOMODCACHE)" GOCACHE="$(go env GOCACHE)" KATA_CACHE="$KATA_CACHE")
in_tree "$root" bats --tap "$@" "$here/$suite"
