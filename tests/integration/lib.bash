# shellcheck shell=bash disable=SC2012,SC2009,SC2034
# What every integration test uses. KATA_RUNTIME is the binary under test,
# KATA_CONF_FILE its configuration (make integration sets both).

# shellcheck source=tests/teardown.bash
. "${BASH_SOURCE[0]%/*}/../teardown.bash"

bats_require_minimum_version 1.5.0

# Long enough for a boot under TCG on a busy machine; a test that needs it has failed.
DEADLINE=${KATA_TEST_DEADLINE:-120}

setup() {
	TMP=$(mktemp -d "${BATS_TMPDIR:-/tmp}/kata-it.XXXXXX")
	ROOT=$TMP/root
	# The names of its containers. Their cgroups are the machine's, and other tests
	# and other runs may be at work on it: each name has the test's own MARK.
	MARK=${TMP##*.}
	C1=it1-$MARK C2=it2-$MARK
	POD=pod-$MARK BOX=box-$MARK APP=app-$MARK BAD=bad-$MARK
	ONE=one-$MARK TWO=two-$MARK THREE=three-$MARK
	make_bundle "$TMP/bundle"
	BEFORE=$(leftovers)
}

teardown() {
	local id
	for id in "$ROOT"/containers/*; do
		[ -L "$id" ] || continue
		must marked "${id##*/}"
		must kata delete --force "${id##*/}"
	done
	local after
	after=$(leftovers)
	must diff <(echo "$BEFORE") <(echo "$after")
	must rm -rf --one-file-system "$TMP"
	checked
}

# marked ID: a container's name is the test's alone.
marked() { [[ $1 == *"$MARK"* ]]; }

# kata runs the runtime with the test's own root.
kata() { timeout "$DEADLINE" "$KATA_RUNTIME" --root "$ROOT" "$@"; }

# two_print: two containers are made at the same time, and both print, without a
# warning.
two_print() {
	command_is "$TMP/bundle" echo out
	cp -a "$TMP/bundle" "$TMP/other"
	kata run --bundle "$TMP/bundle" "$ONE" </dev/null >"$TMP/out.1" 2>&1 3>&- &
	local first=$!
	kata run --bundle "$TMP/other" "$TWO" </dev/null >"$TMP/out.2" 2>&1 3>&- &
	wait $!
	wait "$first"
	[ "$(cat "$TMP/out.1" "$TMP/out.2")" = $'out\nout' ]
}

# make_bundle DIR: a busybox root file system and runc's own default spec,
# without a terminal, that runs "true".
make_bundle() {
	mkdir -p "$1/rootfs"/{bin,dev,etc,proc,sys,tmp,root}
	cp /bin/busybox "$1/rootfs/bin/busybox"
	local applet
	for applet in sh true false cat echo sleep ls id ps kill stat dd md5sum sha256sum head tail wc uname env pwd tr \
		grep seq mount touch rm mkdir ln hostname ip stty tty printf test readlink nproc free df date yes trap pgrep chmod chown awk sed killall; do
		ln -sf busybox "$1/rootfs/bin/$applet"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/rootfs/etc/passwd"
	echo 'root:x:0:' >"$1/rootfs/etc/group"
	"$KATA_RUNTIME" spec --bundle "$1"
	edit "$1" '.process.terminal = false | .process.args = ["true"] | .root.readonly = false'
}

# edit BUNDLE FILTER: changes its config.json by a jq filter.
edit() {
	jq "$2" "$1/config.json" >"$1/config.new" && mv "$1/config.new" "$1/config.json"
}

# member_of BUNDLE POD: its container is one of the pod's, by the annotations of
# containerd's CRI plugin and the pod's network namespace, which an engine names, too.
member_of() {
	edit "$1" '.annotations = {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "'"$2"'"}
		| .linux.namespaces |= map(if .type == "network" then .path = "'"$ROOT/sandboxes/$2/netns"'" else . end)'
}

# command BUNDLE ARG...: what its process runs.
command_is() {
	local bundle=$1
	shift
	edit "$bundle" ".process.args = $(printf '%s\n' "$@" | jq -R . | jq -cs .)"
}

# await COMMAND...: until it succeeds, with a deadline. The pause leaves the CPU
# to what is waited for.
await() {
	local end=$((SECONDS + DEADLINE))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || { echo "waited in vain: $*"; return 1; }
		sleep 0.1
	done
}

# appears PATH PID: a process has made a file, which may be there for a moment
# only: the process's end will do as well.
appears() {
	local end=$((SECONDS + DEADLINE))
	until [ -e "$1" ] || ! kill -0 "$2" 2>/dev/null; do
		[ "$SECONDS" -lt "$end" ] || { echo "waited in vain for $1"; return 1; }
		sleep 0.02
	done
}

is_status() { [ "$(status "$1" 2>/dev/null)" = "$2" ]; }

# configured KEY VALUE: goes on with a configuration that has one key changed.
configured() {
	sed -E "s|^#? *$1 *=.*|$1 = $2|" "$KATA_CONF_FILE" >"$TMP/config.new"
	grep -q "^$1 = " "$TMP/config.new"
	mv "$TMP/config.new" "$TMP/config.toml"
	export KATA_CONF_FILE=$TMP/config.toml
}

# program TABLE FILE: goes on with another program, which is the table's "path".
program() {
	sed "/^\[$1\]/,/^path = /s|^path = .*|path = \"$2\"|" "$KATA_CONF_FILE" >"$TMP/config.new"
	grep -qF "path = \"$2\"" "$TMP/config.new"
	mv "$TMP/config.new" "$TMP/config.toml"
	export KATA_CONF_FILE=$TMP/config.toml
}

# initrd: the path of the one that is configured.
initrd() { sed -n 's/^initrd = "\(.*\)"/\1/p' "$KATA_CONF_FILE"; }

# status ID: the state's status.
status() { kata state "$1" | jq -r .status; }

# wait_status ID STATUS: waits for the shim's end ("stopped") by its pid.
wait_stopped() {
	local pid
	pid=$(kata state "$1" | jq .pid)
	[ "$pid" = 0 ] || timeout "$DEADLINE" tail --pid="$pid" -f /dev/null
	[ "$(status "$1")" = stopped ]
}

# weights: the host has cgroup v1's weights of block I/O. Its root group has no
# such file, even so.
weights() {
	local group=/sys/fs/cgroup/blkio/weights-$MARK found
	mkdir "$group" 2>/dev/null || return
	found=$(compgen -G "$group/blkio*.weight")
	rmdir "$group"
	[ -n "$found" ]
}

# leftovers lists what a sandbox could leave on the host: processes, mounts,
# network namespaces, links, cgroups, files.
leftovers() {
	# Processes by the test's folder on their command line, as working directory, or
	# in the variable by which the runtime marks its own.
	local p
	for p in /proc/[0-9]*; do
		case "$(readlink "$p/cwd" 2>/dev/null)" in "$ROOT"*) echo "process $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)" ;; esac
	done
	grep -slzF "KATA_SANDBOX=$ROOT/" /proc/[0-9]*/environ | sed 's/^/process /'
	ps -eo args= | grep -F "$ROOT" | grep -v -e 'grep -F' -e bats | sed 's/^/process /' | sort
	grep -F "$ROOT" /proc/self/mountinfo | sed 's/^/mount /'
	ip -o link | cut -d: -f2 | grep -E 'kata[0-9]|tap[0-9]' | sed 's/^/link /'
	find /sys/fs/cgroup -type d -path "*$MARK*" | sort | sed 's/^/cgroup /'
	# The two folders stay.
	find "$ROOT" -mindepth 1 ! -path "$ROOT/containers" ! -path "$ROOT/sandboxes" 2>/dev/null | sort | sed 's/^/file /'
}
