#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2034,SC2153
# The same bad input for runc and for us: the same exit code, an error of the
# same class, and nothing left. What differs is in docs/limitations.md.

load lib
load parity

@test "create and run: a program that is missing or not executable, sockets, files, bundles" {
	command_is "$TMP/bundle" no-such-program
	same 'executable file not found in \$PATH' create --bundle "$TMP/bundle" "$C1"
	same 'executable file not found in \$PATH' run --bundle "$TMP/bundle" "$C1"
	neither
	touch "$TMP/bundle/rootfs/data"
	command_is "$TMP/bundle" /data
	same "permission denied" run --bundle "$TMP/bundle" "$C1"
	command_is "$TMP/bundle" /no/such/program
	same "no such file or directory" create --bundle "$TMP/bundle" "$C1"
	neither
	command_is "$TMP/bundle" true
	same "no such file or directory" create --pid-file "$TMP/no/where" --bundle "$TMP/bundle" "$C1"
	same "console" create --console-socket "$TMP/nobody" --bundle "$TMP/bundle" "$C1"
	same "argument" create --bundle "$TMP/bundle"
	edit "$TMP/bundle" '.process.terminal = true'
	same "nobody" create --console-socket "$TMP/nobody" --bundle "$TMP/bundle" "$C1"
	dead_sockets
	same "plain.*connection refused" create --console-socket "$TMP/plain" --bundle "$TMP/bundle" "$C1"
	same "dead.*connection refused" create --console-socket "$TMP/dead" --bundle "$TMP/bundle" "$C1"
	same "console" create --bundle "$TMP/bundle" "$C1"
	edit "$TMP/bundle" '.process.terminal = false | .linux.namespaces |= map(select(.type != "uts"))'
	same "unable to set hostname without a private UTS namespace" create --bundle "$TMP/bundle" "$C1"
	# runc 1.1 does not know the field.
	edit "$TMP/bundle" 'del(.hostname) | .domainname = "example.org"'
	run -1 kata create --bundle "$TMP/bundle" "$C1" </dev/null
	[[ $output == *"unable to set domainname without a private UTS namespace"* ]]
	neither
	edit "$TMP/bundle" 'del(.domainname) | .linux.namespaces += [{type: "uts"}]
		| .process.cwd = "/tmp/../etc/passwd"'
	same "not a directory" create --bundle "$TMP/bundle" "$C1"
	edit "$TMP/bundle" '.process.cwd = "tmp"'
	same "absolute" create --bundle "$TMP/bundle" "$C1"
	edit "$TMP/bundle" '.process.cwd = "/" | .root.path = "nothing"'
	same "nothing" create --bundle "$TMP/bundle" "$C1"
	echo '{' >"$TMP/bundle/config.json"
	same "EOF\|JSON" create --bundle "$TMP/bundle" "$C1"
	neither
}

@test "a running container: what it forbids, and execs that cannot run" {
	command_is "$TMP/bundle" sleep 1000
	touch "$TMP/bundle/rootfs/data"
	each run --detach --bundle "$TMP/bundle" "$C1"
	same "running" start "$C1"
	same "not stopped: running" delete "$C1"
	same "already exists" create --bundle "$TMP/bundle" "$C1"
	same "already exists" run --detach --bundle "$TMP/bundle" "$C1"
	same "not paused\|cannot resume a container in the state" resume "$C1"
	local signal
	for signal in NOSUCH SIGNOSUCH KILL9; do same "unknown signal.*$signal" kill "$C1" "$signal"; done
	for signal in 65 -1; do same "signal" kill "$C1" "$signal"; done
	same 'executable file not found in \$PATH' exec "$C1" no-such-program
	same "no such file or directory" exec "$C1" /no/such/program
	same "permission denied" exec "$C1" /data
	same "no such file or directory" exec --cwd /no/such/folder "$C1" true
	same "cwd must be an absolute path" exec --cwd relative "$C1" true
	same "parsing nobody as int for uid failed" exec --user nobody "$C1" true
	same "parsing x as int for gid failed" exec --user 1:x "$C1" true
	same "additional-gids" exec --additional-gids -1 "$C1" true
	same "process args cannot be empty" exec "$C1"
	same "no such file or directory" exec --pid-file "$TMP/no/where" "$C1" true
	same "nobody" exec --detach --tty --console-socket "$TMP/nobody" "$C1" true
	dead_sockets
	same "plain.*connection refused" exec --detach --tty --console-socket "$TMP/plain" "$C1" true
	same "dead.*connection refused" exec --detach --tty --console-socket "$TMP/dead" "$C1" true
	same "console" exec --detach --tty "$C1" true
	same "console" exec --console-socket "$TMP/nobody" "$C1" true
	local document words
	while IFS=@ read -r words document; do
		echo "$document" >"$TMP/process.json"
		same "$words" exec --process "$TMP/process.json" "$C1"
	done <<-'END'
		EOF\|JSON@
		EOF\|JSON@{
		array@[]
		string@{"args": "true"}
		args must not be empty@{"args": [], "cwd": "/"}
		args must not be empty@{"cwd": "/"}
		cwd@{"args": ["true"]}
		cwd must be an absolute path@{"args": ["true"], "cwd": "tmp"}
		executable file not found in \$PATH@{"args": ["no-such-program"], "cwd": "/"}
	END
	same "no such file or directory" exec --process "$TMP/nothing" "$C1"
	same "100abc" update --cpu-share 100abc "$C1"
	same "no such file or directory" update --resources "$TMP/nothing" "$C1"
	local flag
	for flag in kernel-memory kernel-memory-tcp; do
		same "$flag.*100abc" update "--$flag" 100abc "$C1"
		each update "--$flag" 100m "$C1"
		grep -q "Kernel memory settings are ignored" "$TMP/runc.out"
		grep -q "Kernel memory settings are ignored" "$TMP/kata.out"
	done
	each pause "$C1"
	same "not running\|cannot pause a container in the state" pause "$C1"
	same "paused container" exec "$C1" true
	same "not stopped: paused" delete "$C1"
	each resume "$C1"
	[ "$(kata ps -f json "$C1" | jq length)" = 1 ]
	[ "$(kata exec "$C1" ps -o args | grep -cv -e '^COMMAND' -e '^ps ')" = 1 ]
}

@test "ps of a stopped container: nobody" {
	each create --bundle "$TMP/bundle" "$C1"
	[ "$(kata ps "$C1" | wc -l)" = 2 ]
	each kill "$C1" KILL
	wait_stopped "$C1"
	await stopped_in_runc
	local options
	for options in "" "-o pid,args"; do
		# shellcheck disable=SC2086
		each ps "$C1" $options
		[ "$(wc -l <"$TMP/runc.out") $(wc -l <"$TMP/kata.out")" = "1 1" ]
	done
	each ps -f json "$C1"
	# runc's list is "null".
	[ "$(jq length "$TMP/runc.out") $(cat "$TMP/kata.out")" = "0 []" ]
	each delete "$C1"
}

@test "a container that is created: exec, pause, resume, kill" {
	command_is "$TMP/bundle" sleep 1000
	each create --bundle "$TMP/bundle" "$C1"
	each exec "$C1" touch /seen
	same "not paused\|cannot resume a container in the state" resume "$C1"
	each pause "$C1"
	[ "$(rc state "$C1" | jq -r .status) $(status "$C1")" = "paused paused" ]
	same "not running\|cannot pause a container in the state" pause "$C1"
	same "paused" start "$C1"
	same "paused container" exec "$C1" true
	same "not stopped: paused" delete "$C1"
	each resume "$C1"
	[ "$(rc state "$C1" | jq -r .status) $(status "$C1")" = "created created" ]
	each start "$C1"
	[ "$(rc state "$C1" | jq -r .status) $(status "$C1")" = "running running" ]
	each exec "$C1" true
	each delete --force "$C1"
	neither
	local signal
	for signal in TERM KILL; do
		each create --bundle "$TMP/bundle" "$C1"
		each kill "$C1" "$signal"
		wait_stopped "$C1"
		await stopped_in_runc
		same "stopped" start "$C1"
		each delete "$C1"
	done
	each create --bundle "$TMP/bundle" "$C1"
	each pause "$C1"
	each kill "$C1" TERM
	[ "$(rc state "$C1" | jq -r .status) $(status "$C1")" = "paused paused" ]
	each resume "$C1"
	wait_stopped "$C1"
	await stopped_in_runc
	each delete "$C1"
	neither
}

@test "a paused container: kill and delete" {
	command_is "$TMP/bundle" sleep 1000
	each run --detach --bundle "$TMP/bundle" "$C1"
	each pause "$C1"
	both_stop
	each delete "$C1"
	neither
	each run --detach --bundle "$TMP/bundle" "$C1"
	each pause "$C1"
	each delete --force "$C1"
	neither
}

@test "a created and a stopped container: what they forbid" {
	command_is "$TMP/bundle" sleep 1000
	each create --bundle "$TMP/bundle" "$C1"
	# runc kills it, against the specification.
	run -1 kata delete "$C1"
	[[ $output == *"not stopped: created"* ]]
	rc delete "$C1"
	rc create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	each start "$C1"
	both_stop
	same "stopped" start "$C1"
	same "stopped" exec "$C1" true
	same "not running" kill "$C1" TERM
	each kill --all "$C1" KILL
	same "not running\|cannot pause a container in the state" pause "$C1"
	same "not paused\|cannot resume a container in the state" resume "$C1"
	same "is not running\|cannot read the statistics of a container in the state" events --stats "$C1"
	same "already exists" create --bundle "$TMP/bundle" "$C1"
	each delete "$C1"
	same "does not exist" delete "$C1"
	each delete --force "$C1"
	neither
}

# held FILE: what the host's cgroup of our container has in it.
held() { find /sys/fs/cgroup -path "*/kata/$C1/$1" -exec cat {} + | paste -sd " "; }

@test "limits that the host's kernel refuses: an error, and the old ones hold" {
	[ -d /sys/fs/cgroup/cpuset ] || skip "the files on the host are those of cgroup v1"
	command_is "$TMP/bundle" sleep 1000
	local limit words
	while IFS='|' read -r words limit; do
		edit "$TMP/bundle" "del(.linux.resources.cpu, .linux.resources.blockIO) | .linux.resources.$limit"
		same "$words" create --bundle "$TMP/bundle" "$C1"
		neither
	done <<-'END'
		cpuset.cpus.*out of range|cpu = {cpus: "999"}
		cpuset.mems.*invalid argument|cpu = {mems: "999"}
		abc|cpu = {cpus: "abc"}
		no such device|blockIO = {throttleReadBpsDevice: [{major: 4000, minor: 99, rate: 1000}]}
	END
	edit "$TMP/bundle" 'del(.linux.resources.blockIO) | .linux.resources.cpu = {cpus: "0", shares: 512}'
	each run --detach --bundle "$TMP/bundle" "$C1"
	same "cpuset.cpus" update --cpuset-cpus 999 "$C1"
	same "cpuset.mems" update --cpuset-mems 999 "$C1"
	same "cpuset.mems" update --cpu-share 700 --cpuset-cpus 0-1 --cpuset-mems 999 "$C1"
	same "abc" update --cpuset-cpus abc "$C1"
	same "minimum allowed" update --cpu-share 1 "$C1"
	# runc means to keep them, and fails to ("Setting back cgroup configs failed").
	[ "$(held cpu.shares) $(held cpuset.cpus)" = "512 0" ]
	echo '{"blockIO": {"throttleReadBpsDevice": [{"major": 4000, "minor": 99, "rate": 1000}]}}' >"$TMP/resources"
	# Of block I/O, an update by runc takes the weight only.
	run -1 kata update --resources "$TMP/resources" "$C1"
	each update --cpuset-cpus 0-1 "$C1"
	[ "$(held cpuset.cpus)" = 0-1 ]
}

@test "two creates of one id at once" {
	command_is "$TMP/bundle" sleep 1000
	codes() { # PROGRAM: the codes of two calls, sorted
		local one=0 two=0 pid
		"$1" create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/one" 2>&1 3>&- &
		pid=$!
		"$1" create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/two" 2>&1 || two=$?
		wait "$pid" || one=$?
		printf '%s\n' "$one" "$two" | sort | xargs
	}
	[ "$(codes kata)" = "0 1" ]
	grep -q "already exists" "$TMP/one" "$TMP/two"
	# runc has no lock: its calls may also find what the other has half made, and
	# both fail.
	local runc
	runc=$(codes rc)
	[ "$runc" = "0 1" ] || [ "$runc" = "1 1" ]
	[ "$(kata list -q)" = "$C1" ]
	# Nor does the one that failed take its cgroups away.
	rc delete --force "$C1" 2>/dev/null || true
	# If both of runc's have failed, an init of theirs may live on.
	rid_of_runc() {
		find /sys/fs/cgroup -type d -name "$C1" ! -path "*/kata/*" -exec sh -c 'cat "$0/cgroup.procs"' {} \; | sort -u | xargs -r kill -KILL 2>/dev/null || true
		find /sys/fs/cgroup -depth -type d -name "$C1" ! -path "*/kata/*" -exec rmdir {} + 2>/dev/null
	}
	await rid_of_runc
}
