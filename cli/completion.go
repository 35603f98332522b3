package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli"
)

var completionCommand = cli.Command{
	Name:      "completion",
	Usage:     "print the completion script of a shell",
	ArgsUsage: "bash|zsh|fish",
	Description: `Print a script that completes verbs, flags and the ids of containers. It is
   for where the shell looks for such scripts, where make install has put it:
   share/bash-completion/completions/kata-runtime,
   share/zsh/site-functions/_kata-runtime and
   share/fish/vendor_completions.d/kata-runtime.fish below its prefix.`,
	Action: func(ctx *cli.Context) error {
		if err := wantArgs(ctx, 1); err != nil {
			return err
		}
		write, ok := map[string]func(io.Writer, *cli.App){
			"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion,
		}[ctx.Args().First()]
		if !ok {
			return fmt.Errorf("completion: no script for %q: use bash, zsh or fish", ctx.Args().First())
		}
		write(ctx.App.Writer, ctx.App)
		return nil
	},
}

// option is a flag as the shells need it.
type option struct {
	// names have their dashes: "--bundle", "-b".
	names []string
	usage string
	// value: the flag takes one, as its next word.
	value bool
	// choices are what the value is one of; none: the name of a file is offered.
	choices []string
}

// choices are the values of those flags that have few, by their first names.
var choices = map[string][]string{
	"--format":     {"table", "json"},
	"--log-format": {"text", "json"},
	"--rootless":   {"true", "false", "auto"},
}

func options(flags []cli.Flag) []option {
	var all []option
	for _, f := range flags {
		o := option{value: true}
		for _, name := range strings.Split(f.GetName(), ",") {
			name = strings.TrimSpace(name)
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			o.names = append(o.names, dashes+name)
		}
		switch f := f.(type) {
		case cli.BoolFlag:
			o.value = false
			o.usage = f.Usage
		case cli.BoolTFlag:
			o.value, o.usage = false, f.Usage
		case cli.DocGenerationFlag:
			o.usage = f.GetUsage()
		}
		if o.value {
			o.choices = choices[o.names[0]]
		}
		o.usage = strings.ReplaceAll(o.usage, "`", "")
		o.usage, _, _ = strings.Cut(o.usage, "\n")
		all = append(all, o)
	}
	return all
}

// visible are the verbs to offer.
func visible(app *cli.App) []cli.Command {
	var all []cli.Command
	for _, c := range app.Commands {
		if !c.Hidden && c.Name != "help" {
			all = append(all, c)
		}
	}
	return all
}

// takesID tells whether the verb's argument is a container that exists.
func takesID(c cli.Command) bool {
	switch c.Name {
	case "start", "state", "kill", "delete", "exec", "ps", "pause", "resume", "update", "events", "kata-network":
		return true
	}
	return false
}

// flagsOf answers a verb's flags and those of the verbs below it.
func flagsOf(c cli.Command) []cli.Flag {
	flags := c.VisibleFlags()
	for _, sub := range c.Subcommands {
		for _, f := range sub.VisibleFlags() {
			if !slices.ContainsFunc(flags, func(have cli.Flag) bool { return have.GetName() == f.GetName() }) {
				flags = append(flags, f)
			}
		}
	}
	return flags
}

// fixedWords are what a verb's arguments can be whatever there is.
func fixedWords(c cli.Command) []string {
	if c.Name == "completion" {
		return []string{"bash", "zsh", "fish"}
	}
	var words []string
	for _, sub := range c.Subcommands {
		words = append(words, sub.Name)
	}
	return words
}

// valued are the names of the flags that take a value.
func valued(all []option) []string {
	var names []string
	for _, o := range all {
		if o.value {
			names = append(names, o.names...)
		}
	}
	return names
}

// bashFlags answers the names of all flags, and a command of bash that sets
// choices if the word before is one that has some.
func bashFlags(all []option) (names []string, choose string) {
	for _, o := range all {
		names = append(names, o.names...)
		if o.choices != nil {
			choose += fmt.Sprintf(" %s) choices=%q ;;", strings.Join(o.names, "|"), strings.Join(o.choices, " "))
		}
	}
	if choose != "" {
		choose = "; case $prev in" + choose + " esac"
	}
	return names, choose
}

func bashCompletion(w io.Writer, app *cli.App) {
	var verbs []string
	for _, c := range visible(app) {
		verbs = append(verbs, c.Name)
	}
	all := options(app.VisibleFlags())
	global, choose := bashFlags(all)
	// bash takes "--root=/x" for three words, if the user has not changed that.
	fmt.Fprintf(w, `# Completion of %[1]s for bash.
_kata_runtime() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i flag root=
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		%[2]s)
			flag=${COMP_WORDS[i]}
			((++i))
			[[ ${COMP_WORDS[i]} != = ]] || ((++i))
			[[ $flag != --root ]] || root=${COMP_WORDS[i]}
			;;
		--root=*) root=${COMP_WORDS[i]#*=} ;;
		-*) ;;
		*) verb=${COMP_WORDS[i]}; break ;;
		esac
	done
	COMPREPLY=()
	local words= flags= valued= choices= id=
	case $verb in
	"") words="%[3]s" flags="%[4]s" valued=" %[5]s "%[6]s ;;
`, app.Name, strings.Join(valued(all), "|"), strings.Join(verbs, " "), strings.Join(global, " "), strings.Join(valued(all), " "), choose)
	for _, c := range visible(app) {
		all := options(flagsOf(c))
		flags, choose := bashFlags(all)
		if takesID(c) {
			choose = " id=1" + choose
		}
		fmt.Fprintf(w, "\t%s) words=%q flags=%q valued=%q%s ;;\n", c.Name, strings.Join(fixedWords(c), " "), strings.Join(flags, " "), " "+strings.Join(valued(all), " ")+" ", choose)
	}
	fmt.Fprintf(w, `	esac
	if [[ -n $choices ]]; then
		COMPREPLY=($(compgen -W "$choices" -- "$cur"))
		return
	fi
	if [[ $prev == -* && $valued == *" $prev "* ]]; then
		COMPREPLY=($(compgen -f -- "$cur"))
		return
	fi
	if [[ $cur == -* ]]; then
		words=$flags
	elif [[ -n $id ]]; then
		words+=" $(%[1]s ${root:+--root "$root"} list --quiet 2>/dev/null)"
	fi
	[[ -n ${words// } ]] || words=$flags
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _kata_runtime %[1]s
`, app.Name)
}
