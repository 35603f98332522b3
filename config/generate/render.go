package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/kata-go/kata-runtime/config"
)

// sample is configuration.toml.in.
func sample(tables []table) []byte {
	var b bytes.Buffer
	b.WriteString(`# The configuration of kata-runtime.
#
# A key that is a comment shows its default. Change single keys in files of
# your own, /etc/kata-containers/config.d/*.toml: they are read after this one,
# and an upgrade leaves them alone. "kata-runtime kata-env --config-origin" shows
# what is in force and where it was set; kata-runtime-configuration.toml(5) is
# the manual.
#
# Made by "go run ./config/generate" from the comments in the source.
`)
	for _, t := range tables {
		fmt.Fprintf(&b, "\n[%s]\n", t.name)
		for _, e := range t.entries {
			b.WriteByte('\n')
			for _, line := range wrap(e.doc, 76) {
				fmt.Fprintf(&b, "# %s\n", line)
			}
			for _, line := range wrap(facts(e.Key), 76) {
				fmt.Fprintf(&b, "# %s\n", line)
			}
			if e.Sample != "" {
				fmt.Fprintf(&b, "%s = %s\n", e.Base(), config.Literal(e.Sample))
			} else {
				fmt.Fprintf(&b, "#%s = %s\n", e.Base(), config.Literal(e.Default))
			}
		}
	}
	b.WriteString("\n# Keys of Kata 1.x that may stay in a file and have no effect:\n")
	var names []string
	for _, k := range inert() {
		names = append(names, k.Name)
	}
	for _, line := range wrap(strings.Join(names, ", ")+".", 76) {
		fmt.Fprintf(&b, "#   %s\n", line)
	}
	return b.Bytes()
}

// wrap breaks a text into lines of at most width bytes where it can.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && len(line)+1+len(w) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}

// markdown is the reference in the guide.
func markdown(tables []table) []byte {
	var b bytes.Buffer
	for _, t := range tables {
		fmt.Fprintf(&b, "\n### [%s]\n\n", t.name)
		for _, e := range t.entries {
			fmt.Fprintf(&b, "- **`%s`**: %s  \n  *%s*\n", e.Base(), escape(e.doc), escape(facts(e.Key)))
		}
	}
	b.WriteString("\n### Keys without effect\n\nThey may stay in a file, so that one of Kata 1.x loads; a value that would have\nchanged something there gets a warning.\n\n| key | why |\n|---|---|\n")
	for _, k := range inert() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", k.Name, escape(k.Inert))
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// manPage is the manual's page in section 5.
func manPage(tables []table) []byte {
	var b bytes.Buffer
	b.WriteString(`% kata-runtime-configuration.toml "5"

# NAME

kata-runtime-configuration.toml - configuration of kata-runtime

# DESCRIPTION

**kata-runtime** reads one file in TOML: the one that **--kata-config** names,
or */etc/kata-containers/configuration.toml*, or if that is not there
*share/defaults/kata-containers/configuration.toml* below the place of
installation. After it every file *config.d/\*.toml* beside it is read, in
lexical order, and without **--kata-config** those in
*/etc/kata-containers/config.d* too. A later file replaces single values; a list
is replaced as a whole.

An unknown key, a value of the wrong type and one out of range are errors that
name the file and the line. **kata-runtime kata-env --config-origin** shows each
value in force and where it was set.
`)
	for _, t := range tables {
		fmt.Fprintf(&b, "\n# [%s]\n", t.name)
		for _, e := range t.entries {
			fmt.Fprintf(&b, "\n**%s**\n: %s %s\n", escape(e.Base()), escape(e.doc), escape(facts(e.Key)))
		}
	}
	b.WriteString("\n# KEYS WITHOUT EFFECT\n\nThese keys of Kata 1.x may stay in a file:\n")
	for _, k := range inert() {
		fmt.Fprintf(&b, "\n**%s**\n: %s.\n", escape(k.Name), escape(upperFirst(k.Inert)))
	}
	b.WriteString("\n# SEE ALSO\n\n**kata-runtime**(8), **kata-runtime-kata-env**(8), **kata-runtime-kata-check**(8)\n")
	return b.Bytes()
}

// escape keeps Markdown's signs from having a meaning in text.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "_", `\_`, "*", `\*`, "<", `\<`, "|", `\|`, "`", "\\`").Replace(s)
}
