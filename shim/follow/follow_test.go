package follow

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inNamespace puts the test's thread into a network namespace of its own.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
}

func subscribe(t *testing.T) *os.File {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "rtnetlink")
	t.Cleanup(func() { file.Close() })
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		t.Fatal(err)
	}
	return file
}

func ip(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", command, err, out)
	}
}

// process answers a pidfd, and what ends the process.
func process(t *testing.T) (*os.File, func()) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); file.Close() })
	return file, func() { cmd.Process.Kill() }
}

// more waits for a message.
func more(fd int) bool {
	wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(wait, 5000)
	return err == nil && n > 0
}

func TestFollow(t *testing.T) {
	inNamespace(t)
	ip(t, "link add eth0 type veth peer name peer0")
	changes := subscribe(t)
	// Between the subscription and the list.
	ip(t, "link set eth0 mtu 1450")
	links, err := Scan("kata")
	if err != nil {
		t.Fatal(err)
	}
	vm, end := process(t)
	runs := make(chan bool, 100)
	f := &Follower{Changes: changes, VM: vm, Links: links, Log: slog.New(slog.DiscardHandler),
		Run: func() error { runs <- true; return fmt.Errorf("not even an error ends it") }}
	ended := make(chan error, 1)
	go func() { ended <- f.Follow() }()
	<-runs
	// What takes several steps is one change.
	for _, step := range []string{"link add x0 type veth peer name peer1", "link set x0 name eth1", "addr add 10.9.0.2/24 dev eth1", "link set eth1 up", "route add 10.10.0.0/16 via 10.9.0.1"} {
		ip(t, step)
	}
	<-runs
	ip(t, "link del eth1")
	<-runs
	for _, quiet := range []string{"link add kata3 type veth peer name kata4", "link set kata3 up", "link set lo up", "link del kata3"} {
		ip(t, quiet)
	}
	ip(t, "link set eth0 mtu 1400")
	<-runs
	// Each of them within the calm of the one before, until patience ends.
	for begin, n := time.Now(), 0; time.Since(begin) < patience+time.Second && len(runs) == 0; n++ {
		ip(t, fmt.Sprintf("link set eth0 mtu %d", 1300+n%2))
	}
	<-runs
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestChanged(t *testing.T) {
	inNamespace(t)
	ip(t, "link add eth0 type veth peer name peer0")
	ip(t, "link set eth0 up")
	links, err := Scan("kata")
	if err != nil {
		t.Fatal(err)
	}
	changes := subscribe(t)
	buf := make([]byte, 64<<10)
	for _, test := range []struct {
		command string
		counts  bool
	}{
		{"link set eth0 alias x", false}, // and all that the beginning still caused
		{"link set peer0 up", true},
		{"link set peer0 down", true},
		{"link set eth0 promisc on", false},
		{"link set eth0 mtu 1400", true},
		{"link set eth0 mtu 1400", false},
		{"link set eth0 address 02:00:00:00:00:05", true},
		{"addr add 10.9.0.2/24 dev eth0", true},
		{"addr add 169.254.3.3/16 scope link dev eth0", false},
		{"-6 addr add fe80::7/64 dev eth0 nodad", false},
		{"-6 addr add fd00::3/64 dev eth0 nodad valid_lft 100 preferred_lft 100", false},
		{"-6 addr add fd00::2/64 dev eth0 nodad", true}, // told a little later
		{"route add default via 10.9.0.1", true},
		{"route add 10.11.0.0/16 via 10.9.0.1 table 77", false},
		{"route del default", true},
		{"neigh add 10.9.0.7 lladdr 02:00:00:00:00:07 dev eth0", false},
		{"addr del 10.9.0.2/24 dev eth0", true},
		{"link add kata0 type veth peer name kata1", false},
		{"link del eth0", true},
	} {
		ip(t, test.command)
		fd, err := descriptor(changes)
		if err != nil {
			t.Fatal(err)
		}
		counts := false
		for {
			n, err := unix.Read(fd, buf)
			if err != nil {
				if test.counts && !counts && more(fd) {
					continue
				}
				break
			}
			if links.Changed(buf[:n]) {
				counts = true
			}
		}
		if counts != test.counts {
			t.Errorf("%s: counts %v", test.command, counts)
		}
	}
	// Of what cannot be read nothing is lost, and nothing breaks.
	for _, m := range [][]byte{{1, 2, 3}, make([]byte, syscall.NLMSG_HDRLEN)} {
		links.Changed(m)
	}
}
