# shellcheck shell=bash
# The images that engines pull in the tests, and the registry that serves them:
# busybox and our stand-ins under the names that critest uses.

# shellcheck source=tests/engines/containerd/image.bash
. "${BASH_SOURCE[0]%/*}/containerd/image.bash"

# start_registry DIR: builds and serves the images. REGISTRY is its address.
start_registry() {
	local dir=$1 go=${GO:-go} module
	module=$(readlink -f "${BASH_SOURCE[0]%/*}/../..")
	mkdir -p "$dir/images/blobs/sha256"
	rm -f "$dir/address"
	(cd "$module" && CGO_ENABLED=0 "$go" build -o "$dir/standin" ./tests/engines/standin && "$go" build -o "$dir/registry" ./tests/engines/registry) || return 1
	critest_images "$dir"
	"$dir/registry" "$dir/images" "$dir/address" >"$dir/registry.log" 2>&1 3>&- &
	REGISTRY_PID=$!
	local end=$((SECONDS + 30))
	until [ -e "$dir/address" ]; do
		[ "$SECONDS" -lt "$end" ] || { cat "$dir/registry.log"; return 1; }
		[ -d "/proc/$REGISTRY_PID" ] || { cat "$dir/registry.log"; return 1; }
	done
	# shellcheck disable=SC2034  # for the caller
	REGISTRY=$(<"$dir/address")
}

stop_registry() {
	[ -n "${REGISTRY_PID-}" ] || return 0
	kill "$REGISTRY_PID"
	wait "$REGISTRY_PID" || true
}

# publish DIR ROOTFS NAME:TAG [CONFIG]: adds an image to those that are served.
publish() {
	local dir=$1/images name=${3%:*} tag=${3##*:}
	mkdir -p "$dir/tags/$name"
	image_blobs "$dir" "$2" "${4-}" >"$dir/tags/$name/$tag"
}

# standin DIR NAME: a root file system with busybox and one of our stand-ins.
standin() {
	[ -d "$1/base" ] || critest_root "$1/base"
	rm -rf "$1/root"
	cp -a "$1/base" "$1/root"
	[ -z "${2-}" ] || cp --remove-destination "$1/standin" "$1/root/bin/$2"
}

# critest_root DIR: busybox with the users, groups and programs that critest
# expects of its own busybox image. Debian's has neither ipcs nor pgrep.
critest_root() {
	busybox_root "$1"
	mkdir -p "$1/var/run"
	printf '%s:x:%d:%d::/home:/bin/sh\n' daemon 1 1 www-data 33 33 nobody 65534 65534 >>"$1/etc/passwd"
	printf '%s:x:%d:\n' daemon 1 www-data 33 nobody 65534 >>"$1/etc/group"
	printf '#!/bin/sh\nexec cat /proc/sysvipc/shm\n' >"$1/bin/ipcs"
	# shellcheck disable=SC2016  # $1 is the script's
	printf '#!/bin/sh\nexec pidof "$1"\n' >"$1/bin/pgrep"
	chmod 755 "$1/bin/ipcs" "$1/bin/pgrep"
	# A test masks it, and shall not mask busybox with it.
	cp --remove-destination "$1/bin/busybox" "$1/bin/ls"
}

# critest_images DIR: every image that critest names, but one: "test-image-digest"
# is named by the digest of what only its own registry has.
critest_images() {
	local dir=$1 e2e=e2e-test-images own=k8s-staging-cri-tools env='"Env":["PATH=/bin"]' n
	standin "$dir" pause
	publish "$dir" "$dir/root" pause:3.10 "{\"Cmd\":[\"/bin/pause\"],$env}"
	standin "$dir" nonewprivs
	chmod 4755 "$dir/root/bin/nonewprivs"
	publish "$dir" "$dir/root" $e2e/nonewprivs:1.3 "{\"Cmd\":[\"/bin/nonewprivs\"],$env}"
	standin "$dir" nginx
	publish "$dir" "$dir/root" $e2e/nginx:1.14-2 "{\"Cmd\":[\"/bin/nginx\",\"master process\"],$env}"
	publish "$dir" "$dir/root" $own/hostnet-nginx-amd64:latest '{"Cmd":["/bin/nginx","master process"],"Env":["PATH=/bin","PORT=12003"]}'
	standin "$dir" httpd
	publish "$dir" "$dir/root" $e2e/httpd:2.4.39-4 "{\"Cmd\":[\"/bin/httpd\"],$env}"
	standin "$dir"
	publish "$dir" "$dir/root" $e2e/busybox:1.29-2
	publish "$dir" "$dir/root" $own/test-image-user-uid:latest "{\"User\":\"1002\",\"Cmd\":[\"sh\"],$env}"
	publish "$dir" "$dir/root" $own/test-image-user-username:latest "{\"User\":\"www-data\",\"Cmd\":[\"sh\"],$env}"
	publish "$dir" "$dir/root" $own/test-image-user-uid-group:latest "{\"User\":\"1003:users\",\"Cmd\":[\"sh\"],$env}"
	publish "$dir" "$dir/root" $own/test-image-user-username-group:latest "{\"User\":\"www-data:100\",\"Cmd\":[\"sh\"],$env}"
	for n in 1 2 3; do publish "$dir" "$dir/root" "$own/test-image-tags:$n" '{"Cmd":["tags"]}'; done
	for n in image-1:latest image-2:latest image-3:latest image-latest:latest image-tag:test image-tag:all; do
		echo "$n" >"$dir/root/name"
		publish "$dir" "$dir/root" "$own/test-$n"
	done
	rm "$dir/root/name"
	echo 'default-user:x:1000:1000::/home:/bin/sh' >>"$dir/root/etc/passwd"
	printf '%s\n' default-user:x:1000: group-defined-in-image:x:50000:default-user >>"$dir/root/etc/group"
	publish "$dir" "$dir/root" $own/test-image-predefined-group:latest "{\"User\":\"1000\",\"Cmd\":[\"sh\"],$env}"
}
