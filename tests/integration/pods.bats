#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2143,SC2010,SC2030,SC2031,SC2034
# Pods by the annotations of containerd's CRI plugin: a sandbox container makes
# the VM, further containers join it.

load lib
load pod

@test "a member joins the pod's VM, runs, is deleted, and comes again" {
	pod
	member app sh -c 'uname -v; hostname; exit 7'
	ran app
	wait_stopped app
	[ "$(sed -n 1p "$TMP/app.out")" != "$(uname -v)" ]
	[ "$(sed -n 2p "$TMP/app.out")" = the-pod ]
	[ "$(status pod)" = running ]
	clean app
	ran app
	clean app
	[ "$(wc -l <"$TMP/app.out")" = 2 ]
	[ "$(status pod)" = running ]
	[ "$(ls "$ROOT/sandboxes")" = pod ]
}

# The guest's kernel remembers for a moment what was mounted at a path.
@test "a member that is deleted while it runs comes again at once, with its id" {
	local n
	mkdir "$TMP/volume"
	echo kept >"$TMP/volume/file"
	pod
	member app sleep 1000
	edit "$TMP/app" ".mounts += [{\"destination\": \"/volume\", \"type\": \"bind\", \"source\": \"$TMP/volume\", \"options\": [\"rbind\"]}]"
	for n in 1 2 3 4 5 6 7 8; do
		ran app
		run -0 kata exec app cat /volume/file
		[ "$output" = kept ]
		kata delete --force app
	done
}

@test "two members live side by side, with exec, and end alone" {
	pod
	member one sleep 1000
	member two sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
	ran one
	ran two
	run -0 kata exec one sh -c 'echo in-one; ps | grep -c "sleep 0.1"'
	[ "${lines[0]}" = in-one ]
	kata kill two TERM
	clean two
	[ "$(status one)" = running ]
	run -0 kata exec one true
	kata kill one KILL
	clean one
	[ "$(status pod)" = running ]
}

@test "a member that cannot be made leaves the pod and the others alone" {
	pod
	member one sleep 1000
	ran one
	member bad no-such-command
	local before
	before=$(places)
	run -1 kata create --bundle "$TMP/bad" bad
	[[ $output == *"no-such-command"* ]]
	[ ! -L "$ROOT/containers/bad" ]
	[ "$(places)" = "$before" ]
	[ "$(status one)" = running ]
	[ "$(status pod)" = running ]
	run -0 kata exec one true
	command_is "$TMP/bad" echo better
	ran bad
	wait_stopped bad
	[ "$(cat "$TMP/bad.out")" = better ]
}

@test "the members share one /dev/shm" {
	pod
	mkdir "$TMP/shm"
	local id
	for id in one two; do
		member "$id" sleep 1000
		edit "$TMP/$id" ".mounts |= map(if .destination == \"/dev/shm\" then
			{destination: \"/dev/shm\", type: \"bind\", source: \"$TMP/shm\", options: [\"rbind\"]} else . end)"
		ran "$id"
	done
	kata exec one sh -c 'echo hello >/dev/shm/note'
	run -0 kata exec two cat /dev/shm/note
	[ "$output" = hello ]
	# The guest's memory, not the host's folder.
	[ -z "$(ls "$TMP/shm")" ]
}

@test "the members share the network and a volume that each mounts" {
	pod
	mkdir "$TMP/volume"
	local id
	for id in one two; do
		member "$id" sleep 1000
		edit "$TMP/$id" ".mounts += [{destination: \"/vol\", type: \"bind\", source: \"$TMP/volume\", options: [\"rbind\", \"rw\"]}]"
		ran "$id"
	done
	kata exec one sh -c 'echo from-one >/vol/file; ip addr add 127.0.0.9/8 dev lo' || true
	run -0 kata exec two cat /vol/file
	[ "$output" = from-one ]
	[ "$(cat "$TMP/volume/file")" = from-one ]
	[ "$(kata exec one cat /proc/net/dev)" = "$(kata exec two cat /proc/net/dev)" ]
}

@test "one pid namespace for the pod, if its members name the sandbox's" {
	edit "$TMP/bundle" '.linux.namespaces |= map(select(.type != "pid"))'
	pod
	member one sleep 4321
	edit "$TMP/one" '.linux.namespaces |= map(select(.type != "pid"))'
	member two sleep 1234
	edit "$TMP/two" '.linux.namespaces |= map(select(.type != "pid"))'
	ran one
	ran two
	run -0 kata exec one ps
	[[ $output == *"sleep 4321"* ]]
	[[ $output == *"sleep 1234"* ]]
}

@test "a pod without a hostname has the host's" {
	HOSTNAME_OF_POD=
	pod
	member one hostname
	ran one
	wait_stopped one
	[ "$(cat "$TMP/one.out")" = "$(hostname)" ]
}

@test "a member from another network than the pod's is refused, whatever its annotations say" {
	pod
	member app true
	local path
	for path in '""' '"/proc/self/ns/net"'; do
		edit "$TMP/app" ".linux.namespaces |= map(if .type == \"network\" then .path = $path else . end)"
		run -1 kata create --bundle "$TMP/app" app
		[[ $output == *"sandbox pod: the container is not in its network namespace"* ]]
		[ ! -L "$ROOT/containers/app" ]
	done
	[ "$(places)" = 1 ]
	[ "$(status pod)" = running ]
}

@test "a member of a pod that is not there" {
	member app true
	edit "$TMP/app" '.linux.namespaces |= map(if .type == "network" then .path = "/proc/self/ns/net" else . end)'
	run -1 kata create --bundle "$TMP/app" app
	[[ $output == *"sandbox pod: container does not exist"* ]]
	[ ! -L "$ROOT/containers/app" ]
}

@test "a member of a pod whose VM has died" {
	pod
	member one sleep 1000
	ran one
	kill -KILL "$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/pod/state.json")"
	wait_stopped one
	wait_stopped pod
	member two true
	run -1 kata create --bundle "$TMP/two" two
	[[ $output == *"virtual machine has ended"* ]]
	kata delete one
	kata delete pod
}

@test "the pod's deletion takes its members along" {
	pod
	member one sleep 1000
	ran one
	kata delete --force pod
	[ -z "$(ls "$ROOT/sandboxes" "$ROOT/containers" | grep -v : | grep .)" ]
}
