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
	return e.newHost(nil)
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
	return e.newHost(e.settings(c))
}

func (e *runtimeEnv) newHost(s *sandbox.Settings) (*sandbox.Host, error) {
	host, err := sandbox.NewHost(e.Root, s, e.Log)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := []string{self, "--root", e.Root}
	if target := e.logTarget; target.File != "" {
		command = append(command, "--log", target.File, "--log-format", target.Format)
	}
	host.Command(command...)
	return host, nil
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
