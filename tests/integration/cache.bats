#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2143,SC2010,SC2030,SC2031,SC2153,SC2009
# VMs that are kept ready for sandboxes to come.

load lib
load identity

eval "lib_$(declare -f setup)"
eval "lib_$(declare -f teardown)"

setup() {
	lib_setup
	CACHE=$ROOT/factory/cache
	configured template_path "\"$ROOT/factory/templates\""
	configured enable_template true
	configured vm_cache_endpoint "\"$CACHE.sock\""
	configured vm_cache_number 2
	configured keep_translations false # with them: translations.bats
	configured translations_path "\"$ROOT/kept\"" # destroy is for all that there is
}

# A sandbox that is deleted takes the folder of its VM along, and the factory
# leaves nothing.
teardown() {
	local id
	for id in "$ROOT"/containers/*; do
		[ ! -L "$id" ] || must kata delete --force "${id##*/}"
	done
	must kata factory destroy
	must nothing "$ROOT/factory" "$(ls -A "$ROOT/factory" 2>/dev/null)"
	rmdir "$ROOT/factory" 2>/dev/null || true
	lib_teardown
}

# state ID FILTER: of a sandbox's state.
state() { jq -r ".sandbox$2" "$ROOT/sandboxes/$1/state.json"; }

# ready ID: its VM was ready before.
ready() { [[ $(state "$1" .origin) == vm-* ]]; }

# cache FILTER: of the cache's status.
cache() { kata factory status --json | jq -r ".cache$1"; }

# sleeper ID [OPTION...]: a container that stays.
sleeper() {
	command_is "$TMP/bundle" sleep 1000
	kata --log "$TMP/log" --log-format json run -d --bundle "$TMP/bundle" "$1" </dev/null >"$TMP/out.$1" 2>&1 3>&-
}

# logged TEXT: a line of the last starts' log, of level info or above.
logged() { jq -r '.msg + " " + ((.cause // .error // "") | tostring)' "$TMP/log" | grep -F -- "$1"; }

# full [N]: all N (1) VMs are ready.
full() { [ "$(kata factory status --wait --json | jq .cache.ready)" = "${1:-1}" ]; }

# folders: those of the VMs that are ready or were handed out.
folders() { ls "$CACHE.vms/sandboxes"; }

# ticks: the pid and the CPU time (proc(5), utime and stime) of each VM's QEMU.
ticks() {
	local pid
	for pid in $(find "$CACHE.vms" -name state.json -exec jq .sandbox.vm.process.pid {} + | sort); do
		[ ! -e "/proc/$pid/stat" ] || echo "$pid $(cut -d ' ' -f 14,15 "/proc/$pid/stat")"
	done
}

# of_server: the processes that belong to ready VMs.
of_server() { ps -eo args= | grep -F "$CACHE.vms" | grep -v 'grep -F'; }

@test "init fills the cache, a sandbox takes a VM, it is filled again, destroy drains it" {
	run -0 kata factory init
	[[ $output == *"cache of 2 VMs at $CACHE.sock"* ]]
	run -0 kata factory status
	[ "${lines[0]}" = "vm factory is on" ]
	[[ $output == *"2 of 2 VMs ready, 0 booting, 0 handed out"* ]]
	[ -z "$(find "$ROOT/factory" \( -type f -o -type s \) ! -perm 600)" ]
	[ -z "$(find "$ROOT/factory" -mindepth 1 -type d ! -perm 700)" ]
	[ -z "$(kata list --quiet)" ]
	local before
	before=$(ticks)
	mkdir "$TMP/volume"
	echo from-host >"$TMP/volume/in"
	edit "$TMP/bundle" ".mounts += [{destination: \"/vol\", type: \"bind\", source: \"$TMP/volume\", options: [\"rbind\", \"rw\"]}]"
	command_is "$TMP/bundle" sh -c 'cat /vol/in; echo from-guest >/vol/out; echo x >/written; uname -rv; exit 7'
	run -7 kata run --keep --bundle "$TMP/bundle" "$C1"
	[ "${lines[0]}" = from-host ]
	[ "${lines[1]}" != "$(uname -rv)" ]
	[ "$(cat "$TMP/volume/out")" = from-guest ]
	[ "$(cat "$TMP/bundle/rootfs/written")" = x ]
	ready "$C1"
	# The one that waits still has stood still.
	[ -n "$(comm -12 <(echo "$before") <(ticks))" ]
	[ "$(cache .handed)" = 1 ]
	full 2
	kata delete "$C1"
	[ "$(folders | wc -l)" = 2 ]
	sleeper "$C2"
	ready "$C2"
	run -0 kata factory destroy
	[ ! -e "$CACHE.sock" ]
	[ "$(folders)" = "$(state "$C2" .origin)" ]
	[ "$(kata exec "$C2" echo alive)" = alive ]
}

@test "two sandboxes have random numbers, a boot id, a host name and the time of their own" {
	kata factory init
	their_own ready
}

@test "the interface, its MAC and addresses, in the engine's namespace and later; the processes' cgroup" {
	kata factory init
	local ns=kata-it-$$ mac pid
	ip netns add "$ns"
	ip netns add "$ns-out"
	ip -n "$ns" link add eth0 type veth peer name peer0 netns "$ns-out"
	ip -n "$ns" addr add 10.234.7.2/24 dev eth0
	ip -n "$ns" link set eth0 up
	ip -n "$ns-out" addr add 10.234.7.1/24 dev peer0
	ip -n "$ns-out" link set peer0 up
	mac=$(ip -n "$ns" -j link show eth0 | jq -r '.[0].address')
	edit "$TMP/bundle" ".linux.namespaces |= map(if .type == \"network\" then .path = \"/run/netns/$ns\" else . end)"
	sleeper "$C1"
	run kata exec "$C1" sh -c 'ip -o -4 addr show eth0; cat /sys/class/net/eth0/address'
	# The guest answers from outside: nothing listens there.
	ip netns exec "$ns-out" timeout "$DEADLINE" bash -c 'echo >/dev/tcp/10.234.7.2/9' 2>"$TMP/answer" || true
	pid=$(state "$C1" .vm.process.pid)
	local group proxy
	group=$(grep -o 'kata/it.*' "/proc/$pid/cgroup" | sort -u)
	proxy=$(readlink "/proc/$(state "$C1" .proxy.pid)/ns/net")
	local inode
	inode=$(ip netns exec "$ns" readlink /proc/self/ns/net)
	ready "$C1"
	kata delete --force "$C1"
	local links
	links=$(ip -n "$ns" -o link)
	ip netns del "$ns"
	ip netns del "$ns-out"
	[[ $output == *"10.234.7.2/24"* ]]
	[ "${lines[-1]}" = "$mac" ]
	grep -q "Connection refused" "$TMP/answer"
	[ "$group" = "kata/$C1/kata" ]
	[ "$proxy" = "$inode" ]
	[[ $links != *kata0* ]]
	# And one that comes between create and start.
	edit "$TMP/bundle" '.linux.namespaces |= map(if .type == "network" then del(.path) else . end)'
	command_is "$TMP/bundle" sh -c 'ip -o -4 addr show eth9'
	kata create --bundle "$TMP/bundle" "$C2" </dev/null >"$TMP/out" 2>&1
	ready "$C2"
	pid=$(kata state "$C2" | jq .pid)
	nsenter -t "$pid" -n ip link add eth9 type veth peer name p9
	nsenter -t "$pid" -n ip addr add 10.234.6.2/24 dev eth9
	nsenter -t "$pid" -n ip link set eth9 up
	kata start "$C2"
	wait_stopped "$C2"
	[[ $(cat "$TMP/out") == *"10.234.6.2/24"* ]]
}

@test "without templates the cache has VMs that have booted" {
	configured enable_template false
	configured vm_cache_number 1
	kata factory init
	sleeper "$C1"
	ready "$C1"
	[ "$(kata exec "$C1" uname -rv)" != "$(uname -rv)" ]
	# Of the container that its guest has rehearsed with, nothing is there.
	"${KATA_RUNTIME%/*}/kata-agent-ctl" --agent "unix://$ROOT/sandboxes/$C1/proxy.sock" metrics | jq -r .text | grep -qx 'kata_agent_containers 1'
	run kata exec "$C1" grep -c rehearsal /proc/mounts
	[ "$output" = 0 ]
	# What it needs beyond the default is plugged.
	edit "$TMP/bundle" '.linux.resources.memory.limit = 629145600'
	full
	sleeper "$C2"
	ready "$C2"
	[ "$(kata exec "$C2" awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo)" -gt 600 ]
}

@test "the first start has the cache served; what does not fit clones or boots, and says so" {
	configured enable_template false
	configured auto_template true
	configured vm_cache_number 1
	sleeper "$C1"
	run -1 ready "$C1"
	logged "nobody serves the cache"
	await test -S "$CACHE.sock"
	full
	# Settings that are not the server's.
	configured default_memory 300
	: >"$TMP/log"
	sleeper "$C2"
	run -1 ready "$C2"
	logged "made by other settings (1 ready"
	kata delete --force "$C2"
	configured default_memory 256
	# The kernel's file has changed: what is ready makes room.
	local initrd
	initrd=$(sed -n 's/^initrd = "\(.*\)"$/\1/p' "$KATA_CONF_FILE")
	kata factory destroy
	cp "$initrd" "$TMP/initrd"
	configured initrd "\"$TMP/initrd\""
	kata factory init
	local old
	old=$(folders)
	touch "$TMP/initrd"
	: >"$TMP/log"
	sleeper "$C2"
	run -1 ready "$C2"
	logged "no virtual machine is ready (0 ready"
	full
	[ "$(folders)" != "$old" ]
	kata delete --force "$C2"
	sleeper "$C2"
	ready "$C2"
}

@test "two creates at once get two VMs" {
	kata factory init
	local n pids=()
	command_is "$TMP/bundle" sh -c 'echo "$(hostname) runs"'
	for n in 1 2; do
		kata run --keep --bundle "$TMP/bundle" "$C1-$n" </dev/null >"$TMP/out.$n" 2>&1 3>&- &
		pids+=($!)
	done
	for n in "${pids[@]}"; do wait "$n"; done
	for n in 1 2; do
		[[ $(cat "$TMP/out.$n") == *runs ]]
		ready "$C1-$n"
	done
	[ "$(state "$C1-1" .origin)" != "$(state "$C1-2" .origin)" ]
	[ "$(cache .handed)" = 2 ]
}

@test "a server that ends by SIGTERM leaves nothing but what sandboxes have" {
	configured vm_cache_number 1
	kata factory init
	sleeper "$C1"
	ready "$C1"
	full
	local pid
	pid=$(cache .pid)
	kill -TERM "$pid"
	timeout "$DEADLINE" tail --pid="$pid" -f /dev/null
	[ ! -e "$CACHE.sock" ]
	[ "$(folders)" = "$(state "$C1" .origin)" ]
	[ "$(kata exec "$C1" echo alive)" = alive ]
	kata delete --force "$C1"
	[ -z "$(of_server)" ]
}

@test "a server is killed with SIGKILL: destroy and the next init remove what is left" {
	configured vm_cache_number 1
	local pid round
	for round in destroy init; do
		kata factory init
		sleeper "$C1"
		ready "$C1"
		full
		pid=$(cache .pid)
		kill -9 "$pid"
		timeout "$DEADLINE" tail --pid="$pid" -f /dev/null
		[ "$(folders | wc -l)" = 2 ]
		kata factory "$round"
		[ "$(kata exec "$C1" echo alive)" = alive ]
		if [ "$round" = destroy ]; then
			[ "$(folders)" = "$(state "$C1" .origin)" ]
		else
			[ "$(cache .ready)" = 1 ]
			[ "$(folders | wc -l)" = 2 ]
		fi
		kata delete --force "$C1"
	done
	# In the middle of a boot, too.
	kata factory destroy
	"$KATA_RUNTIME" factory serve </dev/null >"$TMP/out" 2>&1 3>&- &
	pid=$!
	await boots
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || true
	kata factory destroy
	[ -z "$(of_server)" ]
}

boots() { [ -n "$(find "$CACHE.vms" -name qmp.sock 2>/dev/null)" ]; }

@test "a create that is killed with SIGKILL while it takes a VM over leaves nothing" {
	configured vm_cache_number 1
	kata factory init
	local point pid
	for point in shared proxy.sock proxy.log; do
		full
		"$KATA_RUNTIME" --root "$ROOT" create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&- &
		pid=$!
		appears "$ROOT/sandboxes/$C1/$point" "$pid"
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		kata delete --force "$C1"
		[ ! -e "$ROOT/sandboxes/$C1" ]
		full
		[ "$(folders | wc -l)" = 1 ]
	done
}

@test "a ready VM that ends is replaced, and a second server is refused" {
	configured vm_cache_number 1
	kata factory init
	local old
	old=$(folders)
	kill -9 "$(jq .sandbox.vm.process.pid "$CACHE.vms/sandboxes/$old/state.json")"
	await test ! -e "$CACHE.vms/sandboxes/$old"
	full
	run -1 kata factory serve
	[[ $output == *"another process serves the cache"* ]]
	sleeper "$C1"
	ready "$C1"
	configured vm_cache_number 0
	run -1 kata factory serve
	[[ $output == *"vm_cache_number is 0"* ]]
}
