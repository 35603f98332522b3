#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Podman of a user without privileges.

load lib

# rootless SCRIPT: its output, and code.
rootless() {
	local dir
	# Short: slirp4netns has a socket in it.
	dir=$(mktemp -d /tmp/kata-rl.XXXXXX)
	run timeout "$DEADLINE" unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
		"$BATS_TEST_DIRNAME/rootless.sh" "$dir" "$1" </dev/null 3>&-
	rm -rf "$dir"
}

@test "rootless: a container's output, its user, its exit code, a kernel that is not the host's" {
	local groups=/sys/fs/cgroup/pids/kata
	# As another sandbox's would be, root's.
	[ ! -d "${groups%/kata}" ] || mkdir -p "$groups"
	rootless '
		$podman run --rm --network slirp4netns busybox sh -c "uname -r; id -u; exit 42" || echo "code $?"
		echo data | $podman run -i --rm --network none --user 5:7 busybox sh -c "id -u; cat"'
	rmdir "$groups" 2>/dev/null || true
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" != "$(uname -r)" ]
	[ "${lines[*]:1}" = "0 code 42 5 data" ]
}

@test "rootless: a volume, whose files are the user's, exec, logs, stop; a pod" {
	rootless '
		mkdir volume; echo host >volume/file
		$podman run -d --name c -v "$HOME/volume:/v" --network slirp4netns busybox sh -c "trap \"exit 3\" TERM; echo up; while :; do sleep 0.2; done" >/dev/null
		until $podman logs c 2>&1 | grep -q up; do sleep 0.1; done
		$podman exec c sh -c "cat /v/file; echo guest >/v/made"
		stat -c "%U %s" volume/made
		$podman stop -t 20 c >/dev/null
		$podman wait c
		$podman rm c >/dev/null
		$podman pod create --name p --network slirp4netns >/dev/null
		$podman run -d --pod p --name one busybox sh -c "mkdir /w; echo page >/w/index.html; exec httpd -f -p 80 -h /w" >/dev/null
		$podman run --rm --pod p busybox sh -c "until wget -qO- http://127.0.0.1/; do sleep 0.1; done"
		$podman pod rm -f -t 0 p >/dev/null'
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[*]}" = "host rootless 6 3 page" ]
}

@test "rootless: the host is reached by slirp4netns, and a published port is" {
	rootless '
		port() { $podman exec c sh -c "until wget -qO- http://127.0.0.1/; do sleep 0.1; done" >/dev/null; }
		$podman run -d --name c --network slirp4netns:port_handler=slirp4netns,allow_host_loopback=true -p 127.0.0.1:18080:80 busybox \
			sh -c "mkdir /w; echo page >/w/index.html; exec httpd -f -p 0.0.0.0:80 -h /w" >/dev/null
		port
		curl -sS --max-time 60 http://127.0.0.1:18080/
		mkdir up; echo "from the host" >up/index.html
		busybox httpd -f -p 127.0.0.1:18081 -h up & server=$!
		until curl -sS -o /dev/null http://127.0.0.1:18081/ 2>/dev/null; do sleep 0.1; done
		$podman exec c wget -qO- http://10.0.2.2:18081/
		kill $server
		$podman rm -f -t 0 c >/dev/null'
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[*]}" = "page from the host" ]
}
