package share

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// QEMU takes the connection, and the daemon ends with it without an error.
func TestDaemonServesQEMU(t *testing.T) {
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip(err)
	}
	d, _, _ := daemon(t)
	conn, err := d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(qemu, "-S", "-nodefaults", "-display", "none", "-machine", "q35,accel=tcg", "-m", "64",
		"-object", "memory-backend-memfd,id=m,size=64M,share=on", "-numa", "node,memdev=m",
		"-chardev", "socket,id=c,fd=3", "-device", "vhost-user-fs-pci,chardev=c,tag="+Tag, "-qmp", "stdio")
	cmd.ExtraFiles = []*os.File{conn}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	// The greeting comes once every device is there.
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"QMP"`) {
		t.Errorf("QEMU greets with %q", lines.Text())
	}
	if err := d.Err(); err != nil {
		t.Errorf("the daemon has ended: %v", err)
	}
	fmt.Fprintln(stdin, `{"execute":"qmp_capabilities"}{"execute":"quit"}`)
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("QEMU: %v", err)
	}
	<-d.Done()
	if err := d.Err(); err != nil {
		t.Error(err)
	}
}
