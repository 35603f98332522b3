#!/bin/sh
# Fills the places of configuration.toml.in.
# Usage: configure.sh TEMPLATE OUT ASSETS LIBEXEC [INSTALLED-ASSETS]
# ASSETS is the folder with debian/, tuned/ and qemu/ as built; the paths written
# are below INSTALLED-ASSETS, if given. Our own kernel and QEMU are taken if they
# are built; with QEMU=stock the host's own QEMU all the same.
set -eu
template=$1 out=$2 assets=$3 libexec=$4 shown=${5:-$3}

flavour=debian
[ ! -e "$assets/tuned/vmlinux" ] || flavour=tuned
first() {
	for candidate; do
		if [ -x "$candidate" ]; then
			echo "$candidate"
			return
		fi
	done
}
qemu=/usr/bin/qemu-system-x86_64 keep='s|^|&|'
if [ -e "$assets/qemu/qemu-system-x86_64" ] && [ "${QEMU:-}" != stock ]; then
	qemu=$shown/qemu/qemu-system-x86_64
	keep='s|^#keep_translations = false|keep_translations = true|'
fi
virtiofsd=$(first /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd)

mkdir -p "$(dirname "$out")"
sed -e "s|@QEMU@|$qemu|" -e "$keep" \
	-e "s|@KERNEL@|$shown/$flavour/vmlinux|" \
	-e "s|@INITRD@|$shown/$flavour/initrd.img|" \
	-e "s|@IMAGE@||" \
	-e "s|@VIRTIOFSD@|$virtiofsd|" \
	-e "s|@SHIM@|$libexec/kata-shim|" \
	-e "s|@PROXY@|$libexec/kata-proxy|" "$template" >"$out.new"
if cmp -s "$out.new" "$out"; then rm "$out.new"; else mv "$out.new" "$out"; fi
