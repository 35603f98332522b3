#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2034,SC2154
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

@test "exec, pause, update, cp, diff, signals, stop, start" {
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
	echo from-host >"$TMP/file"
	podman cp "$TMP/file" c:/root/copied
	run -0 podman exec c cat /root/copied
	is from-host
	[ ! -e /root/copied ]
	podman exec c sh -c 'mkdir /root/dir; head -c 3000000 /dev/urandom >/root/dir/made; chmod 640 /root/dir/made'
	podman cp c:/root/dir "$TMP/back"
	[ "$(sha256sum <"$TMP/back/made")" = "$(podman exec c sh -c 'sha256sum </root/dir/made')" ]
	[ "$(stat -c %a "$TMP/back/made")" = 640 ]
	# Only what stands for the container, nothing of the host.
	run -0 podman top c pid args
	[ "${#lines[@]}" = 2 ]
	[[ ${lines[1]} == 1*"sh -c trap"* ]]
	# Plain "diff" takes an image whose id begins so before it.
	run -0 podman container diff c
	has "A /root/copied"
	has "A /root/dir/made"
	podman exec -d c sh -c 'echo done >/tmp/detached; exec sleep 9999'
	await podman exec c test -s /tmp/detached
	run -0 podman exec c ps
	has "sleep 9999"

	podman kill -s USR1 c
	await logs_have c usr1
	podman stop -t 60 c
	[ "$(inspect c '{{.State.Status}} {{.State.ExitCode}}')" = "exited 5" ]
	podman start c
	podman stop -t 0 c
	[ "$(inspect c '{{.State.ExitCode}}')" = 137 ]
}

@test "run -i, -t, read-only, a volume, a tmpfs, a memory limit" {
	head -c 4M /dev/urandom >"$TMP/in"
	podman run --rm -i --read-only -v "$TMP:/v" --memory 150m busybox sh -c \
		'cat; cat /sys/fs/cgroup/memory.max >/v/memory; touch /x 2>/v/error' <"$TMP/in" >"$TMP/out" || true
	cmp "$TMP/in" "$TMP/out"
	[ "$(cat "$TMP/memory")" = 157286400 ]
	grep -q "Read-only file system" "$TMP/error"
	run -0 podman run --rm -t busybox tty
	has /dev/pts/0
}

@test "cp into a tmpfs of a running container: it lands below it" {
	podman run -d --name c --tmpfs /t busybox sleep 10000
	echo text >"$TMP/file"
	podman cp "$TMP/file" c:/t/file
	run -0 podman exec c ls /t
	is ""
	podman exec c sh -c 'echo seen >/root/seen'
	podman cp c:/root/seen "$TMP/seen"
	[ "$(cat "$TMP/seen")" = seen ]
}

@test "--cgroups=no-conmon: conmon stays where its caller is, the container has its own" {
	groups_of() { cut -d: -f2- "/proc/$(inspect "$1" "{{.State.$2}}")/cgroup"; }
	podman run -d --name c1 --cgroups=no-conmon busybox sleep 10000
	podman run -d --name c2 busybox sleep 10000
	diff <(groups_of c1 ConmonPid) <(cut -d: -f2- /proc/self/cgroup)
	! diff <(groups_of c2 ConmonPid) <(cut -d: -f2- /proc/self/cgroup) || false
	local name
	for name in c1 c2; do
		run groups_of "$name" Pid
		hasnt conmon
		[ "$(grep -c "/libpod-$(inspect "$name" '{{.Id}}')" <<<"$output")" = "${#lines[@]}" ]
	done
}

@test "--runtime kata: by the name that containers.conf gives it" {
	PODMAN_CONF=$TMP/containers.conf PODMAN_RUNTIME=kata
	cp "$PODMAN_DIR/containers.conf" "$PODMAN_CONF"
	printf '[engine.runtimes]\nkata = ["%s"]\n' "$PODMAN_DIR/kata-runtime" >>"$PODMAN_CONF"
	podman run -d --name c1 busybox sh -c 'echo "kernel $(uname -r)"; exec sleep 10000'
	[ "$(inspect c1 '{{.OCIRuntime}}')" = kata ]
	await logs_have c1 kernel
	[ "$(podman logs c1)" != "kernel $(uname -r)" ]
	[ "$(podman exec c1 uname -r)" != "$(uname -r)" ]
	podman stop -t 0 c1
	podman rm c1
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
