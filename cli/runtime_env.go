package main

import (
	"log/slog"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/config"
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
	logFile       string
}

func envOf(c *cli.Context) *runtimeEnv {
	return c.App.Metadata[envKey].(*runtimeEnv)
}

// config reads the configuration and logs its warnings.
func (e *runtimeEnv) config() (*config.Config, *config.Origins, error) {
	return config.Load(e.configPath)
}

// host is for the verbs that need no settings: those on a container that exists.
func (e *runtimeEnv) host() (*sandbox.Host, error) {
	return sandbox.NewHost(e.Root, nil, e.Log)
}

// hostWithSettings is for the verbs that start something.
func (e *runtimeEnv) hostWithSettings() (*sandbox.Host, error) {
	cfg, _, err := e.config()
	if err != nil {
		return nil, err
	}
	return sandbox.NewHost(e.Root, settings(cfg, e), e.Log)
}
