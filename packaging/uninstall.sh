#!/bin/sh
# Removes what install.sh has put there, and its folders if nothing else is in
# them. Usage: uninstall.sh DESTDIR BIN SHARE
set -eu
destdir=$1 bin=$2 share=$3

fail() { printf 'uninstall: %s\n' "$*" >&2; exit 1; }

list=$destdir$share/files
[ -e "$list" ] || fail "there is no $list, which install writes: make install, then make uninstall"
# VMs that are kept ready, and templates, would stay with nobody to end them.
if [ -z "$destdir" ] && [ -x "$bin/kata-runtime" ]; then
	"$bin/kata-runtime" factory destroy || fail "VMs that are kept ready, or templates, are left: see above"
fi
paths=$(cat "$list")
while IFS= read -r path; do
	rm -f "$destdir$path"
done <<END
$paths
END
# The folders that are ours by their names, from the innermost.
while IFS= read -r path; do
	dirname "$path"
	dirname "$(dirname "$path")"
done <<END | sort -ru | grep kata-containers |
$paths
END
	while IFS= read -r folder; do
		[ ! -d "$destdir$folder" ] || rmdir --ignore-fail-on-non-empty "$destdir$folder"
	done
