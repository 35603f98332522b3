#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# What can be asked of a container's process and its surroundings, with Podman.

load lib

@test "limits, capabilities, seccomp, user, names, sysctls, tmpfs, shm" {
	local have
	# Without CHOWN (0), with NET_ADMIN (12).
	printf -v have '%016x' $(((0x$(default_capabilities) & ~1) | 1 << 12))
	printf '%s\n' 'ONE=1' '# no variable' 'TWO=two words' >"$TMP/env"
	run -0 vm --rm --tmpfs /t:size=1m,mode=700 --shm-size 16m --ulimit nofile=1234:2345 \
		--sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=9000 --cap-add NET_ADMIN --cap-drop CHOWN \
		--security-opt no-new-privileges --security-opt seccomp=unconfined --user 1000:1000 --group-add 2000 \
		--workdir /var --hostname myhost --env A=b --env-file "$TMP/env" --pids-limit 50 --memory 200m --cpus 1.5 \
		--init --oom-score-adj 100 --add-host foo:1.2.3.4 --dns 9.9.9.9 --mac-address 02:11:22:33:44:55 \
		busybox sh -c '
		echo tmpfs $(df /t | tail -n 1 | tr -s " " | cut -d " " -f 2) $(stat -c %a /t)
		echo shm $(df /dev/shm | tail -n 1 | tr -s " " | cut -d " " -f 2)
		echo files $(ulimit -n) $(ulimit -Hn)
		echo sysctl $(cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax)
		grep -E "CapBnd|NoNew|Seccomp:" /proc/self/status
		echo ids $(id -u) $(id -g) $(id -G)
		echo names $(hostname) $A $(pwd) "$ONE $TWO"
		cd /sys/fs/cgroup
		echo cgroup $(cat pids.max memory.max cpu.max)
		echo oom $(cat /proc/self/oom_score_adj) cpus $(nproc)
		grep foo /etc/hosts
		cat /etc/resolv.conf
		cat /sys/class/net/eth0/address
		echo init $(cat /proc/1/comm)'
	has "tmpfs 1024 700"
	has "shm 16384"
	has "files 1234 2345"
	has "sysctl 1 9000"
	[[ $output =~ CapBnd:[[:space:]]$have ]]
	[[ $output =~ NoNewPrivs:[[:space:]]1 ]]
	[[ $output =~ Seccomp:[[:space:]]0 ]]
	[[ $output =~ ids\ 1000\ 1000\ .*2000 ]]
	has "names myhost b /var 1 two words"
	has "cgroup 50 209715200 150000 100000"
	has "oom 100 cpus 2"
	[[ $output =~ 1\.2\.3\.4[[:space:]]foo ]]
	has "nameserver 9.9.9.9"
	has "02:11:22:33:44:55"
	has "init podman-init"
}

@test "--pid container: of another VM: a namespace of its own" {
	vm -d --name vm busybox sleep 10000
	run -0 vm --rm --pid container:vm --network none busybox sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; echo "is ${p#/proc/}"; done'
	[[ ${lines[0]} == "sh -c "*" is 1" ]]
	[ "${#lines[@]}" = 1 ]
}

@test "inspect: what was asked for" {
	mkdir "$TMP/v"
	vm -d --name c1 --memory 200m --cpus 1.5 --pids-limit 77 -v "$TMP/v:/v:ro" --env A=b --hostname name busybox sleep 10000
	[ "$(inspect c1 '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.Config.Hostname}} {{.State.Running}}')" = "209715200 77 name true" ]
	[ "$(inspect c1 '{{range .Mounts}}{{.Source}} {{.Destination}} {{.RW}}{{end}}')" = "$TMP/v /v false" ]
	# The engine's word and the guest's are the same.
	run -0 docker exec c1 sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; hostname'
	is $'209715200\n77\nname'
}
