package container

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/sock"
)

func TestConsoleSocketGetsTheMaster(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.sock")
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	slave, err := NewConsole(t.Context(), path, &console.WinSize{Height: 33, Width: 77})
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	master := receive(t, l)
	defer master.Close()
	size, err := unix.IoctlGetWinsize(int(slave.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Row != 33 || size.Col != 77 {
		t.Errorf("size %+v, %v", size, err)
	}
	if _, err := slave.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := master.Read(got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

func receive(t *testing.T, l *net.UnixListener) *os.File {
	t.Helper()
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	name, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, rn, _, _, err := conn.ReadMsgUnix(name, rights)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(name[:n]), "/dev/pts/") {
		t.Errorf("name %q", name[:n])
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rn])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("descriptors %v, %v", fds, err)
	}
	return os.NewFile(uintptr(fds[0]), "master")
}

func TestConsoleSocketThatNobodyListensOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nobody.sock")
	if _, err := NewConsole(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}
