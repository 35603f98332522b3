#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# What can be asked of a container's process and its surroundings, with Podman.

load lib

# capabilities: what Podman gives by default, which depends on its configuration.
capabilities() { vm --rm busybox awk '$1 == "CapBnd:" {print $2}' /proc/self/status; }

@test "limits, capabilities, seccomp, user, names, sysctls, tmpfs, shm" {
	local have
	# Without CHOWN (0), with NET_ADMIN (12).
	printf -v have '%016x' $(((0x$(default_capabilities) & ~1) | 1 << 12))
	printf '%s\n' 'ONE=1' '# no variable' 'TWO=two words' >"$TMP/env"
	run -0 vm --rm --tmpfs /t:size=1m,mode=700 --shm-size 16m --ulimit nofile=1234:2345 \
		--sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=9000 --cap-add NET_ADMIN --cap-drop CHOWN \
		--security-opt no-new-privileges --security-opt seccomp=unconfined --user 1000:1000 --group-add 2000 \
		--workdir /var --hostname myhost --env A=b --env-file "$TMP/env" --pids-limit 50 --memory 200m --cpus 1.5 \
		--oom-score-adj 100 --add-host foo:1.2.3.4 --dns 9.9.9.9 --mac-address 02:11:22:33:44:55 \
		busybox sh -c '
		echo tmpfs $(df /t | tail -n 1 | tr -s " " | cut -d " " -f 2)
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
		cat /sys/class/net/eth0/address'
	has "tmpfs 1024"
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
}

@test "--security-opt seccomp=FILE: the profile's own answer" {
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 78}]}' >"$TMP/profile"
	run -1 vm --rm --security-opt seccomp="$TMP/profile" busybox mkdir /x
	# ENOSYS is 38; 78 is EREMCHG, which nothing else answers.
	has "Remote address changed"
}

@test "--device: a block device of the host, and a character device" {
	local disk
	truncate -s 4M "$TMP/a"
	disk=$(losetup -f --show "$TMP/a")
	run vm --rm --device "$disk:/dev/first" --device /dev/null:/dev/mine \
		busybox sh -c 'echo written | dd of=/dev/first conv=fsync 2>/dev/null; echo x >/dev/mine && awk "NR > 2 {print \"disk\", \$3}" /proc/partitions'
	losetup -d "$disk"
	[ "$status" = 0 ]
	is "disk 4096"
	[ "$(head -n 1 "$TMP/a")" = written ]
}

@test "exec --privileged: every capability, for that process alone" {
	vm -d --name c1 busybox sleep 10000
	local own
	own=$(awk '$1 == "CapBnd:" {print $2}' /proc/self/status)
	run -0 podman exec --privileged c1 awk '$1 == "CapEff:" {print $2}' /proc/self/status
	((((1 << 38) - 1) & 0x$own & ~0x$output)) && { echo "$output lacks some of $own"; false; }
	((0x$output & 1 << 21)) # CAP_SYS_ADMIN (capability.h)
	run -0 podman exec c1 awk '$1 == "CapEff:" {print $2}' /proc/self/status
	is "$(capabilities)"
}

@test "memory: a process that wants more is killed" {
	run -137 vm --rm --memory 64m busybox tail /dev/zero
}
