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
		echo tmpfs $(df /t | tail -n 1 | tr -s " " | cut -d " " -f 2) $(stat -c %a /t)
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
	has "tmpfs 1024 700"
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
	run -0 vm --rm busybox sh -c 'grep -E "CapBnd|Seccomp:" /proc/self/status; mkdir /tmp/m; mount -t tmpfs none /tmp/m 2>&1; echo 1 >/proc/sys/kernel/msgmax; echo x >/sys/x; 
		for file in kcore keys timer_list; do [ ! -e /proc/$file ] || echo $file $(cat /proc/$file 2>&1 | head -c 99 | wc -c); done
		echo firmware $(ls /sys/firmware 2>&1 | wc -l); unshare -U true; true'
	[[ $output =~ CapBnd:[[:space:]]00000000a80425fb ]]
	[[ $output =~ Seccomp:[[:space:]]2 ]]
	has "ermission denied"
	has "can't create /proc/sys/kernel/msgmax: Read-only file system"
	has "can't create /sys/x: Read-only file system"
	# Masked: no byte, and no message that it cannot be opened. The kernel of
	# make kernel has no kcore.
	has "keys 0"
	has "timer_list 0"
	has "firmware 0"
	[[ "$output" != *kcore* || "$output" == *"kcore 0"* ]]
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

@test "what Docker refuses before it calls the runtime: --gpus, a device or a container that is not there" {
	run -125 vm --rm --gpus all busybox true
	has "could not select device driver"
	# Newer clients have 127 for whatever ends with "no such file or directory".
	local code=0
	output=$(vm --rm --device /dev/does-not-exist busybox true 2>&1) || code=$?
	[ "$code" = 125 ] || [ "$code" = 127 ]
	has "/dev/does-not-exist"
	run -125 vm --rm --pid container:none busybox true
}

@test "--pid container: of another VM, or outside of any: a namespace of its own" {
	docker run -d --label test --name other busybox sleep 10000
	vm -d --name vm busybox sleep 10000
	local name
	for name in other vm; do
		# It sees its own processes, and those alone.
		run -0 vm --rm --pid "container:$name" --network none busybox sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; echo "is ${p#/proc/}"; done'
		[[ ${lines[0]} == "sh -c "*" is 1" ]]
		[ "${#lines[@]}" = 1 ]
		hasnt "sleep 10000"
	done
}
