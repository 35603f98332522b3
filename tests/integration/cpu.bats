#!/usr/bin/env bats
# shellcheck disable=SC2154
# The CPU that our own QEMU (KATA_TEST_QEMU, "make qemu") makes without KVM.

load lib

@test "instructions do in the VM what they do on the host" {
	local each
	(cd "$BATS_TEST_DIRNAME/../.." && CGO_ENABLED=0 "${GO:-go}" test -c -o "$TMP/bundle/rootfs/bin/cpu" ./tests/cpu)
	run -0 "$TMP/bundle/rootfs/bin/cpu"
	configured accelerator '"tcg"'
	program hypervisor.qemu "$KATA_TEST_QEMU"
	command_is "$TMP/bundle" /bin/cpu -test.v
	for each in false true; do
		configured keep_translations "$each"
		configured translations_path "\"$ROOT/kept\""
		run -0 kata run --bundle "$TMP/bundle" "$C1" </dev/null 3>&-
		[ "$(grep -c '^--- PASS' <<<"$output")" = 5 ]
		[[ $output != *SKIP* ]]
	done
	kata factory destroy
}
