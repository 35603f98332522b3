# shellcheck shell=bash disable=SC2016,SC2154
# What the tests of both engines use. KATA_RUNTIME is the binary under test,
# KATA_CONF_FILE its configuration (make test-docker, make test-podman set both).

# Long enough for a few boots under TCG on a busy machine; a test that needs it has failed.
DEADLINE=180

# make_rootfs_tar FILE: an image's root file system: busybox with all its
# applets, and probe (KATA_PROBE, or built here), which is put beside FILE, too.
make_rootfs_tar() {
	local dir
	dir=$(mktemp -d)
	mkdir -p "$dir"/{bin,dev,etc,home,proc,root,sys,tmp,usr/bin,var}
	chmod 755 "$dir"
	chmod 1777 "$dir/tmp"
	cp /bin/busybox "$dir/bin/busybox"
	local applet
	for applet in $(/bin/busybox --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$dir/bin/$applet"
	done
	printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'user:x:1000:1000:user:/home:/bin/sh' >"$dir/etc/passwd"
	printf '%s\n' 'root:x:0:' 'user:x:1000:' 'extra:x:2000:user' >"$dir/etc/group"
	chown -R 1000:1000 "$dir/home"
	if [ -n "${KATA_PROBE:-}" ]; then
		cp "$KATA_PROBE" "$dir/bin/probe"
	else
		(cd "$ENGINES/probe" && CGO_ENABLED=0 go build -buildvcs=false -o "$dir/bin/probe" .)
	fi
	cp "$dir/bin/probe" "${1%/*}/probe"
	printf 'not a program\n' >"$dir/bin/notexecutable"
	chmod 644 "$dir/bin/notexecutable"
	tar -C "$dir" -cf "$1" .
	rm -rf "$dir"
}

# full skips a test that only make test-full has time for.
full() {
	[ "${KATA_TEST_FULL:-}" = 1 ] || skip "in make test-full only"
}

# await COMMAND...: until it succeeds, with a deadline. Only for things that
# announce themselves in no other way. The pause leaves the CPU to them.
await() {
	local end=$((SECONDS + DEADLINE))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || { echo "waited in vain: $*" >&2; return 1; }
		sleep 0.1
	done
}

# has WANT: the output has this line, or part of one.
has() {
	[[ "$output" == *"$1"* ]] || { echo "want \"$1\" in: $output" >&2; return 1; }
}

# hasnt WHAT: the opposite.
hasnt() {
	[[ "$output" != *"$1"* ]] || { echo "do not want \"$1\" in: $output" >&2; return 1; }
}

# is WANT: the output is this and nothing else.
is() {
	[ "$output" = "$1" ] || { echo "want \"$1\", have \"$output\"" >&2; return 1; }
}

# processes_in DIR: pid and command of each process that names the folder on
# its command line or in its environment (as all of a sandbox do) or works in
# it, but not those of this test.
processes_in() {
	local p cmd
	for p in /proc/[0-9]*; do
		cmd=$(tr '\0' ' ' 2>/dev/null <"$p/cmdline") || continue
		[ -n "$cmd" ] || continue
		case "$cmd" in *bats*) continue ;; esac
		case "$cmd $(readlink "$p/cwd" 2>/dev/null) $(grep -az '^KATA' "$p/environ" 2>/dev/null | tr -d '\0')" in *"$1"*) echo "${p#/proc/} $cmd" ;; esac
	done
}

# cgroup_parent DIR: where the containers of the engine with this folder are;
# named after it, as another run's may be on this machine.
cgroup_parent() { echo "/kata-engines-$(cksum <<<"$1" | cut -d ' ' -f 1)"; }

# traces DIR: what a sandbox below the engine's folder could leave on the host.
traces() {
	processes_in "$1" | grep -E 'qemu|virtiofsd|kata-(shim|proxy|runtime)' | cut -c1-300 | sed 's/^/process /'
	grep -F "$1" /proc/self/mountinfo | grep -E '/sandboxes/|/shared' | sed 's/^/mount /'
	find /sys/fs/cgroup -type d -path "*$CGROUP_PARENT/*" 2>/dev/null | sort | sed 's/^/cgroup /'
	find "$1" -path '*/sandboxes/*' -prune -print 2>/dev/null | sort | sed 's/^/file /'
}

# server NAME ARG...: a web server with a page and a large file.
server() {
	local name=$1
	shift
	vm -d --name "$name" "$@" busybox sh -c 'mkdir /w; cd /w; echo "page of $(hostname)" >index.html; head -c 20000000 /dev/urandom >big; httpd -p 80; echo ready; exec sleep 10000'
	await logs_have "$name" ready
}
