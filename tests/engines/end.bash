# shellcheck shell=bash
# The end of sandboxes whose engine could not, or did not, end them.

# end_sandboxes DIR: ends those that are below the folder, or whose bundle is,
# as those of the shimv2 are. To be called before the folder is removed: what
# runs on afterwards nobody finds.
end_sandboxes() {
	local root id
	find "$1" /run/kata-containers -type d -name sandboxes -prune 2>/dev/null | while read -r root; do
		root=${root%/sandboxes}
		"$KATA_RUNTIME" --root "$root" list -f json 2>/dev/null |
			jq -r --arg d "$1/" --arg r "$root/" '.[]? | select((.bundle + "/" | startswith($d)) or ($r | startswith($d))) | .id' |
			while read -r id; do
				echo "ending the sandbox $id, which its engine has left" >&2
				timeout 60 "$KATA_RUNTIME" --root "$root" delete --force "$id" || true
			done
	done
}
