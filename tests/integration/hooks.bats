#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2034,SC2153
# Hooks of the host, and startContainer, as runc runs them.

load lib
load parity

@test "hooks before the start that fail, are missing, or hang" {
	command_is "$TMP/bundle" sleep 1000
	local stage
	for stage in prestart createRuntime createContainer; do
		edit "$TMP/bundle" "del(.hooks) | .hooks.$stage = [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"echo its own words >&2; exit 3\"]}]"
		same "its own words" create --bundle "$TMP/bundle" "$C1"
		edit "$TMP/bundle" ".hooks.$stage = [{path: \"/no/such/hook\"}]"
		same "/no/such/hook" create --bundle "$TMP/bundle" "$C1"
		edit "$TMP/bundle" ".hooks.$stage = [{path: \"/bin/sleep\", args: [\"sleep\", \"1000\"], timeout: 1}]"
		same "timeout of 1" create --bundle "$TMP/bundle" "$C1"
		neither
	done
}

@test "hooks begin in the bundle, or in the root file system" {
	printf '#!/bin/sh\npwd >>"%s/$1"\n' "$TMP" >"$TMP/bundle/hook"
	chmod +x "$TMP/bundle/hook"
	local stage dir
	for stage in prestart createRuntime poststop; do
		edit "$TMP/bundle" ".hooks.$stage = [{path: \"hook\", args: [\"hook\", \"$stage\"]}]"
	done
	edit "$TMP/bundle" ".hooks.createContainer = [{path: \"../hook\", args: [\"hook\", \"createContainer\"]}]"
	each run --bundle "$TMP/bundle" "$C1"
	for stage in prestart createRuntime createContainer poststop; do
		dir=$TMP/bundle
		[ "$stage" != createContainer ] || dir+=/rootfs
		diff "$TMP/$stage" <(printf '%s\n%s\n' "$dir" "$dir")
	done
	neither
}

@test "the environment of hooks, with and without one in the document" {
	local stage words='"$1 $OURS $THEIRS $OWN"'
	printf '#!/bin/sh\necho %s >>"%s/$1"\n' "$words" "$TMP" >"$TMP/bundle/hook"
	printf '#!/bin/sh\necho %s >/inside\n' "$words" >"$TMP/bundle/rootfs/bin/hook"
	chmod +x "$TMP/bundle/hook" "$TMP/bundle/rootfs/bin/hook"
	edit "$TMP/bundle" '.process.env += ["THEIRS=process"]'
	for stage in prestart createRuntime createContainer poststop; do
		edit "$TMP/bundle" ".hooks.$stage = [{path: \"$TMP/bundle/hook\", args: [\"hook\", \"$stage\"]},
			{path: \"$TMP/bundle/hook\", args: [\"hook\", \"$stage\"], env: [\"OWN=own\"]}]"
	done
	edit "$TMP/bundle" '.hooks.startContainer = [{path: "/bin/hook", args: ["hook", "startContainer"]}]'
	export OURS=runtime
	rc run --bundle "$TMP/bundle" "$C1" </dev/null
	mkdir "$TMP/runc.hooks"
	mv "$TMP"/{prestart,createRuntime,createContainer,poststop} "$TMP/bundle/rootfs/inside" "$TMP/runc.hooks"
	grep -q "^prestart runtime  $" "$TMP/runc.hooks/prestart"
	kata run --bundle "$TMP/bundle" "$C1" </dev/null
	for stage in prestart createRuntime createContainer poststop; do diff "$TMP/runc.hooks/$stage" "$TMP/$stage"; done
	diff "$TMP/runc.hooks/inside" "$TMP/bundle/rootfs/inside"
	neither
}

@test "poststop hooks run after a create that failed, once other hooks have run" {
	local file verb
	for file in true no-such-program; do
		command_is "$TMP/bundle" "$file"
		edit "$TMP/bundle" "del(.hooks) | .hooks.poststop = [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"cat >>$TMP/stopped\"]}]
			| .hooks.createRuntime = [{path: \"/bin/$([ $file = true ] && echo false || echo true)\"}]"
		for verb in create run; do
			run -1 rc "$verb" --bundle "$TMP/bundle" "$C1" </dev/null
			run -1 kata "$verb" --bundle "$TMP/bundle" "$C1" </dev/null
			[ "$(jq -r .status "$TMP/stopped" | xargs)" = "stopped stopped" ]
			rm "$TMP/stopped"
			neither
		done
	done
	# None has run before.
	edit "$TMP/bundle" '.root.path = "nothing"'
	run -1 kata create --bundle "$TMP/bundle" "$C1" </dev/null
	[ ! -e "$TMP/stopped" ]
}

@test "hooks of startContainer and poststop that fail, are missing, or hang" {
	command_is "$TMP/bundle" sleep 1000
	local hook
	for hook in '{path: "/bin/false"}' '{path: "/no/such/hook"}' '{path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1}'; do
		# start is over when the process is told to go on: both answer 0, and
		# the container ends.
		edit "$TMP/bundle" "del(.hooks) | .hooks.startContainer = [$hook]"
		each create --bundle "$TMP/bundle" "$C1"
		each start "$C1"
		wait_stopped "$C1"
		await stopped_in_runc
		each delete "$C1"
		neither
		# Only logged: the container is gone.
		edit "$TMP/bundle" "del(.hooks) | .hooks.poststop = [$hook]"
		each run --detach --bundle "$TMP/bundle" "$C1"
		each delete --force "$C1"
		neither
	done
}

@test "poststart hooks that fail, are missing, or hang: only logged, as the specification says" {
	command_is "$TMP/bundle" sleep 1000
	local hook
	for hook in '{path: "/bin/false"}' '{path: "/no/such/hook"}' '{path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1}'; do
		edit "$TMP/bundle" ".hooks.poststart = [$hook, {path: \"/bin/touch\", args: [\"touch\", \"$TMP/next\"]}]"
		# runc 1.1 runs them within create, and fails.
		run -1 rc create --bundle "$TMP/bundle" "$C1" </dev/null
		kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
		run -0 kata start "$C1"
		[[ $output == *"runs all the same"*"poststart"* ]]
		rm "$TMP/next"
		[ "$(status "$C1")" = running ]
		kata delete --force "$C1"
		neither
	done
}
