package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/config"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// envReport is what kata-env shows; its names are those of Kata 1.x as far as
// it had them, because people have scripts that read them.
type envReport struct {
	Meta       envMeta
	Runtime    envRuntime
	Host       envHost
	Hypervisor envHypervisor
	Kernel     envAsset
	Initrd     envAsset
	Image      envAsset
	Proxy      envHelper
	Shim       envHelper
	Agent      envAgent
}

type envMeta struct {
	// Version of this report's form; the major number changes when a name does.
	Version string
}

type envRuntime struct {
	Debug   bool
	Path    string
	Version envVersion
	Config  envConfig
}

type envVersion struct {
	Semver, Commit, OCI, Go string
}

type envConfig struct {
	// Path is the first of Files.
	Path     string
	Files    []string
	Warnings []string
}

type envHypervisor struct {
	Type, Path, Version, MachineType, Accelerator, AcceleratorReason string
	// Problem is why a part of this is empty.
	Problem string `toml:",omitempty" json:",omitempty"`
}

type envAsset struct {
	Path string
	// Parameters of the kernel from the configuration; the machine adds its own.
	Parameters string `toml:",omitempty" json:",omitempty"`
	// Bytes is the file's size.
	Bytes    int64
	Problem  string         `toml:",omitempty" json:",omitempty"`
	Manifest map[string]any `toml:",omitempty" json:",omitempty"`
}

type envHelper struct {
	Type, Path, Version string
	Debug               bool
	Problem             string `toml:",omitempty" json:",omitempty"`
}

type envAgent struct {
	Type  string
	Debug bool
}

// describe collects the report. What cannot be found out is said in its place,
// so that a broken installation still gets a report.
func describe(ctx context.Context, c *config.Config, o *config.Origins, debug bool) envReport {
	ctx, cancel := context.WithTimeout(ctx, checkDeadline)
	defer cancel()
	q := c.Hypervisor.QEMU
	self, err := os.Executable()
	if err != nil {
		self = err.Error()
	}
	return envReport{
		Meta: envMeta{Version: "2.0.0"},
		Runtime: envRuntime{
			Debug:   debug || c.Runtime.EnableDebug,
			Path:    self,
			Version: envVersion{version, builtFrom(), specs.Version, runtime.Version()},
			Config:  envConfig{o.Files[0], o.Files, append([]string{}, o.Warnings...)},
		},
		Host:       describeHost(c),
		Hypervisor: describeHypervisor(ctx, c),
		Kernel:     describeAsset(q.Kernel, q.KernelParams),
		Initrd:     describeAsset(q.Initrd, ""),
		Image:      describeAsset(q.Image, ""),
		Proxy:      describeHelper(ctx, "kataProxy", c.Proxy.Kata.Path, c.Proxy.Kata.EnableDebug),
		Shim:       describeHelper(ctx, "kataShim", c.Shim.Kata.Path, c.Shim.Kata.EnableDebug),
		Agent:      envAgent{"kata", c.Agent.Kata.EnableDebug},
	}
}

func describeHypervisor(ctx context.Context, c *config.Config) envHypervisor {
	q := &c.Hypervisor.QEMU
	h := envHypervisor{Type: "qemu", Path: q.Path, MachineType: q.MachineType}
	if h.MachineType == "" {
		h.MachineType = map[string]string{"arm64": "virt"}[guestArch(q.Arch)]
	}
	if h.MachineType == "" {
		h.MachineType = "q35"
	}
	var err error
	if h.Accelerator, h.AcceleratorReason, err = hypervisor.Accelerator(&q.VM); err != nil {
		h.Problem = err.Error()
	}
	if h.Path == "" {
		if h.Path, err = exec.LookPath(qemuName(q.Arch)); err != nil {
			h.Problem = err.Error()
			return h
		}
	}
	if h.Version, err = versionLine(ctx, h.Path); err != nil {
		h.Problem = err.Error()
	}
	return h
}

// guestArch is the guest's architecture for a setting that may be empty.
func guestArch(arch string) string {
	if arch == "" {
		return runtime.GOARCH
	}
	return arch
}

// qemuName is QEMU's binary for a guest architecture in Go's spelling.
func qemuName(arch string) string {
	name := guestArch(arch)
	if other, differs := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[name]; differs {
		name = other
	}
	return "qemu-system-" + name
}

func describeAsset(path, parameters string) envAsset {
	a := envAsset{Path: path, Parameters: parameters}
	if path == "" {
		return a
	}
	info, err := os.Stat(path)
	if err != nil {
		a.Problem = err.Error()
		return a
	}
	a.Bytes = info.Size()
	if a.Manifest, err = manifest(path); err != nil {
		a.Problem = err.Error()
	}
	return a
}

// maxManifest is the largest manifest that is read, in bytes.
const maxManifest = 16 << 20

// manifest reads what the asset's build left beside it; nil without one.
func manifest(asset string) (map[string]any, error) {
	path := asset + ".manifest.json"
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxManifest {
		return nil, fmt.Errorf("%s is larger than a manifest can be", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return plainTree(m).(map[string]any), nil
}

// plainTree makes a decoded JSON tree fit for TOML: numbers are whole where
// they can be, and null, which TOML has not, is left out.
func plainTree(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	case map[string]any:
		out := map[string]any{}
		for name, e := range v {
			if e != nil {
				out[name] = plainTree(e)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			if e != nil {
				out = append(out, plainTree(e))
			}
		}
		return out
	}
	return v
}

func describeHelper(ctx context.Context, kind, path string, debug bool) envHelper {
	h := envHelper{Type: kind, Path: path, Debug: debug}
	if err := executable(path); err != nil {
		h.Problem = err.Error()
		return h
	}
	line, err := versionLine(ctx, path)
	if err != nil {
		h.Problem = err.Error()
		return h
	}
	h.Version = strings.TrimSpace(line)
	return h
}
