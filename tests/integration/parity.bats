#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2034,SC2153
# The same bad input for runc and for us: the same exit code, an error of the
# same class, and nothing left. What differs is in docs/limitations.md.

load lib

setup_file() {
	command -v runc >/dev/null || skip "runc is not installed"
}

eval "$(declare -f teardown | sed '1s/teardown/kata_teardown/')"
teardown() {
	rc delete --force "$C1" >/dev/null 2>&1 || true
	kata_teardown
}

rc() { timeout "$DEADLINE" runc --root "$TMP/runc" "$@"; }

# same WORDS ARG...: both fail with the same code, and the words are in both
# errors, whatever their case.
same() {
	local words=$1 theirs=0 ours=0
	shift
	rc "$@" </dev/null >"$TMP/runc.out" 2>&1 || theirs=$?
	kata "$@" </dev/null >"$TMP/kata.out" 2>&1 || ours=$?
	if [ "$theirs" = 0 ] || [ "$theirs" != "$ours" ] || ! grep -qi -- "$words" "$TMP/runc.out" || ! grep -qi -- "$words" "$TMP/kata.out"; then
		echo "$*, \"$words\": runc $theirs, kata $ours"
		cat "$TMP/runc.out" "$TMP/kata.out"
		return 1
	fi
}

# neither: no container, and nothing of one on the host.
neither() {
	[ "$(rc list -q)$(kata list -q)" = "" ]
	[ "$(leftovers)" = "$BEFORE" ]
}

# each VERB...: both succeed.
each() {
	rc "$@" </dev/null >"$TMP/runc.out" 2>&1 || { cat "$TMP/runc.out"; return 1; }
	kata "$@" </dev/null >"$TMP/kata.out" 2>&1 || { cat "$TMP/kata.out"; return 1; }
}

# dead_sockets: a file that is no socket, and a socket's that nobody listens on.
dead_sockets() {
	touch "$TMP/plain"
	perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un($ARGV[0])) or die $!' "$TMP/dead"
}

stopped_in_runc() { [ "$(rc state "$C1" | jq -r .status)" = stopped ]; }

both_stop() {
	each kill "$C1" KILL
	wait_stopped "$C1"
	await stopped_in_runc
}

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
	same "" create --bundle "$TMP/bundle" "$C1"
	neither
}

@test "hooks before the start that fail, are missing, or hang" {
	command_is "$TMP/bundle" sleep 1000
	local stage
	for stage in prestart createRuntime createContainer; do
		edit "$TMP/bundle" "del(.hooks) | .hooks.$stage = [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"echo its own words >&2; exit 3\"]}]"
		same "its own words" create --bundle "$TMP/bundle" "$C1"
		edit "$TMP/bundle" ".hooks.$stage = [{path: \"/no/such/hook\"}]"
		same "/no/such/hook" create --bundle "$TMP/bundle" "$C1"
		edit "$TMP/bundle" ".hooks.$stage = [{path: \"/bin/sleep\", args: [\"sleep\", \"1000\"], timeout: 1}]"
		same "timeout of 1" create --bundle "$TMP/bundle" "$C1"
		neither
	done
}

@test "hooks begin in the bundle, or in the root file system" {
	printf '#!/bin/sh\npwd >>"%s/$1"\n' "$TMP" >"$TMP/bundle/hook"
	chmod +x "$TMP/bundle/hook"
	local stage dir
	for stage in prestart createRuntime poststop; do
		edit "$TMP/bundle" ".hooks.$stage = [{path: \"hook\", args: [\"hook\", \"$stage\"]}]"
	done
	edit "$TMP/bundle" ".hooks.createContainer = [{path: \"../hook\", args: [\"hook\", \"createContainer\"]}]"
	each run --bundle "$TMP/bundle" "$C1"
	for stage in prestart createRuntime createContainer poststop; do
		dir=$TMP/bundle
		[ "$stage" != createContainer ] || dir+=/rootfs
		diff "$TMP/$stage" <(printf '%s\n%s\n' "$dir" "$dir")
	done
	neither
}

@test "the environment of hooks, with and without one in the document" {
	local stage words='"$1 $OURS $THEIRS $OWN"'
	printf '#!/bin/sh\necho %s >>"%s/$1"\n' "$words" "$TMP" >"$TMP/bundle/hook"
	printf '#!/bin/sh\necho %s >/inside\n' "$words" >"$TMP/bundle/rootfs/bin/hook"
	chmod +x "$TMP/bundle/hook" "$TMP/bundle/rootfs/bin/hook"
	edit "$TMP/bundle" '.process.env += ["THEIRS=process"]'
	for stage in prestart createRuntime createContainer poststop; do
		edit "$TMP/bundle" ".hooks.$stage = [{path: \"$TMP/bundle/hook\", args: [\"hook\", \"$stage\"]},
			{path: \"$TMP/bundle/hook\", args: [\"hook\", \"$stage\"], env: [\"OWN=own\"]}]"
	done
	edit "$TMP/bundle" '.hooks.startContainer = [{path: "/bin/hook", args: ["hook", "startContainer"]}]'
	export OURS=runtime
	rc run --bundle "$TMP/bundle" "$C1" </dev/null
	mkdir "$TMP/runc.hooks"
	mv "$TMP"/{prestart,createRuntime,createContainer,poststop} "$TMP/bundle/rootfs/inside" "$TMP/runc.hooks"
	grep -q "^prestart runtime  $" "$TMP/runc.hooks/prestart"
	kata run --bundle "$TMP/bundle" "$C1" </dev/null
	for stage in prestart createRuntime createContainer poststop; do diff "$TMP/runc.hooks/$stage" "$TMP/$stage"; done
	diff "$TMP/runc.hooks/inside" "$TMP/bundle/rootfs/inside"
	neither
}

@test "poststop hooks run after a create that failed, once other hooks have run" {
	local file verb
	for file in true no-such-program; do
		command_is "$TMP/bundle" "$file"
		edit "$TMP/bundle" "del(.hooks) | .hooks.poststop = [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"cat >>$TMP/stopped\"]}]
			| .hooks.createRuntime = [{path: \"/bin/$([ $file = true ] && echo false || echo true)\"}]"
		for verb in create run; do
			run -1 rc "$verb" --bundle "$TMP/bundle" "$C1" </dev/null
			run -1 kata "$verb" --bundle "$TMP/bundle" "$C1" </dev/null
			[ "$(jq -r .status "$TMP/stopped" | xargs)" = "stopped stopped" ]
			rm "$TMP/stopped"
			neither
		done
	done
	# None has run before.
	edit "$TMP/bundle" '.root.path = "nothing"'
	run -1 kata create --bundle "$TMP/bundle" "$C1" </dev/null
	[ ! -e "$TMP/stopped" ]
}

@test "hooks of startContainer and poststop that fail, are missing, or hang" {
	command_is "$TMP/bundle" sleep 1000
	local hook
	for hook in '{path: "/bin/false"}' '{path: "/no/such/hook"}' '{path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1}'; do
		# start is over when the process is told to go on: both answer 0, and
		# the container ends.
		edit "$TMP/bundle" "del(.hooks) | .hooks.startContainer = [$hook]"
		each create --bundle "$TMP/bundle" "$C1"
		each start "$C1"
		wait_stopped "$C1"
		await stopped_in_runc
		each delete "$C1"
		neither
		# Only logged: the container is gone.
		edit "$TMP/bundle" "del(.hooks) | .hooks.poststop = [$hook]"
		each run --detach --bundle "$TMP/bundle" "$C1"
		each delete --force "$C1"
		neither
	done
}

@test "poststart hooks that fail, are missing, or hang: only logged, as the specification says" {
	command_is "$TMP/bundle" sleep 1000
	local hook
	for hook in '{path: "/bin/false"}' '{path: "/no/such/hook"}' '{path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1}'; do
		edit "$TMP/bundle" ".hooks.poststart = [$hook, {path: \"/bin/touch\", args: [\"touch\", \"$TMP/next\"]}]"
		# runc 1.1 runs them within create, and fails.
		run -1 rc create --bundle "$TMP/bundle" "$C1" </dev/null
		kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
		run -0 kata start "$C1"
		[[ $output == *"runs all the same"*"poststart"* ]]
		rm "$TMP/next"
		[ "$(status "$C1")" = running ]
		kata delete --force "$C1"
		neither
	done
}

@test "a running container: what it forbids, and execs that cannot run" {
	command_is "$TMP/bundle" sleep 1000
	touch "$TMP/bundle/rootfs/data"
	each run --detach --bundle "$TMP/bundle" "$C1"
	same "running" start "$C1"
	same "not stopped: running" delete "$C1"
	same "already exists" create --bundle "$TMP/bundle" "$C1"
	same "already exists" run --detach --bundle "$TMP/bundle" "$C1"
	same "" resume "$C1"
	local signal
	for signal in NOSUCH SIGNOSUCH 65 -1 KILL9; do same "" kill "$C1" "$signal"; done
	same 'executable file not found in \$PATH' exec "$C1" no-such-program
	same "no such file or directory" exec "$C1" /no/such/program
	same "permission denied" exec "$C1" /data
	same "no such file or directory" exec --cwd /no/such/folder "$C1" true
	same "" exec --cwd relative "$C1" true
	same "" exec --user nobody "$C1" true
	same "" exec --user 1:x "$C1" true
	same "additional-gids" exec --additional-gids -1 "$C1" true
	same "" exec "$C1"
	same "no such file or directory" exec --pid-file "$TMP/no/where" "$C1" true
	same "nobody" exec --detach --tty --console-socket "$TMP/nobody" "$C1" true
	dead_sockets
	same "plain.*connection refused" exec --detach --tty --console-socket "$TMP/plain" "$C1" true
	same "dead.*connection refused" exec --detach --tty --console-socket "$TMP/dead" "$C1" true
	same "console" exec --detach --tty "$C1" true
	same "console" exec --console-socket "$TMP/nobody" "$C1" true
	local document
	for document in '' '{' '[]' '{"args": "true"}' '{"args": [], "cwd": "/"}' '{"cwd": "/"}' '{"args": ["true"]}' \
		'{"args": ["true"], "cwd": "tmp"}' '{"args": ["no-such-program"], "cwd": "/"}'; do
		echo "$document" >"$TMP/process.json"
		same "" exec --process "$TMP/process.json" "$C1"
	done
	same "no such file or directory" exec --process "$TMP/nothing" "$C1"
	same "100abc" update --cpu-share 100abc "$C1"
	same "" update --resources "$TMP/nothing" "$C1"
	local flag
	for flag in kernel-memory kernel-memory-tcp; do
		same "$flag.*100abc" update "--$flag" 100abc "$C1"
		each update "--$flag" 100m "$C1"
		grep -q "Kernel memory settings are ignored" "$TMP/runc.out"
		grep -q "Kernel memory settings are ignored" "$TMP/kata.out"
	done
	each pause "$C1"
	same "" pause "$C1"
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
	same "" resume "$C1"
	each pause "$C1"
	[ "$(rc state "$C1" | jq -r .status) $(status "$C1")" = "paused paused" ]
	same "" pause "$C1"
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
	same "" pause "$C1"
	same "" resume "$C1"
	same "" events --stats "$C1"
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
	local limit
	for limit in 'cpu = {cpus: "999"}' 'cpu = {mems: "999"}' 'cpu = {cpus: "abc"}' \
		'blockIO = {throttleReadBpsDevice: [{major: 4000, minor: 99, rate: 1000}]}'; do
		edit "$TMP/bundle" "del(.linux.resources.cpu, .linux.resources.blockIO) | .linux.resources.$limit"
		same "" create --bundle "$TMP/bundle" "$C1"
		neither
	done
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
	find /sys/fs/cgroup -depth -type d -name "$C1" ! -path "*/kata/*" -exec rmdir {} +
}
