package hypervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAccelerator(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	intel := file("intel", "processor\t: 0\nflags\t\t: fpu vmx sse\n")
	amd := file("amd", "processor\t: 0\nflags\t\t: fpu svm sse")
	plain := file("plain", "processor\t: 0\nflags\t\t: fpu sse svme\n")
	empty := file("empty", "")
	missing := filepath.Join(dir, "missing")
	for _, c := range []struct {
		name, want, reason  string
		accel, arch         string
		cpuinfo, host, node string
		wantErr             bool
	}{
		{name: "tcg wished", accel: "tcg", want: "tcg", reason: "configuration", cpuinfo: intel, host: "amd64", node: "/dev/zero"},
		// The case that costs most: the device is there, the CPU cannot.
		{name: "no flags", accel: "auto", want: "tcg", reason: "neither vmx nor svm", cpuinfo: plain, host: "amd64", node: "/dev/zero"},
		{name: "no cpuinfo", accel: "", want: "tcg", reason: "CPU flags", cpuinfo: missing, host: "amd64", node: "/dev/zero"},
		{name: "empty cpuinfo", accel: "", want: "tcg", reason: "no CPU flags", cpuinfo: empty, host: "amd64", node: "/dev/zero"},
		{name: "no device", accel: "auto", want: "tcg", reason: "no such file", cpuinfo: intel, host: "amd64", node: missing},
		{name: "not a KVM device", accel: "auto", want: "tcg", reason: "not usable", cpuinfo: amd, host: "amd64", node: "/dev/zero"},
		{name: "arm64 device", accel: "auto", arch: "arm64", want: "tcg", reason: "not usable", cpuinfo: missing, host: "arm64", node: "/dev/zero"},
		{name: "foreign guest", accel: "auto", arch: "arm64", want: "tcg", reason: "arm64 and the host amd64", cpuinfo: intel, host: "amd64", node: "/dev/zero"},
		{name: "kvm wished in vain", accel: "kvm", reason: "neither vmx nor svm", cpuinfo: plain, host: "amd64", node: "/dev/zero", wantErr: true},
		{name: "unknown", accel: "hax", reason: "auto, kvm, tcg", cpuinfo: plain, host: "amd64", node: "/dev/zero", wantErr: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			arch := c.arch
			if arch == "" {
				arch = "amd64"
			}
			got, reason, err := probe{c.node, c.cpuinfo, c.host}.choose(&Config{Accelerator: c.accel, Arch: arch})
			if (err != nil) != c.wantErr || got != c.want {
				t.Fatalf("%q, %q, %v", got, reason, err)
			}
			if err != nil {
				reason = err.Error()
			}
			if !strings.Contains(reason, c.reason) {
				t.Errorf("reason %q lacks %q", reason, c.reason)
			}
		})
	}
}

func TestTSC(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpuinfo")
	for content, want := range map[string]uint64{
		"model name\t: x\ncpu MHz\t\t: 2596.138\n": 2596138,
		"cpu MHz\t\t: 3000.000\n":                  3000000,
		"cpu MHz\t\t: 0.000\n":                     0,
		"cpu MHz\t\t: many\n":                      0,
		"nothing\n":                                0,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := tscFromCPUInfo(path)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v, want %d", content, got, err, want)
		}
	}
}

// The kernel's own factor and /proc/cpuinfo speak of the same counter where
// the CPU's clock is fixed; both missing is a matter of the host.
func TestTSCFromPerf(t *testing.T) {
	khz, err := tscFromPerf()
	if err != nil {
		t.Skip(err)
	}
	if khz < 500_000 || khz > 10_000_000 {
		t.Errorf("%d kHz", khz)
	}
	t.Logf("%d kHz", khz)
}
