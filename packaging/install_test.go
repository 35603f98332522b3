package packaging

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runtimeStub stands for a kata-runtime that was built for /usr/local.
const runtimeStub = `#!/bin/sh
case "$1" in
--show-default-config-paths)
	echo /etc/kata-containers/configuration.toml
	echo /usr/local/share/defaults/kata-containers/configuration.toml
	;;
completion) echo "script for $2" ;;
esac
`

// tree is what make build and make image leave, as far as install.sh wants it.
func tree(t *testing.T, runtime string) string {
	t.Helper()
	build := t.TempDir()
	for path, text := range map[string]string{
		"kata-runtime": runtime, "kata-shim": "shim", "kata-proxy": "proxy", "kata-agent-ctl": "ctl",
		"guest/debian/vmlinux": "kernel", "guest/debian/initrd.img": "initrd", "guest/qemu/qemu-system-x86_64": "qemu", "man/kata-runtime.8": "page",
	} {
		path = filepath.Join(build, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return build
}

// install calls install.sh as the Makefile does.
func install(t *testing.T, env []string, destdir, build, prefix string) (out, stderr string, code int) {
	t.Helper()
	return call(t, env, "install.sh", destdir, build, prefix+"/bin", prefix+"/libexec/kata-containers",
		prefix+"/share/kata-containers", prefix+"/share/defaults/kata-containers", prefix+"/share/man")
}

// files below dir, in order.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			found = append(found, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What is installed is listed, is not installed again, and is what is removed.
func TestInstallAndUninstall(t *testing.T) {
	env, dest, build := stubs(t, nil), t.TempDir(), tree(t, runtimeStub)
	if _, stderr, code := install(t, env, dest, build, "/usr/local"); code != 0 {
		t.Fatalf("code %d, printed %q", code, stderr)
	}
	found := files(t, dest)
	for path, want := range map[string]string{
		"bash-completion/completions/kata-runtime": "script for bash\n", "zsh/site-functions/_kata-runtime": "script for zsh\n",
		"fish/vendor_completions.d/kata-runtime.fish": "script for fish\n",
	} {
		if got, err := os.ReadFile(dest + "/usr/local/share/" + path); err != nil || string(got) != want {
			t.Errorf("%s is %q: %v", path, got, err)
		}
	}
	list, err := os.ReadFile(dest + "/usr/local/share/kata-containers/files")
	if err != nil {
		t.Fatal(err)
	}
	if listed := strings.Fields(string(list)); !slices.Equal(listed, found) {
		t.Errorf("listed %v, there is %v", listed, found)
	}
	if out, stderr, code := install(t, env, dest, build, "/usr/local/"); code != 0 || out != "" {
		t.Errorf("again: code %d, printed %q and %q", code, out, stderr)
	}
	own := dest + "/usr/local/share/kata-containers/own"
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := call(t, env, "uninstall.sh", dest, "/usr/local/bin", "/usr/local/share/kata-containers"); code != 0 {
		t.Errorf("uninstall: code %d, printed %q", code, stderr)
	}
	if left := files(t, dest); !slices.Equal(left, []string{"/usr/local/share/kata-containers/own"}) {
		t.Errorf("left: %v", left)
	}
}

// Nothing is put in place if one of the files cannot be had.
func TestInstallIsAllOrNothing(t *testing.T) {
	stub := strings.Replace(runtimeStub, `completion)`, `completion) [ "$2" != fish ] || exit 1;`, 1)
	dest := t.TempDir()
	if out, _, code := install(t, stubs(t, nil), dest, tree(t, stub), "/usr/local"); code == 0 || out != "" {
		t.Errorf("code %d, printed %q", code, out)
	}
	if found := files(t, dest); len(found) != 0 {
		t.Errorf("left %v", found)
	}
}

// A runtime would look below the prefix that is linked in, and not find what is
// installed below another one.
func TestInstallRefusesAnotherPrefix(t *testing.T) {
	for name, test := range map[string]struct {
		stub, prefix, want string
	}{
		"another": {runtimeStub, "/usr", "built with PREFIX=/usr/local and would not find its configuration below /usr: make build PREFIX=/usr,"},
		"unknown": {"#!/bin/sh\necho usage; exit 1\n", "/usr", "make build PREFIX=/usr\n"},
		"broken":  {"#!/bin/sh\nexit 1\n", "/usr/local", "does not say which PREFIX"},
	} {
		t.Run(name, func(t *testing.T) {
			dest := t.TempDir()
			out, stderr, code := install(t, stubs(t, nil), dest, tree(t, test.stub), test.prefix)
			if code != 1 || out != "" || !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("code %d, printed %q and %q", code, out, stderr)
			}
			if found := files(t, dest); len(found) != 0 {
				t.Errorf("installed %v", found)
			}
		})
	}
}
