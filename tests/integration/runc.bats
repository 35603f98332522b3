#!/usr/bin/env bats
# shellcheck disable=SC2154
# The command line beside that of the installed runc: its verbs and flags are
# all here and take a value where they do there, and what is wrong is answered
# with the same code.

load lib

setup_file() {
	command -v runc >/dev/null || skip "runc is not installed"
}

# What runc does not have: ours, or of a later runc than the installed one.
MORE_VERBS="completion direct-volume factory kata-check kata-env kata-network version features checkpoint restore"
declare -gA MORE_FLAGS=(
	[global]="--kata-config value,--show-default-config-paths"
	[create]="--pidfd-socket value" [run]="--pidfd-socket value" [exec]="--pidfd-socket value"
	[update]="--cpu-burst value,--cpu-idle value"
	[checkpoint]="--tcp-skip-in-flight,--link-remap"
	[kata-check]="*" [kata-env]="*"
)
# What runc has and its help shows, while ours hides it.
HIDDEN="--criu value"

# verbs PROGRAM
verbs() { "$1" --help | sed -n '/^COMMANDS:/,/^GLOBAL/s/^   \([a-z-]*\).*/\1/p' | grep -v '^help$' | sort; }

# flags PROGRAM [VERB]: each name on a line of its own, with "value" if it takes one.
flags() {
	"$@" --help | sed -nE '/OPTIONS:/,$s/^   (-.*)/\1/p' | awk '{
		value = ""
		for (i = 1; i <= NF && $i ~ /^-|^value,?$|^[A-Z]+,?$/; i++) if ($i !~ /^-/) value = " value"
		for (j = 1; j < i; j++) if ($j ~ /^-/) { sub(",$", "", $j); print $j value }
	}' | grep -vE '^(--help|-h|--version|-v)$' | sort
}

@test "every verb of runc" {
	run comm -23 <(verbs runc) <(verbs "$KATA_RUNTIME")
	[ "$output" = "" ]
	local verb
	for verb in $(comm -13 <(verbs runc) <(verbs "$KATA_RUNTIME")); do
		[[ " $MORE_VERBS " == *" $verb "* ]] || { echo "not listed: $verb"; false; }
	done
}

@test "every flag of runc, and where it takes a value" {
	local verb flag missing extra
	[ "$(flags runc exec | grep -c .)" -gt 15 ]
	for verb in "" $(verbs runc); do
		# shellcheck disable=SC2086  # no word for the global flags
		missing=$(comm -23 <(flags runc $verb) <(flags "$KATA_RUNTIME" $verb))
		[ "$missing" = "" ] || [ "$verb$missing" = "$HIDDEN" ] || { echo "runc ${verb:-global} has: $missing"; false; }
		# shellcheck disable=SC2086
		extra=$(comm -13 <(flags runc $verb) <(flags "$KATA_RUNTIME" $verb))
		while read -r flag; do
			[ -z "$flag" ] || [[ ",${MORE_FLAGS[${verb:-global}]:-}," == *",$flag,"* ]] || { echo "runc ${verb:-global} has not: $flag"; false; }
		done <<<"$extra"
	done
}

@test "wrong calls end with runc's code" {
	local call code
	echo '{}' >"$TMP/json"
	while read -r call; do
		code=0
		eval "runc --root '$TMP/runc' $call" >"$TMP/out" 2>&1 </dev/null || code=$?
		# No configuration is needed to say any of this.
		eval "KATA_CONF_FILE= run -$code kata $call" </dev/null
	done <<-'END'
		nosuchverb
		--nosuchflag
		state
		state nosuch
		state ''
		state a b
		start nosuch
		start --nosuchflag x
		pause nosuch
		resume nosuch
		kill
		kill nosuch
		kill nosuch KILL
		kill a b c
		delete
		delete nosuch
		delete --force nosuch
		ps nosuch
		ps --format json nosuch
		events nosuch
		events --stats nosuch
		update nosuch
		update --resources /nonexistent nosuch
		update --resources "$TMP/json" nosuch
		exec
		exec nosuch
		exec nosuch true
		exec --process /nonexistent nosuch
		create
		create --bundle /nonexistent x
		create a b
		run
		run --detach --bundle /nonexistent x
		list
		list --quiet
		list --format json
		list --format nosuch
		list x
		spec x
		features x
		checkpoint
		checkpoint nosuch
		checkpoint --image-path x --leave-running --status-fd 3 --empty-ns network nosuch
		restore
		--debug --log /dev/null --log-format json --systemd-cgroup --rootless auto list
		--log-format nosuch list
		--rootless nosuch create x
		--criu /nonexistent list
		help
		--version
	END
}

@test "list and state print what runc prints" {
	[ "$(kata list)" = "$(runc --root "$TMP/runc" list)" ]
	[ "$(kata list -f json)" = "$(runc --root "$TMP/runc" list -f json)" ]
	[ "$(kata list -q)" = "" ]
}

@test "checkpoint and restore say that they are not supported, with a code of their own" {
	run -95 kata restore --bundle "$TMP/bundle" --detach --image-path x --lsm-profile apparmor:x "$C1"
	[[ $output == *"not supported"* ]]
	command_is "$TMP/bundle" sleep 1000
	kata create --bundle "$TMP/bundle" "$C1" </dev/null >"$TMP/out" 2>&1
	run -95 kata checkpoint --image-path "$TMP/image" "$C1"
	[[ $output == *"not supported"* ]]
	[ "$(status "$C1")" = created ]
}
