package stage

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain is also the process that enters a stage.
func TestMain(m *testing.M) {
	text := os.Getenv("STAGE")
	if text == "" {
		os.Exit(m.Run())
	}
	var s Stage
	err := json.Unmarshal([]byte(text), &s)
	if err == nil {
		err = s.Enter()
	}
	if err == nil && os.Getenv("EMPTY") != "" {
		err = lookAtNothing()
	} else if err == nil {
		err = look()
	}
	if err != nil {
		os.Stdout.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// look tells, line by line, what there is behind Enter.
func look() error {
	if os.Getpid() != 1 {
		return errors.New("not the first process")
	}
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	lines := []string{strings.Join(procs, " ")}
	for _, name := range []string{"/in-root", "/vol/in-volume", "/file", "/away/in-volume", "in-cwd"} {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		lines = append(lines, string(data))
	}
	for _, name := range []string{"/vol/new", "/ro/new", "/new"} {
		lines = append(lines, name+": "+writes(name))
	}
	if _, err := os.Stat("/etc/os-release"); err == nil {
		return errors.New("the host's /etc is there")
	}
	_, err = os.Stdout.WriteString(strings.Join(lines, "\n"))
	return err
}

func writes(name string) string {
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return "no"
	}
	return "yes"
}

func TestEnter(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	root, volume := filepath.Join(dir, "root"), filepath.Join(dir, "volume")
	for _, d := range []string{"proc", "vol", "ro", "real"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		root + "/in-root": "root", root + "/file": "", volume + "/in-volume": "volume", dir + "/single": "single", dir + "/in-cwd": "cwd",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A guest's link that would lead to the host's /real.
	if err := os.Symlink("/real", filepath.Join(root, "away")); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(Stage{Root: root, Volumes: []Volume{
		{Source: volume, Path: "/vol"}, {Source: volume, Path: "/ro", ReadOnly: true},
		{Source: dir + "/single", Path: "/file"}, {Source: volume, Path: "/away"}, {Source: volume, Path: "/not/there"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir, cmd.Env = dir, []string{"STAGE=" + string(text)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	want := "/proc/1\nroot\nvolume\nsingle\nvolume\ncwd\n/vol/new: yes\n/ro/new: no\n/new: yes"
	if err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
	if _, err := os.Stat(volume + "/new"); err != nil {
		t.Error(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("mounts are left on the host: %v", err)
	}
}

// A container without /proc, or whose guest has taken it away, has none of the
// host's files for a stage.
func TestRootWithoutProc(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	root, cwd := t.TempDir(), t.TempDir()
	// Not the host's, where it would lead outside.
	if err := errors.Join(os.Symlink("/nowhere", filepath.Join(root, "proc")), os.WriteFile(cwd+"/in-cwd", []byte("cwd"), 0o600)); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(Stage{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir, cmd.Env = cwd, []string{"STAGE=" + string(text), "EMPTY=yes"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	if want := "/proc\n/proc/1\ncwd\n/new: no"; err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}

// lookAtNothing tells what there is behind Enter in an empty stage.
func lookAtNothing() error {
	all, err := filepath.Glob("/*")
	if err != nil {
		return err
	}
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	data, err := os.ReadFile("/proc/self/cwd/in-cwd")
	if err != nil {
		return err
	}
	_, err = os.Stdout.WriteString(strings.Join([]string{strings.Join(all, " "), strings.Join(procs, " "), string(data), "/new: " + writes("/new")}, "\n"))
	return err
}

func TestAddress(t *testing.T) {
	if got, err := Address("vsock://3:1024"); err != nil || got != "vsock://3:1024" {
		t.Errorf("%q, %v", got, err)
	}
	dir := t.TempDir()
	got, err := Address("unix://" + dir + "/a.sock")
	if err != nil || !strings.HasPrefix(got, "unix:///proc/self/fd/") || !strings.HasSuffix(got, "/a.sock") {
		t.Fatalf("%q, %v", got, err)
	}
	link := filepath.Dir(strings.TrimPrefix(got, "unix://"))
	if target, err := os.Readlink(link); err != nil || target != dir {
		t.Errorf("%s leads to %q, %v", link, target, err)
	}
	if _, err := Address("unix://" + dir + "/none/a.sock"); err == nil {
		t.Error("a folder that is not there")
	}
}
