#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2119,SC2120,SC2153
# Flags that runc has: what each does here, or by which words it is refused.

load lib

setup_file() {
	(cd "$BATS_TEST_DIRNAME/../.." && "${GO:-go}" build -buildvcs=false -o "$BATS_FILE_TMPDIR/pidfd" ./tests/integration/pidfd)
}

# sleeper: $C1 runs, asleep.
sleeper() {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
}

# refused WANT ARG...: with its own words, and nothing is left.
refused() {
	local want=$1
	shift
	run -1 --separate-stderr kata "$@"
	[[ $stderr == *"$want"* ]] || { echo "stderr: $stderr"; return 1; }
	[ "$(leftovers)" = "$BEFORE" ]
}

@test "--pidfd-socket of create and exec" {
	command_is "$TMP/bundle" sleep 1000
	listen() { # NAME [wait]
		timeout "$DEADLINE" "$BATS_FILE_TMPDIR/pidfd" "$TMP/$1.sock" "${@:2}" >"$TMP/$1.pid" 3>&- &
		await test -S "$TMP/$1.sock"
	}
	# A relative path leads from the bundle, as with runc.
	listen bundle/create
	local create=$!
	kata create --pidfd-socket create.sock --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	wait "$create"
	[ "$(cat "$TMP/bundle/create.pid")" = "$(kata state "$C1" | jq .pid)" ]
	kata start "$C1"
	listen exec until-its-end
	local exec=$!
	kata exec -d --pidfd-socket "$TMP/exec.sock" --pid-file "$TMP/pid" "$C1" sleep 1000 </dev/null >"$TMP/out" 2>&1
	kill "$(cat "$TMP/pid")"
	wait "$exec"
	[ "$(cat "$TMP/exec.pid")" = "$(cat "$TMP/pid")" ]
	# From the bundle here, too; but with a document of its own from where one is.
	listen bundle/exec2
	exec=$!
	kata exec -d --pidfd-socket exec2.sock --pid-file "$TMP/pid" "$C1" true </dev/null >"$TMP/out" 2>&1
	wait "$exec"
	[ "$(cat "$TMP/bundle/exec2.pid")" = "$(cat "$TMP/pid")" ]
	listen exec3
	exec=$!
	echo '{"args": ["/bin/true"], "cwd": "/"}' >"$TMP/process.json"
	(cd "$TMP" && kata exec -d --pidfd-socket exec3.sock --process process.json "$C1" </dev/null >"$TMP/out" 2>&1)
	wait "$exec"
	# Nobody listens: no container, and no process.
	run -255 kata exec -d --pidfd-socket "$TMP/nobody" "$C1" sleep 999 </dev/null
	[[ $output == *"pidfd socket: "*"$TMP/nobody"* ]]
	gone() { ! kata ps "$C1" | grep -q 'sleep 999'; }
	await gone
	kata delete --force "$C1"
	refused "pidfd socket: " create --pidfd-socket "$TMP/nobody" --bundle "$TMP/bundle" "$C1"
}

@test "descriptors are refused: --preserve-fds, LISTEN_FDS" {
	refused "--preserve-fds: file descriptors of the host cannot be passed into a VM" create --preserve-fds 1 --bundle "$TMP/bundle" "$C1"
	refused "--preserve-fds" run --preserve-fds 2 --bundle "$TMP/bundle" "$C1"
	run -255 kata exec --preserve-fds 1 "$C1" true
	[[ $output == *"--preserve-fds"* ]]
	# As systemd does it: the variables name the process that they are for.
	activated() { # PID
		run --separate-stderr sh -c 'LISTEN_PID=${1:-$$} LISTEN_FDS=1 exec "$2" --root "$3" run --bundle "$4" "$5"' sh \
			"$1" "$KATA_RUNTIME" "$ROOT" "$TMP/bundle" "$C1" </dev/null
	}
	activated ""
	[ "$status" = 1 ]
	[[ $stderr == *"LISTEN_FDS: 1 sockets of systemd cannot be passed into a VM"* ]]
	[ "$(leftovers)" = "$BEFORE" ]
	# Meant for another process: not ours.
	activated 1
	[ "$status" = 0 ] || { echo "code $status: $stderr"; false; }
}

@test "descriptors that the caller has left open reach no process of the sandbox" {
	command_is "$TMP/bundle" sleep 1000
	echo leak >"$TMP/leak"
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 7<"$TMP/leak"
	local pid holders=""
	for pid in $(grep -lzF "$ROOT/sandboxes/$C1" /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | cut -d/ -f3); do
		[ -z "$(find "/proc/$pid/fd" -lname "$TMP/leak")" ] || holders+=" $(cat "/proc/$pid/comm")"
	done
	[ -n "$pid" ]
	[ "$holders" = "" ]
}

@test "--no-pivot, --no-new-keyring: accepted, the container is the same" {
	command_is "$TMP/bundle" sh -c 'ls / | xargs; awk "\$5 == \"/\" {print \$4}" /proc/self/mountinfo'
	ln -sf busybox "$TMP/bundle/rootfs/bin/xargs"
	run -0 --separate-stderr kata run --bundle "$TMP/bundle" "$C1" </dev/null
	local plain=$output
	run -0 --separate-stderr kata run --no-pivot --no-new-keyring --bundle "$TMP/bundle" "$C1" </dev/null
	[ "$output" = "$plain" ]
	[ "${lines[0]}" = "bin dev etc proc root sys tmp" ]
}

@test "exec: --cap, --no-new-privs, --additional-gids, --ignore-paused, --cgroup" {
	edit "$TMP/bundle" '.process.noNewPrivileges = false'
	sleeper
	status_of() { kata exec "$@" "$C1" grep -E '^(CapEff|CapBnd|NoNewPrivs|Groups)' /proc/self/status </dev/null | tr -s '\t ' ' '; }
	run -0 status_of
	local before=$output
	[[ $output == *"NoNewPrivs: 0"* ]]
	run -0 status_of --cap CAP_SYS_TIME --no-new-privs --additional-gids 77 --additional-gids 88
	[[ ${lines[0]} == "Groups: 77 88"* ]]
	local cap
	cap=$(sed -n 's/CapEff: //p' <<<"$before")
	# capability.h: CAP_SYS_TIME is 25.
	cap=$(printf '%016x' $((16#$cap | 1 << 25)))
	[ "${lines[1]}" = "CapEff: $cap" ]
	[ "${lines[2]}" = "CapBnd: $cap" ]
	[ "${lines[3]}" = "NoNewPrivs: 1" ]
	[ "$(status_of)" = "$before" ] # that exec alone
	# Ambient only if the container's process has an inheritable set.
	ambient() { kata exec --user 1000 --cap CAP_KILL "$1" sed -n 's/^CapAmb:[[:space:]]*//p' /proc/self/status </dev/null; }
	[ "$(ambient "$C1")" = 0000000000000000 ]
	edit "$TMP/bundle" '.process.capabilities.inheritable = ["CAP_KILL"]'
	kata run -d --bundle "$TMP/bundle" "$C2" </dev/null >"$TMP/out" 2>&1
	[ "$(ambient "$C2")" = 0000000000000020 ] # 5
	kata delete --force "$C2"
	run -255 kata exec --additional-gids -3 "$C1" true
	run -255 kata exec --cgroup sub "$C1" true
	[[ $output == *"--cgroup: a container in a VM has no sub-cgroups on the host"* ]]
	kata pause "$C1"
	run -255 kata exec "$C1" true
	[[ $output == *"cannot exec in a paused container (use --ignore-paused to override)"* ]]
	# It waits, frozen as the container is, and so does who has called it.
	kata exec --detach --ignore-paused --pid-file "$TMP/pid" "$C1" sh -c 'echo thawed >/thawed' </dev/null >"$TMP/o" 2>&1 3>&- &
	local exec=$!
	# Its stand-in is there.
	await pgrep -xf 'sh -c echo thawed >/thawed'
	[ "$(status "$C1")" = paused ]
	[ ! -e "$TMP/bundle/rootfs/thawed" ]
	kata resume "$C1"
	wait "$exec"
	timeout "$DEADLINE" tail --pid="$(cat "$TMP/pid")" -f /dev/null
	[ "$(cat "$TMP/bundle/rootfs/thawed")" = thawed ]
}

@test "exec: --apparmor and --process-label: the guest has neither, and the process runs" {
	sleeper
	run -0 kata exec --apparmor no-such-profile --process-label no:such:label:s0 "$C1" sh -c 'cat /proc/self/attr/current 2>/dev/null; echo ran' </dev/null
	[ "${lines[-1]}" = ran ]
	[[ $output != *no* ]]
}

@test "--systemd-cgroup: a path of another form is refused" {
	edit "$TMP/bundle" ".linux.cgroupsPath = \"/kata/$C1\""
	refused 'with --systemd-cgroup it must be' --systemd-cgroup create --bundle "$TMP/bundle" "$C1"
	refused 'with --systemd-cgroup it must be' --systemd-cgroup run --bundle "$TMP/bundle" "$C1"
}

@test "--systemd-cgroup: a host without systemd refuses" {
	[ ! -d /run/systemd/system ] || skip "systemd runs here"
	edit "$TMP/bundle" ".linux.cgroupsPath = \"system.slice:it:$C1\""
	refused "systemd not running on this host" --systemd-cgroup create --bundle "$TMP/bundle" "$C1"
}

@test "kill --all: every process of a live container gets the signal" {
	command_is "$TMP/bundle" sh -c 'trap "echo init >>/got" USR1; while :; do sleep 1; done'
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	kata exec -d "$C1" sh -c 'trap "echo exec >>/got" USR1; echo >/ready; while :; do sleep 1; done' </dev/null >"$TMP/o" 2>&1
	await test -e "$TMP/bundle/rootfs/ready"
	kata kill "$C1" USR1
	both() { [ "$(sort "$TMP/bundle/rootfs/got" 2>/dev/null | xargs)" = "$1" ]; }
	await both init
	kata kill --all "$C1" USR1
	await both "exec init init"
	kata kill --all "$C1" KILL
	wait_stopped "$C1"
	kata kill --all "$C1" KILL # nobody is left to get it
	run -1 kata kill "$C1" KILL
}

# guest FILE: of the container's cgroup in the guest.
guest() { kata exec "$C1" cat "/sys/fs/cgroup/$1" </dev/null; }

# host CONTROLLER FILE: of the container's cgroup on the host.
host() { cat "/sys/fs/cgroup/$1/kata/$C1/$2"; }

@test "update: each flag, where it holds" {
	[ -d /sys/fs/cgroup/cpu ] || skip "the files on the host are those of cgroup v1"
	sleeper
	kata update --cpu-quota 50000 --cpu-period 50000 "$C1"
	[ "$(guest cpu.max)" = "50000 50000" ]
	kata update --cpu-period 100000 "$C1"
	[ "$(guest cpu.max)" = "50000 100000" ]
	[ "$(host cpu cpu.cfs_period_us) $(host cpu cpu.cfs_quota_us)" = "100000 50000" ]
	kata update --cpu-share 512 "$C1"
	[ "$(host cpu cpu.shares)" = 512 ]
	[ "$(guest cpu.weight)" -lt 100 ] # 1024 shares
	kata update --cpuset-cpus 0 "$C1"
	[ "$(host cpuset cpuset.cpus) $(host cpuset kata/cpuset.cpus)" = "0 0" ]
	kata update --cpuset-mems 0 "$C1"
	[ "$(host cpuset cpuset.mems) $(host cpuset kata/cpuset.mems)" = "0 0" ]
	run -1 kata update --cpu-share 256 --pids-limit 44 --cpuset-mems 999 "$C1" # no such node: nothing is changed
	[[ $output == *"the host refuses the limits of cpuset"*cpuset.mems* ]]
	[ "$(host cpuset cpuset.mems) $(host cpu cpu.shares)" = "0 512" ]
	[ "$(guest pids.max)" = max ]
	[ "$(guest cpuset.cpus)$(guest cpuset.mems)" = "" ]
	kata update --memory 200m --memory-reservation 50m "$C1"
	[ "$(guest memory.max) $(guest memory.low)" = "$((200 << 20)) $((50 << 20))" ]
	if guest memory.swap.max; then
		kata update --memory-swap 300m "$C1"
		[ "$(guest memory.swap.max)" = $((100 << 20)) ]
		kata update --memory-swap -1 "$C1"
		[ "$(guest memory.swap.max)" = max ]
		[ "$(guest memory.max)" = $((200 << 20)) ]
	fi
	kata update --memory -1 "$C1"
	[ "$(guest memory.max)" = max ]
	kata update --pids-limit 55 "$C1"
	[ "$(guest pids.max)" = 55 ]
	kata update --cpu-burst 1000 "$C1"
	[ "$(guest cpu.max.burst)" = 1000 ]
	kata update --cpu-idle 1 "$C1"
	[ "$(guest cpu.idle)" = 1 ]
	# Nothing has touched what was set before.
	[ "$(guest cpu.max) $(guest pids.max)" = "50000 100000 55" ]
}

@test "update: what the guest's kernel refuses changes nothing" {
	edit "$TMP/bundle" 'del(.linux.resources)'
	sleeper
	kata update --memory 100m --pids-limit 50 "$C1"
	run -1 kata update --memory 200m --pids-limit 60 --cpu-idle 5 "$C1"
	[ "$(guest memory.max) $(guest pids.max)" = "104857600 50" ]
	# The host's part, too, of one that had no limits before.
	[ -d /sys/fs/cgroup/cpuset ] || return 0
	local cpu
	for cpu in 0 $(($(nproc) - 1)); do
		run -0 kata update --cpuset-cpus "$cpu" "$C1"
		[[ $output != *"shares its VM"* ]]
		[ "$(host cpuset cpuset.cpus) $(host cpuset kata/cpuset.cpus)" = "$cpu $cpu" ]
	done
}

@test "update --blkio-weight" {
	weights || skip "the host has no cgroup v1 weights of block I/O"
	sleeper
	kata update --blkio-weight 300 "$C1"
	[ "$(cat "/sys/fs/cgroup/blkio/kata/$C1"/blkio*.weight)" = 300 ]
}

@test "update: --resources from a file and from standard input; what is no number" {
	sleeper
	echo '{"pids": {"limit": 66}, "memory": {"limit": 104857600}}' >"$TMP/resources"
	kata update --resources "$TMP/resources" --pids-limit 1 "$C1" # the flags do not count then
	[ "$(guest pids.max) $(guest memory.max)" = "66 104857600" ]
	kata update -r - "$C1" <<<'{"pids": {"limit": 77}}'
	[ "$(guest pids.max) $(guest memory.max)" = "77 104857600" ]
	local flag
	for flag in cpu-period cpu-quota cpu-share memory memory-reservation memory-swap pids-limit blkio-weight cpu-rt-period cpu-rt-runtime cpu-burst cpu-idle kernel-memory kernel-memory-tcp; do
		run -1 kata update "--$flag" 100abc "$C1"
		[[ $output == *"$flag"*"100abc"* || $output == *"100abc"*"$flag"* ]] || { echo "$flag: $output"; false; }
	done
	run -1 kata update --resources "$TMP/nothing" "$C1"
	echo '{"pids": {"limit": "many"}}' >"$TMP/resources"
	run -1 kata update --resources "$TMP/resources" "$C1"
	[[ $output == *"$TMP/resources"* ]]
	run -1 kata update --l3-cache-schema 'L3:0=f' "$C1"
	[[ $output == *"Intel RDT"* ]]
	[ "$(guest pids.max) $(guest memory.max)" = "77 104857600" ]
}
