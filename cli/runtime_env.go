package main

import (
	"log/slog"
	"os"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/config"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

const envKey = "env"

// runtimeEnv is what the global flags say, for the verbs.
type runtimeEnv struct {
	Root string
	Log  *slog.Logger

	configPath    string
	systemdCgroup bool
	logsToFile    bool
	logTarget     container.LogTarget
	// logger makes a logger to where the flags say.
	logger func(debug bool) *slog.Logger
}

func envOf(c *cli.Context) *runtimeEnv {
	return c.App.Metadata[envKey].(*runtimeEnv)
}

// host is for the verbs that need no settings: those on a container that exists.
func (e *runtimeEnv) host() (*sandbox.Host, error) {
	return sandbox.NewHost(e.Root, nil, e.Log)
}

// hostWithSettings is for the verbs that start something. annotations are a
// container's: they change what the administrator lets them change.
func (e *runtimeEnv) hostWithSettings(annotations map[string]string) (*sandbox.Host, error) {
	c, origins, err := config.Load(e.configPath)
	if err != nil {
		return nil, err
	}
	if c.Runtime.EnableDebug {
		e.Log = e.logger(true)
	}
	for _, warning := range origins.Warnings {
		e.Log.Warn(warning)
	}
	if c, err = config.ApplyAnnotations(c, annotations); err != nil {
		return nil, err
	}
	return e.hostWith(c)
}

func (e *runtimeEnv) hostWith(c *config.Config) (*sandbox.Host, error) {
	return sandbox.NewHost(e.Root, e.settings(c), e.Log)
}

// settings are those of the configuration, and of the flags.
func (e *runtimeEnv) settings(c *config.Config) *sandbox.Settings {
	s := c.Sandbox()
	s.SystemdCgroup, s.Log = e.systemdCgroup, e.logTarget
	if self, err := os.Executable(); err == nil {
		s.Serve = []string{self, "--kata-config", e.configPath}
	}
	return s
}
