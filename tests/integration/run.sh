#!/bin/bash
# Runs the integration tests, two files at a time, and prints their results as
# TAP, each file's when it has ended. A plan per file: tally adds them up.
# Usage: run.sh [FILE.bats...]
set -euo pipefail
cd "$(dirname "$0")"

# One of its containers has the host's whole root as a volume, with all mounts of
# others below it: it runs before them.
alone=(mounts)
# The longest come first, so that nobody works alone in the end.
others=(podvolumes failures cache template resize pods)

files=("$@")
if [ $# = 0 ]; then
	files=("${alone[@]/%/.bats}" "${others[@]/%/.bats}")
	for file in *.bats; do
		[[ " ${files[*]} " == *" $file "* ]] || files+=("$file")
	done
fi
queues=$(mktemp -d)
trap 'rm -rf "$queues"' EXIT
touch "$queues/alone" "$queues/others"
for file in "${files[@]}"; do
	queue=others
	[[ " ${alone[*]/%/.bats} " != *" ${file##*/} "* ]] || queue=alone
	echo "$file" >>"$queues/$queue"
done

# next QUEUE: its first file, if any is left.
next() {
	exec 8>"$queues/lock"
	flock 8
	head -n 1 "$queues/$1"
	sed -i 1d "$queues/$1"
	exec 8>&-
}

# work QUEUE: until it is empty. A test that fails is in the results.
work() {
	local file result=$queues/$BASHPID
	while file=$(next "$1") && [ -n "$file" ]; do
		bats --tap "$file" >"$result" 2>&1 || true
		grep -q '^1\.\.' "$result" || echo "not ok 0 $file did not run" >>"$result"
		flock "$queues/lock" cat "$result"
	done
}
work alone
work others &
work others &
wait
sed 's/.*/not ok 0 & was left out/' "$queues"/{alone,others}
