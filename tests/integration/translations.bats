#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2010
# VMs without KVM that get what QEMU has translated before. KATA_TEST_QEMU is the
# QEMU that can ("make qemu").

load lib

eval "lib_$(declare -f setup)"
eval "lib_$(declare -f teardown)"

setup() {
	lib_setup
	KEPT=$ROOT/kept
	program hypervisor.qemu "$KATA_TEST_QEMU"
	configured accelerator '"tcg"'
	configured keep_translations true
	configured translations_path "\"$KEPT\""
	configured template_path "\"$ROOT/templates\""
}

# What the recording leaves would be seen below the root.
teardown() {
	must kata factory destroy
	must [ ! -e "$KEPT" ]
	must [ ! -e "$KEPT.lock" ]
	lib_teardown
}

# runs: a container prints, and nobody warns.
runs() {
	command_is "$TMP/bundle" echo out
	rm -f "$TMP/log"
	run -0 --separate-stderr kata --debug --log "$TMP/log" --log-format json run --bundle "$TMP/bundle" "$C1" </dev/null 3>&-
	[ "$output" = out ]
	[ -z "$stderr" ]
}

# said TEXT: in the log, with its level before it.
said() { jq -r '.level + ": " + .msg + " " + (.error // .cause // "")' "$TMP/log" | grep -F -- "$1"; }

# vm ID: the pid of its QEMU.
vm() { jq .sandbox.vm.process.pid "$ROOT/sandboxes/$1/state.json"; }

# argument ID: what its QEMU was told of translations.
argument() { tr '\0' '\n' <"/proc/$(vm "$1")/cmdline" | grep -E '^tcg,tb-'; }

sleeper() {
	command_is "$TMP/bundle" sleep 1000
	kata --log "$TMP/log" --log-format json run -d --bundle "$TMP/bundle" "$1" </dev/null >"$TMP/out.$1" 2>&1 3>&-
}

# files: those that are kept.
files() { find "$KEPT" -name translations -type f; }

@test "kata-check tells whether they are kept" {
	# checked: what it says of them.
	checked() { kata kata-check --json | jq -r '.[] | select(.name == "translations") | "\(.result): \(.cause)"'; }
	[ "$(checked)" = "ok: kept from one guest for the next (keep_translations)" ]
	configured keep_translations false
	[[ $(checked) == "ok: not kept, though this QEMU could"* ]]
}

@test "the first start records, the next ones use it; private files; destroy" {
	run -0 kata factory status
	[ "${lines[0]}" = "vm factory is off" ]
	run -0 kata factory destroy
	[ ! -e "$KEPT.lock" ]
	runs
	run ! said "warn"
	[ "$(files | wc -l)" = 1 ]
	[ -z "$(find "$KEPT" -type f ! -perm 600)" ]
	[ -z "$(find "$KEPT" -type d ! -perm 700)" ]
	[ ! -e "$KEPT/draft" ]
	[ ! -e "$KEPT/vm" ]
	[ -z "$(kata list --quiet)" ]
	local first
	first=$(stat -c %y "$(files)")
	sleeper "$C1"
	[[ $(argument "$C1") == tcg,tb-keep=/proc/self/fd/* ]]
	[ ! -s "$TMP/out.$C1" ]
	[ -z "$(cat "$ROOT/sandboxes/$C1/qemu.log")" ]
	[ "$(stat -c %y "$(files)")" = "$first" ]
	run -0 kata factory status
	[ "${lines[0]}" = "vm factory is on" ]
	[[ $output == *"translations in $KEPT"*" MB"* ]]
	run -0 kata factory status --json
	[ "$(jq '.translations.files | length' <<<"$output")" = 1 ]
	# What a VM has of it, it has for good.
	run -0 kata factory destroy
	[ ! -e "$KEPT" ]
	[ "$(kata exec "$C1" echo alive)" = alive ]
}

@test "init records for clones of the template, too" {
	configured enable_template true
	run -0 kata factory init
	[[ $output == *"translations "*", "*" in $KEPT"* ]]
	[ "$(files | wc -l)" = 2 ]
	sleeper "$C1"
	[[ $(argument "$C1") == tcg,tb-keep=* ]]
	tr '\0' '\n' <"/proc/$(vm "$C1")/cmdline" | grep -qx -- -incoming
	[ -z "$(cat "$ROOT/sandboxes/$C1/qemu.log")" ]
	[ "$(kata exec "$C1" echo alive)" = alive ]
	[ "$(files | wc -l)" = 2 ]
}

@test "two VMs with the same translations are two: memory, random numbers, code" {
	kata factory init
	sleeper "$C1"
	cp -a "$TMP/bundle" "$TMP/other"
	kata run -d --bundle "$TMP/other" "$BOX" </dev/null >/dev/null 3>&-
	[ "$(kata exec "$C1" head -c 16 /dev/urandom | md5sum)" != "$(kata exec "$BOX" head -c 16 /dev/urandom | md5sum)" ]
	kata exec "$C1" sh -c 'echo one >/tmp/x'
	run kata exec "$BOX" cat /tmp/x
	[ "$status" = 1 ]
	# Programs that neither has met, one written over the other.
	local file=$TMP/bundle/rootfs/tmp/busybox proxy
	proxy=$(sed -n '/^\[proxy.kata\]/,/^path/s/^path = "\(.*\)"/\1/p' "$KATA_CONF_FILE")
	install -m 755 /bin/busybox "$file"
	for _ in 1 2 3; do
		cat /bin/busybox >"$file"
		[ "$(kata exec "$C1" /tmp/busybox echo as busybox)" = "as busybox" ]
		cat "$proxy" >"$file"
		run kata exec "$C1" /tmp/busybox -help
		[[ $output == *"Usage of kata-proxy"* ]]
	done
	[ "$(kata exec "$BOX" sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; echo $i')" = 2000 ]
	[ "$(kata exec "$C1" sh -c 'head -c 1000000 /dev/zero | sha256sum')" = "$(head -c 1000000 /dev/zero | sha256sum)" ]
}

@test "a file that is damaged, or another's: the VM starts without it" {
	kata factory init
	local file
	file=$(files)
	truncate -s -1 "$file"
	sleeper "$C1"
	grep -q "tb-keep: .* is not used: it is cut off" "$ROOT/sandboxes/$C1/qemu.log"
	[ "$(kata exec "$C1" echo alive)" = alive ]
	kata delete --force "$C1"
	# Another QEMU's: of the header, the build id's first byte.
	kata factory init
	file=$(files)
	printf '\xff\xff' | dd of="$file" bs=1 seek=8 conv=notrunc status=none
	sleeper "$C1"
	grep -q "tb-keep: .* is not used: another QEMU wrote it" "$ROOT/sandboxes/$C1/qemu.log"
	kata delete --force "$C1"
	: >"$file"
	sleeper "$C1"
	grep -q "tb-keep: .* is not used: it is not such a file" "$ROOT/sandboxes/$C1/qemu.log"
	[ "$(kata exec "$C1" echo alive)" = alive ]
}

@test "a folder that is open to others is not trusted" {
	kata factory init
	chmod 755 "$KEPT"
	runs
	said "warn" | grep -q "$KEPT is open to others"
	chmod 700 "$KEPT"
	runs
	run ! said "warn"
}

@test "a QEMU that cannot: said once, and the VM starts" {
	program hypervisor.qemu /usr/bin/qemu-system-x86_64
	runs
	said "warn" | grep -q "they cannot be recorded"
	said "warn" | grep -q "tb-record"
	[ -z "$(files)" ]
	runs
	run ! said "warn"
	said "debug: no kept translations are used: they could not be recorded"
	run -1 kata factory init
	[[ $output == *tb-record* ]]
}

@test "no room for the file: said, and the VM starts" {
	mkdir -p "$ROOT" && mkdir -m 700 "$KEPT"
	mount -t tmpfs -o size=4m,mode=700 none "$KEPT"
	runs
	said "warn" | grep -q "has written nothing to $KEPT, which needs room"
	[ -z "$(files)" ]
	kata factory destroy
	umount "$KEPT"
	rmdir "$KEPT"
}

gone() { [ ! -e "$1" ]; }

@test "the first start is killed while it records: nothing is left, the next one records" {
	command_is "$TMP/bundle" true
	"$KATA_RUNTIME" --root "$ROOT" run --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1 3>&- &
	local pid=$!
	await compgen -G "$KEPT/vm/sandboxes/kata-translations-*/qmp.sock" >/dev/null
	kill -KILL "$pid"
	wait "$pid" || true
	await gone "$KEPT"
	run ! pgrep -f -- "$KEPT"
	runs
	[ "$(files | wc -l)" = 1 ]
	[ ! -e "$KEPT/draft" ]
	[ ! -e "$KEPT/vm" ]
}

@test "two first starts at once: one records, both run" {
	two_print
	[ "$(files | wc -l)" = 1 ]
}

@test "more CPUs and memory than others: the same file" {
	kata factory init
	edit "$TMP/bundle" '.linux.resources = {cpu: {quota: 200000, period: 100000}, memory: {limit: 402653184}}'
	sleeper "$C1"
	[[ $(argument "$C1") == tcg,tb-keep=* ]]
	[ "$(kata exec "$C1" nproc)" = 2 ]
	[ "$(kata exec "$C1" sh -c 'sha256sum /bin/busybox & sha256sum /bin/busybox; wait' | sort -u | wc -l)" = 1 ]
	[ "$(files | wc -l)" = 1 ]
}

@test "two recordings at once, of two folders: neither is in the other's way" {
	sed "s|^translations_path = .*|translations_path = \"$ROOT/other\"|" "$KATA_CONF_FILE" >"$TMP/other.toml"
	kata factory init >"$TMP/out.1" 2>&1 3>&- &
	local first=$!
	run -0 kata --kata-config "$TMP/other.toml" factory init
	wait "$first"
	[ "$(files | wc -l)" = 1 ]
	[ "$(find "$ROOT/other" -name translations -type f | wc -l)" = 1 ]
	kata --kata-config "$TMP/other.toml" factory destroy
}

# mapped ID FIELD: KiB, of the pages of the kept code that its QEMU has mapped.
mapped() {
	awk -v field="$2:" '/^[0-9a-f]+-/ { ours = /\/translations$/ && $2 ~ /x/ } ours && $1 == field { n += $2 } END { print n + 0 }' \
		"/proc/$(vm "$1")/smaps"
}

fewer() { [ "$(mapped "$C1" Rss)" -lt "$1" ]; }

@test "QEMUs share the code, which nobody writes to, and give it back after the start" {
	local many
	kata factory init
	sleeper "$C1"
	grep 'x.*/translations$' "/proc/$(vm "$C1")/maps" | grep -q ' r-xp '
	many=$(mapped "$C1" Rss)
	[ "$many" -gt 10000 ]
	[ "$(mapped "$C1" Anonymous)" = 0 ]
	await fewer $((many / 2))
	[ "$(kata exec "$C1" echo still)" = still ]
	# Nor are the files of the kernel and the image, of 25 MB and more, in its memory.
	[ "$(awk '/^[0-9a-f]+-/ { file = /\/(vmlinux|initrd.img)$/ } file && /^Rss:/ { n += $2 } END { print n + 0 }' "/proc/$(vm "$C1")/smaps")" -lt 4000 ]
}
