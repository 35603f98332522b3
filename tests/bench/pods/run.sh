#!/bin/bash
# Measures pods: with each engine by its CRI, kata beside runc, and prints a
# table in Markdown. Usage: run.sh [-n ROUNDS] [-m PODS] [ENGINE/HANDLER...]
#   -n: pods that are measured one after the other (default 7, the median counts)
#   -m: pods that are started at once (default 20, 0 for none)
# Each of a list of: containerd/runc containerd/kata crio/runc crio/kata-oci
# crio/kata-vm; all without one. KATA_RUNTIME and KATA_CONF_FILE are the runtime
# and its configuration. The machine must have nothing else to do.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/engines/lib.bash
. "$here/../../engines/lib.bash"
# shellcheck source=tests/engines/cri.bash
. "$here/../../engines/cri.bash"

rounds=7 many=20
while getopts n:m: option; do
	case $option in
	n) rounds=$OPTARG ;;
	m) many=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- containerd/runc containerd/kata crio/runc crio/kata-oci crio/kata-vm

run=$(mktemp -d /tmp/kata-bench.XXXXXX)
CRI_ENGINE=
# shellcheck disable=SC2317  # the trap calls it
finish() {
	[ -z "$CRI_ENGINE" ] || stop_cri
	stop_registry || true
	rm -rf "$run"
}
trap finish EXIT

# now: microseconds.
now() { echo "${EPOCHREALTIME/[.,]/}"; }

# median of standard input's numbers.
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# processes ID...: those that name an id on their command line or in their
# environment, or descend from one that does.
processes() {
	local id p known=" " parent
	for p in /proc/[0-9]*; do
		for id; do
			if tr '\0' '\n' 2>/dev/null <"$p/cmdline" | grep -qF "$id" || grep -qazF "$id" "$p/environ" 2>/dev/null; then
				known+="${p#/proc/} "
			fi
		done
	done
	while read -r p parent; do
		case $known in *" $p "*) ;; *" $parent "*) known+="$p " ;; esac
	done < <(ps -eo pid=,ppid= --sort=start_time)
	tr ' ' '\n' <<<"$known" | sed '/^$/d' | sort -un
}

# pss PID...: their proportional set size together, in MB.
pss() {
	local p
	for p; do [ -z "$p" ] || cat "/proc/$p/smaps_rollup" 2>/dev/null || true; done | awk '/^Pss:/ { kb += $2 } END { printf "%.1f\n", kb / 1000 }'
}

start_registry "$run"
uname=$(uname -r)
echo "$(date +%F), Linux $uname, $(nproc) CPUs, load average $(cut -d' ' -f1 /proc/loadavg) at the start, median of $rounds pods"
echo
echo "| engine | runtime | pod up (s) | pod stopped (s) | PSS, 1 container (MB) | PSS, 5 containers (MB) | shim's PSS (MB) | $many at once: up (s) | failed |"
echo "|---|---|---|---|---|---|---|---|---|"
for each; do
	engine=${each%/*} handler=${each#*/}
	start_cri "$engine" "$run/$engine-$handler"
	: >"$run/up"
	: >"$run/down"
	one=- five=- shim=-
	# The first is not counted: it fills caches.
	for n in $(seq 0 "$rounds"); do
		begin=$(now)
		pod=$(pod_up "$handler" "b$n")
		up=$(now)
		if [ "$n" = "$rounds" ]; then
			ids=$(cri ps -q --pod "$pod")
			mapfile -t pids < <(processes "$pod" "$ids")
			one=$(pss "${pids[@]}")
			mapfile -t pids < <(pgrep -f "containerd-shim-.*$pod")
			shim=$(pss "${pids[@]}")
			for c in two three four five; do pod_container "$pod" "$c" "$CRI_DIR/pods/b$n.json" >/dev/null; done
			mapfile -t all < <(cri ps -q --pod "$pod")
			mapfile -t pids < <(processes "$pod" "${all[@]}")
			five=$(pss "${pids[@]}")
		fi
		stop=$(now)
		cri stopp "$pod" >/dev/null
		down=$(now)
		cri rmp "$pod" >/dev/null
		[ "$n" = 0 ] || { echo $((up - begin)) >>"$run/up"; [ "$n" = "$rounds" ] || echo $((down - stop)) >>"$run/down"; }
	done
	wall=- failed=-
	if [ "$many" -gt 0 ]; then
		failed=0 pids=()
		begin=$(now)
		for n in $(seq "$many"); do
			pod_up "$handler" "m$n" >/dev/null 2>>"$run/errors" &
			pids+=($!)
		done
		for p in "${pids[@]}"; do wait "$p" || failed=$((failed + 1)); done
		wall=$(awk -v t=$(($(now) - begin)) 'BEGIN { printf "%.1f", t / 1e6 }')
	fi
	seconds() { median <"$1" | awk '{ printf "%.2f", $1 / 1e6 }'; }
	echo "| $engine | $handler | $(seconds "$run/up") | $(seconds "$run/down") | $one | $five | $shim | $wall | $failed |"
	stop_cri
	CRI_ENGINE=
	[ ! -s "$run/errors" ] || { cat "$run/errors" >&2; rm "$run/errors"; }
done
