#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# What can be asked of a container's process and its surroundings.

load lib

@test "limits, capabilities, seccomp, user, names, sysctls, tmpfs, shm" {
	run -0 vm --rm --tmpfs /t:size=1m,mode=700 --shm-size 16m --ulimit nofile=1234:2345 --ulimit memlock=-1:-1 \
		--sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=9000 --cap-add NET_ADMIN --cap-drop CHOWN \
		--security-opt no-new-privileges --security-opt seccomp=unconfined --user 1000:1000 --group-add 2000 \
		--workdir /var --hostname myhost --domainname dom --env A=b --pids-limit 50 --memory 200m --cpus 1.5 \
		--cpu-shares 512 --init --oom-score-adj 100 --add-host foo:1.2.3.4 --dns 9.9.9.9 --mac-address 02:11:22:33:44:55 \
		busybox sh -c '
		echo tmpfs $(df /t | tail -n 1 | tr -s " " | cut -d " " -f 2)
		echo shm $(df /dev/shm | tail -n 1 | tr -s " " | cut -d " " -f 2)
		echo files $(ulimit -n) $(ulimit -Hn) locked $(ulimit -l)
		echo sysctl $(cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax)
		grep -E "CapBnd|NoNew|Seccomp:" /proc/self/status
		echo ids $(id -u) $(id -g) $(id -G)
		echo names $(hostname) $(cat /proc/sys/kernel/domainname) $A $(pwd)
		cd /sys/fs/cgroup
		echo cgroup $(cat pids.max memory.max cpu.max)
		echo oom $(cat /proc/self/oom_score_adj) cpus $(nproc)
		grep foo /etc/hosts
		cat /etc/resolv.conf
		cat /sys/class/net/eth0/address
		echo init $(cat /proc/1/comm)'
	has "tmpfs 1024"
	has "shm 16384"
	has "files 1234 2345 locked unlimited"
	has "sysctl 1 9000"
	[[ $output =~ CapBnd:[[:space:]]00000000a80435fa ]]
	[[ $output =~ NoNewPrivs:[[:space:]]1 ]]
	[[ $output =~ Seccomp:[[:space:]]0 ]]
	has "ids 1000 1000 1000 2000"
	has "names myhost dom b /var"
	has "cgroup 50 209715200 150000 100000"
	has "oom 100 cpus 2"
	has $'1.2.3.4\tfoo'
	has "nameserver 9.9.9.9"
	has "02:11:22:33:44:55"
	has "init docker-init"
}

@test "the defaults: seccomp is on, the usual capabilities, nothing of the host's /proc and /sys can be written" {
	run -0 vm --rm busybox sh -c 'grep -E "CapBnd|Seccomp:" /proc/self/status; mkdir /tmp/m; mount -t tmpfs none /tmp/m 2>&1; echo 1 >/proc/sys/kernel/msgmax; echo x >/sys/x; cat /proc/kcore | wc -c; unshare -U true; true'
	[[ $output =~ CapBnd:[[:space:]]00000000a80425fb ]]
	[[ $output =~ Seccomp:[[:space:]]2 ]]
	has "ermission denied"
	has "Read-only file system"
}

@test "--read-only, with volumes and an init whose mount points the image lacks" {
	echo one >"$TMP/one"
	run -0 vm --rm --read-only --init --tmpfs /t -v "$TMP:/new/folder" -v "$TMP/one:/new/file" \
		busybox sh -c 'touch /x; touch /t/y /new/folder/z && cat /new/file && cat /proc/1/comm'
	has "Read-only file system"
	has one
	has docker-init
	[ -e "$TMP/z" ]
}

@test "--privileged: every capability, and none of the host's disks" {
	run -0 vm --rm --privileged busybox sh -c 'grep CapEff /proc/self/status; find /dev -type b; mkdir /m; mount -t tmpfs none /m && echo mounted; echo x >/dev/null && echo written'
	# Newer Dockers give what they have themselves; 20.10 knows 38 of them.
	local have own
	have=$(awk '$1 == "CapEff:" {print $2}' <<<"$output")
	own=$(awk '$1 == "CapBnd:" {print $2}' /proc/self/status)
	((((1 << 38) - 1) & 0x$own & ~0x$have)) && { echo "$have lacks some of $own"; false; }
	has mounted
	has written
	hasnt /dev/
}

@test "--device: a block device of the host, also read-only, and a character device" {
	local a b
	truncate -s 4M "$TMP/a" "$TMP/b"
	echo second | dd of="$TMP/b" conv=notrunc status=none
	a=$(losetup -f --show "$TMP/a")
	b=$(losetup -f --show "$TMP/b")
	run vm --rm --device "$a:/dev/first" --device "$b:/dev/second:r" --device /dev/null:/dev/mine \
		busybox sh -c 'echo written | dd of=/dev/first conv=fsync 2>/dev/null; head -n 1 /dev/second; echo x >/dev/second; echo x >/dev/mine && awk "NR > 2 {print \"disk\", \$3}" /proc/partitions'
	losetup -d "$a" "$b"
	[ "$status" = 0 ]
	has second
	has "not permitted"
	# The two disks of 4 MiB, and no other.
	has $'disk 4096\ndisk 4096'
	[ "$(grep -c '^disk ' <<<"$output")" = 2 ]
	[ "$(head -n 1 "$TMP/a")" = written ]
	[ "$(head -n 1 "$TMP/b")" = second ]
}

@test "--security-opt seccomp=FILE: the profile's own answer" {
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 78}]}' >"$TMP/profile"
	run -1 vm --rm --security-opt seccomp="$TMP/profile" busybox mkdir /x
	# ENOSYS is 38; 78 is EREMCHG, which nothing else answers.
	has "Remote address changed"
}

@test "what needs the host's own kernel or devices is refused by name" {
	run -125 vm --rm --gpus all busybox true
	has "could not select device driver"
	# Newer clients have 127 for whatever ends with "no such file or directory".
	local code=0
	output=$(vm --rm --device /dev/does-not-exist busybox true 2>&1) || code=$?
	[ "$code" = 125 ] || [ "$code" = 127 ]
	has "/dev/does-not-exist"
	run -125 vm --rm --pid container:none busybox true
	docker run -d --label test --name runc busybox sleep 10000
	# It sees its own processes, and those alone.
	run -0 vm --rm --pid container:runc --network none busybox sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; echo "is ${p#/proc/}"; done'
	[[ ${lines[0]} == "sh -c "*" is 1" ]]
	[ "${#lines[@]}" = 1 ]
	hasnt "sleep 10000"
}
