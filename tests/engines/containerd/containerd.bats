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
	load ../end
	load ../../teardown
	start_containerd "$TMP/c"
	ctr images import "$TMP/image.tar" >/dev/null
}

teardown() {
	local pid
	for pid in $(ctr tasks ls | awk 'NR > 1 { print $1 }'); do
		ctr tasks kill -s KILL "$pid" || true
		ctr tasks rm -f "$pid" || true
	done
	for pid in $(ctr containers ls -q); do ctr containers rm "$pid" || true; done
	# A shim has answered its last call before it ends.
	must await no_shims
	pgrep -fa -- "-namespace $NAMESPACE" && pgrep -f -- "-namespace $NAMESPACE" | xargs -r kill -KILL
	must stop_containerd
	must nothing sandboxes "$(ls "$(state)/sandboxes" 2>/dev/null)"
	must nothing mounts "$(grep -F "$TMP/c/state" /proc/self/mountinfo)"
	# A VM must not go on when its root is gone: nobody would find it.
	end_sandboxes "$TMP/c"
	must rm -rf --one-file-system "$(state)"
	checked
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
no_shims() { ! pgrep -f -- "-namespace $NAMESPACE" >/dev/null; }
is_status() { [ "$(status "$1")" = "$2" ]; }
# containerd 1.7 and later forget a task that had ended when they came back
# (core/runtime/v2/shim_load.go, "cleaning leaked shim process"); 1.6 does not.
has_ended() {
	is_status "$1" STOPPED || { grep -qE 'Version: *v?(1\.7|2)\.' "$CTD/version" && is_status "$1" ""; }
}

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

@test "containerd: a shim that is killed while its guest hangs leaves nothing" {
	running c1
	local vm
	vm=$(jq .sandbox.vm.process.pid "$(state)/sandboxes/c1/state.json")
	kill -STOP "$vm"
	kill -KILL "$(pgrep -f "containerd-shim-kata-v2 .*-id c1")"
	gone() { [ ! -e "/proc/$vm" ] && [ ! -e "$(state)/sandboxes/c1" ]; }
	await gone
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

# cloned ID: its VM goes on from a saved one.
cloned() {
	local qemu
	qemu=$(jq .sandbox.vm.process.pid "$(state)/sandboxes/$1/state.json")
	tr '\0' '\n' <"/proc/$qemu/cmdline" | grep -qx -- -incoming
}

# remade: a shim has said that it makes a stale template anew.
remade() { grep -F "$TMP/initrd has changed" "$CTD/log" | grep -qF "a new one is made"; }

@test "containerd: the first container has a template saved, a later one begins with it; a stale one is made anew" {
	local templates=$TMP/templates
	cp "$(sed -n 's/^initrd = "\(.*\)"$/\1/p' "$KATA_CONF_FILE")" "$TMP/initrd"
	sed -E "s|^#? *auto_template *=.*|auto_template = true|; s|^#? *template_path *=.*|template_path = \"$templates\"|
		s|^initrd = .*|initrd = \"$TMP/initrd\"|" "$KATA_CONF_FILE" >"$TMP/template.toml"
	stop_containerd
	local KATA_CONF_FILE=$TMP/template.toml
	export KATA_CONF_FILE
	run_containerd
	run -0 kata_run --rm test/busybox:1 c0 true
	run -0 "$KATA_RUNTIME" factory status
	[ "${lines[0]}" = "vm factory is on" ]
	running c1
	cloned c1
	run -3 ctr tasks exec --exec-id e1 c1 sh -c 'echo in; exit 3'
	[ "$output" = in ]
	ctr tasks kill -s TERM c1
	await is_status c1 STOPPED
	# shellcheck disable=SC2154  # the setup's
	run -1 grep -F "a new one is made" "$CTD/log"
	touch "$TMP/initrd"
	running c2
	await remade
	cloned c2
	[ "$(find "$templates" -name template.json | wc -l)" = 1 ]
	ctr tasks kill -s KILL c2
	await is_status c2 STOPPED
	"$KATA_RUNTIME" factory destroy
	[ ! -e "$templates" ]
}

# told TOPIC ID: containerd has published such an event.
told() { grep -F "/tasks/$1 " "$TMP/events" | grep -qF "\"container_id\":\"$2\""; }
# subscribed: what is done to the image is told.
subscribed() {
	ctr images label test/busybox:1 "at=$SECONDS$RANDOM" >/dev/null
	[ -s "$TMP/events" ]
}

@test "containerd: the events of a task, and of a want of memory" {
	# Not the function, whose pid is a shell's.
	env "$CTR" --address "$CTD/ctd.sock" --namespace "$NAMESPACE" events >"$TMP/events" 3>&- &
	local pid=$! topic
	await subscribed
	running c1
	ctr tasks exec --exec-id e1 c1 true
	ctr tasks pause c1
	ctr tasks resume c1
	ctr tasks kill -s TERM c1
	await is_status c1 STOPPED
	ctr tasks rm c1 || true
	for topic in create start exec-added exec-started paused resumed exit delete; do await told "$topic" c1; done
	kata_run -d --memory-limit 33554432 test/busybox:1 c2 dd if=/dev/zero of=/dev/null bs=48M 3>&-
	await is_status c2 STOPPED
	await told oom c2
	run ! told oom c1
	kill "$pid"
	wait "$pid" || true
}

@test "containerd: killed and started again, with containers that print, end and are exec'd" {
	kata_run -d test/busybox:1 c1 sh -c 'trap "exit 5" TERM; while :; do echo line; sleep 0.01; done' 3>&-
	kata_run -d test/busybox:1 c2 sh -c 'read x; exit 6' 3>&-
	running c3
	local execs=()
	for n in 1 2 3; do
		ctr tasks exec --exec-id "e$n" c3 sh -c 'sleep 3; exit 3' >/dev/null 2>&1 3>&- &
		execs+=($!)
	done
	kill -KILL "$CTD_PID"
	wait "$CTD_PID" || true
	# It ends while nobody asks.
	"$KATA_RUNTIME" --root "$(state)" kill c2 KILL
	wait "${execs[@]}" || true
	run_containerd
	is_status c1 RUNNING
	is_status c3 RUNNING
	await has_ended c2
	run -3 ctr tasks exec --exec-id e9 c3 sh -c 'exit 3'
	ctr tasks kill -s TERM c1
	await is_status c1 STOPPED
	run ctr tasks rm c1
	[[ $output == *"code 5"* ]] || [ "$status" = 5 ]
}

@test "containerd: the end of a process whose output nobody reads" {
	# More than the pipe takes: ctr has gone, and reads nothing.
	kata_run -d test/busybox:1 c1 sh -c 'head -c 200000 /dev/zero; exit 7' 3>&-
	await is_status c1 STOPPED
	run ctr tasks rm c1
	[[ $output == *"code 7"* ]] || [ "$status" = 7 ]
	kata_run -d test/busybox:1 c2 cat /dev/zero 3>&-
	ctr tasks kill -s KILL c2
	await is_status c2 STOPPED
}

@test "containerd: a program takes the output" {
	printf '#!/bin/sh\nexec 5>&-\necho "$CONTAINER_ID in $CONTAINER_NAMESPACE" >"$2"\ncat <&3 >>"$2"\ncat <&4 >>"$2"\nexec grep SigIgn /proc/self/status >>"$2"\n' >"$TMP/logger"
	chmod 755 "$TMP/logger"
	kata_run -d --log-uri "binary://$TMP/logger?file=$TMP/logged" test/busybox:1 c1 sh -c 'echo out; echo err >&2' 3>&-
	await is_status c1 STOPPED
	ctr tasks rm c1
	local ignored='' signals=$((1 | 1 << 12)) # SIGHUP, SIGPIPE
	await grep -q SigIgn "$TMP/logged"
	[ "$(head -n -1 "$TMP/logged")" = "$(printf '%s\n' "c1 in $NAMESPACE" out err)" ]
	# What a program begins with that the shim starts: hooks do, too.
	ignored=$(sed -n 's/^SigIgn:\s*//p' "$TMP/logged")
	[ $((0x$ignored & signals)) = 0 ]
	run kata_run -d --log-uri "binary:///no/such/logger" test/busybox:1 c2 true 3>&-
	[ "$status" != 0 ]
	[[ $output == *"/no/such/logger"* ]]
}

@test "containerd: a creation that nobody waits for leaves nothing" {
	# Not the function of that name.
	command "$CTR" --address "$CTD/ctd.sock" --namespace "$NAMESPACE" run -d --runtime io.containerd.kata.v2 test/busybox:1 c1 sleep 1000 >"$TMP/ctr" 2>&1 3>&- &
	local pid=$!
	await compgen -G "$(state)/sandboxes/*" || { cat "$TMP/ctr"; false; }
	kill -9 "$pid"
	wait "$pid" || [ $? = 137 ]
	await no_shims
	[ -z "$(ls "$(state)/sandboxes" 2>/dev/null)" ]
}
