#!/bin/bash
# From a bare machine to a first container in a VM: make quickstart.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n==> %s\n' "$*"; }
fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

make=${MAKE:-make}
go=${GO:-go}
prefix=${PREFIX:-/usr/local}
started=$SECONDS

# Before anything is installed: a Go that is too old fails late, and its errors
# do not say why. From 1.21 on Go fetches the one that go.mod asks for.
check_go() {
	local need have said remedy
	need=$(awk '$1 == "go" {print $2}' go.mod)
	remedy="install Go $need or later, or Go 1.21 or later without GOTOOLCHAIN=local, which fetches it"
	command -v "$go" >/dev/null || fail "$go is not in PATH: $remedy"
	# The last line: before it can be one that says that Go fetches another.
	if ! have=$("$go" env GOVERSION 2>&1); then
		said=${have##*$'\n'}
		have=$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null) || have="no Go that works"
		fail "$go is ${have#go} and go.mod needs $need, which was not to be had ($said): $remedy"
	fi
	# Of a Go that is built from its sources: "devel go1.27-1234abc".
	have=${have##*$'\n'} have=${have#devel } have=${have#go} have=${have%%[ -]*}
	[[ $have == [0-9]* ]] || have=
	[ "$(printf '%s\n' "$need" "$have" | sort -V | head -n 1)" = "$need" ] || fail "$go is ${have:-of an unknown version} and go.mod needs $need: $remedy"
	echo "Go $have"
}

say "Checking the machine"
[ "$(id -u)" = 0 ] || fail "run it as root: VMs need taps, mounts and network namespaces"
[ -z "${DESTDIR:-}" ] || fail "DESTDIR=$DESTDIR: what is put there cannot be run from there: leave it out, or use make build image install"
check_go
# Sources, packages, unpacked kernel, binaries and Go's own caches.
need_mib=3000
free_mib=$(($(stat -f -c '%a * %S' .) / 1048576))
((free_mib >= need_mib)) || fail "$free_mib MiB are free here, $need_mib are needed"
packaging/prerequisites.sh build image run

say "Building the binaries (the first time this takes a few minutes)"
$make --no-print-directory build
say "Building the guest: Debian's kernel and an initrd with the agent"
$make --no-print-directory image
say "Installing below $prefix"
$make --no-print-directory install

say "Running a first container"
runtime=$prefix/bin/kata-runtime
work=$(mktemp -d)
id=quickstart-$$
cleanup() {
	"$runtime" delete --force "$id" >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT
mkdir -p "$work"/rootfs/{bin,dev,etc,proc,sys,tmp}
cp /bin/busybox "$work/rootfs/bin/busybox"
for applet in sh uname echo; do ln -s busybox "$work/rootfs/bin/$applet"; done
"$runtime" spec --bundle "$work"
jq '.process.terminal = false | .process.args = ["sh", "-c", "echo Hello from a container; uname -r"]' \
	"$work/config.json" >"$work/config.new"
mv "$work/config.new" "$work/config.json"

before=$(date +%s%N)
output=$("$runtime" run --bundle "$work" "$id" </dev/null) || fail "the container failed; \"$runtime kata-check\" says what this machine lacks"
took=$((($(date +%s%N) - before) / 1000000))
guest=$(tail -n 1 <<<"$output")
[[ $output == $'Hello from a container\n'[0-9]* ]] || fail "the container should have greeted and named its kernel, but printed \"$output\""
accelerator=$("$runtime" kata-env --json | jq -r '.Hypervisor.Accelerator')

cat <<END
The container printed:   $(head -n 1 <<<"$output")
Kernel in the container: $guest
Kernel of this host:     $(uname -r)
Accelerator:             $accelerator
From start to end:       $((took / 1000)).$(printf %03d $((took % 1000))) s
END
[ "$guest" != "$(uname -r)" ] || fail "both kernels have the same name: this proves nothing"
[ "$accelerator" != tcg ] || echo "(No usable KVM here: the VM is emulated, which is several times slower.)"
echo "Done in $((SECONDS - started)) s. Next: README.md tells how Docker, Podman, CRI-O and containerd use it."
