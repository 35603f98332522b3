# shellcheck shell=bash
# The end of sandboxes whose engine could not, or did not, end them.

# sandboxes_in DIR: root and id of each container below the folder, or whose
# bundle is, as those of the shimv2 are.
sandboxes_in() {
	local root
	find "$1" /run/kata-containers -type d -name sandboxes -prune 2>/dev/null | while read -r root; do
		root=${root%/sandboxes}
		"$KATA_RUNTIME" --root "$root" list -f json 2>/dev/null |
			jq -r --arg d "$1/" --arg r "$root" '.[]? | select((.bundle + "/" | startswith($d)) or ($r + "/" | startswith($d))) | "\($r) \(.id)"'
	done
}

# end_sandboxes DIR: ends those. To be called before the folder is removed: what
# runs on afterwards nobody finds.
end_sandboxes() {
	local root id
	sandboxes_in "$1" | while read -r root id; do
		echo "ending the sandbox $id, which its engine has left" >&2
		timeout 60 "$KATA_RUNTIME" --root "$root" delete --force "$id" || true
	done
}
