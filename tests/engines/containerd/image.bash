# shellcheck shell=bash
# OCI images from a folder, without a registry: for "ctr images import".

# blob DIR: puts standard input into an image layout, prints its digest.
blob() {
	local tmp sum
	tmp=$(mktemp "$1/blobs/sha256/.new.XXXXXX")
	cat >"$tmp"
	sum=$(sha256sum "$tmp" | cut -d' ' -f1)
	mv "$tmp" "$1/blobs/sha256/$sum"
	echo "$sum"
}

# image_blobs DIR ROOTFS [CONFIG]: adds an image with one layer to a layout and
# prints its manifest's digest. CONFIG is the JSON of its "config" object.
image_blobs() {
	local dir=$1 rootfs=$2 config=${3:-'{"Cmd":["sh"],"Env":["PATH=/bin"]}'} layer conf manifest
	layer=$(tar -C "$rootfs" --numeric-owner --sort=name --mtime=@0 -c . | blob "$dir")
	conf=$(jq -cn --arg d "sha256:$layer" --arg a "$(dpkg --print-architecture)" --argjson c "$config" \
		'{architecture: $a, os: "linux", config: $c, rootfs: {type: "layers", diff_ids: [$d]}}' | blob "$dir")
	manifest=$(jq -cn --arg c "sha256:$conf" --argjson cs "$(stat -c %s "$dir/blobs/sha256/$conf")" \
		--arg l "sha256:$layer" --argjson ls "$(stat -c %s "$dir/blobs/sha256/$layer")" \
		'{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
		config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $c, size: $cs},
		layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $l, size: $ls}]}' | blob "$dir")
	echo "sha256:$manifest"
}

# make_image OUT.tar ROOTFS NAME [CONFIG]: an archive of one image.
make_image() {
	local out=$1 rootfs=$2 name=$3 dir manifest
	dir=$(mktemp -d "${TMPDIR:-/tmp}/image.XXXXXX")
	mkdir -p "$dir/blobs/sha256"
	manifest=$(image_blobs "$dir" "$rootfs" "${4-}")
	jq -cn --arg d "$manifest" --argjson s "$(stat -c %s "$dir/blobs/sha256/${manifest#*:}")" --arg n "$name" --arg a "$(dpkg --print-architecture)" \
		'{schemaVersion: 2, manifests: [{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $s,
		platform: {architecture: $a, os: "linux"},
		annotations: {"io.containerd.image.name": $n, "org.opencontainers.image.ref.name": ($n | split(":") | last)}}]}' >"$dir/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci-layout"
	tar -C "$dir" -cf "$out" .
	rm -rf "$dir"
}

# busybox_root DIR: a root file system of Debian's static busybox.
busybox_root() {
	mkdir -p "$1"/{bin,dev,etc,proc,sys,tmp,root,var,home,usr/bin}
	chmod 1777 "$1/tmp"
	cp /bin/busybox "$1/bin/busybox"
	local applet
	for applet in $(/bin/busybox --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
	echo 'root:x:0:' >"$1/etc/group"
}
