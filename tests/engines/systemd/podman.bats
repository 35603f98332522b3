#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2034,SC2153
# Podman as Debian sets it up: systemd is its manager of cgroups.

load lib

setup_file() {
	make_image podman
}

setup() {
	TMP=$(mktemp -d /tmp/kata-sd.XXXXXX)
	BEFORE=$(left)
}

teardown() {
	podman pod rm -af -t 0 >/dev/null
	podman rm -af -t 0 >/dev/null
	must await same
	must rm -rf "$TMP"
	checked
}

@test "podman's manager is systemd, on cgroup v2" {
	run -0 podman info -f '{{.Host.CgroupManager}} {{.Host.CgroupsVersion}}'
	is "systemd v2"
}

@test "podman run, exec, stats, update, stop, rm" {
	podman --runtime kata run -d --name c1 --cpus 1 --memory 256m busybox sh -c 'trap "exit 5" TERM; while :; do sleep 1; done' 3>&-
	local id
	id=$(podman inspect -f '{{.Id}}' c1)
	GROUP=/machine.slice/libpod-$id.scope
	[ "$(systemctl show -P ActiveState "libpod-$id.scope")" = active ]
	placed "$id" "$(podman inspect -f '{{.State.Pid}}' c1)"
	[ "$(value cpu.max) $(value memory.max)" = "100000 100000 max" ]
	run -0 podman exec c1 uname -r
	[ "$output" != "$(uname -r)" ]
	run -0 podman stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' c1
	[[ $output =~ ^[1-9][0-9.]*MB\ /\ .*\ [1-9][0-9]*$ ]] || { echo "$output"; false; }
	podman update --cpus 1.5 c1
	[ "$(value cpu.max)" = "150000 100000" ]
	podman stop -t 300 c1
	[ "$(podman inspect -f '{{.State.ExitCode}}' c1)" = 5 ]
	podman rm c1
	await same
}

@test "podman run --cgroups=split: below the service that calls it" {
	systemd-run --quiet --collect --unit split -p Delegate=yes \
		podman --runtime kata run --rm --cgroups=split --name c1 busybox sleep 10000
	await podman container exists c1
	is_running() { [ "$(podman inspect -f '{{.State.Status}}' c1 2>/dev/null)" = running ]; }
	await is_running
	local id
	id=$(podman inspect -f '{{.Id}}' c1)
	GROUP=/system.slice/split.service/libpod-payload-$id
	placed "$id" "$(podman inspect -f '{{.State.Pid}}' c1)"
	podman kill c1
	gone() { ! systemctl is-active --quiet split.service; }
	await gone
	[ ! -e /sys/fs/cgroup/system.slice/split.service ]
}

@test "podman pod: its containers share a VM, and its slice goes with it" {
	podman --runtime kata pod create --name p >/dev/null
	podman --runtime kata run -d --pod p --name c1 busybox sleep 10000 3>&-
	run -0 podman exec c1 uname -r
	[ "$output" != "$(uname -r)" ]
	[ "$(pgrep -c qemu)" = 1 ]
	local infra
	infra=$(podman pod inspect -f '{{.InfraContainerID}}' p)
	run group_of "$(podman inspect -f '{{.State.Pid}}' c1)"
	[[ $output == /machine.slice/machine-libpod_pod_*.slice/libpod-*.scope ]] || { echo "$output"; false; }
	[ -n "$(vm_of "$infra")" ]
	podman pod rm -f -t 0 p
	await same
	[ -z "$(find /sys/fs/cgroup/machine.slice -name '*libpod_pod*')" ]
}
