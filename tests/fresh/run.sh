#!/bin/bash
# Does what the README tells a new user, on a fresh Debian in a tree of its own:
# clones this checkout's last commit, calls "make quickstart" twice (the second
# time nothing is to be done), runs a container by the installed runtime, and
# uninstalls. Usage: run.sh bookworm|trixie [MAKE TARGET...]
# The targets are called in the clone besides ("test"). The Go toolchain is this
# machine's, since Debian 12 has none that is new enough, and modules come from
# its cache first.
set -euo pipefail
[ -n "${PRIVATE_MOUNTS:-}" ] || PRIVATE_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
suite=$1
shift
here=$(dirname "$(readlink -f "$0")")
checkout=$(readlink -f "$here/../..")
# shellcheck source=tests/engines/tree.bash
. "$here/../engines/tree.bash"

tree=$(debian_tree "$suite" git,make,ca-certificates)
dir=$(mktemp -d "${TMPDIR:-/tmp}/kata-fresh.XXXXXX")
finish() {
	umount -R -l "$dir/root" 2>/dev/null || true
	rm -rf --one-file-system "$dir"
}
trap finish EXIT
mount_tree "$tree" "$dir" "$dir"
root=$dir/root
mkdir -p "$root"/usr/local/go "$root"/srv/{checkout,modules}
mount --bind "$(go env GOROOT)" "$root/usr/local/go"
mount --bind "$checkout" "$root/srv/checkout"
mount --bind "$(go env GOMODCACHE)/cache/download" "$root/srv/modules"
for d in usr/local/go srv/checkout srv/modules; do mount -o remount,bind,ro "$root/$d"; done
cp /etc/resolv.conf "$root/etc/resolv.conf"
cat >"$root/srv/user.sh" <<-'EOF'
	set -eu
	export PATH=$PATH:/usr/local/go/bin
	git config --global --add safe.directory '*'
	git clone -q /srv/checkout /srv/kata-runtime
	cd /srv/kata-runtime
	make quickstart >/srv/first 2>&1 || { cat /srv/first; exit 1; }
	cat /srv/first
	grep -q '^The container printed:   Hello from a container$' /srv/first
	kata-runtime kata-env --json | jq -e '.Kernel.Manifest.packages[0].version and .Initrd.Manifest.agent_sha256'
	echo "--- again"
	# Not the binaries in build/: go build gives those that are up to date a new time.
	files() { find /usr/local build/*/ -path /usr/local/go -prune -o -type f -printf '%p %i %T@\n' | sort; }
	files >/srv/before
	begin=$(date +%s)
	make quickstart >/srv/again 2>&1 || { cat /srv/again; exit 1; }
	cat /srv/again
	echo "--- took $(($(date +%s) - begin)) s"
	files >/srv/after
	diff /srv/before /srv/after || { echo "built or installed again: see above"; exit 1; }
	if grep -E '^(install |prerequisites: )' /srv/again; then echo "not all was in place: see above"; exit 1; fi
	kata-runtime kata-check --boot
	for target; do make "$target"; done
	echo own >/usr/local/share/kata-containers/of-the-user
	make uninstall
	rm -r /usr/local/share/kata-containers/of-the-user /usr/local/share/kata-containers
	left=$(find /usr/local /etc -path /usr/local/go -prune -o -name '*kata*' -print)
	[ -z "$left" ] || { echo "left: $left"; exit 1; }
EOF
# shellcheck disable=SC2034  # in_tree's
TREE_ENV=(GOPROXY="file:///srv/modules,$(go env GOPROXY)" GOFLAGS=-buildvcs=false)
in_tree "$root" sh /srv/user.sh "$@"
echo "fresh $suite: passed"
