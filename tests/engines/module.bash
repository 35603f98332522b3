# shellcheck shell=bash
# Programs that are built from Go modules for tests: CRI-O, crictl, critest,
# containerd, Docker.
# They are kept in KATA_CACHE, under a name with the hash of all they are made
# of; an empty cache only costs time.

KATA_CACHE=${KATA_CACHE:-/var/cache/kata-runtime}

CRITOOLS=v1.34.0
CRITOOLS_SUM=h1:KqL9EJ+WgHtz1HR1exezm91n+o8O2uMLs/eHzHJHAWw=
CRIO=v1.34.0
CRIO_SUM=h1:ux2URwAyENy5e5hD9Z95tshdfy98eqatZk0fxx3rhuk=
# Without a container engine, as a peer of the benchmark.
GVISOR=v0.0.0-20260905035102-160fafc42237
GVISOR_SUM=h1:AU5+CtCvnBnxdZRNcZt1NfSLqgkXZVT3N/u6u1aXg44=
# What CRI-O does without: file systems and a signature library that need more
# packages than the tests want.
CRIO_TAGS="containers_image_ostree_stub seccomp exclude_graphdriver_btrfs btrfs_noversion containers_image_openpgp"

# module MODULE VERSION SUM RECIPE: prints the folder with what the function
# RECIPE makes. It runs in a writable copy of the module's source and puts its
# files into the folder $1.
module() {
	local name=$1 version=$2 sum=$3 recipe=$4 key dir src info
	key=$({ echo "$name $version $sum"; declare -f "$recipe"; "${GO:-go}" version; } | sha256sum | cut -c1-32)
	dir=$KATA_CACHE/module-$key
	mkdir -p "$KATA_CACHE"
	(
		flock 9
		[ ! -d "$dir" ] || exit 0
		src=$(mktemp -d)
		trap 'rm -rf "$src" "$dir.new"' EXIT
		cd "$src" || exit 1
		# Not every machine reaches a checksum database that knows them all: the
		# hash is pinned above.
		info=$(GONOSUMDB="$name" "${GO:-go}" mod download -json "$name@$version") || { echo "$info" >&2; exit 1; }
		[ "$(jq -r .Sum <<<"$info")" = "$sum" ] || { echo "$name $version has another hash than $sum" >&2; exit 1; }
		mkdir "$src/source"
		cp -r "$(jq -r .Dir <<<"$info")/." "$src/source"
		chmod -R u+w "$src/source"
		cd "$src/source" || exit 1
		rm -rf "$dir.new"
		mkdir "$dir.new"
		"$recipe" "$dir.new" >"$dir.log" 2>&1 || { tail -n 20 "$dir.log" >&2; exit 1; }
		mv "$dir.new" "$dir"
	) 9>"$dir.lock" || return 1
	echo "$dir"
}

# With the hosts of the registries that critest's images are named after.
build_critools() {
	grep -hoE '(registry|DefaultRegistryPrefix) += "[a-z0-9./-]+"' pkg/framework/*.go pkg/validate/*.go | cut -d'"' -f2 | cut -d/ -f1 | sort -u >"$1/hosts"
	[ -s "$1/hosts" ] && "${GO:-go}" test -c -o "$1/critest" ./cmd/critest && "${GO:-go}" build -o "$1/crictl" ./cmd/crictl
}

build_crio() {
	"${GO:-go}" build -trimpath -tags "$CRIO_TAGS" -o "$1/crio" ./cmd/crio && make -C pinns && cp bin/pinns "$1"
}

build_containerd() {
	"${GO:-go}" build -trimpath -tags "no_btrfs no_zfs no_devmapper" -o "$1" ./cmd/containerd ./cmd/ctr
}

# Before version 29 Docker has no go.mod of its own, but the same under another name.
build_dockerd() {
	[ -e go.mod ] || { cp vendor.mod go.mod && cp vendor.sum go.sum; }
	rm -rf vendor
	local name
	name=$("${GO:-go}" list -mod=mod -m)
	"${GO:-go}" build -mod=mod -trimpath -tags "exclude_graphdriver_btrfs no_btrfs no_zfs no_devmapper" \
		-ldflags "-X $name/dockerversion.Version=$DOCKER" -o "$1" ./cmd/dockerd ./cmd/docker-proxy
}

build_docker_cli() {
	[ -e go.mod ] || { cp vendor.mod go.mod && cp vendor.sum go.sum; }
	rm -rf vendor
	CGO_ENABLED=0 "${GO:-go}" build -mod=mod -trimpath -ldflags "-X github.com/docker/cli/cli/version.Version=$DOCKER" -o "$1/docker" ./cmd/docker
}

# docker_built VERSION: prints a folder with dockerd and docker-proxy and one
# with the client, of a version that was tried.
docker_built() {
	local DOCKER=${1#v}
	case $1 in
	v28.5.2)
		module github.com/docker/docker "$1+incompatible" h1:DBX0Y0zAjZbSrm1uzOkdr1onVghKaftjlSWt4AFexzM= build_dockerd &&
			module github.com/docker/cli "$1+incompatible" h1:XmG99IHcBmIAoC1PPg9eLBZPlTrNUAijsHLm8PjhBlg= build_docker_cli
		;;
	*) echo "no hash of Docker $1 is pinned in ${BASH_SOURCE[0]}" >&2; return 1 ;;
	esac
}

build_gvisor() {
	CGO_ENABLED=0 "${GO:-go}" build -trimpath -ldflags "-s -w -X gvisor.dev/gvisor/runsc/version.version=$GVISOR" -o "$1/runsc" ./runsc
}

# containerd_built VERSION: one of those that were tried.
containerd_built() {
	case $1 in
	v1.7.35) module github.com/containerd/containerd "$1" h1:7AU2T1qI2OdNBmKkreWZ7kASHUNFItN5Hgejd9sY938= build_containerd ;;
	v2.2.9) module github.com/containerd/containerd/v2 "$1" h1:ddw9THGOXhcKnHORjkKoXtazPjwtcPwmqk8AVyRpfZw= build_containerd ;;
	*) echo "no hash of containerd $1 is pinned in ${BASH_SOURCE[0]}" >&2; return 1 ;;
	esac
}

critools() { module sigs.k8s.io/cri-tools "$CRITOOLS" "$CRITOOLS_SUM" build_critools; }
gvisor_built() { module gvisor.dev/gvisor "$GVISOR" "$GVISOR_SUM" build_gvisor; }
crio_built() { module github.com/cri-o/cri-o "$CRIO" "$CRIO_SUM" build_crio; }
