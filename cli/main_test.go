package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/config"
)

// Helpers get these paths, and have a working directory of their own.
func TestRootFor(t *testing.T) {
	for _, c := range []struct {
		rootless bool
		dir      string
		want     string
	}{
		{false, "/run/user/0", defaultRoot},
		{true, "/run/user/1000", "/run/user/1000/kata-containers"},
		{true, "", defaultRoot},
	} {
		if got := rootFor(c.rootless, c.dir); got != c.want {
			t.Errorf("rootFor(%t, %q) = %q, want %q", c.rootless, c.dir, got, c.want)
		}
	}
}

func TestRelativeGlobalPaths(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	app := newApp()
	if err := app.Run([]string{name, "--root", "r", "--log", "l", "--kata-config", "c", "version"}); err != nil {
		t.Fatal(err)
	}
	env := app.Metadata[envKey].(*runtimeEnv)
	for want, got := range map[string]string{"r": env.Root, "l": env.logTarget.File, "c": env.configPath} {
		if got != filepath.Join(dir, want) {
			t.Errorf("%s is %s", want, got)
		}
	}
	t.Setenv("KATA_CONF_FILE", "")
	app = newApp()
	if err := app.Run([]string{name, "version"}); err != nil {
		t.Fatal(err)
	}
	env = app.Metadata[envKey].(*runtimeEnv)
	if env.Root != defaultRoot || env.configPath != "" || env.logsToFile {
		t.Errorf("without flags: %+v", env)
	}
}

// With a verb or without, it is all that the call does, and the code is 0.
func TestShowDefaultConfigPaths(t *testing.T) {
	for _, verb := range []string{"", "version"} {
		args := []string{"--show-default-config-paths"}
		if verb != "" {
			args = append(args, verb)
		}
		out, err := runApp(t, args...)
		var exit *exitError
		if !errors.As(err, &exit) || exit.code != 0 || exit.err != nil || out != strings.Join(config.Paths(), "\n")+"\n" {
			t.Errorf("%v: printed %q: %v", args, out, err)
		}
	}
}
