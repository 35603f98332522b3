#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031
# Volumes as the kubelet gives them to pods: emptyDir, subPath, files that are
# swapped, the termination log.

load lib
load pod

eval "$(declare -f teardown | sed '1s/teardown/pod_teardown/')"

teardown() {
	local at
	# The last first: one may lie in another.
	awk -v d="$TMP/kubelet/" 'index($5, d) == 1 {print $5}' /proc/self/mountinfo | tac | while read -r at; do
		umount -l "$at"
	done
	pod_teardown
}

# empty_dir NAME TYPE OPTIONS: mounts a volume as the kubelet does and prints its path.
empty_dir() {
	local dir=$TMP/kubelet/volumes/kubernetes.io~empty-dir/$1
	mkdir -p "$dir"
	mount -t "$2" -o "$3" "$2" "$dir"
	echo "$dir"
}

# sub_path VOLUME SUB CONTAINER INDEX: binds what is below a volume's folder as the
# kubelet does for a subPath, and prints the path.
sub_path() {
	local dir=$TMP/kubelet/volume-subpaths/${1##*/}/$3/$4
	if [ -d "$1/$2" ]; then
		mkdir -p "$dir"
	else
		mkdir -p "${dir%/*}"
		: >"$dir"
	fi
	mount --bind "$1/$2" "$dir"
	echo "$dir"
}

# mounts ID DESTINATION SOURCE [MODE]: a volume of a member.
mounts() {
	edit "$TMP/$1" ".mounts += [{destination: \"$2\", type: \"bind\", source: \"$3\", options: [\"rbind\", \"rprivate\", \"${4-rw}\"]}]"
}

# probe_into BUNDLE: puts tests/engines/probe there (KATA_PROBE, or built here).
probe_into() {
	local built=${KATA_PROBE:-$BATS_FILE_TMPDIR/probe}
	[ -e "$built" ] || (cd "$BATS_TEST_DIRNAME/../.." && CGO_ENABLED=0 "${GO:-go}" build -buildvcs=false -o "$built" ./tests/engines/probe)
	cp "$built" "$1/rootfs/bin/probe"
}

# sleeps ID: a member that waits.
sleeps() { member "$1" sleep 1000; }

@test "an emptyDir of memory is one tmpfs of the guest, which outlives its containers" {
	local vol
	vol=$(empty_dir cache tmpfs size=4m,mode=2770,gid=22)
	mkdir "$vol/part"
	chown 33:44 "$vol/part"
	chmod 757 "$vol/part"
	pod
	sleeps "$ONE"
	mounts "$ONE" /cache "$vol"
	sleeps "$TWO"
	mounts "$TWO" /cache "$vol" ro
	mounts "$TWO" /part "$(sub_path "$vol" part two 1)"
	ran "$ONE"
	run -0 kata exec "$ONE" sh -c 'stat -f -c %T /cache; stat -c %a:%u:%g /cache; df -k /cache | tail -n 1; echo from-one >/cache/file'
	[ "${lines[0]}" = tmpfs ]
	[ "${lines[1]}" = 2770:0:22 ]
	[[ ${lines[2]} == *" 4096 "* ]]
	ran "$TWO"
	run -0 kata exec "$TWO" sh -c 'cat /cache/file; stat -c %a:%u:%g /part; echo from-two >/part/file'
	[ "$output" = $'from-one\n2757:33:44' ]
	run ! kata exec "$TWO" touch /cache/x
	run -0 kata exec "$ONE" cat /cache/part/file
	[ "$output" = from-two ]
	# It fills up where the user says, and not the host.
	run ! kata exec "$ONE" dd if=/dev/zero of=/cache/big bs=1M count=8
	[ -z "$(find "$vol" -type f)" ]
	kata delete --force "$ONE"
	run -0 kata exec "$TWO" cat /cache/file
	kata delete --force "$TWO"
	ran "$TWO"
	run -0 kata exec "$TWO" cat /cache/file /part/file
	[ "$output" = $'from-one\nfrom-two' ]
}

@test "an emptyDir of memory that holds files already is the host's, one on /dev/shm the guest's" {
	local vol shm
	vol=$(empty_dir early tmpfs size=4m)
	echo from-host >"$vol/file"
	shm=$(empty_dir shm tmpfs size=128m,mode=1777)
	pod
	sleeps "$ONE"
	mounts "$ONE" /early "$vol"
	edit "$TMP/$ONE" ".mounts |= map(if .destination == \"/dev/shm\" then
		{destination: \"/dev/shm\", type: \"bind\", source: \"$shm\", options: [\"rbind\"]} else . end)"
	ran "$ONE"
	run -0 kata exec "$ONE" sh -c 'cat /early/file; df -k /dev/shm | tail -n 1; echo x >/dev/shm/x; echo from-guest >/early/file'
	[ "${lines[0]}" = from-host ]
	[[ ${lines[1]} == *" 131072 "* ]]
	[ "$(cat "$vol/file")" = from-guest ]
	[ -z "$(ls "$shm")" ]
	# What holds for the first user holds for the others.
	rm "$vol/file"
	sleeps "$TWO"
	mounts "$TWO" /early "$vol"
	ran "$TWO"
	# virtiofs sees within a second that it has gone.
	await kata exec "$TWO" sh -c '[ ! -e /early/file ]'
	kata exec "$TWO" sh -c 'echo from-two >/early/file'
	[ "$(kata exec "$ONE" cat /early/file)" = from-two ]
	[ "$(cat "$vol/file")" = from-two ]
}

# limits ID BYTES: of huge pages of 2 MiB, as the kubelet writes them.
limits() { edit "$TMP/$1" ".linux.resources.hugepageLimits = [{pageSize: \"2MB\", limit: $2}, {pageSize: \"1GB\", limit: 0}]"; }

# pool: the guest's huge pages, all and free, as a member sees them.
pool() { kata exec "$1" awk '/^HugePages_(Total|Free)/ {printf "%s ", $2}' /proc/meminfo; }

@test "an emptyDir of huge pages is a hugetlbfs of the guest, with the pages of the limits" {
	local vol
	vol=$(empty_dir huge hugetlbfs pagesize=2M,mode=1777)
	configured default_memory 256
	configured default_maxmemory 512
	pod
	sleeps "$ONE"
	mounts "$ONE" /huge "$vol"
	limits "$ONE" $((16 << 20))
	ln -s busybox "$TMP/$ONE/rootfs/bin/fallocate"
	sleeps "$TWO"
	mounts "$TWO" /huge "$vol"
	limits "$TWO" $((4 << 20))
	ran "$ONE"
	run -0 kata exec "$ONE" sh -c 'grep " /huge " /proc/mounts; stat -c %a /huge; fallocate -l 8388608 /huge/file; cat /sys/fs/cgroup/hugetlb.2MB.max'
	[[ ${lines[0]} == "nodev /huge hugetlbfs "*"pagesize=2M"* ]]
	[ "${lines[1]}" = 1777 ]
	[ "${lines[2]}" = $((16 << 20)) ]
	[ "$(pool "$ONE")" = "8 4 " ]
	ran "$TWO"
	[ "$(pool "$TWO")" = "10 6 " ]
	run -0 kata exec "$TWO" stat -c %s /huge/file
	[ "$output" = 8388608 ]
	kata delete --force "$TWO"
	[ "$(pool "$ONE")" = "8 4 " ]
	[ -z "$(ls "$vol")" ]
	# The host reserves nothing: the VM's memory is what it is made of.
	sleeps "$THREE"
	limits "$THREE" $((1 << 45))
	run -1 kata create --bundle "$TMP/$THREE" "$THREE"
	[[ $output == *"16777216 huge pages of 2048 KiB: the guest cannot set them aside: its memory has room for "* ]]
	[ ! -L "$ROOT/containers/$THREE" ]
	[ "$(pool "$ONE")" = "8 4 " ]
}

# meets: two members of a pod lock and map the same file of a volume.
meets() {
	local id
	mkdir "$TMP/volume"
	pod
	for id in "$ONE" "$TWO"; do
		member "$id" probe hold /vol/board
		mounts "$id" /vol "$TMP/volume"
		probe_into "$TMP/$id"
	done
	command_is "$TMP/$TWO" sleep 1000
	ran "$ONE"
	await grep -q ready "$TMP/$ONE.out"
	ran "$TWO"
	run -0 kata exec "$TWO" probe meet /vol/board
	[ "$output" = $'held\nshared' ]
}

# kept: the answer of the member that ends with the pod has only been mapped so far.
kept() {
	kata delete --force "$POD"
	[ "$(od -An -tu4 -N8 "$TMP/volume/board" | xargs)" = "1 1" ]
}

@test "two members lock and map a file of one volume together, by virtiofs" {
	configured shared_fs '"virtio-fs"'
	meets
	[ "$(jq -r .sandbox.share_driver "$ROOT/sandboxes/$POD/state.json")" = virtio-fs ]
	kept
}

@test "two members lock and map a file of one volume together, by 9p" {
	configured shared_fs '"virtio-9p"'
	meets
	[ "$(jq -r .sandbox.share_driver "$ROOT/sandboxes/$POD/state.json")" = virtio-9p ]
	kept
}

# projected DIR TEXT: a version of a volume whose file "key" holds TEXT, swapped in
# by a rename as the kubelet does it.
projected() {
	local old
	old=$(readlink "$1/..data") || true
	mkdir "$1/..version-$2"
	echo "$2" >"$1/..version-$2/key"
	ln -s "..version-$2" "$1/..data_tmp"
	mv -T "$1/..data_tmp" "$1/..data"
	if [ -n "$old" ]; then
		rm -r "${1:?}/$old"
	else
		ln -s ..data/key "$1/key"
	fi
}

# reads ID TEXT: what the member finds in the projected file now.
reads() { [ "$(kata exec "$1" cat /config/key)" = "$2" ]; }

swapped() {
	local vol=$TMP/kubelet/volumes/kubernetes.io~secret/config
	mkdir -p "$vol"
	mount -t tmpfs tmpfs "$vol"
	projected "$vol" first
	pod
	# One that has read it, and looks again and again.
	member "$ONE" sh -c 'cat /config/key; until grep -q second /config/key; do sleep 0.1; done; cat /config/key'
	mounts "$ONE" /config "$vol" ro
	sleeps "$TWO"
	mounts "$TWO" /config "$vol" ro
	ran "$ONE"
	ran "$TWO"
	reads "$TWO" first
	projected "$vol" second
	wait_stopped "$ONE"
	[ "$(cat "$TMP/$ONE.out")" = $'first\nsecond' ]
	await reads "$TWO" second
	run ! kata exec "$TWO" sh -c 'echo x >/config/key'
	[ "$(kata exec "$TWO" ls -A /config)" = $'..data\n..version-second\nkey' ]
}

@test "files that are swapped by renaming ..data are seen in a pod that runs" { swapped; }

@test "over 9p: files that are swapped by renaming ..data" {
	configured shared_fs '"virtio-9p"'
	swapped
}

@test "a subPath is a folder or a file of a volume" {
	local vol=$TMP/kubelet/volumes/kubernetes.io~local/data
	mkdir -p "$vol/sub/deep"
	echo from-host >"$vol/sub/file"
	pod
	sleeps "$ONE"
	mounts "$ONE" /deep "$(sub_path "$vol" sub/deep one 0)"
	mounts "$ONE" /etc/file "$(sub_path "$vol" sub/file one 1)"
	sleeps "$TWO"
	mounts "$TWO" /vol "$vol"
	ran "$ONE"
	ran "$TWO"
	run -0 kata exec "$ONE" sh -c 'cat /etc/file; echo from-one >/etc/file; echo from-one >/deep/new; ls -A /deep'
	[ "$output" = $'from-host\nnew' ]
	[ "$(cat "$vol/sub/file" "$vol/sub/deep/new")" = $'from-one\nfrom-one' ]
	run -0 kata exec "$TWO" cat /vol/sub/deep/new
	[ "$output" = from-one ]
	echo again >"$vol/sub/file"
	in_file() { [ "$(kata exec "$ONE" cat /etc/file)" = again ]; }
	await in_file
}

@test "the termination log is the host's file" {
	local log=$TMP/kubelet/termination-log
	mkdir -p "$TMP/kubelet"
	: >"$log"
	chmod 666 "$log"
	pod
	member "$ONE" sh -c 'echo "ended: 7" >/dev/termination-log; exit 7'
	mounts "$ONE" /dev/termination-log "$log"
	ran "$ONE"
	wait_stopped "$ONE"
	[ "$(cat "$log")" = "ended: 7" ]
	clean "$ONE"
	[ "$(cat "$log")" = "ended: 7" ]
}

@test "an emptyDir on disk is shared once, outlives its containers, and goes with the last" {
	local vol=$TMP/kubelet/volumes/kubernetes.io~empty-dir/scratch id
	mkdir -p "$vol"
	chmod 777 "$vol"
	pod
	local before
	before=$(places)
	for id in "$ONE" "$TWO"; do
		sleeps "$id"
		mounts "$id" /scratch "$vol"
	done
	# A place for each root file system, and one for the volume.
	ran "$ONE"
	ran "$TWO"
	[ "$(places)" = $((before + 3)) ]
	kata exec "$ONE" sh -c 'echo from-one >/scratch/file'
	run -0 kata exec "$TWO" cat /scratch/file
	[ "$output" = from-one ]
	kata delete --force "$ONE"
	[ "$(places)" = $((before + 2)) ]
	run -0 kata exec "$TWO" sh -c 'cat /scratch/file; echo from-two >/scratch/file'
	ran "$ONE"
	run -0 kata exec "$ONE" cat /scratch/file
	[ "$output" = from-two ]
	kata delete --force "$ONE"
	kata delete --force "$TWO"
	[ "$(places)" = "$before" ]
	ran "$ONE"
	run -0 kata exec "$ONE" cat /scratch/file
	[ "$output" = from-two ]
	[ "$(places)" = $((before + 2)) ]
}
