#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2143,SC2010,SC2030,SC2031,SC2153,SC2009
# VMs that are clones of a saved one.

load lib
load identity

eval "lib_$(declare -f setup)"
eval "lib_$(declare -f teardown)"

setup() {
	lib_setup
	TEMPLATES=$ROOT/templates
	configured template_path "\"$TEMPLATES\""
	configured enable_template true
	configured keep_translations false # with them: translations.bats
	configured translations_path "\"$ROOT/kept\"" # destroy is for all that there is
}

# What a template leaves would be seen below the root.
teardown() {
	must kata factory destroy
	must [ ! -e "$TEMPLATES" ]
	must [ ! -e "$TEMPLATES.lock" ]
	lib_teardown
}

# vm ID: the pid of its QEMU.
vm() { jq .sandbox.vm.process.pid "$ROOT/sandboxes/$1/state.json"; }

# cloned ID: its VM began in a template.
cloned() { tr '\0' '\n' <"/proc/$(vm "$1")/cmdline" | grep -qx -- -incoming; }

# sleeper ID: a container that stays.
sleeper() {
	command_is "$TMP/bundle" sleep 1000
	kata --log "$TMP/log" --log-format json run -d --bundle "$TMP/bundle" "$1" </dev/null >"$TMP/out.$1" 2>&1 3>&- || {
		local code=$?
		tail -n 30 "$TMP/log" "$TMP/out.$1" "$ROOT"/sandboxes/"$1"/*.log
		return "$code"
	}
}

# warned TEXT: a warning in the log of the last start.
warned() { jq -r 'select(.level == "warning" or .level == "warn").msg + " " + (select(.error).error // "")' "$TMP/log" | grep -F -- "$1"; }

# boots: a start with this configuration works, and its VM is no clone.
boots() {
	sleeper "$C1"
	run -1 cloned "$C1"
	[ "$(kata exec "$C1" uname -rv)" != "$(uname -rv)" ]
	kata delete --force "$C1"
}

# forks ID: how many processes and threads its guest has made since it booted.
forks() { kata exec "$1" awk '/^processes/ {print $2}' /proc/stat; }

@test "a template has rehearsed a container, of which nothing is left in its clones" {
	local booted
	configured enable_template false
	sleeper "$C1"
	booted=$(forks "$C1")
	kata delete --force "$C1"
	configured enable_template true
	kata factory init
	sleeper "$C1"
	cloned "$C1"
	[ "$(forks "$C1")" -gt $((booted + 5)) ]
	"${KATA_RUNTIME%/*}/kata-agent-ctl" --agent "unix://$ROOT/sandboxes/$C1/proxy.sock" metrics | jq -r .text | grep -qx 'kata_agent_containers 1'
	run kata exec "$C1" grep -c rehearsal /proc/mounts
	[ "$output" = 0 ]
	kata delete --force "$C1"
}

@test "init, status, destroy" {
	run -0 kata factory status
	[ "${lines[0]}" = "vm factory is off" ]
	run -0 kata factory init
	[ "${lines[0]}" = "vm factory initialized" ]
	run -0 kata factory status
	[ "${lines[0]}" = "vm factory is on" ]
	[[ $output == *"1 CPU, 256 MiB"* ]]
	[ "$(stat -f -c %T "$TEMPLATES")" = tmpfs ]
	[ -z "$(find "$TEMPLATES" -type f ! -perm 600)" ]
	[ -z "$(find "$TEMPLATES" -type d ! -perm 700)" ]
	[ -z "$(ls "$TEMPLATES"/vm/sandboxes)" ]
	[ -z "$(kata list --quiet)" ]
	# The clone outlives its template.
	sleeper "$C1"
	cloned "$C1"
	[ ! -s "$TMP/out.$C1" ]
	run -0 kata factory destroy
	[ "$output" = "vm factory destroyed" ]
	[ ! -e "$TEMPLATES" ]
	[ "$(kata exec "$C1" echo alive)" = alive ]
	run -0 kata factory status
	[ "${lines[0]}" = "vm factory is off" ]
	run -0 kata factory destroy
}

@test "a clone runs a container: output, exit code, volume" {
	kata factory init
	mkdir "$TMP/volume"
	echo from-host >"$TMP/volume/in"
	edit "$TMP/bundle" ".mounts += [{destination: \"/vol\", type: \"bind\", source: \"$TMP/volume\", options: [\"rbind\", \"rw\"]}]"
	command_is "$TMP/bundle" sh -c 'cat /vol/in; echo from-guest >/vol/out; echo x >/written; uname -rv; exit 7'
	run -7 kata run --bundle "$TMP/bundle" "$C1"
	[ "${lines[0]}" = from-host ]
	[ "${lines[1]}" != "$(uname -rv)" ]
	[ "$(cat "$TMP/volume/out")" = from-guest ]
	[ "$(cat "$TMP/bundle/rootfs/written")" = x ]
	[ "$(leftovers | grep -v "$TEMPLATES")" = "$BEFORE" ]
}

@test "two clones have random numbers, a boot id, a host name and the time of their own" {
	kata factory init
	their_own cloned
}

@test "a clone takes over its interface, with its MAC and addresses" {
	kata factory init
	local ns=kata-it-$$ mac
	ip netns add "$ns"
	ip -n "$ns" link add eth0 type veth peer name peer0
	ip -n "$ns" addr add 10.234.7.2/24 dev eth0
	ip -n "$ns" link set eth0 up
	ip -n "$ns" addr add 10.234.7.1/24 dev peer0
	ip -n "$ns" link set peer0 up
	mac=$(ip -n "$ns" -j link show eth0 | jq -r '.[0].address')
	edit "$TMP/bundle" ".linux.namespaces |= map(if .type == \"network\" then .path = \"/run/netns/$ns\" else . end)"
	command_is "$TMP/bundle" sh -c 'ip -o -4 addr show eth0; cat /sys/class/net/eth0/address'
	run kata run --bundle "$TMP/bundle" "$C1"
	ip netns del "$ns"
	[ "$status" = 0 ]
	[[ $output == *"10.234.7.2/24"* ]]
	[ "${lines[-1]}" = "$mac" ]
}

@test "an interface that comes after create" {
	kata factory init
	command_is "$TMP/bundle" sh -c 'ip -o -4 addr show eth9'
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	cloned "$C1"
	local pid
	pid=$(kata state "$C1" | jq .pid)
	nsenter -t "$pid" -n ip link add eth9 type veth peer name p9
	nsenter -t "$pid" -n ip addr add 10.234.6.2/24 dev eth9
	nsenter -t "$pid" -n ip link set eth9 up
	kata start "$C1"
	wait_stopped "$C1"
	[[ $(cat "$TMP/out") == *"10.234.6.2/24"* ]]
}

@test "no template, a stale one, a broken one: a boot, and a warning" {
	cp "$(sed -n 's/^initrd = "\(.*\)"$/\1/p' "$KATA_CONF_FILE")" "$TMP/initrd"
	configured initrd "\"$TMP/initrd\""
	boots
	warned "there is no template"
	: >"$TMP/log"
	kata factory init
	touch "$TMP/initrd"
	boots
	warned "stale: $TMP/initrd has changed"
	: >"$TMP/log"
	run -0 kata factory status
	[ "${lines[0]}" = "vm factory is off" ]
	[[ $output == *stale* ]]
	# A new one takes the stale one's place.
	kata factory init
	[ "$(find "$TEMPLATES" -name template.json | wc -l)" = 1 ]
	local state
	state=$(echo "$TEMPLATES"/*/state)
	truncate -s -1000 "$state"
	boots
	warned "has changed since it was saved"
}

@test "a template that QEMU cannot load: a boot, a warning, and it is gone" {
	kata factory init
	local dir state stamps
	state=$(echo "$TEMPLATES"/*/state)
	dir=$(dirname "$state")
	# As damage that its file does not show.
	dd if=/dev/zero of="$state" bs="$(stat -c %s "$state")" count=1 conv=notrunc status=none
	stamps=$(stat -c '%.9Y %.9Z' "$state" | tr -d .)
	sed -i "/\"state\"/,/}/ { s/\(\"modified\": \)[0-9]*/\1${stamps% *}/; s/\(\"changed\": \)[0-9]*/\1${stamps#* }/ }" "$dir/template.json"
	run -0 kata factory status
	[ "${lines[0]}" = "vm factory is on" ]
	boots
	warned "the VM is booted instead of cloned"
	[ ! -e "$dir" ]
}

@test "auto_template: the first start makes it, later ones use it" {
	configured enable_template false
	configured auto_template true
	sleeper "$C1"
	cloned "$C1"
	[ "$(find "$TEMPLATES" -name template.json | wc -l)" = 1 ]
	sleeper "$C2"
	cloned "$C2"
	[ -z "$(warned '')" ]
}

@test "auto_template: a stale one is made anew, with a warning" {
	cp "$(sed -n 's/^initrd = "\(.*\)"$/\1/p' "$KATA_CONF_FILE")" "$TMP/initrd"
	configured initrd "\"$TMP/initrd\""
	configured enable_template false
	configured auto_template true
	sleeper "$C1"
	touch "$TMP/initrd"
	sleeper "$C2"
	cloned "$C2"
	warned "stale: $TMP/initrd has changed: a new one is made"
	[ "$(find "$TEMPLATES" -name template.json | wc -l)" = 1 ]
}

@test "auto_template: two first starts at once: one makes it, both run" {
	configured enable_template false
	configured auto_template true
	two_print
	[ "$(find "$TEMPLATES" -name template.json | wc -l)" = 1 ]
}

@test "auto_template: the first start is killed with SIGKILL: nothing is left" {
	configured enable_template false
	configured auto_template true
	command_is "$TMP/bundle" true
	"$KATA_RUNTIME" --root "$ROOT" run --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&- &
	local pid=$!
	appears "$TEMPLATES/vm/sandboxes/template/qmp.sock" "$pid"
	kill -KILL "$pid"
	wait "$pid" || true
	await tidied
	run -0 kata list --quiet
	[ -z "$output" ]
	sleeper "$C1"
	cloned "$C1"
}

@test "auto_template: one that cannot be made is not tried at each start" {
	configured enable_template false
	configured auto_template true
	# A QEMU that starts no VM whose memory is the template's file.
	printf '#!/bin/sh\ncase "$*" in *memory-backend-file,id=mem*) echo no templates here >&2; exit 1 ;; esac\nexec qemu-system-x86_64 "$@"\n' >"$TMP/qemu"
	chmod +x "$TMP/qemu"
	sed -i "0,/^path = /s|^path = .*|path = \"$TMP/qemu\"|" "$KATA_CONF_FILE"
	boots
	warned "no templates here"
	run -0 kata factory status
	[[ $output == *"could not be made"*"no templates here"* ]]
	: >"$TMP/log"
	boots
	[ -z "$(warned '')" ]
	# A while later it is tried again.
	touch -d '-1 hour' "$TEMPLATES"/*.failed
	boots
	warned "no templates here"
}

# with_disk BUNDLE DEVICE: the container has it as /dev/xvda.
with_disk() {
	local major minor
	read -r major minor <<<"$(stat -c '%Hr %Lr' "$2")"
	edit "$1" ".linux.devices += [{path: \"/dev/xvda\", type: \"b\", major: $major, minor: $minor, fileMode: 432, uid: 0, gid: 0}]
		| .linux.resources.devices += [{allow: true, type: \"b\", major: $major, minor: $minor, access: \"rwm\"}]"
}

@test "a container whose own disk cannot be had does not cost the host its template" {
	kata factory init
	truncate -s 16M "$TMP/disk.img"
	local device failed=0
	device=$(losetup -f --show "$TMP/disk.img")
	with_disk "$TMP/bundle" "$device"
	sleeper "$C1"
	run kata create --bundle "$TMP/bundle" "$C2"
	[ "$status" = 1 ] && [[ $output == *lock* ]] || failed=1
	kata delete --force "$C1"
	losetup -d "$device"
	[ "$failed" = 0 ] || { echo "$output"; false; }
	[ "$(find "$TEMPLATES" -name template.json | wc -l)" = 1 ]
}

@test "a clone grows to the size that its container asks for, and gets its disk" {
	kata factory init
	truncate -s 64M "$TMP/disk.img"
	echo from-disk | dd of="$TMP/disk.img" conv=notrunc status=none
	local device
	device=$(losetup -f --show "$TMP/disk.img")
	with_disk "$TMP/bundle" "$device"
	edit "$TMP/bundle" ".linux.resources.memory.limit = 629145600 | .linux.resources.cpu = {quota: 200000, period: 100000}"
	sleeper "$C1"
	run kata exec "$C1" sh -c 'awk "/^MemTotal/ {print int(\$2 / 1024)}" /proc/meminfo; nproc; head -n 1 /dev/xvda; cat /sys/fs/cgroup/memory.max'
	local is_clone=0
	cloned "$C1" || is_clone=1
	kata delete --force "$C1"
	losetup -d "$device"
	[ "$status" = 0 ]
	[ "$is_clone" = 0 ]
	[ "${lines[0]}" -gt 600 ]
	[ "${lines[1]}" = 2 ]
	[ "${lines[2]}" = from-disk ]
	[ "${lines[3]}" = 629145600 ]
	[ -z "$(warned '')" ]
}

@test "a clone gets a NIC for each of several interfaces" {
	kata factory init
	local ns=kata-it-$$ n
	ip netns add "$ns"
	# The peers are interfaces like the others, and come before them: names move
	# while further NICs are still being plugged.
	for n in 0 1 2; do
		ip -n "$ns" link add "eth$n" type veth peer name "peer$n"
		ip -n "$ns" addr add "10.234.$n.2/24" dev "eth$n"
		ip -n "$ns" link set "eth$n" up
		ip -n "$ns" link set "peer$n" up
	done
	edit "$TMP/bundle" ".linux.namespaces |= map(if .type == \"network\" then .path = \"/run/netns/$ns\" else . end)"
	sleeper "$C1"
	run kata exec "$C1" ip -o -4 addr
	local is_clone=0
	cloned "$C1" || is_clone=1
	kata delete --force "$C1"
	ip netns del "$ns"
	[ "$status" = 0 ]
	[ "$is_clone" = 0 ]
	for n in 0 1 2; do
		[[ $output == *"eth$n "*"10.234.$n.2/24"* ]]
	done
}

@test "a VM of a fixed size boots if it is larger than the template" {
	configured static_sandbox_resource_mgmt true
	kata factory init
	sleeper "$C1"
	cloned "$C1"
	kata delete --force "$C1"
	edit "$TMP/bundle" '.linux.resources.memory.limit = 629145600'
	boots
	[ -z "$(warned '')" ]
}

@test "several clones at once" {
	kata factory init
	local n pids=()
	command_is "$TMP/bundle" sh -c 'echo "$(hostname) runs"'
	for n in 1 2 3; do
		kata run --bundle "$TMP/bundle" "$C1-$n" </dev/null >"$TMP/out.$n" 2>&1 3>&- &
		pids+=($!)
	done
	for n in "${pids[@]}"; do wait "$n"; done
	for n in 1 2 3; do [[ $(cat "$TMP/out.$n") == *runs ]]; done
}

# tidied: nothing of a template is left, neither files nor processes.
tidied() {
	[ ! -e "$TEMPLATES" ] && [ -z "$(ps -eo args= | grep -F "$TEMPLATES" | grep -v 'grep -F')" ]
}

@test "init is killed with SIGKILL at many points: nothing is left" {
	local i pid left=$TEMPLATES/vm/sandboxes/template
	for i in 1 2 3 4 5 6; do
		"$KATA_RUNTIME" --root "$ROOT" factory init </dev/null >"$TMP/out" 2>&1 3>&- &
		pid=$!
		# The point is chosen by what has appeared, not by time.
		case $i in
		1) appears "$TEMPLATES/draft" "$pid" ;;
		2) appears "$left/state.json" "$pid" ;;
		3) appears "$left/shared" "$pid" ;;
		4) appears "$left/qmp.sock" "$pid" ;;
		5) appears "$left/console.log" "$pid" ;;
		6) appears "$TEMPLATES/draft/state" "$pid" ;;
		esac
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		await tidied
	done
	kata factory init
	[ -z "$(ls -A "$left" 2>/dev/null)" ]
	[ ! -e "$TEMPLATES/draft" ]
	[ -z "$(ps -eo args= | grep -F "$TEMPLATES" | grep -v 'grep -F')" ]
	sleeper "$C1"
	cloned "$C1"
}

@test "init is interrupted with SIGTERM: it takes back what it did" {
	"$KATA_RUNTIME" --root "$ROOT" factory init </dev/null >"$TMP/out" 2>&1 3>&- &
	local pid=$!
	await test -S "$TEMPLATES/vm/sandboxes/template/qmp.sock"
	kill -TERM "$pid"
	local code=0
	wait "$pid" || code=$?
	[ "$code" = 1 ]
	[ -z "$(ls "$TEMPLATES/vm/sandboxes")" ]
	[ ! -e "$TEMPLATES/draft" ]
	run -0 kata factory status
	[ "${lines[0]}" = "vm factory is off" ]
}

@test "init while another one is at work, and without a template in the configuration" {
	"$KATA_RUNTIME" --root "$ROOT" factory init </dev/null >"$TMP/out" 2>&1 3>&- &
	local pid=$!
	await test -e "$TEMPLATES/draft"
	run -1 kata factory init
	[[ $output == *"another process is making or removing something in it"* ]]
	wait "$pid"
	configured enable_template false
	run -1 kata factory init
	[[ $output == *"neither enable_template nor auto_template nor keep_translations nor vm_cache_number"* ]]
	run -1 kata factory
	[[ $output == *"give one of init, status, destroy, serve"* ]]
}
