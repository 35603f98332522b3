#!/bin/sh
# Installs what is built; make install calls it. Assets whose content is in
# place already are left alone.
set -eu
destdir=$1 build=$2 bin=$3 libexec=$4 share=$5 default=$6 man=$7

fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

put() { # MODE FILE FOLDER
	if ! cmp -s "$2" "$destdir$3/$(basename "$2")"; then
		install -D -m "$1" -t "$destdir$3" "$2"
		echo "install $3/$(basename "$2")"
	fi
}

[ -x "$build/kata-runtime" ] || fail "$build/kata-runtime is missing: make build"
[ -e "$build/guest/debian/vmlinux" ] || fail "there is no guest image: make image"
put 755 "$build/kata-runtime" "$bin"
# containerd looks for it in its PATH.
[ ! -x "$build/containerd-shim-kata-v2" ] || put 755 "$build/containerd-shim-kata-v2" "$bin"
for helper in kata-shim kata-proxy kata-agent-ctl; do
	if [ -x "$build/$helper" ]; then put 755 "$build/$helper" "$libexec"; else echo "install: $helper is not built"; fi
done
for flavour in debian tuned; do
	for asset in "$build/guest/$flavour"/*; do
		[ ! -e "$asset" ] || put 644 "$asset" "$share/$flavour"
	done
done
for page in "$build"/man/*.[1-8]; do
	[ ! -e "$page" ] || put 644 "$page" "$man/man${page##*.}"
done

"$(dirname "$0")/configure.sh" configuration.toml.in "$build/installed/configuration.toml" "$build/guest" "$libexec" "$share"
put 644 "$build/installed/configuration.toml" "$default"
