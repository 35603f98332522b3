# shellcheck shell=bash
# Trees of a Debian release, made once and cached, to run something in. The
# caller has private mounts: "unshare --mount --propagation private".

: "${KATA_CACHE:=/var/cache/kata-runtime}"

# debian_tree SUITE PACKAGES: makes a tree with the packages, a list with commas,
# unless there is one, and prints its path. It is of the month that it was made
# in: Debian's point releases and fixes come in with the next one.
debian_tree() {
	local tree
	tree=$KATA_CACHE/debian-$1-$(echo "$1 $2 $(date +%Y-%m)" | sha256sum | cut -c1-32)
	mkdir -p "$KATA_CACHE"
	(
		flock 9
		[ ! -d "$tree" ] || exit 0
		echo "making $tree" >&2
		# Joined: "set -e" does not hold here, and a part of a tree must not stay.
		rm -rf --one-file-system "$tree.new" &&
			mmdebstrap --quiet --variant=minbase --include="$2" "$1" "$tree.new" >&2 &&
			mv "$tree.new" "$tree"
	) 9>"$tree.lock" || return 1
	echo "$tree"
}

# mount_tree TREE DIR UPPER: makes DIR/root from a tree, with the machine's
# devices and kernel file systems; nothing is written to the tree, but to UPPER.
mount_tree() {
	mkdir -p "$2/root" "$3"/{upper,work}
	mount -t overlay -o "lowerdir=$1,upperdir=$3/upper,workdir=$3/work" none "$2/root"
	local d
	for d in proc sys dev; do mount --rbind "/$d" "$2/root/$d"; done
	mount -t tmpfs -o mode=755 none "$2/root/run"
	mount -t tmpfs -o mode=1777 none "$2/root/tmp"
}

# in_tree ROOT COMMAND...: runs a command, found by ROOT's PATH, whose root it
# is. Not chroot: a runtime that enters a container's mount namespace would find
# the machine's root there. Of the environment it has what TREE_ENV, an array of
# NAME=VALUE, gives it.
in_tree() {
	local root=$1
	shift
	mkdir -p "$root/.old"
	# shellcheck disable=SC2016  # the inner shell's
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "${TREE_ENV[@]}" \
		unshare --mount --propagation private sh -c 'cd "$1" && shift && pivot_root . .old && cd / && umount -l /.old && exec "$@"' sh "$root" "$@"
}
