#!/bin/bash
# Installs the Debian packages that are missing, and nothing else.
# Usage: prerequisites.sh GROUP...   (build, image, run, test, bench, docker, podman, debian13, containerd, crio, cri, kernel, qemu)
set -euo pipefail

say() { printf 'prerequisites: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# shellcheck source=/dev/null
. /etc/os-release
case "${ID:-}:${VERSION_ID:-}" in
debian:12 | debian:13) ;;
*) fail "this is ${PRETTY_NAME:-an unknown system}; Debian 12 and 13 are supported. On another one, install what this script names by hand and run make build image install." ;;
esac
[ "$(dpkg --print-architecture)" = amd64 ] || fail "only amd64 hosts are supported so far"

packages() {
	case "$1" in
	build) echo gcc libc6-dev pkg-config libseccomp-dev ;;
	image) echo xz-utils zstd lz4 erofs-utils ;;
	run)
		echo qemu-system-x86 qemu-system-common seabios busybox-static jq
		# Debian 12 has virtiofsd in qemu-system-common.
		[ "$VERSION_ID" = 12 ] || echo virtiofsd
		;;
	test) echo bats shellcheck jq e2fsprogs iproute2 iptables nftables procps mount util-linux busybox-static runc zsh fish ;;
	bench) echo runc crun gcc libc6-dev e2fsprogs util-linux iproute2 jq ;;
	docker) echo docker.io iptables iproute2 curl util-linux attr ;;
	podman) echo podman conmon crun catatonit uidmap slirp4netns netavark aardvark-dns containernetworking-plugins iptables iproute2 curl util-linux attr ;;
	debian13) echo mmdebstrap util-linux ;;
	containerd) echo containerd runc containernetworking-plugins iptables iproute2 jq curl util-linux ;;
	cri) echo containerd runc containernetworking-plugins iptables nftables iproute2 jq curl util-linux ;;
	crio) echo runc conmon containernetworking-plugins iptables nftables iproute2 jq curl util-linux make gcc libc6-dev libseccomp-dev pkg-config ;;
	qemu) echo gcc libc6-dev patch binutils dpkg-dev python3 ninja-build meson pkg-config libglib2.0-dev libpixman-1-dev libfdt-dev libseccomp-dev libcap-ng-dev libattr1-dev xz-utils seabios qemu-system-data ;;
	kernel) echo gcc libc6-dev make patch binutils flex bison bc libelf-dev xz-utils perl ;;
	*) fail "no such group: $1" ;;
	esac
}

missing=
for group; do
	for package in $(packages "$group"); do
		case " $missing " in *" $package "*) continue ;; esac
		status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
		[ "$status" = installed ] || missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || fail "missing:$missing. Run this as root, or install them yourself."
say "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# A line for every 20 packages of what apt-get says on standard input, all of
# which is kept for the case of a failure.
progress() {
	local line new all='?' got=0 unpacked=0 ready=0
	while IFS= read -r line; do
		printf '%s\n' "$line" >>"$log"
		case $line in
		*" upgraded, "*" newly installed, "*)
			new=${line#*" upgraded, "}
			all=$((${line%%" "*} + ${new%%" "*}))
			;;
		"Need to get "*) line=${line#"Need to get "}; say "${line%" of archives."} to download, $all packages" ;;
		Get:*) ((++got % 20)) || say "downloaded $got of $all" ;;
		"Unpacking "*) ((++unpacked % 20)) || say "unpacked $unpacked of $all" ;;
		"Setting up "*) ((++ready % 20)) || say "set up $ready of $all" ;;
		esac
	done
}

# A fresh machine has no lists. One broken foreign source must not stop us, so
# the failure that counts is the install's.
say "reading the lists of packages"
apt-get -q update >/dev/null || say "apt-get update reported a failure; trying with the lists that are there"
# shellcheck disable=SC2086  # a list of words
if ! LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing 2>&1 </dev/null | progress; then
	tail -n 20 "$log" >&2
	fail "apt-get install failed, see above: mend that and call this again, or install the packages yourself:$missing"
fi
