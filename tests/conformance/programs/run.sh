#!/bin/bash
# Builds the validation programs of opencontainers/runtime-tools, runs each with
# runc, crun and kata-runtime, and prints what they passed beside each other.
# FOLDER gets what they said: FOLDER/{runc,crun,kata}/PROGRAM.{tap,err,json}.
# Usage: run.sh FOLDER [PROGRAM...]
set -euo pipefail
# A container without a mount namespace mounts its /proc and /sys where it was
# made: here, and not on the machine.
[ -n "${PRIVATE_MOUNTS:-}" ] || PRIVATE_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
out=$(readlink -m "$1")
shift
here=$(dirname "$(readlink -f "$0")")
: "${KATA_RUNTIME:?the runtime under test}" "${KATA_CACHE:=/var/cache/kata-runtime}"

TOOLS=v0.9.0
TOOLS_SUM=h1:FYgwVsKRI/H9hU32MJ/4MLOzXWodKK5zsQavY8NPMkU=
# Seconds that a program may take: the longest are those that wait 10 seconds
# for each of several containers.
LIMIT=180

key=$(cat "$here"/programs.{mod,sum} <(echo "$TOOLS_SUM") <(go version) | sha256sum | cut -c1-32)
tools=$KATA_CACHE/runtime-tools-$key

build() {
	local info src
	info=$(cd "$KATA_CACHE" && GONOSUMDB=github.com/opencontainers/runtime-tools go mod download -json "github.com/opencontainers/runtime-tools@$TOOLS")
	[ "$(jq -r .Sum <<<"$info")" = "$TOOLS_SUM" ] || { echo "runtime-tools $TOOLS has another hash than $TOOLS_SUM" >&2; exit 1; }
	src=$tools.src
	rm -rf "$src" "$tools.new"
	cp -r "$(jq -r .Dir <<<"$info")/." "$src"
	chmod -R u+w "$src"
	# It has no go.mod of its own: ours has the versions of its time, or the
	# oldest after it that still build.
	cp "$here/programs.mod" "$src/go.mod"
	cp "$here/programs.sum" "$src/go.sum"
	(cd "$src" && mkdir "$tools.new" && go build -buildvcs=false -ldflags '-s -w' -o "$tools.new/" ./validation/... &&
		CGO_ENABLED=0 go build -buildvcs=false -ldflags '-s -w' -o "$tools.new/" ./cmd/runtimetest)
	cp "$src/rootfs-amd64.tar.gz" "$tools.new/"
	rm -rf "$src"
	mv "$tools.new" "$tools"
}
mkdir -p "$KATA_CACHE"
exec 9>"$tools.lock"
flock 9
[ -d "$tools" ] || build
exec 9>&-

run=$(mktemp -d /tmp/kata-oci.XXXXXX)
# For the users of a user namespace.
chmod 711 "$run"
# A program that was ended leaves its containers.
clear_containers() {
	local id
	for id in $("$run/$1" list -q 2>/dev/null); do "$run/$1" delete --force "$id" || true; done
	# What is still mounted below must not be walked into.
	awk -v dir="$run/tmp/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac | xargs -r -n 1 umount -l
	rm -rf --one-file-system "$run/tmp"
}
finish() {
	for runtime in runc crun kata; do clear_containers "$runtime"; done
	rm -rf --one-file-system "$run"
}
trap finish EXIT
# crun refuses cgroup v1 beside a v2 that has controllers ("hybrid mode"), so it
# does not see the latter.
crun=$(command -v crun)
if [ -d /sys/fs/cgroup/unified ]; then
	printf '#!/bin/sh\numount /sys/fs/cgroup/unified\nexec %s "$@"\n' "$crun" >"$run/crun-v1"
	chmod +x "$run/crun-v1"
	crun="unshare --mount --propagation slave $run/crun-v1"
fi
# The programs take a command without arguments, and look for their files in
# the current folder.
for runtime in "runc $(command -v runc)" "crun $crun" "kata $KATA_RUNTIME"; do
	printf '#!/bin/sh\nexec %s --root %s "$@"\n' "${runtime#* }" "$run/root-${runtime%% *}" >"$run/${runtime%% *}"
	chmod +x "$run/${runtime%% *}"
done
# Not links: the programs copy a link as such.
cp "$tools/rootfs-amd64.tar.gz" "$tools/runtimetest" "$run/"
go build -o "$run/tally" "$here/../../tally"

# Some programs print no result, some end in the middle: a line more says so,
# so that what follows counts results alone.
complete() { # FILE PROGRAM CODE
	sed -i '/^1\.\.0$/d' "$1"
	if [ "$3" != 0 ]; then
		sed -i '/^1\.\./d' "$1"
		echo "not ok 999 - $2 ended with code $3" >>"$1"
	elif ! grep -qE '^(not )?ok ' "$1"; then
		local verdict="ok 999 - $2 told no error"
		! grep -qE '"error": "[^"]' "$1" || verdict="not ok 999 - $2 told an error"
		echo "$verdict" >>"$1"
	fi
}

cd "$run"
programs=("$@")
[ $# -gt 0 ] || mapfile -t programs < <(find "$tools" -maxdepth 1 -type f -perm /111 ! -name runtimetest -printf '%f\n' | sort)
rm -rf "$out"
for runtime in runc crun kata; do
	mkdir -p "$out/$runtime"
	for program in "${programs[@]}"; do
		mkdir "$run/tmp"
		code=0
		TMPDIR=$run/tmp RUNTIME=$run/$runtime timeout --kill-after=10 "$LIMIT" "$tools/$program" \
			>"$out/$runtime/$program.tap" 2>"$out/$runtime/$program.err" </dev/null || code=$?
		clear_containers "$runtime" >>"$out/$runtime/$program.err" 2>&1
		complete "$out/$runtime/$program.tap" "$program" "$code"
		"$run/tally" --save "$out/$runtime/$program.json" tap <"$out/$runtime/$program.tap" >/dev/null || true
	done
done
cd "$here" && go run . -known "$here/../known/programs" "$out/runc" "$out/crun" "$out/kata"
