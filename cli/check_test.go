package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/config"
)

// installation is a folder with files as an installation has them, and a
// configuration that names them.
type installation struct {
	dir, config, kernel, initrd, shim, proxy string
}

func install(t *testing.T, more string) *installation {
	t.Helper()
	dir := t.TempDir()
	in := &installation{dir, dir + "/configuration.toml", dir + "/vmlinuz", dir + "/initrd", dir + "/kata-shim", dir + "/kata-proxy"}
	for path, mode := range map[string]os.FileMode{in.kernel: 0o644, in.initrd: 0o644, in.shim: 0o755, in.proxy: 0o755} {
		put(t, path, "#!/bin/sh\necho a test 1.0\n", mode)
	}
	put(t, in.config, `[hypervisor.qemu]
kernel = "`+in.kernel+`"
initrd = "`+in.initrd+`"
`+more+`
[shim.kata]
path = "`+in.shim+`"
[proxy.kata]
path = "`+in.proxy+`"
`, 0o600)
	return in
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// checkAll runs kata-check and answers its results by name.
func checkAll(t *testing.T, config string) (map[string]checkResult, error) {
	t.Helper()
	out, verdict := runApp(t, "--kata-config", config, "kata-check", "--json")
	var list []checkResult
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	results := map[string]checkResult{}
	failed := false
	for _, r := range list {
		results[r.Name] = r
		failed = failed || r.Result == checkFail
		if r.Cause == "" || r.Result != checkOK && r.Remedy == "" {
			t.Errorf("%s: no cause or remedy: %+v", r.Name, r)
		}
	}
	if failed != (verdict != nil) {
		t.Errorf("failed %v, but the verdict is %v", failed, verdict)
	}
	return results, verdict
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		more   string
		spoil  func(*testing.T, *installation)
		check  string
		result outcome
		cause  string
	}{
		"kernel missing":     {spoil: func(t *testing.T, in *installation) { os.Remove(in.kernel) }, check: "kernel", result: checkFail, cause: "no such file"},
		"initrd empty":       {spoil: func(t *testing.T, in *installation) { put(t, in.initrd, "", 0o644) }, check: "guest image", result: checkFail, cause: "is empty"},
		"initrd a folder":    {spoil: func(t *testing.T, in *installation) { os.Remove(in.initrd); os.Mkdir(in.initrd, 0o755) }, check: "guest image", result: checkFail, cause: "is a directory"},
		"shim no program":    {spoil: func(t *testing.T, in *installation) { os.Chmod(in.shim, 0o644) }, check: "kata-shim", result: checkFail, cause: "is not executable"},
		"proxy gone":         {more: "use_vsock = false", spoil: func(t *testing.T, in *installation) { os.Remove(in.proxy) }, check: "kata-proxy", result: checkFail, cause: "no such file"},
		"file of others":     {spoil: func(t *testing.T, in *installation) { os.Chmod(in.config, 0o666) }, check: "configuration", result: checkWarn, cause: "by others than root"},
		"key for nothing":    {more: "enable_swap = true", check: "configuration", result: checkWarn, cause: "1 key(s) without effect"},
		"no such QEMU":       {more: `path = "/none/qemu"`, check: "qemu", result: checkFail, cause: "/none/qemu"},
		"no virtiofsd":       {more: "shared_fs = 'virtio-fs'\nvirtio_fs_daemon = '/none/virtiofsd'", check: "shared folder", result: checkFail, cause: "/none/virtiofsd"},
		"9p":                 {more: "shared_fs = 'virtio-9p'", check: "shared folder", result: checkOK, cause: "9p"},
		"tcg":                {more: "accelerator = 'tcg'", check: "accelerator", result: checkWarn, cause: "several times slower"},
		"translations":       {more: "accelerator = 'tcg'\n[factory]\nkeep_translations = true", check: "translations", result: checkWarn, cause: "this QEMU cannot"},
		"no translations":    {more: "accelerator = 'tcg'", check: "translations", result: checkOK, cause: "make qemu"},
		"no vsock":           {more: "use_vsock = false", check: "agent channel", result: checkOK, cause: "serial port"},
		"memory as it comes": {more: "default_memory = 0", check: "memory", result: checkOK, cause: "256.0 MiB per sandbox"},
		"too much memory":    {more: "default_memory = 16777216", check: "memory", result: checkFail, cause: "less than one sandbox"},
		"all there":          {check: "kernel", result: checkOK, cause: "vmlinuz"},
	} {
		t.Run(name, func(t *testing.T) {
			in := install(t, test.more)
			if test.spoil != nil {
				test.spoil(t, in)
			}
			results, _ := checkAll(t, in.config)
			got := results[test.check]
			if got.Result != test.result || !strings.Contains(got.Cause, test.cause) {
				t.Errorf("%s: got %+v, want %s with %q", test.check, got, test.result, test.cause)
			}
		})
	}
}

func TestCheckWithABrokenConfiguration(t *testing.T) {
	in := install(t, "kernle = 1")
	results, verdict := checkAll(t, in.config)
	if verdict == nil || !strings.Contains(verdict.Error(), "configuration") {
		t.Errorf("verdict %v", verdict)
	}
	if r := results["configuration"]; !strings.Contains(r.Cause, `did you mean "kernel"`) {
		t.Errorf("got %+v", r)
	}
	if _, there := results["tun"]; !there {
		t.Error("the host was not looked at")
	}
	if _, there := results["kernel"]; there {
		t.Error("a file of a configuration that could not be read was looked at")
	}
}

// What is not used need not work.
func TestCheckWithoutANetwork(t *testing.T) {
	in := install(t, "")
	text, err := os.ReadFile(in.config)
	if err != nil {
		t.Fatal(err)
	}
	put(t, in.config, string(text)+"\n[runtime]\ninternetworking_model = 'none'\n", 0o644)
	results, _ := checkAll(t, in.config)
	if r := results["tc"]; r.Result != checkOK || !strings.Contains(r.Cause, "not needed") {
		t.Errorf("%+v", r)
	}
}

// A program in QEMU's place stands for a version that cannot be installed.
func TestCheckOldQEMU(t *testing.T) {
	in := install(t, "")
	qemu := filepath.Join(in.dir, "qemu")
	for version, want := range map[string]outcome{"QEMU emulator version 5.2.0": checkFail, "QEMU emulator version 10.0.13": checkOK, "hello": checkWarn} {
		put(t, qemu, "#!/bin/sh\necho '"+version+"'\n", 0o755)
		data, err := os.ReadFile(in.config)
		if err != nil {
			t.Fatal(err)
		}
		config := filepath.Join(in.dir, "other.toml")
		put(t, config, strings.Replace(string(data), "[hypervisor.qemu]", "[hypervisor.qemu]\npath = \""+qemu+"\"", 1), 0o600)
		results, _ := checkAll(t, config)
		if got := results["qemu"]; got.Result != want {
			t.Errorf("%s: %+v, want %s", version, got, want)
		}
	}
}

func TestCheckTable(t *testing.T) {
	in := install(t, "")
	os.Remove(in.shim)
	out, err := runApp(t, "--kata-config", in.config, "kata-check")
	if err == nil {
		t.Error("no error for the exit code")
	}
	lines := strings.Split(out, "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "kata-shim  ") })
	if i < 0 || !strings.Contains(lines[i], "  fail  ") || !strings.Contains(lines[i+1], "-> install it") {
		t.Errorf("got\n%s", out)
	}
}

// The network check works in a namespace of its own.
func TestCheckTCLeavesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	names := func() []string {
		interfaces, err := net.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, i := range interfaces {
			all = append(all, i.Name)
		}
		return all
	}
	before := names()
	if r := checkTC(t.Context(), &checkInput{config: config.Default()}); r.Result != checkOK {
		t.Errorf("got %+v", r)
	}
	if after := names(); !slices.Equal(before, after) {
		t.Errorf("interfaces %v, before %v", after, before)
	}
}
