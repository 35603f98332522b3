#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# podman run and exec, and the life of a container.

load lib

@test "run: both streams, the exit code, the defaults, and a kernel that is not the host's" {
	run --separate-stderr podman run --rm busybox sh -c 'echo out; echo err >&2; uname -r; ulimit -n; grep Seccomp: /proc/self/status; exit 42'
	[ "$status" = 42 ]
	[ "${lines[0]}" = out ]
	[ "${lines[1]}" != "$(uname -r)" ]
	[[ "$stderr" == *err* ]]
	# Podman's own default, which runc cannot give on a host with a lower limit;
	# from Podman 5 on it is no more than the host's.
	case "$(podman --version)" in
	*" "[34].*) has 1048576 ;;
	*) has "$(ulimit -Hn)" ;;
	esac
	[[ $output =~ Seccomp:[[:space:]]2 ]]
}

@test "run: a program that is not there is 127, one that cannot be executed 126, a refusal 126" {
	run -127 podman run --rm busybox no-such-program
	has "executable file not found in \$PATH"
	run -126 podman run --rm busybox /bin/notexecutable
	has "permission denied"
	run -126 podman run --rm --net host busybox true
	has "the host's network namespace cannot be shared with a VM"
}

@test "exec, pause, update, stats, cp, diff, signals, stop, start" {
	podman run -d --name c busybox sh -c 'trap "echo usr1" USR1; trap "echo term; exit 5" TERM; echo ready; while :; do sleep 1; done'
	await logs_have c ready
	run -9 podman exec c sh -c 'exit 9'
	run -0 podman exec -u 1000:2000 -w /home -e A=b c sh -c 'id -u; id -g; pwd; echo $A'
	is $'1000\n2000\n/home\nb'
	head -c 3M /dev/urandom >"$TMP/in"
	podman exec -i c cat <"$TMP/in" >"$TMP/out"
	cmp "$TMP/in" "$TMP/out"
	run -0 podman exec -t c tty
	has /dev/pts/
	run -127 podman exec c no-such-program

	podman pause c
	is_state c paused
	podman unpause c
	podman update --memory 100m --cpus 0.5 c
	run -0 podman exec c cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max
	is $'104857600\n50000 100000'
	run -0 podman stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' c
	[[ $output =~ ^[0-9.]+MB\ /\ .*\ [0-9]+$ ]]

	echo from-host >"$TMP/file"
	podman cp "$TMP/file" c:/root/copied
	run -0 podman exec c cat /root/copied
	is from-host
	[ ! -e /root/copied ]
	# Only what stands for the container, nothing of the host.
	run -0 podman top c pid args
	[ "${#lines[@]}" = 2 ]
	[[ ${lines[1]} == 1*"sh -c trap"* ]]
	run -0 podman diff c
	has "A /root/copied"

	podman kill -s USR1 c
	await logs_have c usr1
	podman stop -t 60 c
	[ "$(inspect c '{{.State.Status}} {{.State.ExitCode}}')" = "exited 5" ]
	podman start c
	podman stop -t 0 c
	[ "$(inspect c '{{.State.ExitCode}}')" = 137 ]
}

@test "run -i, -t, read-only, a volume, a tmpfs, a memory limit, privileged" {
	head -c 4M /dev/urandom >"$TMP/in"
	podman run --rm -i --read-only -v "$TMP:/v" --memory 150m busybox sh -c \
		'cat; cat /sys/fs/cgroup/memory.max >/v/memory; touch /x 2>/v/error' <"$TMP/in" >"$TMP/out" || true
	cmp "$TMP/in" "$TMP/out"
	[ "$(cat "$TMP/memory")" = 157286400 ]
	grep -q "Read-only file system" "$TMP/error"
	run -0 podman run --rm -t --privileged busybox sh -c 'tty; find /dev -type b; mkdir /m; mount -t tmpfs none /m && echo mounted'
	has /dev/pts/0
	hasnt "/dev/loop"
	has mounted
}

@test "--cgroups=no-conmon" {
	run -0 podman run --rm --cgroups=no-conmon busybox echo no-conmon
	has no-conmon
}

@test "--cgroups=split" {
	full
	run podman run --rm --cgroups=split busybox echo split
	case "$output" in *"could not find cgroup mount"*) skip "Podman cannot split on this host's cgroups, with no runtime" ;; esac
	[ "$status" = 0 ]
	has split
}

@test "an overlay volume (:O): the container writes, the source stays; a device of the kernel's own over a file" {
	mkdir "$TMP/src"
	echo old >"$TMP/src/file"
	run -0 podman run --rm -v "$TMP/src:/dst:O" -v /dev/null:/etc/foo.conf:ro busybox \
		sh -c 'cat /dst/file; echo new >/dst/file; cat /dst/file; cat /etc/foo.conf; ls -l /etc/foo.conf'
	has old
	has new
	[[ $output == *"1,"*3*/etc/foo.conf ]]
	[ "$(cat "$TMP/src/file")" = old ]
}
