#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031
# containerd with containerd-shim-kata-v2, driven by ctr.

bats_require_minimum_version 1.5.0

setup_file() {
	load containerd
	TMP=$(mktemp -d /tmp/kata-ctd.XXXXXX)
	export TMP
	busybox_root "$TMP/root"
	make_image "$TMP/image.tar" "$TMP/root" test/busybox:1
}

teardown_file() { rm -rf "$TMP"; }

setup() {
	load containerd
	start_containerd "$TMP/c"
	ctr images import "$TMP/image.tar" >/dev/null
}

teardown() {
	local pid left
	for pid in $(ctr tasks ls | awk 'NR > 1 { print $1 }'); do
		ctr tasks kill -s KILL "$pid" || true
		ctr tasks rm -f "$pid" || true
	done
	for pid in $(ctr containers ls -q); do ctr containers rm "$pid" || true; done
	stop_containerd
	left=$(pgrep -fa -- "-namespace $NAMESPACE" || true)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
	[ -z "$(ls "$(state)/sandboxes" 2>/dev/null)" ]
	if grep -F "$TMP/c/state" /proc/self/mountinfo; then return 1; fi
	rm -rf "$(state)"
}

# state: where the shim keeps the state of this test's containers.
state() { echo "/run/kata-containers/containerd/$NAMESPACE"; }

kata_run() { ctr run --runtime io.containerd.kata.v2 "$@"; }

# running ID: a container in the background that answers to signals.
running() {
	kata_run -d test/busybox:1 "$1" sh -c 'trap "exit 5" TERM; echo up; while :; do sleep 0.2; done' 3>&-
}

await() {
	local end=$((SECONDS + 100))
	until "$@"; do [ "$SECONDS" -lt "$end" ] || { echo "waited in vain: $*"; return 1; }; done
}

status() { ctr tasks ls | awk -v id="$1" '$1 == id { print $3 }'; }
is_status() { [ "$(status "$1")" = "$2" ]; }

@test "containerd: run in a guest, exit code, all three streams" {
	run -7 --separate-stderr kata_run --rm test/busybox:1 c1 sh -c 'uname -v; echo err >&2; exit 7' <<<x
	[ -n "${lines[0]}" ]
	[ "${lines[0]}" != "$(uname -v)" ]
	[ "$stderr" = err ]
	run -0 bash -c 'echo hello | "$0" "$@"' "$CTR" --address "$CTD/ctd.sock" -n "$NAMESPACE" run --runtime io.containerd.kata.v2 --rm test/busybox:1 c2 cat
	[ "$output" = hello ]
}

@test "containerd: exec, metrics, pause, resume, kill, delete" {
	running c1
	run -3 ctr tasks exec --exec-id e1 c1 sh -c 'echo in; exit 3'
	[ "$output" = in ]
	run -0 bash -c 'seq 100000 | "$0" "$@" | tail -n 1' "$CTR" --address "$CTD/ctd.sock" -n "$NAMESPACE" tasks exec --exec-id e2 c1 cat
	[ "$output" = 100000 ]
	run -0 ctr tasks metrics c1
	[[ $output == *memory* ]]
	ctr tasks pause c1
	is_status c1 PAUSED
	ctr tasks resume c1
	is_status c1 RUNNING
	run ctr tasks exec --exec-id e3 c1 no-such-command
	[[ $output == *no-such-command* ]]
	ctr tasks kill -s TERM c1
	await is_status c1 STOPPED
	run ctr tasks rm c1
	[[ $output == *"code 5"* ]] || [ "$status" = 5 ]
	[ -z "$(status c1)" ]
}

@test "containerd: a terminal" {
	run -0 script -qec "'$CTR' --address '$CTD/ctd.sock' -n '$NAMESPACE' run --runtime io.containerd.kata.v2 --rm -t test/busybox:1 c1 sh -c 'tty; stty size'" /dev/null </dev/null
	[[ $output == */dev/pts/* ]]
}

@test "containerd: a command that does not exist leaves nothing" {
	run kata_run --rm test/busybox:1 c1 no-such-command
	[ "$status" != 0 ]
	[[ $output == *no-such-command* ]]
}

@test "containerd: restarted while a container runs" {
	running c1
	stop_containerd
	run_containerd
	is_status c1 RUNNING
	run -0 ctr tasks exec --exec-id e1 c1 echo again
	[ "$output" = again ]
	ctr tasks kill -s TERM c1
	await is_status c1 STOPPED
}

@test "containerd: a shim that is killed leaves nothing" {
	running c1
	kill -KILL "$(pgrep -f "containerd-shim-kata-v2 .*-id c1")"
	await is_status c1 STOPPED || await is_status c1 ""
}

@test "containerd: the first container has a cache of VMs served, a later one takes its VM from it" {
	local cache=$TMP/cache pid
	sed -E "s|^#? *vm_cache_number *=.*|vm_cache_number = 1|; s|^#? *vm_cache_endpoint *=.*|vm_cache_endpoint = \"$cache.sock\"|" "$KATA_CONF_FILE" >"$TMP/cache.toml"
	stop_containerd
	local KATA_CONF_FILE=$TMP/cache.toml
	export KATA_CONF_FILE
	run_containerd
	run -0 kata_run --rm test/busybox:1 c0 true
	await test -S "$cache.sock"
	[ "$("$KATA_RUNTIME" factory status --wait --json | jq .cache.ready)" = 1 ]
	running c1
	local origin
	origin=$(jq -r .sandbox.origin "$(state)/sandboxes/c1/state.json")
	[[ $origin == vm-* ]]
	run -3 ctr tasks exec --exec-id e1 c1 sh -c 'echo in; exit 3'
	[ "$output" = in ]
	# What the engine gets as the task's pid is in the sandbox's namespace.
	pid=$(ctr tasks ls | awk '$1 == "c1" { print $2 }')
	[ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]
	ctr tasks kill -s TERM c1
	await is_status c1 STOPPED
	ctr tasks rm c1 || true
	ctr containers rm c1
	[ ! -e "$cache.vms/sandboxes/$origin" ]
	# The server has not stayed in a cgroup of the shim's.
	pid=$("$KATA_RUNTIME" factory status --json | jq .cache.pid)
	run -1 grep -F "$NAMESPACE" "/proc/$pid/cgroup"
	"$KATA_RUNTIME" factory destroy
	run -1 compgen -G "$cache.[^t]*"
}
