package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/kata-go/kata-runtime/config"
)

func TestEnvIsTheSameInBothForms(t *testing.T) {
	in := install(t, "enable_swap = true")
	put(t, in.initrd+".manifest.json", `{
		"packages": [{"name": "busybox", "version": "1:1.35"}, {"name": "none", "version": null}],
		"sha256": "00ff", "bytes": 12345678901, "ratio": 0.5, "nothing": null, "list": [1, null, "x"]
	}`, 0o644)
	out, err := runApp(t, "--kata-config", in.config, "kata-env")
	if err != nil {
		t.Fatal(err)
	}
	var fromTOML, fromJSON envReport
	if _, err := toml.Decode(out, &fromTOML); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if out, err = runApp(t, "--kata-config", in.config, "kata-env", "--json"); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &fromJSON); err != nil {
		t.Fatal(err)
	}
	m := fromTOML.Initrd.Manifest
	if m["bytes"] != int64(12345678901) || m["sha256"] != "00ff" || m["ratio"] != 0.5 {
		t.Errorf("manifest %v", m)
	}
	if _, there := m["nothing"]; there {
		t.Error("null is there")
	}
	// Numbers of any type, and what moves between two calls, aside.
	fromTOML.Initrd.Manifest, fromJSON.Initrd.Manifest = nil, nil
	fromTOML.Host.Memory.Available, fromJSON.Host.Memory.Available = 0, 0
	if !reflect.DeepEqual(fromTOML, fromJSON) {
		t.Errorf("TOML %+v\nJSON %+v", fromTOML, fromJSON)
	}
	r := fromTOML
	if r.Kernel.Path != in.kernel || r.Kernel.Bytes == 0 || r.Shim.Version != "a test 1.0" || r.Runtime.Config.Path != in.config ||
		r.Host.Kernel != hostKernel() || r.Host.Memory.Total == 0 || r.Host.CPU.CPUs == 0 || r.Hypervisor.Accelerator == "" {
		t.Errorf("incomplete: %+v", r)
	}
	if len(r.Runtime.Config.Warnings) != 1 || !strings.Contains(r.Runtime.Config.Warnings[0], "enable_swap") {
		t.Errorf("warnings %q", r.Runtime.Config.Warnings)
	}
}

func TestEnvOfABrokenInstallation(t *testing.T) {
	in := install(t, `path = "/none/qemu"`)
	put(t, in.config+".x", "", 0o600)
	put(t, in.kernel+".manifest.json", "{", 0o600)
	put(t, in.shim, "", 0o600)
	out, err := runApp(t, "--kata-config", in.config, "kata-env", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var r envReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	for what, problem := range map[string]string{
		"/none/qemu": r.Hypervisor.Problem, "vmlinuz.manifest.json": r.Kernel.Problem, "not executable": r.Shim.Problem,
	} {
		if !strings.Contains(problem, what) {
			t.Errorf("problem %q, want %q in it", problem, what)
		}
	}
}

func TestConfigOrigin(t *testing.T) {
	in := install(t, "kernel_params = 'a=\"b\"'\ndefault_memory = 300")
	out, err := runApp(t, "--kata-config", in.config, "kata-env", "--config-origin")
	if err != nil {
		t.Fatal(err)
	}
	// The output is a configuration that says the same.
	c, _, err := config.Parse("out", []byte(out))
	if err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if q := c.Hypervisor.QEMU; q.DefaultMemory != 300 || q.KernelParams != `a="b"` || q.Kernel != in.kernel {
		t.Errorf("got %+v", q)
	}
	for line := range strings.Lines(out) {
		switch {
		case strings.HasPrefix(line, "hypervisor.qemu.default_memory = "):
			if !strings.HasSuffix(line, " # "+in.config+":5\n") {
				t.Errorf("got %q", line)
			}
		case strings.HasPrefix(line, "hypervisor.qemu.default_vcpus = "):
			if !strings.HasSuffix(line, " # default\n") {
				t.Errorf("got %q", line)
			}
		}
	}
	if out, err = runApp(t, "--kata-config", in.config, "kata-env", "--config-origin", "--json"); err != nil {
		t.Fatal(err)
	}
	var lines []struct {
		Key, File string
		Value     any
		Line      int
	}
	if err := json.Unmarshal([]byte(out), &lines); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, l := range lines {
		if l.Key == "hypervisor.qemu.default_memory" {
			found = true
			if l.File != in.config || l.Line != 5 || l.Value != 300.0 {
				t.Errorf("got %+v", l)
			}
		}
	}
	if !found {
		t.Error("default_memory is missing")
	}
}
