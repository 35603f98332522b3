#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# kata-check on the host at hand, with a real VM.

load lib

# boot FIELD: of the check "boot" in the JSON that was printed.
boot() { jq -r ".[] | select(.name == \"boot\") | .$1" <<<"$output"; }

@test "kata-check --boot: the guest's kernel beside the host's" {
	run -0 kata kata-check --boot
	[[ ${lines[-1]} == *"guest kernel "*", host kernel $(uname -r), "* ]]
	run -0 --separate-stderr kata kata-check --boot --json
	[ "$(boot result)" = ok ]
	[[ $(boot cause) == *"first answer after "* ]]
}

@test "kata-check --boot: a guest that does not come up, one that takes too long, no VM at all" {
	run -1 --separate-stderr kata kata-check --boot --boot-timeout 100ms --json
	[ "$(boot result)" = fail ]
	[[ $(boot cause) == *"did not answer within 100ms"* ]]
	[[ $(boot remedy) == *enable_debug* ]]
	head -c 1M /dev/zero >"$TMP/initrd"
	configured initrd "\"$TMP/initrd\""
	run -1 --separate-stderr kata kata-check --boot --json
	[ "$(boot result)" = fail ]
	[[ $(boot cause) == *"Kernel panic - not syncing"* ]]
	configured kernel "\"$TMP/initrd\""
	run -1 --separate-stderr kata kata-check --boot --json
	[ "$(boot result)" = fail ]
	configured initrd '"/no/such/initrd"'
	run -1 --separate-stderr kata kata-check --boot --json
	[ "$(boot result)" = fail ]
	[[ $output == *"/no/such/initrd"* ]]
}

@test "kata-check --boot that is interrupted leaves nothing" {
	"$KATA_RUNTIME" --root "$ROOT" kata-check --boot >"$TMP/out" 2>&1 &
	local pid=$! code=0
	await compgen -G "$ROOT/sandboxes/*/qmp.sock"
	kill -TERM "$pid"
	# The second one does not keep it from cleaning up.
	kill -TERM "$pid"
	wait "$pid" || code=$?
	[ "$code" = 1 ]
	grep -q interrupted "$TMP/out"
	[ "$(leftovers)" = "$BEFORE" ]
}
