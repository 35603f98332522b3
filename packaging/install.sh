#!/bin/sh
# Installs what is built; make install calls it. Assets whose content is in
# place already are left alone. All is copied before anything is put in place, so
# that an installation that is cut off, or finds the disk full, leaves a kernel
# and an initrd that fit each other. What uninstall.sh removes is in SHARE/files.
set -eu
clean() { printf '%s\n' "$1" | tr -s /; } # PREFIX may end in a slash
destdir=$1 build=$2 bin=$(clean "$3") libexec=$(clean "$4") share=$(clean "$5") default=$(clean "$6") man=$(clean "$7")

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
# The prefix is linked in. It is not linked again here: that would be done as
# root, in the tree of somebody else.
below=/share/defaults/kata-containers/configuration.toml
built=$("$build/kata-runtime" --show-default-config-paths 2>/dev/null | tail -n 1)
wanted=$default/configuration.toml
case "$built" in
"$wanted") ;;
*"$below") fail "$build/kata-runtime was built with PREFIX=${built%"$below"} and would not find its configuration below ${wanted%"$below"}: make build PREFIX=${wanted%"$below"}, or install with the other one" ;;
*) fail "$build/kata-runtime does not say which PREFIX it was built with: make build PREFIX=${wanted%"$below"}" ;;
esac
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
[ ! -x "$build/guest/qemu/qemu-system-x86_64" ] || put 755 "$build/guest/qemu/qemu-system-x86_64" "$share/qemu"
for page in "$build"/man/*.[1-8]; do
	[ ! -e "$page" ] || put 644 "$page" "$man/man${page##*.}"
done
while read -r shell folder name; do
	mkdir "$lists/$shell"
	"$build/kata-runtime" completion "$shell" >"$lists/$shell/$name"
	put 644 "$lists/$shell/$name" "${share%/*}/$folder"
done <<END
bash bash-completion/completions kata-runtime
zsh zsh/site-functions _kata-runtime
fish fish/vendor_completions.d kata-runtime.fish
END

"$(dirname "$0")/configure.sh" configuration.toml.in "$build/installed/configuration.toml" "$build/guest" "$libexec" "$share"
put 644 "$build/installed/configuration.toml" "$default"

# With those of earlier versions that are still there.
echo "$share/files" >>"$files"
[ ! -e "$destdir$share/files" ] || cat "$destdir$share/files" >>"$files"
mkdir "$lists/all"
sort -u "$files" >"$lists/all/files"
put 644 "$lists/all/files" "$share"

while IFS= read -r path; do
	mv "$destdir$path.new" "$destdir$path"
	echo "install $path"
done <"$copies"
