#!/usr/bin/env bats
# shellcheck disable=SC2154
# Whose cgroup a VM's memory counts for.

load lib
load pod
load accounts

# payer FILE: the cgroup that memory counts for, of a /proc/PID/cgroup.
payer() { awk -F: '$2 == "memory" || $1 == 0 { print $3; exit }' "$1"; }

@test "a VM's memory counts for its container from its first page" {
	kata create --bundle "$TMP/bundle" "$C1" </dev/null 3>&-
	pays "/kata/$C1" "$C1"
	kata start "$C1"
	pays "/kata/$C1" "$C1"
}

@test "a pod's VM counts for the overhead, or for the pod with sandbox_cgroup_only" {
	pod
	pays "/kata_overhead/$POD" "$POD"
	kata delete --force "$POD"
	configured sandbox_cgroup_only true
	pod
	pays "/kata/kata_$POD" "$POD"
}

@test "the caller stays where it was: hooks, and those that a failed creation leaves" {
	local before
	before=$(payer /proc/self/cgroup)
	edit "$TMP/bundle" '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "cat /proc/self/cgroup >'"$TMP"'/hook"]}]'
	kata create --bundle "$TMP/bundle" "$C1" </dev/null 3>&-
	[ "$(payer "$TMP/hook")" = "$before" ]
	kata delete --force "$C1"
	edit "$TMP/bundle" '.hooks.createRuntime = [{path: "/bin/false"}]'
	run ! kata create --bundle "$TMP/bundle" "$C1" </dev/null 3>&-
	run find /sys/fs/cgroup -path "*/kata/$C1*"
	[ -z "$output" ]
}
