# shellcheck shell=bash disable=SC2154,SC2153,SC2013,SC2009
# What the tests in the machine use: those of the integration tests, which know
# what a sandbox could leave, and what systemd knows besides.

# shellcheck source=tests/integration/lib.bash
. "$BATS_TEST_DIRNAME/../../integration/lib.bash"
# shellcheck source=tests/engines/lib.bash
. "$BATS_TEST_DIRNAME/../lib.bash"
# A machine that is emulated boots VMs that are emulated: a minute each.
DEADLINE=900

# group_of PID: its cgroup, of which v2 has one.
group_of() { sed -n 's/^0:://p' "/proc/$1/cgroup"; }

# value FILE: a file of the cgroup $GROUP.
value() { cat "/sys/fs/cgroup$GROUP/$1"; }

# vm_of ID: the pids of the processes of a sandbox's VM.
vm_of() {
	local p
	for p in $(grep -slzE "^KATA_SANDBOX=.*/$1(/|$)" /proc/[0-9]*/environ | cut -d / -f 3); do
		case "$(cat "/proc/$p/comm" 2>/dev/null)" in qemu* | virtiofsd | kata-proxy) echo "$p" ;; esac
	done
}

# placed ID SHIM: the shim is in the cgroup $GROUP, and the VM's processes are
# in the one below it.
placed() {
	local p vm
	[ "$(group_of "$2")" = "$GROUP" ] || { echo "shim in $(group_of "$2"), want $GROUP"; return 1; }
	vm=$(vm_of "$1")
	[[ $(for p in $vm; do cat "/proc/$p/comm"; done) == *qemu* ]] || { echo "no QEMU of $1"; return 1; }
	for p in $vm; do
		[ "$(group_of "$p")" = "$GROUP/kata" ] || { echo "$(cat "/proc/$p/comm") in $(group_of "$p"), want $GROUP/kata"; return 1; }
	done
}

# scopes: all that systemd has, but its own.
scopes() { systemctl list-units --all --plain --no-legend --type=scope | cut -d ' ' -f 1 | grep -v '^init.scope$'; }

# left: what a container could leave in this machine.
left() {
	scopes | sed 's/^/scope /'
	systemctl list-units --all --plain --no-legend --failed | sed 's/^/failed /'
	ps -eo args= | grep -E '^[^ ]*(qemu|virtiofsd|kata-|conmon)' | sed 's/^/process /'
	find /sys/fs/cgroup -type d | grep -E 'kata|docker-|libpod' | sed 's/^/cgroup /'
	grep -E 'kata' /proc/self/mountinfo | sed 's/^/mount /'
	find /run/kata-containers -mindepth 2 2>/dev/null | sed 's/^/file /'
	find /run/netns /run/docker/netns -type f 2>/dev/null | grep -v /default$ | sed 's/^/netns /'
}

same() { [ "$(left)" = "$BEFORE" ]; }

# make_image ENGINE: busybox, with all its applets.
make_image() {
	local dir
	dir=$(mktemp -d)
	KATA_PROBE=/usr/local/bin/probe make_rootfs_tar "$dir/rootfs.tar"
	"$1" import --change 'ENV PATH=/bin' --change 'CMD ["sleep", "100000"]' "$dir/rootfs.tar" busybox >/dev/null
	rm -r "$dir"
}
