#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2143,SC2010,SC2030,SC2031,SC2034
# Pods by the annotations of containerd's CRI plugin: a sandbox container makes
# the VM, further containers join it.

load lib
load pod

@test "a member joins the pod's VM, runs, is deleted, and comes again" {
	pod
	member "$APP" sh -c 'uname -v; hostname; exit 7'
	ran "$APP"
	wait_stopped "$APP"
	[ "$(sed -n 1p "$TMP/$APP.out")" != "$(uname -v)" ]
	[ "$(sed -n 2p "$TMP/$APP.out")" = the-pod ]
	[ "$(status "$POD")" = running ]
	clean "$APP"
	ran "$APP"
	clean "$APP"
	[ "$(wc -l <"$TMP/$APP.out")" = 2 ]
	[ "$(status "$POD")" = running ]
	[ "$(ls "$ROOT/sandboxes")" = "$POD" ]
	[ -z "$(find "$ROOT/sandboxes/$POD" -name "*$APP*")" ]
}

# The guest's kernel remembers for a moment what was mounted at a path.
@test "a member that is deleted while it runs comes again at once, with its id" {
	local n
	mkdir "$TMP/volume"
	echo kept >"$TMP/volume/file"
	pod
	member "$APP" sleep 1000
	edit "$TMP/$APP" ".mounts += [{\"destination\": \"/volume\", \"type\": \"bind\", \"source\": \"$TMP/volume\", \"options\": [\"rbind\"]}]"
	for n in 1 2 3 4 5 6 7 8; do
		ran "$APP"
		run -0 kata exec "$APP" cat /volume/file
		[ "$output" = kept ]
		kata delete --force "$APP"
	done
}

# mounts_of_agent: asked by "two", which sees the guest's own processes.
mounts_of_agent() { kata exec "$TWO" cat /proc/1/mountinfo; }

# With virtiofs, who goes to a place in the shared folder has it mounted in his own
# mount namespace; the agent's lives as long as the pod.
@test "members that are deleted, or cannot be made, leave no mount in the guest's own namespace" {
	local n before
	configured shared_fs '"virtio-fs"'
	mkdir "$TMP/volume"
	pod
	# No member by annotations, and without a pid namespace.
	make_bundle "$TMP/$TWO"
	edit "$TMP/$TWO" '.linux.namespaces |= map(select(.type != "pid") | if .type == "network" then .path = "'"$ROOT/sandboxes/$POD/netns"'" else . end)'
	command_is "$TMP/$TWO" sleep 1000
	ran "$TWO"
	before=$(mounts_of_agent)
	grep -q " /run/kata-containers/shared " <<<"$before"
	member "$APP" sleep 1000
	edit "$TMP/$APP" ".mounts += [{destination: \"/slave\", type: \"bind\", source: \"$TMP/volume\", options: [\"rbind\", \"rslave\"]}]"
	member "$BAD" no-such-command
	for n in 1 2 3; do
		ran "$APP"
		kata exec "$APP" true
		kata delete --force "$APP"
		run -1 kata create --bundle "$TMP/$BAD" "$BAD"
	done
	diff <(echo "$before") <(mounts_of_agent)
}

@test "two members live side by side, with exec, and end alone" {
	pod
	member "$ONE" sleep 1000
	member "$TWO" sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
	ran "$ONE"
	ran "$TWO"
	run -0 kata exec "$ONE" sh -c 'echo in-one; ps | grep -c "sleep 0.1"'
	[ "${lines[0]}" = in-one ]
	kata kill "$TWO" TERM
	clean "$TWO"
	[ "$(status "$ONE")" = running ]
	run -0 kata exec "$ONE" true
	kata kill "$ONE" KILL
	clean "$ONE"
	[ "$(status "$POD")" = running ]
}

@test "a member that cannot be made leaves the pod and the others alone" {
	pod
	member "$ONE" sleep 1000
	ran "$ONE"
	member "$BAD" no-such-command
	edit "$TMP/$BAD" ".hooks.createRuntime = [{path: \"/bin/true\"}]
		| .hooks.poststop = [{path: \"/bin/touch\", args: [\"touch\", \"$TMP/stopped\"]}]"
	local before
	before=$(places)
	run -1 kata create --bundle "$TMP/$BAD" "$BAD"
	[[ $output == *"no-such-command"* ]]
	[ -e "$TMP/stopped" ]
	[ ! -L "$ROOT/containers/$BAD" ]
	[ "$(places)" = "$before" ]
	[ "$(status "$ONE")" = running ]
	[ "$(status "$POD")" = running ]
	run -0 kata exec "$ONE" true
	command_is "$TMP/$BAD" echo better
	ran "$BAD"
	wait_stopped "$BAD"
	[ "$(cat "$TMP/$BAD.out")" = better ]
}

@test "the members share one /dev/shm, one ipc and one uts namespace" {
	pod
	mkdir "$TMP/shm"
	local id
	for id in "$ONE" "$TWO"; do
		member "$id" sleep 1000
		edit "$TMP/$id" ".mounts |= map(if .destination == \"/dev/shm\" then
			{destination: \"/dev/shm\", type: \"bind\", source: \"$TMP/shm\", options: [\"rbind\"]} else . end)"
		ran "$id"
	done
	kata exec "$ONE" sh -c 'echo hello >/dev/shm/note'
	run -0 kata exec "$TWO" cat /dev/shm/note
	[ "$output" = hello ]
	local each
	for each in ipc uts; do
		[ "$(kata exec "$ONE" readlink "/proc/self/ns/$each")" = "$(kata exec "$TWO" readlink "/proc/self/ns/$each")" ]
	done
	# The guest's memory, not the host's folder.
	[ -z "$(ls "$TMP/shm")" ]
}

@test "the members share the network and a volume that each mounts" {
	pod
	mkdir "$TMP/volume"
	local id
	for id in "$ONE" "$TWO"; do
		member "$id" sleep 1000
		edit "$TMP/$id" ".mounts += [{destination: \"/vol\", type: \"bind\", source: \"$TMP/volume\", options: [\"rbind\", \"rw\"]}]"
		ran "$id"
	done
	kata exec "$ONE" sh -c 'echo from-one >/vol/file; ip addr add 127.0.0.9/8 dev lo' || true
	run -0 kata exec "$TWO" cat /vol/file
	[ "$output" = from-one ]
	[ "$(cat "$TMP/volume/file")" = from-one ]
	[ "$(kata exec "$ONE" cat /proc/net/dev)" = "$(kata exec "$TWO" cat /proc/net/dev)" ]
}

@test "one pid namespace for the pod, if its members name the sandbox's" {
	edit "$TMP/bundle" '.linux.namespaces |= map(select(.type != "pid"))'
	pod
	member "$ONE" sleep 4321
	edit "$TMP/$ONE" '.linux.namespaces |= map(select(.type != "pid"))'
	member "$TWO" sleep 1234
	edit "$TMP/$TWO" '.linux.namespaces |= map(select(.type != "pid"))'
	ran "$ONE"
	ran "$TWO"
	run -0 kata exec "$ONE" ps
	[[ $output == *"sleep 4321"* ]]
	[[ $output == *"sleep 1234"* ]]
}

@test "a member that names another one's pid namespace is in that (kubectl debug --target)" {
	pod
	member "$ONE" sleep 4321
	member "$TWO" sleep 1234
	ran "$ONE"
	ran "$TWO"
	member "$THREE" sleep 5678
	edit "$TMP/$THREE" '.linux.namespaces |= map(if .type == "pid" then .path = "/proc/'"$(kata state "$ONE" | jq .pid)"'/ns/pid" else . end)'
	ran "$THREE"
	run -0 kata exec "$THREE" sh -c 'tr "\0" " " </proc/1/cmdline; ps'
	[[ $output == "sleep 4321"* ]]
	[[ $output == *"sleep 5678"* ]]
	[[ $output != *"sleep 1234"* ]]
	run -0 kata exec "$TWO" ps
	[[ $output != *"sleep 5678"* ]]
	# It ends with the one whose namespace it is.
	kata kill "$ONE" KILL
	wait_stopped "$ONE"
	wait_stopped "$THREE"
	[ "$(status "$TWO")" = running ]
	run ! kata exec "$THREE" true
	kata delete "$THREE"
	run ! created "$THREE"
	[[ $output == *"pid namespace"* || $output == *"linux.namespaces: pid"* ]]
}

@test "a container that joins a VM by its network: its own ipc and uts, a limit that it cannot have" {
	pod
	member "$ONE" sleep 4321
	ran "$ONE"
	# As Docker's --network container:X: no annotations, its own namespaces but one.
	make_bundle "$TMP/$TWO"
	edit "$TMP/$TWO" '.hostname = "other" | .linux.resources.cpu.cpus = "0"
		| .linux.namespaces |= map(if .type == "network" then .path = "'"$ROOT/sandboxes/$POD/netns"'" else . end)'
	command_is "$TMP/$TWO" sleep 1234
	ran "$TWO"
	grep -q "cannot have this limit.*cpuset" "$TMP/$TWO.out"
	run -0 kata update --cpuset-cpus 0 "$TWO"
	[[ $output == *"cannot have this limit"*cpuset* ]]
	local each
	for each in ipc uts; do
		[ "$(kata exec "$ONE" readlink "/proc/self/ns/$each")" != "$(kata exec "$TWO" readlink "/proc/self/ns/$each")" ]
	done
	[ "$(kata exec "$ONE" hostname)" = the-pod ]
	[ "$(kata exec "$TWO" hostname)" = other ]
	kata exec "$ONE" touch /dev/shm/file
	run ! kata exec "$TWO" test -e /dev/shm/file
}

@test "a container that joins another's network and ipc: one /dev/shm, one System V ipc" {
	mkdir "$TMP/shm"
	mount -t tmpfs -o size=20m shm "$TMP/shm"
	local shm='.mounts |= map(if .destination == "/dev/shm" then {destination: "/dev/shm", type: "bind", source: "'"$TMP/shm"'", options: ["rbind"]} else . end)'
	edit "$TMP/bundle" "$shm"
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$BOX" </dev/null >"$TMP/out" 2>&1
	run -0 kata exec "$BOX" df -k /dev/shm
	umount "$TMP/shm"
	[[ $output == *" 20480 "* ]]
	make_bundle "$TMP/$TWO"
	edit "$TMP/$TWO" "$shm"' | .linux.namespaces |= map(
		if .type == "network" then .path = "'"$ROOT/sandboxes/$BOX/netns"'" elif .type == "ipc" then .path = "/proc/self/ns/ipc" else . end)'
	command_is "$TMP/$TWO" sleep 1234
	ran "$TWO"
	kata exec "$BOX" sh -c 'echo hello >/dev/shm/note'
	run -0 kata exec "$TWO" cat /dev/shm/note
	[ "$output" = hello ]
	[ "$(kata exec "$BOX" readlink /proc/self/ns/ipc)" = "$(kata exec "$TWO" readlink /proc/self/ns/ipc)" ]
}

@test "a pod without a hostname has the host's" {
	HOSTNAME_OF_POD=
	pod
	member "$ONE" hostname
	ran "$ONE"
	wait_stopped "$ONE"
	[ "$(cat "$TMP/$ONE.out")" = "$(hostname)" ]
}

@test "a member from another network than the pod's is refused, whatever its annotations say" {
	pod
	member "$APP" true
	local path
	for path in '""' '"/proc/self/ns/net"'; do
		edit "$TMP/$APP" ".linux.namespaces |= map(if .type == \"network\" then .path = $path else . end)"
		run -1 kata create --bundle "$TMP/$APP" "$APP"
		[[ $output == *"sandbox $POD: the container is not in its network namespace"* ]]
		[ ! -L "$ROOT/containers/$APP" ]
	done
	[ "$(places)" = 1 ]
	[ "$(status "$POD")" = running ]
}

@test "a member of a pod that is not there" {
	member "$APP" true
	edit "$TMP/$APP" '.linux.namespaces |= map(if .type == "network" then .path = "/proc/self/ns/net" else . end)'
	run -1 kata create --bundle "$TMP/$APP" "$APP"
	[[ $output == *"sandbox $POD: container does not exist"* ]]
	[ ! -L "$ROOT/containers/$APP" ]
}

@test "a member of a pod whose VM has died" {
	pod
	member "$ONE" sleep 1000
	ran "$ONE"
	kill -KILL "$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/$POD/state.json")"
	wait_stopped "$ONE"
	wait_stopped "$POD"
	member "$TWO" true
	run -1 kata create --bundle "$TMP/$TWO" "$TWO"
	[[ $output == *"virtual machine has ended"* ]]
	kata delete "$ONE"
	kata delete "$POD"
}

@test "the pod's deletion takes its members along" {
	pod
	member "$ONE" sleep 1000
	ran "$ONE"
	kata delete --force "$POD"
	[ -z "$(ls "$ROOT/sandboxes" "$ROOT/containers" | grep -v : | grep .)" ]
}
