#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031
# What the verbs that tell about a container print, beside what runc prints of
# one made from the same bundle.

load lib

setup_file() {
	command -v runc >/dev/null || skip "runc is not installed"
}

eval "$(declare -f teardown | sed '1s/teardown/kata_teardown/')"
teardown() {
	runc --root "$TMP/runc" delete --force "$C2" || true
	kata_teardown
}

# both [FILTER]: the bundle, changed by a jq filter, runs as $C1 in a VM and as
# $C2 under runc, asleep.
both() {
	command_is "$TMP/bundle" sleep 1000
	edit "$TMP/bundle" "${1:-.}"
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	runc --root "$TMP/runc" run -d --bundle "$TMP/bundle" "$C2" </dev/null >"$TMP/out" 2>&1
}

rc() { timeout "$DEADLINE" runc --root "$TMP/runc" "$@"; }

@test "state and list: runc's fields, of the same form" {
	both '.annotations = {"org.example.key": "a value"}'
	# Values that differ by their nature are replaced by their type.
	local form='.id = "ID" | .pid |= (. > 0) | .created |= test("^20[0-9-]+T[0-9:.]+Z$") | .ociVersion |= (type == "string")'
	diff <(kata state "$C1" | jq -S "$form") <(rc state "$C2" | jq -S "$form")
	diff <(kata list -f json | jq -S "map($form)") <(rc list -f json | jq -S "map($form)")
	diff <(kata list -f json | jq -r '.[] | (keys_unsorted | join(" ")), .owner') <(rc list -f json | jq -r '.[] | (keys_unsorted | join(" ")), .owner')
	diff <(kata list | awk '{print NF, $3, $4, $6}') <(rc list | awk '{print NF, $3, $4, $6}')
	[ "$(kata list -q)" = "$C1" ]
	kata kill "$C1" KILL
	rc kill "$C2" KILL
	wait_stopped "$C1"
	await stopped_in_runc
	form='.status, .pid'
	diff <(kata state "$C1" | jq "$form") <(rc state "$C2" | jq "$form")
}

stopped_in_runc() { [ "$(rc state "$C2" | jq -r .status)" = stopped ]; }

@test "the namespaces of the pid that state tells: its own network, mounts and pids" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	local pid kind
	pid=$(kata state "$C1" | jq .pid)
	for kind in net mnt pid_for_children; do
		[ "$(readlink "/proc/$pid/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")" ]
	done
	for kind in uts ipc user cgroup; do
		[ "$(readlink "/proc/$pid/ns/$kind")" = "$(readlink "/proc/self/ns/$kind")" ]
	done
}

@test "ps: the guest's table, ps's own options for the stand-ins, pids as JSON" {
	both
	kata exec -d --pid-file "$TMP/pid" "$C1" sh -c 'sleep 500 & wait' </dev/null >"$TMP/o" 2>&1
	# What the exec has started is the guest's alone.
	seen() { kata ps "$C1" | grep -q '^0 .*sleep 500$'; }
	await seen
	run -0 kata ps "$C1"
	[ "${lines[0]}" = "$(printf 'UID  PID  PPID  TTY  TIME      CMD')" ] || { echo "${lines[0]}"; false; }
	[ "${#lines[@]}" = 4 ]
	[[ ${lines[1]} == *"sleep 1000" ]]
	local init
	init=$(kata state "$C1" | jq .pid)
	[ "$(kata ps --format json "$C1" | jq -c sort)" = "$(jq -nc --argjson a "$init" --argjson b "$(cat "$TMP/pid")" '[$a, $b] | sort')" ]
	[ "$(rc ps --format json "$C2" | jq -c 'map(type)')" = '["number"]' ]
	local options
	for options in -ef aux "-e -o ppid,pid,args"; do
		# shellcheck disable=SC2086  # several words
		run -0 kata ps "$C1" $options
		# shellcheck disable=SC2086
		[ "${lines[0]// /}" = "$(ps $options | head -n 1 | tr -d ' ')" ]
		[ "${#lines[@]}" = 3 ]
		grep -Eq "(^| )$init .*sleep 1000$" <<<"$output"
		# shellcheck disable=SC2086
		[ "${lines[0]// /}" = "$(rc ps "$C2" $options | head -n 1 | tr -d ' ')" ]
	done
	# What is wrong ends with runc's code.
	for options in "-o args" --nosuchoption; do
		# shellcheck disable=SC2086
		run -1 rc ps "$C2" $options
		# shellcheck disable=SC2086
		run -1 kata ps "$C1" $options
		[[ $output == *"ps"* ]]
	done
}

# keys: every key in a JSON document, as a path; what a map's keys are is data.
# Without what cgroup v1 alone counts, the zeros there that v2 leaves out, and
# throttling, which later runcs leave out where there is no quota.
keys() {
	jq -r '[paths | map(select(type == "string")) | join(".")] | unique[] |
		select(test("\\.raw\\.|hugetlb\\.|percpu|cpuset\\.(cpus|mems)|kernelTCP|kernel.max|swap.(max|usage)|throttling") | not)'
}

@test "events: stats has runc's keys, with the guest's figures" {
	both '.linux.resources.memory.limit = 100003840 | .linux.resources.pids.limit = 77'
	kata events --stats "$C1" >"$TMP/ours"
	rc events --stats "$C2" >"$TMP/theirs"
	[ "$(wc -l <"$TMP/ours")" = 1 ]
	[ "$(jq -r '.type, .id' "$TMP/ours" | xargs)" = "stats $C1" ]
	# Nothing that runc tells is missing.
	run -0 comm -13 <(keys <"$TMP/ours") <(keys <"$TMP/theirs")
	[ "$output" = "" ] || { echo "missing: $output"; false; }
	jq -e '.data | .cpu.usage.total > 0 and .memory.usage.limit == 100003840 and .memory.usage.usage > 0 and .memory.usage.usage < 100003840
		and .pids == {current: 1, limit: 77} and (.memory.raw | length > 10)' "$TMP/ours"
	run -1 kata events --interval 0s "$C1"
	kata events --interval 100ms "$C1" >"$TMP/events" 3>&- &
	local events=$!
	three() { [ "$(grep -c '"stats"' "$TMP/events")" -ge 3 ]; }
	await three
	# It ends with the container, as runc's does.
	kata kill "$C1" KILL
	wait "$events"
	[ "$(jq -r .type "$TMP/events" | sort -u)" = stats ]
	rc kill "$C2" KILL
	await stopped_in_runc
	run -1 rc events "$C2"
	run -1 kata events "$C1"
	run -1 kata events --stats "$C1"
}

@test "events: oom, of an exec and of the container's own process" {
	# Its first input ends it, by taking all memory.
	edit "$TMP/bundle" '.linux.resources.memory.limit = 33554432'
	mkfifo "$TMP/in"
	command_is "$TMP/bundle" sh -c 'read x; exec tail /dev/zero'
	kata create --bundle "$TMP/bundle" "$C1" <>"$TMP/in" >"$TMP/out" 2>&1
	kata start "$C1"
	kata events --interval 1h "$C1" >"$TMP/events" 3>&- &
	local events=$!
	# Those before events listens are not told.
	told() { run -137 kata exec "$C1" tail /dev/zero; [ -s "$TMP/events" ]; }
	await told
	[ "$(head -n 1 "$TMP/events")" = "{\"type\":\"oom\",\"id\":\"$C1\"}" ]
	[ "$(kata events --stats "$C1" | jq .data.memory.usage.failcnt)" -ge 1 ]
	echo >"$TMP/in"
	wait "$events"
	[ "$(jq -r .type "$TMP/events" | sort -u)" = oom ]
	wait_stopped "$C1"
}

@test "features: nothing that is refused" {
	run -0 kata features
	jq -e '(.linux.seccomp.actions | index("SCMP_ACT_NOTIFY") | not) and (.linux.seccomp.actions | index("SCMP_ACT_ERRNO"))
		and (.mountOptions | (index("idmap") or index("ridmap")) | not) and (.mountOptions | index("rbind"))
		and .linux.mountExtensions.idmap.enabled == false' <<<"$output"
	edit "$TMP/bundle" '.mounts += [{destination: "/mnt", source: "/tmp", type: "bind", options: ["rbind", "idmap"]}]'
	run -1 kata create --bundle "$TMP/bundle" "$C1"
	[[ $output == *"idmap (/mnt) is not supported in a VM"* ]]
}
