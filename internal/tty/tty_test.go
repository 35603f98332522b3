package tty

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/containerd/console"
)

// TestMain makes the test's own binary a process with other streams: its exit code
// is 0 if it finds a terminal.
func TestMain(m *testing.M) {
	if os.Getenv("KATA_TTY_TEST") != "" {
		if _, err := Find(); err != nil {
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestFind(t *testing.T) {
	_, path, err := console.NewPty()
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	for _, c := range []struct {
		what    string
		prepare func(*exec.Cmd)
		code    int
	}{
		{"none", func(*exec.Cmd) {}, 3},
		{"standard input", func(c *exec.Cmd) { c.Stdin = slave }, 0},
		{"standard error", func(c *exec.Cmd) { c.Stderr = slave }, 0},
		{"standard output", func(c *exec.Cmd) { c.Stdout = slave }, 0},
		{"the controlling one", func(c *exec.Cmd) {
			c.ExtraFiles = []*os.File{slave}
			c.SysProcAttr.Setctty, c.SysProcAttr.Ctty = true, 3
		}, 0},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{"KATA_TTY_TEST=1"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		c.prepare(cmd)
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != c.code {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}
