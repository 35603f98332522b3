package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/kata-go/kata-runtime/oci"
)

// runApp runs the command line in this process and answers its output.
func runApp(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	app := newApp()
	app.Writer = &out
	err := app.Run(append([]string{name, "--root", filepath.Join(t.TempDir(), "root")}, args...))
	return out.String(), err
}

func TestSpecWritesABundleThatLoads(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := runApp(t, "spec", "--bundle", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := oci.Load(dir); err != nil {
		t.Errorf("its own bundle: %v", err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := runApp(t, "spec", "-b", dir, "--rootless"); err == nil || !strings.Contains(err.Error(), "config.json exists") {
		t.Errorf("a second spec: %v", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed: %v", err)
	}
}

func TestSpecRootless(t *testing.T) {
	dir := t.TempDir()
	if _, err := runApp(t, "spec", "-b", dir, "--rootless"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil || !bytes.Contains(data, []byte("uidMappings")) {
		t.Errorf("no mappings of users in it: %v", err)
	}
}

func TestSpecWithoutItsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if _, err := runApp(t, "spec", "-b", dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
	if _, err := runApp(t, "spec", "surplus"); err == nil || !strings.Contains(err.Error(), "surplus") {
		t.Errorf("an argument too many: %v", err)
	}
}

func TestFeaturesAreOfTheGuest(t *testing.T) {
	out, err := runApp(t, "features")
	if err != nil {
		t.Fatal(err)
	}
	var f features.Features
	if err := json.Unmarshal([]byte(out), &f); err != nil {
		t.Fatal(err)
	}
	l := f.Linux
	if f.OCIVersionMin != "1.0.0" || len(f.Hooks) != 6 || len(l.Namespaces) == 0 || len(l.Capabilities) == 0 || len(f.MountOptions) == 0 {
		t.Errorf("incomplete: %s", out)
	}
	if *l.Cgroup.V1 || !*l.Cgroup.V2 || *l.Cgroup.Systemd || !*l.Seccomp.Enabled || *l.IntelRdt.Enabled {
		t.Errorf("not those of a guest: %s", out)
	}
}

func TestVersionHasWhatEnginesRead(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"version"}} {
		out, err := runApp(t, args...)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(out, "kata-runtime version ") || !strings.Contains(out, "\nspec: 1.") || !strings.Contains(out, "\ngo: go1.") {
			t.Errorf("%v: got %q", args, out)
		}
	}
}
