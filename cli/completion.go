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
	Description: `Print a script that completes verbs, flags and the ids of containers. Put it
   where the shell looks for such scripts, for instance
   /usr/share/bash-completion/completions/kata-runtime,
   /usr/share/zsh/vendor-completions/_kata-runtime or
   /usr/share/fish/vendor_completions.d/kata-runtime.fish.`,
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

func bashCompletion(w io.Writer, app *cli.App) {
	var verbs, global, globalValue []string
	for _, c := range visible(app) {
		verbs = append(verbs, c.Name)
	}
	for _, o := range options(app.VisibleFlags()) {
		global = append(global, o.names...)
		if o.value {
			globalValue = append(globalValue, o.names...)
		}
	}
	fmt.Fprintf(w, `# Completion of %[1]s for bash.
_kata_runtime() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i root=
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--root) root=${COMP_WORDS[i+1]}; ((i++)) ;;
		%[2]s) ((i++)) ;;
		-*) ;;
		*) verb=${COMP_WORDS[i]}; break ;;
		esac
	done
	COMPREPLY=()
	if [[ -z $verb ]]; then
		case $prev in
		%[2]s) COMPREPLY=($(compgen -f -- "$cur")); return ;;
		esac
		COMPREPLY=($(compgen -W "%[3]s %[4]s" -- "$cur"))
		return
	fi
	local words= valued= id=
	case $verb in
`, app.Name, strings.Join(globalValue, "|"), strings.Join(verbs, " "), strings.Join(global, " "))
	for _, c := range visible(app) {
		var words, valued []string
		for _, o := range options(flagsOf(c)) {
			words = append(words, o.names...)
			if o.value {
				valued = append(valued, o.names...)
			}
		}
		words = append(words, fixedWords(c)...)
		id := ""
		if takesID(c) {
			id = " id=1"
		}
		fmt.Fprintf(w, "\t%s) words=%q valued=%q%s ;;\n", c.Name, strings.Join(words, " "), " "+strings.Join(valued, " ")+" ", id)
	}
	fmt.Fprintf(w, `	esac
	if [[ $prev == -* && $valued == *" $prev "* ]]; then
		COMPREPLY=($(compgen -f -- "$cur"))
		return
	fi
	if [[ -n $id && $cur != -* ]]; then
		words+=" $(%[1]s ${root:+--root "$root"} list --quiet 2>/dev/null)"
	fi
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _kata_runtime %[1]s
`, app.Name)
}
