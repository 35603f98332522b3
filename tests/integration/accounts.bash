# shellcheck shell=bash
# shellcheck disable=SC2154
# What counts for a VM's cgroup.

# charged PATH: the bytes that count for a cgroup and those below it.
charged() { cat "/sys/fs/cgroup/memory$1/memory.usage_in_bytes" 2>/dev/null || cat "/sys/fs/cgroup$1/memory.current"; }

# mapped ID: the bytes of a sandbox's QEMU that no file on a disk has.
mapped() { awk '/^Rss(Anon|Shmem):/ { n += $2 } END { print n * 1024 }' "/proc/$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/$1/state.json")/status"; }

# pays PATH ID: a cgroup has a sandbox's memory, but for what QEMU touched while it
# was linked.
pays() {
	local used all
	used=$(charged "$1") all=$(mapped "$2")
	((all > 40 << 20 && used * 100 >= all * 85)) || { echo "$used bytes of $all count for $1"; false; }
}
