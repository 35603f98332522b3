#!/bin/bash
# Runs critest with a containerd of its own, once with runc and once with kata,
# and prints a line per spec that differs or failed. FOLDER gets the reports.
# Usage: run.sh FOLDER [ginkgo flags]
set -euo pipefail
out=$1
shift
here=$(dirname "$(readlink -f "$0")")

# The module is not in the checksum database that every machine reaches: its
# hash is pinned here.
CRITEST=v1.30.0
CRITEST_SUM=h1:3BpgxSTgjfS+5u2OXwuAqUVo0BQM09u2JuArMMth9NE=
# Images come from an archive, so what pulls or removes them is left out, and
# so is what needs a program that no stand-in has.
SKIP='Image Manager|NoNewPrivs|benchmark'

mkdir -p "$out"
if [ ! -x "$out/critest-$CRITEST" ]; then
	export GONOSUMDB=sigs.k8s.io/cri-tools
	info=$(cd "$out" && go mod download -json "sigs.k8s.io/cri-tools@$CRITEST")
	[ "$(jq -r .Sum <<<"$info")" = "$CRITEST_SUM" ] || { echo "cri-tools $CRITEST has another hash than $CRITEST_SUM" >&2; exit 1; }
	src=$(mktemp -d)
	cp -r "$(jq -r .Dir <<<"$info")/." "$src"
	chmod -R u+w "$src"
	(cd "$src" && go test -c -o "$out/critest-$CRITEST" ./cmd/critest)
	rm -rf "$src"
fi

# shellcheck source=tests/engines/containerd/cri.bash
. "$here/../engines/containerd/cri.bash"
run=$(mktemp -d /tmp/kata-cri.XXXXXX)
finish() {
	stop_containerd || true
	ip link del "$CRI_BRIDGE" 2>/dev/null || true
	cp "$run/c/log" "$out/containerd.log"
	rm -rf "$run"
}
trap finish EXIT
start_containerd "$run/c" "$(cri_config "$run")"
cri_images "$run"
for handler in runc kata; do
	(cd "$run" && "$out/critest-$CRITEST" -runtime-endpoint "unix://$CTD/ctd.sock" -runtime-handler "$handler" \
		--ginkgo.no-color --ginkgo.timeout=1h --ginkgo.skip "$SKIP" --ginkgo.junit-report "$out/$handler.xml" "$@") \
		>"$out/$handler.log" 2>&1 || true
	tail -n 3 "$out/$handler.log" | sed "s/^/$handler: /"
done
go run "$here" "$out/runc.xml" "$out/kata.xml"
