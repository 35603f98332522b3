#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2034,SC2153
# Docker as Debian sets it up: systemd is its driver of cgroups.

load lib

setup_file() {
	systemctl start docker
	make_image docker
}

setup() {
	TMP=$(mktemp -d /tmp/kata-sd.XXXXXX)
	BEFORE=$(left)
}

teardown() {
	docker ps -aq | xargs -r docker rm -f >/dev/null
	must await same
	must rm -rf "$TMP"
	checked
}

@test "docker's driver is systemd, on cgroup v2" {
	run -0 docker info -f '{{.CgroupDriver}} {{.CgroupVersion}}'
	is "systemd 2"
}

@test "docker run --rm" {
	run -0 docker run --rm --runtime kata busybox uname -r
	[ "$output" != "$(uname -r)" ]
	# The scope goes with its last process, and systemd looks when it likes.
	await same
}

@test "docker run, exec, update, stats, pause, stop, start, rm" {
	docker run -d --runtime kata --name c1 --cpus 1 --memory 256m busybox sh -c 'trap "exit 5" TERM; while :; do sleep 1; done'
	local id shim
	id=$(docker inspect -f '{{.Id}}' c1)
	shim=$(docker inspect -f '{{.State.Pid}}' c1)
	GROUP=/system.slice/docker-$id.scope
	[ "$(systemctl show -P ActiveState "docker-$id.scope")" = active ]
	placed "$id" "$shim"
	[ "$(value cpu.max) $(value memory.max)" = "100000 100000 max" ]
	run -0 docker exec c1 cat /sys/fs/cgroup/memory.max
	is 268435456
	docker update --cpus 1.5 c1
	[ "$(value cpu.max)" = "150000 100000" ]
	run -0 docker exec c1 cat /sys/fs/cgroup/cpu.max
	is "150000 100000"
	# What is counted is the VM.
	run -0 docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' c1
	[[ $output =~ ^[1-9][0-9.]*MiB\ /\ .*\ [1-9][0-9]*$ ]] || { echo "$output"; false; }
	docker pause c1
	[ "$(docker inspect -f '{{.State.Status}}' c1)" = paused ]
	docker unpause c1
	docker stop -t 300 c1
	[ "$(docker inspect -f '{{.State.ExitCode}}' c1)" = 5 ]
	await same
	docker start c1
	[ "$(systemctl show -P ActiveState "docker-$id.scope")" = active ]
	docker rm -f c1
	await same
}
