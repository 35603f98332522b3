#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2143,SC2010,SC2030,SC2031
# Bad input and faults: one clear line, a code, and nothing left (teardown counts).

load lib

# fails WANT ARG...: the runtime fails with one line that holds WANT, on
# standard error and in the log.
fails() {
	local want=$1
	shift
	run -1 --separate-stderr kata --log "$TMP/log" --log-format json "$@"
	[[ $stderr == *"$want"* ]] || { echo "stderr: $stderr"; return 1; }
	[ "$(wc -l <<<"$stderr")" = 1 ]
	local msg
	msg=$(tail -n 1 "$TMP/log" | jq -r 'select(.level == "error").msg')
	[[ $msg == *"$want"* ]] || { echo "log: $msg"; return 1; }
	[ -z "$(ls "$ROOT/sandboxes" "$ROOT/containers" 2>/dev/null | grep -v : | grep .)" ]
}

@test "a bundle without config.json" {
	rm "$TMP/bundle/config.json"
	fails "config.json not found" create --bundle "$TMP/bundle" "$C1"
}

@test "a bundle that is not there" {
	fails "$TMP/nothing" create --bundle "$TMP/nothing" "$C1"
}

@test "invalid JSON" {
	echo '{ "process": ' >"$TMP/bundle/config.json"
	fails "invalid JSON at line" create --bundle "$TMP/bundle" "$C1"
}

@test "a root file system that is missing" {
	rm -r "$TMP/bundle/rootfs"
	fails "invalid rootfs" create --bundle "$TMP/bundle" "$C1"
}

@test "ids: empty, with a slash, dots, a blank" {
	local id
	for id in "" a/b .. . "a b"; do
		fails "invalid container ID format" create --bundle "$TMP/bundle" "$id"
	done
}

@test "ids: at most 128 characters" {
	local longest
	longest=$(printf '%-128s' "$C1" | tr ' ' x)
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$longest" </dev/null >"$TMP/out" 2>&1
	run -0 kata exec "$longest" echo inside </dev/null
	[ "$output" = inside ]
	kata delete --force "$longest"
	# NAME_MAX is 255, which is as far as runc goes.
	for longest in "${longest}x" "$(printf '%-255s' "$C1" | tr ' ' x)"; do
		fails "${#longest} characters, at most 128 are allowed" create --bundle "$TMP/bundle" "$longest"
	done
}

@test "an id that is taken" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	run -1 kata create --bundle "$TMP/bundle" "$C1"
	[[ $output == *"already exists"* ]]
	[ "$(status "$C1")" = running ]
}

@test "an id that is taken below another root folder: its cgroup is in use" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	local other=("$KATA_RUNTIME" --root "$TMP/other") status=0
	timeout "$DEADLINE" "${other[@]}" run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || status=$?
	[ "$status" = 1 ]
	grep "container's cgroup is not empty" "$TMP/out"
	timeout "$DEADLINE" "${other[@]}" delete --force "$C1" </dev/null
	[ "$(status "$C1")" = running ]
	kata exec "$C1" true </dev/null
	[ -z "$(find "$TMP/other" -mindepth 2)" ]
}

@test "a wrong number of arguments" {
	run -1 kata create
	[[ $output == *"requires exactly 1 argument"* ]]
}

@test "the host's network" {
	edit "$TMP/bundle" '.linux.namespaces |= map(select(.type != "network"))'
	fails "host's network" create --bundle "$TMP/bundle" "$C1"
}

@test "a terminal without a console socket" {
	edit "$TMP/bundle" '.process.terminal = true'
	fails "console socket" create --bundle "$TMP/bundle" "$C1"
}

@test "a console socket that nobody listens on" {
	edit "$TMP/bundle" '.process.terminal = true'
	fails "console socket" create --bundle "$TMP/bundle" --console-socket "$TMP/nobody.sock" "$C1"
}

@test "a pid file in a folder that is not there" {
	fails "pid file" create --bundle "$TMP/bundle" --pid-file "$TMP/no/where" "$C1"
}

@test "a command that does not exist" {
	command_is "$TMP/bundle" no-such-command
	fails "unable to start container process: container $C1: exec: \"no-such-command\": executable file not found in \$PATH" create --bundle "$TMP/bundle" "$C1"
}

@test "a command that may not be executed" {
	touch "$TMP/bundle/rootfs/data"
	command_is "$TMP/bundle" /data
	fails "permission denied" create --bundle "$TMP/bundle" "$C1"
}

@test "a missing kernel" {
	configured kernel '"/no/such/kernel"'
	fails "/no/such/kernel" create --bundle "$TMP/bundle" "$C1"
}

@test "a missing initrd" {
	configured initrd '"/no/such/initrd"'
	fails "/no/such/initrd" create --bundle "$TMP/bundle" "$C1"
}

@test "a missing image" {
	configured initrd '""'
	configured image '"/no/such/image"'
	fails "/no/such/image" create --bundle "$TMP/bundle" "$C1"
}

@test "an unknown key names file, line and the nearest key" {
	cp "$KATA_CONF_FILE" "$TMP/config.toml"
	printf '\n[hypervisor.qemu2]\n' >>"$TMP/config.toml"
	KATA_CONF_FILE=$TMP/config.toml fails "$TMP/config.toml:" create --bundle "$TMP/bundle" "$C1"
}

@test "QEMU that dies at once" {
	printf '#!/bin/sh\necho no luck today >&2\nexit 1\n' >"$TMP/qemu"
	chmod +x "$TMP/qemu"
	program hypervisor.qemu "$TMP/qemu"
	fails "no luck today" create --bundle "$TMP/bundle" "$C1"
}

@test "programs that are missing, and such that may not be executed" {
	local conf=$KATA_CONF_FILE table
	touch "$TMP/data"
	for table in hypervisor.qemu proxy.kata shim.kata; do
		program "$table" /no/such/program
		fails "/no/such/program" create --bundle "$TMP/bundle" "$C1"
		KATA_CONF_FILE=$conf program "$table" "$TMP/data"
		fails "$TMP/data" create --bundle "$TMP/bundle" "$C1"
		export KATA_CONF_FILE=$conf
	done
	configured shared_fs '"virtio-fs"'
	configured virtio_fs_daemon '"/no/such/program"'
	fails "/no/such/program" create --bundle "$TMP/bundle" "$C1"
}

@test "a DAX window, which this QEMU has not" {
	qemu-system-x86_64 -device vhost-user-fs-pci,help | grep -q cache-size && skip "this QEMU has it"
	configured shared_fs '"virtio-fs"'
	configured virtio_fs_cache_size 64
	fails "set virtio_fs_cache_size = 0" create --bundle "$TMP/bundle" "$C1"
}

@test "a guest that never answers: deadline, and the end of its console" {
	configured boot_timeout 10
	configured kernel_params '"rdinit=/bin/nothing init=/bin/nothing panic=0"'
	fails "console" create --bundle "$TMP/bundle" "$C1"
}

# A guest that nobody can reach says nothing: without this it would be waited for
# until boot_timeout.
@test "a helper of the VM that dies while the guest boots" {
	# It never gets there, however late its helper dies.
	configured kernel_params '"rdinit=/bin/nothing init=/bin/nothing panic=0"'
	local helper
	for helper in proxy share_daemon; do
		"$KATA_RUNTIME" --root "$ROOT" create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&- &
		local pid=$!
		died() { kill -9 "$(jq -e ".sandbox.$helper.pid | select(. > 0)" "$ROOT/sandboxes/$C1/state.json")"; }
		await test -S "$ROOT/sandboxes/$C1/qmp.sock"
		await died 2>/dev/null
		local code=0
		wait "$pid" || code=$?
		[ "$code" = 1 ]
		grep -E "(kata-proxy|virtiofsd) ended: signal: killed" "$TMP/out"
		[ "$(leftovers)" = "$BEFORE" ]
	done
}

@test "hooks that fail, hang, or are missing" {
	edit "$TMP/bundle" '.hooks.prestart = [{path: "/bin/sh", args: ["sh", "-c", "echo bad hook >&2; exit 3"]}]'
	fails "bad hook" create --bundle "$TMP/bundle" "$C1"
	edit "$TMP/bundle" '.hooks.prestart = [{path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1}]'
	fails "timeout of 1 s" create --bundle "$TMP/bundle" "$C1"
	edit "$TMP/bundle" '.hooks.prestart = [{path: "/no/such/hook"}]'
	fails "/no/such/hook" create --bundle "$TMP/bundle" "$C1"
}

@test "a full disk, at many points of a creation" {
	mkdir "$TMP/small"
	ROOT=$TMP/small/root
	command_is "$TMP/bundle" sleep 1000
	local limit failed=0 made=0
	# Room for so many files, or so much in them.
	for limit in nr_inodes={3..21..3} size={4,12,20}k nr_inodes=100; do
		mount -t tmpfs -o "$limit" tmpfs "$TMP/small"
		# Not "run": what is left of a container that was made would keep its pipe.
		if kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1; then
			made=$((made + 1))
			kata delete --force "$C1"
		else
			failed=$((failed + 1))
			grep -q "no space left on device" "$TMP/out" || { echo "$limit: $(cat "$TMP/out")"; false; }
			[ "$(wc -l <"$TMP/out")" = 1 ] || { echo "$limit: $(cat "$TMP/out")"; false; }
		fi
		[ "$(leftovers)" = "$BEFORE" ] || { echo "$limit: $(leftovers)"; false; }
		umount "$TMP/small"
	done
	[ "$failed" -ge 6 ]
	[ "$made" -ge 1 ]
	ROOT=$TMP/root
}

@test "no permission" {
	chmod 755 "$TMP"
	run -1 setpriv --reuid 65534 --regid 65534 --clear-groups "$KATA_RUNTIME" --root "$TMP/root" create --bundle "$TMP/bundle" "$C1"
	[[ $output == *"permission denied"* ]]
}

@test "a user without privileges, with a root folder of his own: refused, nothing left" {
	chmod 755 "$TMP"
	mkdir "$TMP/mine"
	chown 65534 "$TMP/mine"
	local user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	run -1 "${user[@]}" "$KATA_RUNTIME" --root "$TMP/mine" run --bundle "$TMP/bundle" "$C1"
	[[ $output == *"kata-runtime needs root"* ]]
	[ -z "$(find "$TMP/mine" -mindepth 2)" ]
	# As a rootless engine would call it: root in a user namespace.
	run -1 "${user[@]}" unshare --user --map-root-user --mount "$KATA_RUNTIME" --root "$TMP/mine" run --bundle "$TMP/bundle" "$C1"
	[[ $output == *"/dev/net/tun: permission denied"* ]]
	[ -z "$(find "$TMP/mine" -mindepth 2)" ]
}

@test "the VM is killed: state says stopped, kill and delete work" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	kill -9 "$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/$C1/state.json")"
	wait_stopped "$C1"
	kata kill --all "$C1" KILL
	kata delete "$C1"
}

@test "the VM is killed while nobody reads the output: it ends all the same" {
	command_is "$TMP/bundle" cat /dev/zero
	mkfifo "$TMP/output"
	exec 8<>"$TMP/output" # open, and never read
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/output" 2>"$TMP/out"
	kill -9 "$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/$C1/state.json")"
	# It counts as stopped as soon as the VM's end is seen.
	run kata kill "$C1" KILL
	[ "$status" = 0 ] || [[ $output == *"container not running"* ]]
	wait_stopped "$C1"
	kata delete "$C1"
	exec 8<&-
}

@test "virtiofsd is killed: the VM ends, and the container with it" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	kill -9 "$(jq -e '.sandbox.share_daemon.pid | select(. > 0)' "$ROOT/sandboxes/$C1/state.json")"
	wait_stopped "$C1"
	[ "$(grep -c "virtiofsd has ended" "$ROOT/sandboxes/$C1/proxy.log")" = 1 ]
	kata delete "$C1"
}

@test "the shim is killed: the container counts as stopped and goes" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	kill -9 "$(kata state "$C1" | jq .pid)"
	wait_stopped "$C1"
	kata delete "$C1"
}

@test "create is killed with SIGKILL at many points: delete --force cleans up" {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		"$KATA_RUNTIME" --root "$ROOT" create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&- &
		local pid=$!
		# The point is chosen by what has appeared, not by time.
		case $i in
		1) await test -L "$ROOT/containers/$C1" ;;
		2) await test -e "$ROOT/sandboxes/$C1/state.json" ;;
		3) await test -e "$ROOT/sandboxes/$C1/netns" ;;
		4) await test -d "$ROOT/sandboxes/$C1/shared" ;;
		5) await test -S "$ROOT/sandboxes/$C1/qmp.sock" ;;
		6) await test -e "$ROOT/sandboxes/$C1/qemu.log" ;;
		7) await test -e "$ROOT/sandboxes/$C1/console.log" ;;
		8) await compgen -G "$ROOT/sandboxes/$C1/shared/@*" ;;
		esac
		kill -9 "$pid"
		wait "$pid" 2>/dev/null || true
		kata delete --force "$C1"
		[ -z "$(ls "$ROOT/sandboxes" "$ROOT/containers" | grep -v : | grep .)" ]
		[ "$(leftovers)" = "$BEFORE" ]
	done
}

@test "create is killed with SIGKILL, and nobody deletes what it leaves: it goes by itself" {
	local point
	gone() { [ -z "$(ls "$ROOT/sandboxes" "$ROOT/containers" | grep -v : | grep .)" ] && [ "$(leftovers)" = "$BEFORE" ]; }
	for point in state.json shared qmp.sock console.log; do
		"$KATA_RUNTIME" --root "$ROOT" create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&- &
		local pid=$!
		await test -e "$ROOT/sandboxes/$C1/$point"
		kill -9 "$pid"
		wait "$pid" 2>/dev/null || true
		await gone
	done
}

@test "create is interrupted with SIGTERM: it takes back what it did" {
	"$KATA_RUNTIME" --root "$ROOT" create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&- &
	local pid=$!
	await test -S "$ROOT/sandboxes/$C1/qmp.sock"
	kill -TERM "$pid"
	local code=0
	wait "$pid" || code=$?
	[ "$code" = 1 ]
	[ -z "$(ls "$ROOT/sandboxes" "$ROOT/containers" | grep -v : | grep .)" ]
}

@test "two calls on one id at once: one create wins, one start, and both deletes succeed" {
	command_is "$TMP/bundle" sleep 1000
	both() { # CODES ARG...: the codes of two calls, sorted
		local want=$1 one=0 two=0 pid
		shift
		kata "$@" </dev/null >"$TMP/one" 2>&1 &
		pid=$!
		kata "$@" </dev/null >"$TMP/two" 2>&1 || two=$?
		wait "$pid" || one=$?
		[ "$(printf '%s\n' "$one" "$two" | sort | xargs)" = "$want" ] || { echo "$*: $one, $two"; cat "$TMP/one" "$TMP/two"; return 1; }
	}
	both "0 1" create --bundle "$TMP/bundle" "$C1"
	grep -q "already exists" "$TMP/one" "$TMP/two"
	[ "$(status "$C1")" = created ]
	both "0 1" start "$C1"
	[ "$(status "$C1")" = running ]
	kata kill "$C1" KILL
	wait_stopped "$C1"
	both "0 0" delete --force "$C1"
	run -1 kata state "$C1"
	[[ $output == *"does not exist"* ]]
}

@test "a process document that is missing, malformed, empty, or of another form" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	refused() { # WANT DOCUMENT
		echo "$2" >"$TMP/process.json"
		run -255 kata exec --process "$TMP/process.json" "$C1"
		[[ $output == *"$1"* ]] || { echo "want $1 in: $output"; return 1; }
	}
	run -255 kata exec --process "$TMP/nothing" "$C1"
	[[ $output == *"no such file"* ]]
	refused "invalid JSON" '{"args": ['
	refused "invalid JSON" ''
	refused "args" '{}'
	refused "args" '{"args": [], "cwd": "/"}'
	refused "args must be" '{"args": "true", "cwd": "/"}'
	refused "cwd" '{"args": ["true"]}'
	refused "absolute" '{"args": ["true"], "cwd": "tmp"}'
	run -255 kata exec --pid-file "$TMP/nothing/pid" "$C1" true
	[[ $output == *"pid file"* ]]
	run -255 kata exec --detach --tty --console-socket "$TMP/nobody" "$C1" true
	[[ $output == *"nobody"* ]]
	[ "$(status "$C1")" = running ]
}

@test "the logs that a guest can fill stay short" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	short() { [ "$(stat -c %s "$1")" -lt 1048576 ] && [ "$(tail -n 1 "$1")" = "the last of $1" ]; }
	local log
	for log in "$ROOT/sandboxes/$C1"/{qemu,virtiofsd}.log; do
		[ -e "$log" ] || continue # shared by 9p
		{ yes "a line as QEMU writes it" | head -c 3000000; echo; echo "the last of $log"; } >>"$log"
		await short "$log"
	done
	run -0 kata exec "$C1" echo alive
	[ "$output" = alive ]
}

# With containerd it stands for the container, and nerdctl cp goes through this root.
@test "the proxy has none of the host's files, and nobody can put any there" {
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || { cat "$TMP/out"; return 1; }
	local root
	root=/proc/$(jq .sandbox.proxy.pid "$ROOT/sandboxes/$C1/state.json")/root
	left() { [ -z "$(ls -A "$root")" ]; }
	await left
	run ! touch "$root/new"
	kata delete --force "$C1"
}
