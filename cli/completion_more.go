package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli"
)

// shellQuote puts s in single quotes, for zsh and sh.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// fishQuote puts s in single quotes; fish knows \\ and \' in them.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// fishFunctions are for %[1]s with the flags %[2]s, which take a value. fish's
// own __fish_use_subcommand would take such a value for the verb.
const fishFunctions = `# Completion of %[1]s for fish.
function __kata_runtime_verb -d 'Is there a verb, and is it this one?'
	set -l words (commandline -opc)
	set -e words[1]
	while set -q words[1]
		switch $words[1]
			case %[2]s
				set -e words[1]
			case '-*'
			case '*'
				test (count $argv) = 0; or contains -- $words[1] $argv
				return
		end
		set -q words[1]; and set -e words[1]
	end
	return 1
end
function __kata_runtime_ids
	set -l root
	set -l before
	for word in (commandline -opc)
		if test "$before" = --root
			set root --root=$word
		else if string match -q -- '--root=*' $word
			set root $word
		end
		set before $word
	end
	%[1]s $root list --quiet 2>/dev/null
end
complete -c %[1]s -f
`

func fishCompletion(w io.Writer, app *cli.App) {
	global := options(app.VisibleFlags())
	fmt.Fprintf(w, fishFunctions, app.Name, strings.Join(valued(global), " "))
	flag := func(condition string, o option) {
		fmt.Fprintf(w, "complete -c %s -n %s", app.Name, fishQuote(condition))
		for _, name := range o.names {
			if long, ok := strings.CutPrefix(name, "--"); ok {
				fmt.Fprintf(w, " -l %s", long)
			} else {
				fmt.Fprintf(w, " -s %s", name[1:])
			}
		}
		switch {
		case o.choices != nil:
			fmt.Fprintf(w, " -x -a %s", fishQuote(strings.Join(o.choices, " ")))
		case o.value:
			fmt.Fprint(w, " -r -F")
		}
		fmt.Fprintf(w, " -d %s\n", fishQuote(o.usage))
	}
	const noVerb = "not __kata_runtime_verb"
	for _, o := range global {
		flag(noVerb, o)
	}
	for _, c := range visible(app) {
		fmt.Fprintf(w, "complete -c %s -n %s -a %s -d %s\n", app.Name, fishQuote(noVerb), c.Name, fishQuote(c.Usage))
		condition := "__kata_runtime_verb " + c.Name
		for _, o := range options(flagsOf(c)) {
			flag(condition, o)
		}
		if takesID(c) {
			fmt.Fprintf(w, "complete -c %s -n %s -a '(__kata_runtime_ids)'\n", app.Name, fishQuote(condition))
		}
		if words := fixedWords(c); len(words) > 0 {
			fmt.Fprintf(w, "complete -c %s -n %s -a %s\n", app.Name, fishQuote(condition), fishQuote(strings.Join(words, " ")))
		}
	}
}

func zshCompletion(w io.Writer, app *cli.App) {
	fmt.Fprintf(w, "#compdef %s\n# Completion of %s for zsh.\n", app.Name, app.Name)
	fmt.Fprintf(w, "_kata_runtime_ids() {\n\tlocal -a ids\n\tids=(${(f)\"$(%s ${root:+--root=$root} list --quiet 2>/dev/null)\"})\n\tcompadd -a ids\n}\n", app.Name)
	fmt.Fprint(w, "_kata_runtime() {\n\tlocal curcontext=$curcontext line state state_descr root\n\tlocal -A opt_args\n\t_arguments -C \\\n")
	for _, o := range options(app.VisibleFlags()) {
		zshOption(w, o)
	}
	fmt.Fprint(w, "\t\t'1: :->verb' \\\n\t\t'*:: :->args'\n\t# The verb's own flags take the place of these in opt_args.\n\troot=${(Q)opt_args[--root]}\n\tcase $state in\n\tverb)\n\t\tlocal -a verbs\n\t\tverbs=(\n")
	for _, c := range visible(app) {
		fmt.Fprintf(w, "\t\t\t%s\n", shellQuote(c.Name+":"+strings.ReplaceAll(c.Usage, ":", `\:`)))
	}
	fmt.Fprint(w, "\t\t)\n\t\t_describe verb verbs\n\t\t;;\n\targs)\n\t\tcase $line[1] in\n")
	for _, c := range visible(app) {
		fmt.Fprintf(w, "\t\t%s)\n\t\t_arguments \\\n", c.Name)
		for _, o := range options(flagsOf(c)) {
			zshOption(w, o)
		}
		rest := "_files"
		if takesID(c) {
			rest = "_kata_runtime_ids"
		}
		switch words := strings.Join(fixedWords(c), " "); {
		case words != "" && len(c.Subcommands) > 0:
			fmt.Fprintf(w, "\t\t'1: :(%s)' '*: :%s'\n\t\t;;\n", words, rest)
			continue
		case words != "":
			rest = "(" + words + ")"
		}
		fmt.Fprintf(w, "\t\t'*: :%s'\n\t\t;;\n", rest)
	}
	fmt.Fprint(w, "\t\tesac\n\t\t;;\n\tesac\n}\n_kata_runtime \"$@\"\n")
}

// zshOption writes one specification of _arguments per name of the flag.
func zshOption(w io.Writer, o option) {
	usage := strings.NewReplacer(`[`, `\[`, `]`, `\]`, `:`, `\:`).Replace(o.usage)
	for _, name := range o.names {
		value := ""
		switch {
		case o.choices != nil:
			value = ": :(" + strings.Join(o.choices, " ") + ")"
		case o.value:
			value = ": :_files"
		}
		if o.value && strings.HasPrefix(name, "--") {
			name += "=" // or the next word
		}
		fmt.Fprintf(w, "\t\t%s \\\n", shellQuote(name+"["+usage+"]"+value))
	}
}
