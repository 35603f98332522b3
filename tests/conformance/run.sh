#!/bin/bash
# Runs critest with engines of its own, with runc and with kata, and prints a
# line per spec that differs or failed. FOLDER gets the reports and logs.
# Usage: run.sh FOLDER [ENGINE/HANDLER...]
# Each of a list of: containerd/runc containerd/kata crio/runc crio/kata-oci
# crio/kata-vm; all without one. CRITEST_FLAGS are more flags for critest.
set -euo pipefail
out=$(readlink -f "$1")
shift
[ $# -gt 0 ] || set -- containerd/runc containerd/kata crio/runc crio/kata-oci crio/kata-vm
here=$(dirname "$(readlink -f "$0")")

# shellcheck source=tests/engines/images.bash
. "$here/../engines/images.bash"
# shellcheck source=tests/engines/containerd/cri.bash
. "$here/../engines/containerd/cri.bash"
# shellcheck source=tests/engines/crio/crio.bash
. "$here/../engines/crio/crio.bash"
# shellcheck source=tests/engines/end.bash
. "$here/../engines/end.bash"

mkdir -p "$out"
critest=$(critools)/critest
run=$(mktemp -d /tmp/kata-cri.XXXXXX)
engine=
# shellcheck disable=SC2317  # the trap calls it
finish() {
	stop_engine || true
	stop_registry || true
	end_sandboxes "$run"
	rm -rf "$run"
}
trap finish EXIT

stop_engine() {
	# What a critest that was ended has left.
	[ -z "$engine" ] || timeout 300 "$(critools)/crictl" --config "$run/crictl.yaml" --runtime-endpoint "unix://$endpoint" rmp -af >/dev/null 2>&1 || true
	case $engine in
	containerd) stop_containerd; ip link del "$CRI_BRIDGE" 2>/dev/null || true ;;
	crio) stop_crio; clean_crio ;;
	*) return 0 ;;
	esac
	cp "$run/$engine/log" "$out/$engine.log"
	engine=
}

# start_engine NAME: unless it runs already.
start_engine() {
	[ "$engine" != "$1" ] || return 0
	stop_engine
	case $1 in
	containerd) start_containerd "$run/containerd" "$(cri_config "$run" "$REGISTRY")"; endpoint=$run/containerd/ctd.sock ;;
	crio) start_crio "$run/crio" "$REGISTRY"; endpoint=$run/crio/crio.sock ;;
	*) echo "there is no engine $1" >&2; exit 1 ;;
	esac
	engine=$1
}

: >"$run/crictl.yaml"
start_registry "$run"
worse=0
for each; do
	start_engine "${each%/*}"
	handler=${each#*/}
	report=$out/$engine-$handler
	# The order is the same in all of them.
	# shellcheck disable=SC2086  # a list of flags
	(cd "$run" && "$critest" -runtime-endpoint "unix://$endpoint" -runtime-handler "$handler" \
		--ginkgo.no-color --ginkgo.seed=1 --ginkgo.timeout=3h --ginkgo.skip benchmark --ginkgo.junit-report "$report.xml" ${CRITEST_FLAGS-}) \
		>"$report.log" 2>&1 || true
	echo "# $each: $(grep -aE '^Ran [0-9]+ of' "$report.log")"
	case $handler in kata*)
		if [ -e "$out/$engine-runc.xml" ]; then
			go run "$here" -known "$here/known/$engine-$handler" "$out/$engine-runc.xml" "$report.xml" || worse=1
		else
			echo "nothing to compare it with: run $engine/runc first" >&2
			worse=1
		fi
		;;
	esac
done
exit "$worse"
