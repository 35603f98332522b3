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

# make_image OUT.tar ROOTFS NAME [CONFIG]: an archive of one image with one
# layer. CONFIG is the JSON of its "config" object.
make_image() {
	local out=$1 rootfs=$2 name=$3 config=${4:-'{"Cmd":["sh"],"Env":["PATH=/bin"]}'}
	local dir layer diff size conf manifest arch
	arch=$(dpkg --print-architecture)
	dir=$(mktemp -d "${TMPDIR:-/tmp}/image.XXXXXX")
	mkdir -p "$dir/blobs/sha256"
	diff=$(tar -C "$rootfs" --numeric-owner --sort=name --mtime=@0 -c . | blob "$dir")
	layer=$diff
	size=$(stat -c %s "$dir/blobs/sha256/$layer")
	conf=$(jq -cn --arg d "sha256:$diff" --arg a "$arch" --argjson c "$config" \
		'{architecture: $a, os: "linux", config: $c, rootfs: {type: "layers", diff_ids: [$d]}}' | blob "$dir")
	manifest=$(jq -cn --arg c "sha256:$conf" --argjson cs "$(stat -c %s "$dir/blobs/sha256/$conf")" --arg l "sha256:$layer" --argjson ls "$size" \
		'{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
		config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $c, size: $cs},
		layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $l, size: $ls}]}' | blob "$dir")
	jq -cn --arg d "sha256:$manifest" --argjson s "$(stat -c %s "$dir/blobs/sha256/$manifest")" --arg n "$name" --arg a "$arch" \
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
