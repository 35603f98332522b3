package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What stands in for kata-runtime while a line is completed: the containers are
// those of the root that it is called with.
const listStub = `#!/bin/sh
case "$*" in
"list --quiet") echo usual ;;
"--root /other list --quiet" | "--root=/other list --quiet") echo other ;;
esac
`

// completers print the words that a shell offers for each line of $LINES_TYPED, one a
// line, and "." after those of a line. $FOLDER has the script, by the name that
// make install gives it.
var completers = map[string]struct{ file, bare, script string }{
	"bash": {"kata-runtime", "--norc", `
. "$FOLDER/kata-runtime"
while IFS= read -r line; do
	# As readline does it, with the "=" of COMP_WORDBREAKS.
	read -ra COMP_WORDS <<<"${line//=/ = }"
	[[ $line != *" " ]] || COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_kata_runtime
	printf '%s\n' "${COMPREPLY[@]}" .
done <<<"$LINES_TYPED"
`},
	"fish": {"kata-runtime.fish", "--no-config", `
source $FOLDER/kata-runtime.fish
for line in (string split \n $LINES_TYPED)
	complete -C $line
	echo .
end
`},
	// zsh completes on a terminal only; there, ^T ends a line (^X would begin a longer key).
	"zsh": {"_kata-runtime", "-f", `
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner 'PS1=; fpath=($FOLDER $fpath); autoload -Uz compinit; compinit -u -D; echo RE""ADY'
zpty -r inner seen '*READY*'
zpty -w inner 'compadd() { local -a hits; builtin compadd -O hits "$@"; print -rl -- $hits >>$FOLDER/offered; builtin compadd "$@" }; echo DEF""INED'
zpty -r inner seen '*DEFINED*'
zpty -w inner 'next() { print -r . >>$FOLDER/offered; BUFFER= }; zle -N next; bindkey "^T" next; bindkey "^I" complete-word; echo BO""UND'
zpty -r inner seen '*BOUND*'
for line in "${(f)LINES_TYPED}"; do zpty -w -n inner "$line"$'\t\x14'; done
zpty -w inner exit
while zpty -r inner seen; do :; done
cat $FOLDER/offered
`},
}

// offered is what the shell offers for each of the lines.
func offered(t *testing.T, shell string, lines []string) [][]string {
	t.Helper()
	script, err := runApp(t, "completion", shell)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, completers[shell].file), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, name), []byte(listStub), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell, completers[shell].bare, "-c", completers[shell].script)
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb", "LC_ALL=C.UTF-8",
		"FOLDER=" + dir, "LINES_TYPED=" + strings.Join(lines, "\n")}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	all := [][]string{nil}
	for _, word := range strings.Split(string(out), "\n") {
		if word == "." {
			all = append(all, nil)
			continue
		}
		// fish adds what the word means, and has the flag before its value.
		word, _, _ = strings.Cut(word, "\t")
		if _, value, ok := strings.Cut(word, "="); ok {
			word = value
		}
		if last := &all[len(all)-1]; word != "" && !slices.Contains(*last, word) {
			*last = append(*last, word)
		}
	}
	if len(all) != len(lines)+1 {
		t.Fatalf("%d answers for %d lines: %v", len(all)-1, len(lines), all)
	}
	return all
}

// Each shell completes what a user types.
func TestShellsComplete(t *testing.T) {
	tests := map[string][]string{
		"pau":                           {"pause"},
		"kata-":                         {"kata-check", "kata-env", "kata-network"},
		"--log-format json pau":         {"pause"},
		"--log-format ":                 {"json", "text"},
		"--root=/other pau":             {"pause"},
		"--root /x delete --f":          {"--force"},
		"completion f":                  {"fish"},
		"kata-network add":              {"add-iface"},
		"factory st":                    {"status"},
		"kill ":                         {"usual"},
		"--root /other kill ":           {"other"},
		"--root=/other kill ":           {"other"},
		"--debug --root /other state o": {"other"},
		"--root /none kill n":           nil,
		"list --format ":                {"json", "table"},
		"list --format=":                {"json", "table"},
		"list --format=t":               {"table"},
		"--root /other ps -f ":          {"json", "table"},
		"ps --format j":                 {"json"},
		"--root /x --rootless a":        {"auto"},
	}
	var lines []string
	for line := range tests {
		lines = append(lines, name+" "+line)
	}
	for shell := range completers {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("%v (apt-get install %s)", err, shell)
			}
			all := offered(t, shell, lines)
			for i, line := range lines {
				slices.Sort(all[i])
				if want := tests[strings.TrimPrefix(line, name+" ")]; !slices.Equal(all[i], want) {
					t.Errorf("%q: got %v, want %v", line, all[i], want)
				}
			}
		})
	}
}
