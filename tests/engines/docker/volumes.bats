#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031,SC2034,SC2154,SC2016
# Volumes: the host's files as the container sees them, and the other way.

load lib

kinds() {
	mkdir "$TMP/rw" "$TMP/ro"
	echo host >"$TMP/rw/f"
	echo read >"$TMP/ro/f"
	echo one >"$TMP/single"
	chown 1234:4321 "$TMP/rw/f"
	run -0 vm --rm -v named:/n -v "$TMP/rw:/rw" -v "$TMP/ro:/ro:ro" -v "$TMP/single:/etc/single" busybox sh -ec '
		cat /rw/f /ro/f /etc/single
		echo two >/etc/single
		touch /ro/x 2>/dev/null && echo BAD
		true
		echo owner $(stat -c %u:%g /rw/f)
		echo kept >/n/keep
		cd /rw
		chown 5:6 f; chmod 4755 f
		ln -s f sym; ln f hard; echo links $(stat -c %h f) $(readlink sym)
		mkfifo fifo 2>&1 || true
		exec 3>unlinked 4<unlinked; rm unlinked; echo in-unlinked >&3; cat <&4; exec 3>&- 4>&-
		dd if=/dev/zero of=sparse bs=1 count=1 seek=100M 2>/dev/null
		mkdir many; for i in $(seq 300); do echo $i >many/$i; done; echo files $(ls many | wc -l)
		mv hard renamed; touch -d "2001-02-03 04:05:06" renamed; truncate -s 2 renamed; touch -d "2001-02-03 04:05:06" renamed
		mkdir -p a/b/c; rm -r a'
	has $'host\nread\none'
	has "owner 1234:4321"
	has "links 2 f"
	has in-unlinked
	has "files 300"
	hasnt BAD
	[ "$(cat "$TMP/single")" = two ]
	cd "$TMP/rw" || return
	[ "$(stat -c '%u %g %a %h %s' f)" = "5 6 4755 2 2" ]
	[ "$(date -u -d "@$(stat -c %Y renamed)" +%FT%T)" = 2001-02-03T04:05:06 ]
	# Debian 12's QEMU makes none by 9p.
	[ -p fifo ] || { [ "${RUNTIME-}" = kata-9p ] && has "mkfifo: fifo: No such device or address"; }
	[ "$(stat -c %s sparse)" = 104857601 ]
	[ "$(stat -c %b sparse)" -lt 100 ]
	[ "$(cat many/[0-9]* | wc -l)" = 300 ]
	[ ! -e a ]
	[ ! -e unlinked ]
	# The other runtime finds the same volume.
	[ "$(docker run --rm --label test -v named:/n busybox cat /n/keep)" = kept ]
	docker volume rm named
}

@test "a folder, a file, read-only, a named volume: what is written is there on both sides" { kinds; }

@test "the same with 9p: a folder, a file, read-only, a named volume" { RUNTIME=kata-9p; kinds; }

changes() {
	mkdir "$TMP/v"
	echo before >"$TMP/v/f"
	# What the container has opened once, it goes on to read.
	vm -d --name c1 -v "$TMP/v:/v" busybox sh -c 'exec 3</v/f; while :; do cat <&3; sleep 0.1; done'
	await logs_have c1 before
	echo appended >>"$TMP/v/f"
	await logs_have c1 appended
	[ "$(docker exec c1 cat /v/f)" = $'before\nappended' ]
	echo after >"$TMP/v/f"
	echo new >"$TMP/v/g"
	reads() { [ "$(docker exec c1 cat /v/f /v/g 2>/dev/null)" = $'after\nnew' ]; }
	await reads
	run "-$REFUSED" vm --rm -v "$SOCKET:/sock" busybox true
	has "cannot be shared with a VM"
}

@test "a file that changes on the host while the container reads it; a socket is refused" { changes; }

@test "the same with 9p: a file that changes on the host" { RUNTIME=kata-9p; changes; }

locks() {
	full
	command -v setfattr >/dev/null || skip "the package attr is not installed"
	mkdir "$TMP/v"
	run -0 vm --rm -v "$TMP/v:/v" -v /usr:/host/usr:ro -v /lib64:/lib64:ro -v /usr/lib/x86_64-linux-gnu:/lib/x86_64-linux-gnu:ro --workdir /v busybox sh -c '
		host() { p=$1; shift; LD_LIBRARY_PATH=/host/usr/lib/x86_64-linux-gnu /host/usr/bin/$p "$@"; }
		: >f
		(host flock 9; host flock -n f true && echo BAD || echo refused) 9<f
		host flock -n f echo free
		host setfattr -n user.key -v value f
		host getfattr -n user.key --only-values f; echo'
	has refused
	has free
	has value
	hasnt BAD
	[ "$(getfattr -n user.key --only-values "$TMP/v/f")" = value ]
}

@test "locks, extended attributes: with the host's own programs" { locks; }

@test "the same with 9p: locks, extended attributes" { RUNTIME=kata-9p; locks; }

# What cap_chown=ep is on disk (linux/capability.h, vfs_cap_data of revision 2).
CAP_CHOWN=0100000201000000000000000000000000000000

# The program is busybox under the name of an applet, which shows what it got.
capabilities() {
	local lines own="CapEff:	0000000000000001"
	mkdir "$TMP/v"
	cp /bin/busybox "$TMP/v/grep"
	"$PROBE" setxattr "$TMP/v/grep" security.capability "$CAP_CHOWN"
	docker run --label test --name made -e CAP_CHOWN="$CAP_CHOWN" busybox sh -ec 'cp /bin/busybox /var/grep; probe setxattr /var/grep security.capability $CAP_CHOWN'
	docker commit made capable
	run vm --rm -v "$TMP/v:/v" -e CAP_CHOWN="$CAP_CHOWN" capable sh -c '
		su user -c "/v/grep CapEff /proc/self/status; /var/grep CapEff /proc/self/status"
		mkdir /v/own
		cp /bin/busybox /v/own/grep
		probe setxattr /v/own/grep security.capability $CAP_CHOWN || exit 3
		su user -c "/v/own/grep CapEff /proc/self/status"
		cp /v/own/grep /v/own/written
		probe setxattr /v/own/written security.capability $CAP_CHOWN
		echo >>/v/own/written
		probe getxattr /v/own/written security.capability'
	docker rm made
	docker rmi capable
	if [ "${RUNTIME-}" = kata-9p ]; then
		# The server in QEMU has the attributes "user." only.
		[ "$status" = 3 ]
		[ "${lines[0]}" = "CapEff:	0000000000000000" ]
		[ "${lines[1]}" = "${lines[0]}" ]
		has "set security.capability of /v/own/grep: operation not supported"
		return
	fi
	[ "$status" = 1 ]
	[ "${lines[0]}" = "$own" ]
	[ "${lines[1]}" = "$own" ]
	[ "${lines[2]}" = "$own" ]
	has "get security.capability of /v/own/written: no data available"
	run -0 "$PROBE" getxattr "$TMP/v/own/grep" security.capability
	is "$CAP_CHOWN"
}

@test "security.capability: of a volume's and of the image's program, for a user" { capabilities; }

@test "the same with 9p: security.capability is not there" { RUNTIME=kata-9p; capabilities; }

# u::rw-,u:1000:rw-,g::---,m::rw-,o::--- (linux/posix_acl_xattr.h)
ACL=0200000001000600ffffffff02000600e803000004000000ffffffff10000600ffffffff20000000ffffffff

acls() {
	mkdir "$TMP/v"
	echo text >"$TMP/v/f"
	"$PROBE" setxattr "$TMP/v/f" system.posix_acl_access "$ACL"
	vm -d --name c1 -v "$TMP/v:/v" busybox sleep 10000
	# The mode decides alone. Its bits for the group are what the ACL calls its mask.
	run -1 docker exec -u 1000:1000 c1 cat /v/f
	has "ermission denied"
	run -1 docker exec -u 2000:2000 c1 cat /v/f
	has "ermission denied"
	run -0 docker exec -u 2000:0 c1 cat /v/f
	is text
	run -1 docker exec c1 probe getxattr /v/f system.posix_acl_access
	run -1 docker exec c1 sh -c ": >/v/g; probe setxattr /v/g system.posix_acl_access $ACL"
	has "set system.posix_acl_access of /v/g: operation not supported"
	run -1 docker exec c1 sh -c ": >/root/g; probe setxattr /root/g system.posix_acl_access $ACL"
	has "operation not supported"
	# The host's own is untouched.
	run -0 "$PROBE" getxattr "$TMP/v/f" system.posix_acl_access
	is "$ACL"
	# A folder's default goes to what is made in it, within the program's umask; with runc
	# it is in place of that.
	"$PROBE" setxattr "$TMP/v" system.posix_acl_default "$ACL"
	docker exec c1 sh -c 'umask 077; : >/v/made'
	run -0 "$PROBE" getxattr "$TMP/v/made" system.posix_acl_access
	is "${ACL/10000600ffffffff/10000000ffffffff}"
}

@test "POSIX ACLs: the host's are not looked at, new ones are refused" { acls; }

@test "the same with 9p: POSIX ACLs" { RUNTIME=kata-9p; acls; }

fcntl() {
	mkdir "$TMP/v"
	run -0 vm --rm -v "$TMP/v:/v" busybox sh -c 'probe locks /v/f && probe locks /root/f && probe both-locks /v/g; true'
	if [ "${RUNTIME-}" = kata-9p ]; then
		# The guest's 9p makes flock one of fcntl's, as NFS does.
		is $'waited\nwaited\nprobe: fcntl of what this process has by flock: resource temporarily unavailable'
	else
		is $'waited\nwaited\nboth'
	fi
}

@test "locks by fcntl: refused, waited for, by ranges" { fcntl; }

@test "the same with 9p: locks by fcntl" { RUNTIME=kata-9p; fcntl; }

apart() {
	docker volume create named
	vm -d --name c1 -v named:/n busybox probe hold /n/board
	await logs_have c1 ready
	run -0 vm --rm -v named:/n busybox probe meet /n/board
	is $'free\napart'
	run -0 "$PROBE" meet "$(docker volume inspect -f '{{.Mountpoint}}' named)/board"
	is $'free\napart'
	docker rm -f c1
	docker volume rm named
}

@test "two VMs, and VM and host: locks and maps of one file are apart" { apart; }

@test "the same with 9p: locks and maps are apart" { RUNTIME=kata-9p; full; apart; }

sockets() {
	local server out code=0
	said() { docker logs c1 2>&1 | grep -qxE 'ready|probe: listen unix .*'; }
	mkdir "$TMP/app"
	"$PROBE" unix-echo "$TMP/app/host" >"$TMP/out" 3>&- &
	server=$!
	# Whatever fails, the server must not stay.
	{
		await grep -q ready "$TMP/out" &&
			out=$("$PROBE" unix "$TMP/app/host" answers) &&
			vm -d --name c1 -v "$TMP/app:/run/app" busybox sh -c 'test -S /run/app/host && probe unix /run/app/host text; probe unix-echo /run/app/guest; exec sleep 10000' &&
			await said
	} || code=$?
	kill "$server"
	[ "$code" = 0 ]
	[ "$out" = answers ]
	run -0 docker logs c1
	has "dial unix /run/app/host: connect: connection refused"
	# Debian 12's QEMU makes none by 9p.
	if [ "${RUNTIME-}" = kata-9p ] && [ ! -e "$TMP/app/guest" ]; then
		has "bind: no such device or address"
		return
	fi
	run -0 docker exec c1 probe unix /run/app/guest inside
	is inside
	[ -S "$TMP/app/guest" ]
	run -1 "$PROBE" unix "$TMP/app/guest" text
	has "connection refused"
}

@test "a socket in a folder: seen on the other side, where nobody can connect to it" { sockets; }

@test "the same with 9p: a socket in a folder" { RUNTIME=kata-9p; sockets; }

maps() {
	mkdir "$TMP/v"
	head -c 1M /dev/urandom >"$TMP/v/f"
	run -0 vm --rm -v "$TMP/v:/v" busybox probe mmap /v/f through-the-map
	[ "$(head -c 15 "$TMP/v/f")" = through-the-map ]
	# On the root file system as well.
	run -0 vm --rm busybox sh -c 'head -c 100000 /dev/urandom >/f; probe mmap /f in-the-root && head -c 11 /f'
	is in-the-root
}

@test "a shared memory map: reads what the host wrote, and what it writes is on the host" { maps; }

@test "the same with 9p: a shared memory map" { RUNTIME=kata-9p; maps; }

many() {
	full
	mkdir "$TMP/v"
	vm --rm -v "$TMP/v:/v" busybox sh -c 'cd /v; for i in $(seq 10000); do echo $i >$i; done'
	[ "$(cat "$TMP"/v/* | sort -n | cmp - <(seq 10000) && echo same)" = same ]
}

@test "ten thousand small files" { many; }

@test "the same with 9p: ten thousand small files" { RUNTIME=kata-9p; many; }

propagates() {
	mkdir -p "$TMP/v/sub"
	mount --bind "$TMP/v" "$TMP/v"
	mount --make-shared "$TMP/v"
	vm -d --name c1 -v "$TMP/v:/slave:rslave" busybox sleep 10000
	vm -d --name c2 -v "$TMP/v:/private:rprivate" busybox sleep 10000
	vm -d --name c3 --cap-add SYS_ADMIN --security-opt seccomp=unconfined -v "$TMP/v:/shared:rshared" busybox sleep 10000
	mkdir "$TMP/v/guests"
	mount -t tmpfs later "$TMP/v/sub"
	echo later >"$TMP/v/sub/f"
	sees() { [ "$(docker exec c1 cat /slave/sub/f 2>/dev/null)" = later ]; }
	local code=0
	await sees || code=1
	docker exec c2 sh -c '[ -d /private ] && [ ! -e /private/sub/f ]' || code=2
	# What the guest mounts stays in it.
	docker exec c3 sh -c '[ "$(cat /shared/sub/f)" = later ] && mount -t tmpfs own /shared/guests && touch /shared/guests/f' || code=4
	if [ -e "$TMP/v/guests/f" ] || mountpoint -q "$TMP/v/guests"; then code=5; fi
	docker rm -f c1 c2 c3 >/dev/null
	umount "$TMP/v/sub" && umount "$TMP/v" || code=3
	[ "$code" = 0 ] || { echo "failed with $code"; false; }
}

@test "propagation: what the host mounts later appears with rslave, and with rprivate not" { propagates; }

@test "the same with 9p: propagation" { RUNTIME=kata-9p; propagates; }

large() {
	mkdir "$TMP/v"
	head -c 256M /dev/urandom >"$TMP/v/in"
	run -0 vm --rm -v "$TMP/v:/v" busybox sh -c 'cp /v/in /v/out && sha256sum </v/out'
	[ "$output" = "$(sha256sum <"$TMP/v/in")" ]
	cmp "$TMP/v/in" "$TMP/v/out"
	# None of it is a hole.
	[ "$(($(stat -c %b "$TMP/v/out") * 512))" -ge $((256 << 20)) ]
}

@test "a file of 256 MiB of noise" { large; }

@test "the same with 9p: a file of 256 MiB of noise" { RUNTIME=kata-9p; large; }

sparse() {
	local lines
	mkdir "$TMP/v"
	truncate -s 6G "$TMP/v/f"
	printf host | dd of="$TMP/v/f" bs=1M seek=5120 conv=notrunc status=none
	run -0 vm --rm -v "$TMP/v:/v" busybox sh -ec '
		stat -c "%s %b" /v/f
		dd if=/v/f bs=1M skip=5120 count=1 2>/dev/null | head -c 4; echo
		dd if=/v/f bs=1M skip=5119 count=1 2>/dev/null | tr -d "\\0" | wc -c
		printf guest | dd of=/v/f bs=1M seek=5121 conv=notrunc,fsync 2>/dev/null
		stat -c "%s %b" /v/f'
	[[ ${lines[0]} =~ ^6442450944\ [0-9]+$ ]]
	[ "${lines[1]}" = host ]
	[ "${lines[2]}" = 0 ]
	[ "${lines[3]}" = "$(stat -c '%s %b' "$TMP/v/f")" ]
	[ "$(dd if="$TMP/v/f" bs=1M skip=5121 count=1 status=none | head -c 5)" = guest ]
	# Holes stay holes, in blocks of 512 bytes.
	[ "$(stat -c %b "$TMP/v/f")" -lt 256 ]
}

@test "a sparse file of 6 GiB: behind its fifth, and its blocks on both sides" { sparse; }

@test "the same with 9p: a sparse file of 6 GiB" { RUNTIME=kata-9p; sparse; }

nameless() {
	mkdir "$TMP/v"
	run vm --rm --tmpfs /t -v "$TMP/v:/v" busybox sh -c 'for dir in /t /v /root; do probe tmpfile $dir named "a text" && cat $dir/named && echo; done'
	# The guest's own file systems have it; for what is shared, FUSE and 9p have no such call.
	[ "${lines[0]}" = "a text" ]
	has "O_TMPFILE in /v: operation not supported"
	has "O_TMPFILE in /root: operation not supported"
	[ -z "$(ls "$TMP/v")" ]
}

@test "O_TMPFILE: of the guest's own file systems, and refused by name for what is shared" { nameless; }

@test "the same with 9p: O_TMPFILE" { RUNTIME=kata-9p; nameless; }
