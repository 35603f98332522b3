#!/bin/bash
# Starts a dockerd that maps the users of its containers (userns-remap), in
# private mounts with an /etc/subuid of their own, and runs a container in it.
# Usage: remap.sh DIR   (an empty folder)
set -euo pipefail
[ -n "${PRIVATE_MOUNTS:-}" ] || PRIVATE_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
# shellcheck source=tests/engines/docker/engine.bash
. "$(dirname "$0")/engine.bash"
# The mapped root has to come through it.
chmod 711 "$1"
echo nobody:100000:65536 >"$1/ids"
for file in /etc/subuid /etc/subgid; do
	touch "$file"
	mount --bind "$1/ids" "$file"
done
mkdir -m 711 "$1/engine"
start_docker "$1/engine" --userns-remap nobody:nogroup
finish() {
	local code=$?
	set +e
	stop_docker || code=1
	exit "$code"
}
trap finish EXIT
docker run --rm --runtime kata -v volume:/v busybox sh -c \
	'id -u; cat /proc/self/uid_map; touch /made /v/made; stat -c %u:%g /made /v/made /bin; ip -o -4 addr show dev eth0; uname -r; echo a stream >/dev/stdout'
# On the host they are the mapped root's.
find "$1/engine" -path '*/volumes/volume/_data/made' -printf 'on the host %U:%G\n'
