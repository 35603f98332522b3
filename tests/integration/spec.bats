#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Fields of config.json: honoured in the guest, as runc honours them on the host.

load lib

# prints COMMAND...: what the bundle's container prints, run to its end.
prints() {
	command_is "$TMP/bundle" sh -c "$1"
	kata run --bundle "$TMP/bundle" "$C1" </dev/null
}

@test "domain name, personality, time offsets, cgroup values by name, limits" {
	edit "$TMP/bundle" '.hostname = "box" | .domainname = "example.org" | .linux.personality.domain = "LINUX32"
		| .linux.namespaces += [{"type": "time"}]
		| .linux.timeOffsets = {"monotonic": {"secs": 1000000}, "boottime": {"secs": 2000000}}
		| .linux.resources = {
			"unified": {"memory.high": "64000000", "cpu.weight": "77"},
			"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
			"memory": {"limit": 100003840, "disableOOMKiller": true, "swappiness": 10, "kernelTCP": 1000000},
			"cpu": {"quota": 50000, "period": 100000, "burst": 1000, "realtimeRuntime": 1000},
			"pids": {"limit": 99}}
		| .process.oomScoreAdj = 77 | .process.ioPriority = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}
		| .linux.sysctl = {"kernel.msgmax": "9000", "net.ipv4.ip_forward": "1"}'
	run -0 --separate-stderr prints 'uname -mn; cat /proc/sys/kernel/domainname; awk "{print int(\$1 / 2000000)}" /proc/uptime; tr -s " " </proc/self/timens_offsets; cd /sys/fs/cgroup; for f in memory.high cpu.weight hugetlb.2MB.max memory.max cpu.max cpu.max.burst pids.max; do echo "$f $(cat $f)"; done; cat /proc/self/oom_score_adj /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward'
	diff - <(echo "$output") <<-'END'
		box i686
		example.org
		1
		monotonic 1000000 0
		boottime 2000000 0
		memory.high 64000000
		cpu.weight 77
		hugetlb.2MB.max 4194304
		memory.max 100003840
		cpu.max 50000 100000
		cpu.max.burst 1000
		pids.max 99
		77
		9000
		1
	END
}

@test "cpu.idle, a tmpfs with what was below it, a limit of processes that is reached" {
	edit "$TMP/bundle" '.linux.resources = {"cpu": {"idle": 1}, "pids": {"limit": 9}}
		| .mounts += [{"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}]'
	run -0 prints 'cat /sys/fs/cgroup/cpu.idle; grep -c root /etc/passwd; touch /etc/new; (for n in $(seq 20); do sleep 100 & done) 2>&1 | grep -m 1 -o "fork"; killall sleep; true'
	[ "${lines[0]} ${lines[1]} ${lines[2]}" = "1 1 fork" ]
	[ ! -e "$TMP/bundle/rootfs/etc/new" ]
}

@test "memory.checkBeforeUpdate: a limit below what is used is refused" {
	command_is "$TMP/bundle" sh -c 'head -c 50000000 /dev/zero >/dev/shm/full; echo >/ready; sleep 1000'
	edit "$TMP/bundle" '.linux.resources.memory.limit = 100003840'
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	await test -e "$TMP/bundle/rootfs/ready"
	echo '{"memory": {"limit": 20971520, "checkBeforeUpdate": true}}' >"$TMP/resources"
	run -1 kata update --resources "$TMP/resources" "$C1"
	[[ $output == *"memory"* ]]
	[ "$(kata exec "$C1" cat /sys/fs/cgroup/memory.max </dev/null)" = 100003840 ]
	[ "$(status "$C1")" = running ]
}

@test "a user namespace" {
	chown -R 100000:100000 "$TMP/bundle/rootfs"
	edit "$TMP/bundle" '.linux.namespaces += [{"type": "user"}]
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'
	run -0 --separate-stderr prints 'cat /proc/self/uid_map | tr -s " "; id -u; touch /made; stat -c %u:%g /made; hostname'
	[ "$output" = $' 0 100000 65536\n0\n0:0\nrunc' ]
	[ "$(stat -c %u:%g "$TMP/bundle/rootfs/made")" = 100000:100000 ]
}

@test "hooks: order, namespace, environment, state" {
	mkdir "$TMP/hooks"
	cat >"$TMP/hook" <<-END
		#!/bin/sh
		{ echo "stage \$1"; jq -r '.id, .status, .bundle, (.pid > 0)'; readlink /proc/self/ns/net; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= | sort; } >"$TMP/hooks/\$1"
		echo "\$1" >>"$TMP/hooks/order"
	END
	chmod +x "$TMP/hook"
	local stage
	for stage in prestart createRuntime createContainer poststart poststop; do
		edit "$TMP/bundle" ".hooks.$stage = [{\"path\": \"$TMP/hook\", \"args\": [\"hook\", \"$stage\"], \"env\": [\"STAGE=$stage\", \"PATH=$PATH\"], \"timeout\": 60}]"
	done
	ln -s busybox "$TMP/bundle/rootfs/bin/mv"
	printf '#!/bin/sh\n{ echo guest; uname -r; env; cat; } >/writing; mv /writing /from-hook\n' >"$TMP/bundle/rootfs/bin/hook"
	chmod +x "$TMP/bundle/rootfs/bin/hook"
	edit "$TMP/bundle" '.hooks.startContainer = [{"path": "/bin/hook", "env": ["STAGE=startContainer", "PATH=/bin"]}]'
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	[ "$(tr '\n' ' ' <"$TMP/hooks/order")" = "prestart createRuntime createContainer " ]
	[ ! -e "$TMP/bundle/rootfs/from-hook" ]
	local netns
	netns=$(readlink "/proc/$(kata state "$C1" | jq .pid)/ns/net")
	kata start "$C1"
	[ "$(tail -n 1 "$TMP/hooks/order")" = poststart ]
	await test -e "$TMP/bundle/rootfs/from-hook"
	kata delete --force "$C1"
	[ "$(tail -n 1 "$TMP/hooks/order")" = poststop ]

	check() { # STAGE STATUS NETNS [PID]
		diff - "$TMP/hooks/$1" <<-END
			stage $1
			$C1
			$2
			$TMP/bundle
			${4:-true}
			$3
			PATH=$PATH
			STAGE=$1
		END
	}
	local here
	here=$(readlink /proc/self/ns/net)
	check prestart creating "$here"
	check createRuntime creating "$here"
	check createContainer creating "$netns"
	check poststart running "$here"
	check poststop stopped "$here" false
	[ "$(head -n 1 "$TMP/bundle/rootfs/from-hook")" = guest ]
	[ "$(sed -n 2p "$TMP/bundle/rootfs/from-hook")" != "$(uname -r)" ]
	grep -q STAGE=startContainer "$TMP/bundle/rootfs/from-hook"
	tail -n 1 "$TMP/bundle/rootfs/from-hook" | jq -e ".id == \"$C1\" and .status == \"created\" and .bundle == \"$TMP/bundle\" and .annotations == null"
}

# name_of PATH: the last element of the root of what is mounted there, in mountinfo.
name_of() { awk -v at="$1" '$5 == at { sub(".*/", "", $4); print $4 }'; }

@test "a volume carries the name of its source: files with virtiofs, folders besides with 9p" {
	mkdir "$TMP/data of mine"
	echo x >"$TMP/one.conf"
	edit "$TMP/bundle" ".mounts += [
		{destination: \"/mnt/folder\", source: \"$TMP/data of mine\", options: [\"rbind\"]},
		{destination: \"/mnt/file\", source: \"$TMP/one.conf\", options: [\"rbind\", \"ro\"]}]"
	run -0 prints 'cat /proc/self/mountinfo'
	[ "$(name_of /mnt/file <<<"$output")" = one.conf ]
	configured shared_fs '"virtio-9p"'
	# A mount's place is there already.
	run -0 prints 'cat /proc/self/mountinfo; cat /mnt/file'
	[ "$(name_of /mnt/file <<<"$output")" = one.conf ]
	# A space, as mountinfo writes it.
	[ "$(name_of /mnt/folder <<<"$output")" = 'data\040of\040mine' ]
}

@test "a block device that no rule lets the container use is a node that cannot be opened" {
	# The numbers of the guest's first disk, if it has one.
	edit "$TMP/bundle" '.linux.devices = [{path: "/dev/test", type: "b", major: 254, minor: 0, fileMode: 432, uid: 0, gid: 0}]'
	run -0 prints 'stat -c "%F %t:%T" /dev/test; cat /dev/test; echo $?'
	[[ $output == *"block special file fe:0"* ]]
	[[ $output == *"Operation not permitted"* ]]
}

@test "block I/O: limits of a disk of the host's hold there" {
	local group=/sys/fs/cgroup/blkio/kata/$C1 disk
	[ -d /sys/fs/cgroup/blkio ] || skip "the host has no cgroup v1 controller blkio"
	# A disk that only the host has by these numbers.
	truncate -s 1M "$TMP/disk"
	disk=$(losetup -f --show "$TMP/disk")
	local numbers
	numbers=$(lsblk -dno MAJ:MIN "$disk" | xargs)
	edit "$TMP/bundle" ".linux.resources.blockIO = ({major: ${numbers%:*}, minor: ${numbers#*:}} as \$disk | {throttleReadBpsDevice: [\$disk + {rate: 1000001}],
		throttleWriteBpsDevice: [\$disk + {rate: 1000002}], throttleReadIOPSDevice: [\$disk + {rate: 103}],
		throttleWriteIOPSDevice: [\$disk + {rate: 104}]})"
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	losetup -d "$disk"
	[ "$(cat "$group"/blkio.throttle.{read,write}_bps_device "$group"/blkio.throttle.{read,write}_iops_device)" = \
		"$(printf "$numbers %s\n" 1000001 1000002 103 104)" ]
	# In the guest they would be another disk's.
	[ "$(kata exec "$C1" cat /sys/fs/cgroup/io.max)" = "" ]
	# The VM is below it.
	[ "$(grep -c . "$group/kata/cgroup.procs")" -ge 1 ]
}

@test "block I/O: a weight holds on the host" {
	weights || skip "the host has no cgroup v1 weights of block I/O"
	edit "$TMP/bundle" '.linux.resources.blockIO = {weight: 300}'
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	[ "$(cat "/sys/fs/cgroup/blkio/kata/$C1"/blkio*.weight)" = 300 ]
}

@test "scheduler and I/O priority of the process, and CPUs of an exec" {
	edit "$TMP/bundle" '.process.scheduler = {policy: "SCHED_BATCH", nice: 7}
		| .process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6}
		| .process.execCPUAffinity = {initial: "0", final: "0"}
		| .linux.resources.cpu = {quota: 200000, period: 100000}'
	ln -s busybox "$TMP/bundle/rootfs/bin/ionice"
	command_is "$TMP/bundle" sleep 1000
	kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	# proc_pid_stat(5): 19 is nice, 41 the policy; SCHED_BATCH is 3.
	run -0 kata exec "$C1" awk '{print $19, $41}' /proc/1/stat
	[ "$output" = "7 3" ]
	run -0 kata exec "$C1" ionice -p 1
	[ "$output" = "best-effort: prio 6" ]
	# The container's document is the exec's as well; the CPUs are the guest's.
	[ "$(kata exec "$C1" nproc --all)" = 2 ]
	run -0 kata exec "$C1" sh -c 'awk "{print \$19, \$41}" /proc/self/stat; ionice; grep Cpus_allowed_list /proc/self/status | cut -f 2'
	[ "$output" = $'7 3\nbest-effort: prio 6\n0' ]
	run -0 kata exec "$C1" grep Cpus_allowed_list /proc/1/status
	[[ $output == *"0-1" ]]
}

# What an engine has for itself is inherited: 100 stands for its protection.
@test "oomScoreAdj is the VM's on the host, too" {
	command_is "$TMP/bundle" sleep 1000
	score() { cat "/proc/$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/$1/state.json")/oom_score_adj"; }
	protected() { bash -c 'echo 100 >/proc/self/oom_score_adj; exec "$@"' - timeout "$DEADLINE" "$KATA_RUNTIME" --root "$ROOT" "$@"; }
	edit "$TMP/bundle" '.process.oomScoreAdj = 500'
	protected run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	[ "$(score "$C1") $(kata exec "$C1" cat /proc/1/oom_score_adj </dev/null)" = "500 500" ]
	edit "$TMP/bundle" 'del(.process.oomScoreAdj)'
	protected run -d --bundle "$TMP/bundle" "$C2" </dev/null >"$TMP/out" 2>&1
	[ "$(score "$C2")" = 100 ]
}

@test "a pod's VM has the lowest oomScoreAdj of its members" {
	load pod
	score() { cat "/proc/$(jq .sandbox.vm.process.pid "$ROOT/sandboxes/$POD/state.json")/oom_score_adj"; }
	edit "$TMP/bundle" '.process.oomScoreAdj = 998'
	pod
	[ "$(score)" = 0 ]
	member "$ONE" sleep 1000
	edit "$TMP/$ONE" '.process.oomScoreAdj = 1000'
	created "$ONE"
	[ "$(score)" = 1000 ]
	member "$TWO" sleep 1000
	edit "$TMP/$TWO" '.process.oomScoreAdj = 50'
	created "$TWO"
	[ "$(score)" = 50 ]
	kata delete --force "$TWO"
	[ "$(score)" = 1000 ]
}

@test "block I/O: a weight of a device holds on the host; a leaf's, which the kernel has not, is warned of" {
	weights || skip "the host has no cgroup v1 weights of block I/O"
	local disk numbers code=0
	truncate -s 1M "$TMP/disk"
	disk=$(losetup -f --show "$TMP/disk")
	numbers=$(lsblk -dno MAJ:MIN "$disk" | xargs)
	echo bfq >"/sys/block/${disk##*/}/queue/scheduler" || code=1
	edit "$TMP/bundle" ".linux.resources.blockIO = {weightDevice: [{major: ${numbers%:*}, minor: ${numbers#*:}, weight: 300}]}"
	command_is "$TMP/bundle" sleep 1000
	[ "$code" = 1 ] || kata run -d --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 || code=2
	grep -qx "$numbers 300" "/sys/fs/cgroup/blkio/kata/$C1"/blkio*.weight_device || [ "$code" != 0 ] || code=3
	kata delete --force "$C1" || true
	edit "$TMP/bundle" '.linux.resources.blockIO.weightDevice[0] |= (del(.weight) + {leafWeight: 300})'
	[ "$code" != 0 ] || kata run -d --bundle "$TMP/bundle" "$C2" </dev/null >"$TMP/out" 2>&1 || code=4
	edit "$TMP/bundle" '.linux.resources.blockIO = {leafWeight: 300}'
	[ "$code" != 0 ] || kata run -d --bundle "$TMP/bundle" "$BOX" </dev/null >>"$TMP/out" 2>&1 || code=5
	losetup -d "$disk"
	[ "$code" != 1 ] || skip "the kernel has no scheduler that knows weights"
	[ "$code" = 0 ] || { echo "failed with $code"; cat "$TMP/out"; false; }
	[ "$(grep -c 'level=warn.*leaf_weight' "$TMP/out")" = 2 ]
}

@test "rootfsPropagation: the root's mount has it, in the guest" {
	local each
	command_is "$TMP/bundle" awk '$5 == "/" { print $7, $8 }' /proc/self/mountinfo
	for each in private:- shared:shared slave:- unbindable:unbindable; do
		edit "$TMP/bundle" '.linux.rootfsPropagation = "'"${each%:*}"'"'
		run -0 kata run --bundle "$TMP/bundle" "$C1" </dev/null 3>&-
		[[ $output == "${each#*:}"* ]] || { echo "$each: $output"; false; }
	done
	edit "$TMP/bundle" '.linux.rootfsPropagation = "sideways"'
	run ! kata run --bundle "$TMP/bundle" "$C1" </dev/null 3>&-
	[[ $output == *sideways* ]]
}

@test "a limit of addresses (RLIMIT_AS): the seccomp filter is made all the same" {
	local names passed=0
	# The host kernel's own; headers need not be there.
	names=$(sed -n 's/^.* __x64_sys_\([a-z0-9_]*\)$/\1/p' /proc/kallsyms | sort -u | jq -R . | jq -cs .)
	[ "$(jq length <<<"$names")" -gt 300 ]
	edit "$TMP/bundle" '.process.rlimits = [{type: "RLIMIT_AS", soft: 1073741824, hard: 2147483648}]
		| .linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO", syscalls: [{action: "SCMP_ACT_ALLOW", names: '"$names"'}]}'
	command_is "$TMP/bundle" true
	for _ in 1 2 3 4 5; do
		# The init, a Go program, can lack addresses for its own heap, too.
		run kata run --bundle "$TMP/bundle" "$C1" </dev/null 3>&-
		[[ $output != *"adding seccomp filter rule"* ]] || { echo "$output"; false; }
		[ "$status" != 0 ] || passed=$((passed + 1))
	done
	[ "$passed" -ge 1 ] || { echo "$output"; false; }
}
