#!/bin/bash
# Runs the integration tests, two files at a time, and prints their results as
# TAP, each file's when it has ended. A plan per file: tally adds them up.
# Usage: run.sh [FILE.bats...]
set -euo pipefail
cd "$(dirname "$0")"

# Their containers have plain names (pod, one, box), and a name's cgroups are the
# machine's: these files run one after another.
plain=(podvolumes pods resize volumes network follow)
# One of its containers has the host's whole root as a volume, with all mounts of
# others below it: it runs before them.
alone=(mounts)
# The longest come first, so that nobody works alone in the end.
others=(failures cache template)

files=("$@")
if [ $# = 0 ]; then
	files=("${alone[@]/%/.bats}" "${plain[@]/%/.bats}" "${others[@]/%/.bats}")
	for file in *.bats; do
		[[ " ${files[*]} " == *" $file "* ]] || files+=("$file")
	done
fi
queues=$(mktemp -d)
trap 'rm -rf "$queues"' EXIT
touch "$queues/alone" "$queues/plain" "$queues/others"
for file in "${files[@]}"; do
	queue=others
	[[ " ${plain[*]/%/.bats} " != *" ${file##*/} "* ]] || queue=plain
	[[ " ${alone[*]/%/.bats} " != *" ${file##*/} "* ]] || queue=alone
	echo "$file" >>"$queues/$queue"
done

# next QUEUE...: the first file of the first of them that is not empty.
next() {
	local queue
	exec 8>"$queues/lock"
	flock 8
	for queue; do
		if [ -s "$queues/$queue" ]; then
			head -n 1 "$queues/$queue"
			sed -i 1d "$queues/$queue"
			break
		fi
	done
	exec 8>&-
}

# work QUEUE...: until they are empty. A test that fails is in the results.
work() {
	local file result=$queues/$BASHPID
	while file=$(next "$@") && [ -n "$file" ]; do
		bats --tap "$file" >"$result" 2>&1 || true
		grep -q '^1\.\.' "$result" || echo "not ok 0 $file did not run" >>"$result"
		flock "$queues/lock" cat "$result"
	done
}
work alone
work plain others &
work others &
wait
sed 's/.*/not ok 0 & was left out/' "$queues"/{alone,plain,others}
