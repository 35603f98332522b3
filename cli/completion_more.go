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

func fishCompletion(w io.Writer, app *cli.App) {
	fmt.Fprintf(w, "# Completion of %s for fish.\ncomplete -c %s -f\n", app.Name, app.Name)
	flag := func(condition string, o option) {
		fmt.Fprintf(w, "complete -c %s -n %s", app.Name, fishQuote(condition))
		for _, name := range o.names {
			if long, ok := strings.CutPrefix(name, "--"); ok {
				fmt.Fprintf(w, " -l %s", long)
			} else {
				fmt.Fprintf(w, " -s %s", name[1:])
			}
		}
		if o.value {
			fmt.Fprint(w, " -r -F")
		}
		fmt.Fprintf(w, " -d %s\n", fishQuote(o.usage))
	}
	for _, o := range options(app.VisibleFlags()) {
		flag("__fish_use_subcommand", o)
	}
	for _, c := range visible(app) {
		fmt.Fprintf(w, "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", app.Name, c.Name, fishQuote(c.Usage))
		condition := "__fish_seen_subcommand_from " + c.Name
		for _, o := range options(flagsOf(c)) {
			flag(condition, o)
		}
		if takesID(c) {
			fmt.Fprintf(w, "complete -c %s -n %s -a '(%s list --quiet 2>/dev/null)'\n", app.Name, fishQuote(condition), app.Name)
		}
		if words := fixedWords(c); len(words) > 0 {
			fmt.Fprintf(w, "complete -c %s -n %s -a %s\n", app.Name, fishQuote(condition), fishQuote(strings.Join(words, " ")))
		}
	}
}

func zshCompletion(w io.Writer, app *cli.App) {
	fmt.Fprintf(w, "#compdef %s\n# Completion of %s for zsh.\n", app.Name, app.Name)
	fmt.Fprintf(w, "_kata_runtime_ids() {\n\tlocal -a ids\n\tids=(${(f)\"$(%s list --quiet 2>/dev/null)\"})\n\tcompadd -a ids\n}\n", app.Name)
	fmt.Fprint(w, "_kata_runtime() {\n\tlocal line state\n\t_arguments -C \\\n")
	for _, o := range options(app.VisibleFlags()) {
		zshOption(w, o)
	}
	fmt.Fprint(w, "\t\t'1: :->verb' \\\n\t\t'*:: :->args'\n\tcase $state in\n\tverb)\n\t\tlocal -a verbs\n\t\tverbs=(\n")
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
		if o.value {
			value = ": :_files"
		}
		fmt.Fprintf(w, "\t\t%s \\\n", shellQuote(name+"["+usage+"]"+value))
	}
}
