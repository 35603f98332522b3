package share

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// automounterAt has the test's program serve an automount, in a process group of
// its own: the kernel tells the automounter from others by that.
const automounterAt = "KATA_TEST_AUTOMOUNT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(automounterAt); dir != "" {
		fmt.Println(automounter(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// automounter mounts a tmpfs with a file "a" as often as it is asked to (Linux,
// Documentation/filesystems/autofs.rst).
func automounter(dir string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	options := fmt.Sprintf("fd=%d,pgrp=%d,minproto=5,maxproto=5,direct", w.Fd(), unix.Getpgrp())
	if err := unix.Mount("test", dir, "autofs", 0, options); err != nil {
		return fmt.Errorf("autofs: %w", err)
	}
	trigger, err := os.Open(dir)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	const (
		ready      = 0x9360 // AUTOFS_IOC_READY
		tokenStart = 8      // in autofs_v5_packet
	)
	packet := make([]byte, 512)
	for {
		if _, err := r.Read(packet); err != nil {
			return err
		}
		if err := unix.Mount("test", dir, "tmpfs", 0, ""); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "a"), []byte("a"), 0o600); err != nil {
			return err
		}
		token := binary.NativeEndian.Uint32(packet[tokenStart:])
		if err := unix.IoctlSetInt(int(trigger.Fd()), ready, int(token)); err != nil {
			return err
		}
	}
}

// A bind mount of it mounts it, and so has a share to.
func TestAutomountAsAVolume(t *testing.T) {
	f := folder(t)
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), automounterAt+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	defer func() {
		for unix.Unmount(dir, unix.MNT_DETACH) == nil {
		}
	}()
	if said, _ := bufio.NewReader(out).ReadString('\n'); said != "ready\n" {
		t.Skipf("no automount here: %s", said)
	}
	volume(t, f, 1, opened(t, dir), MountOptions{})
	if got, err := os.ReadFile(filepath.Join(f.Dir(), "@1", filepath.Base(dir), "a")); err != nil || string(got) != "a" {
		t.Errorf("the share has not what the automount has: %q, %v", got, err)
	}
}
