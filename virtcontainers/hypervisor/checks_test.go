package hypervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChecks(t *testing.T) {
	asset := filepath.Join(t.TempDir(), "asset")
	if err := os.WriteFile(asset, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(t, "q35")
	cfg.Kernel, cfg.Initrd = asset, asset
	for _, c := range Checks(testContext(t), cfg) {
		if c.Required && !c.OK && c.Name != "tun" {
			t.Errorf("%+v", c)
		}
		if !c.OK && c.Remedy == "" {
			t.Errorf("no remedy: %+v", c)
		}
	}
	bad := map[string]bool{"qemu": true, "machine": true, "accelerator": true, "kernel": true, "image": true}
	for _, c := range Checks(testContext(t), &Config{Path: "/bin/echo", MachineType: "x", Arch: "amd64", Accelerator: "x"}) {
		if bad[c.Name] && (c.OK || !strings.Contains(c.Result, "[hypervisor.qemu]")) {
			t.Errorf("%+v", c)
		}
		delete(bad, c.Name)
	}
	if len(bad) > 0 {
		t.Errorf("no checks of %v", bad)
	}
}

func TestNewEnough(t *testing.T) {
	for version, want := range map[string]bool{
		"7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)": true,
		"6.1.0":                                 true, "6.0.1": false, "5.2.0": false, "10.0.2 (Debian)": true, "unknown": true,
	} {
		if got := newEnough(version); got != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}
