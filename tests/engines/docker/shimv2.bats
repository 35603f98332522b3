#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2034
# Docker with containerd-shim-kata-v2, which it finds by containerd's name of it.

load lib

RUNTIME=io.containerd.kata.v2
# Where its sandboxes are: in the namespace that Docker has in its containerd.
SANDBOXES=/run/kata-containers/containerd/moby/sandboxes

setup() {
	local version
	version=$(docker version -f '{{.Server.Version}}')
	[ "${version%%.*}" -ge 23 ] || skip "Docker knows containerd's runtimes by their names since 23"
	TMP=$(mktemp -d "${BATS_TMPDIR:-/tmp}/kata-et.XXXXXX")
	mkdir -p "$SANDBOXES"
	BEFORE=$(all)
}

all() { traces "$DOCKER_DIR"; ls "$SANDBOXES"; }

clean() { [ "$(all)" = "$BEFORE" ]; }

@test "containerd's runtime: streams, exit codes, an input that ends at once" {
	run -0 vm --rm busybox uname -r
	hasnt "$(uname -r)"
	for code in 1 126 255; do
		run "-$code" vm --rm busybox sh -c "exit $code"
	done
	[ "$(echo hello | vm -i --rm busybox cat)" = hello ]
	head -c 5M /dev/urandom >"$TMP/in"
	vm -i --rm busybox cat <"$TMP/in" >"$TMP/out"
	cmp "$TMP/in" "$TMP/out"
	run -0 vm -i --rm busybox cat </dev/null
	run -0 in_terminal run --rm -t --runtime "$RUNTIME" --label test busybox tty
	has /dev/pts/
}

@test "containerd's runtime: a published port, exec, limits, logs, stop and start again, pause, kill" {
	vm -d --name web -p 18095:80 --memory 300m --cpus 1 busybox sh -c 'trap "exit 9" TERM; mkdir -p /w; uname -r >/w/index.html; httpd -p 80 -h /w; echo ready; while :; do sleep 0.1; done'
	await logs_have web ready
	page() { inside curl -sf http://127.0.0.1:18095/; }
	run -0 page
	hasnt "$(uname -r)"
	docker network create --label test two >/dev/null
	interfaces() { [ "$(docker exec web ip -o -4 addr show scope global | wc -l)" = "$1" ]; }
	docker network connect two web
	await interfaces 2
	docker network disconnect two web
	await interfaces 1
	docker network rm two
	run -5 docker exec web sh -c 'exit 5'
	[ "$(echo hello | docker exec -i web cat)" = hello ]
	run -0 docker exec -i web cat </dev/null
	run -0 docker exec web cat /sys/fs/cgroup/memory.max
	is 314572800
	docker pause web
	is_state web paused
	docker unpause web
	docker stop web
	[ "$(inspect web '{{.State.ExitCode}}')" = 9 ]
	docker start web
	await page
	docker kill web
	[ "$(docker wait web)" = 137 ]
	docker rm web
}
