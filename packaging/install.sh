#!/bin/sh
# Installs what is built; make install calls it. Assets whose content is in
# place already are left alone. All is copied before anything is put in place, so
# that an installation that is cut off, or finds the disk full, leaves a kernel
# and an initrd that fit each other. What uninstall.sh removes is in SHARE/files.
set -eu
destdir=$1 build=$2 bin=$3 libexec=$4 share=$5 default=$6 man=$7

fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

lists=$(mktemp -d)
copies=$lists/copies files=$lists/files
touch "$copies" "$files"
discard() {
	while IFS= read -r path; do rm -f "$destdir$path.new"; done <"$copies"
	rm -rf "$lists"
}
trap discard EXIT
trap 'exit 1' INT TERM HUP

put() { # MODE FILE FOLDER
	path=$3/$(basename "$2")
	echo "$path" >>"$files"
	! cmp -s "$2" "$destdir$path" || return 0
	echo "$path" >>"$copies"
	install -D -m "$1" "$2" "$destdir$path.new"
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

# With those of earlier versions that are still there.
echo "$share/files" >>"$files"
[ ! -e "$destdir$share/files" ] || cat "$destdir$share/files" >>"$files"
sort -u -o "$files" "$files"
put 644 "$files" "$share"

while IFS= read -r path; do
	mv "$destdir$path.new" "$destdir$path"
	echo "install $path"
done <"$copies"
