package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli"
)

// Every verb and every flag that is not hidden is in every script, and each
// shell that is installed takes its script.
func TestCompletionKnowsEverything(t *testing.T) {
	app := newApp()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			script, err := runApp(t, "completion", shell)
			if err != nil {
				t.Fatal(err)
			}
			missing := func(verb string, flags []cli.Flag) {
				for _, o := range options(flags) {
					for _, name := range o.names {
						want := name
						if shell == "fish" {
							long, isLong := strings.CutPrefix(name, "--")
							if want = " -s " + name[1:]; isLong {
								want = " -l " + long
							}
						}
						if !strings.Contains(script, want) {
							t.Errorf("%s %s is missing", verb, name)
						}
					}
				}
			}
			missing("", app.VisibleFlags())
			for _, c := range app.Commands {
				if !strings.Contains(script, c.Name) {
					t.Errorf("the verb %s is missing", c.Name)
				}
				missing(c.Name, flagsOf(c))
				for _, sub := range c.Subcommands {
					if !strings.Contains(script, sub.Name) {
						t.Errorf("the verb %s %s is missing", c.Name, sub.Name)
					}
				}
			}
			for _, hidden := range []string{"criu", "kernel-memory"} {
				if strings.Contains(script, hidden) {
					t.Errorf("%s is there", hidden)
				}
			}
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("the script was not read by its shell: %v (apt-get install %s)", err, shell)
			}
			path := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(shell, "-n", path).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s -n: %v: %s", shell, err, out)
			}
		})
	}
	if _, err := runApp(t, "completion", "tcsh"); err == nil || !strings.Contains(err.Error(), "tcsh") {
		t.Errorf("tcsh: %v", err)
	}
}

// Each verb has a page that mentions each of its flags, hidden ones too, and
// the main page mentions each verb and each global flag.
func TestManPages(t *testing.T) {
	read := func(page string) string {
		data, err := os.ReadFile("../docs/man/" + page + ".8.md")
		if err != nil {
			t.Error(err)
			return ""
		}
		text := string(data)
		if !strings.HasPrefix(text, "% "+page+" \"8\"\n") {
			t.Errorf("%s has another title: %.40q", page, text)
		}
		return text
	}
	mentions := func(page, text string, flags []cli.Flag) {
		for _, o := range options(flags) {
			for _, name := range o.names {
				if text != "" && !strings.Contains(text, "**"+name+"**") {
					t.Errorf("%s does not mention %s", page, name)
				}
			}
		}
	}
	top := read(name)
	mentions(name, top, globalFlags)
	for _, c := range commands {
		if !strings.Contains(top, "**"+c.Name+"**\n: ") {
			t.Errorf("the main page does not mention %s", c.Name)
		}
		page := name + "-" + c.Name
		text := read(page)
		mentions(page, text, flagsOf(c))
		for _, sub := range c.Subcommands {
			if !sub.Hidden && !strings.Contains(text, "**"+sub.Name+"**\n: ") {
				t.Errorf("%s does not mention %s", page, sub.Name)
			}
		}
	}
	// No page of a verb that is gone.
	files, err := filepath.Glob("../docs/man/*.8.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(commands)+1 {
		t.Errorf("%d pages for %d verbs", len(files), len(commands))
	}
}
