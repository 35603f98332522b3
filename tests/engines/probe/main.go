// Command probe does in a container, and on the host, what busybox cannot:
//
//	probe udp-echo PORT        answers each datagram with "echo " and its text
//	probe udp HOST:PORT TEXT   sends one and prints the answer
//	probe mmap FILE TEXT       maps the file shared, checks that the map shows
//	                           what the file holds, and writes TEXT through it
//	probe hold FILE            locks the file (flock and fcntl), maps it shared,
//	                           says "ready" and answers those who meet it
//	probe meet FILE            says whether the locks are "held" or "free", and the
//	                           memory of who holds them "shared" or "apart"
//	probe locks FILE           locks a part of the file (fcntl); another process
//	                           of its own is refused it, waits for it until it is
//	                           free, and says "waited"
//	probe both-locks FILE      locks it by flock and by fcntl, and says "both"
//	probe unix-echo PATH       a socket there that answers with what it is sent
//	probe unix PATH TEXT       sends it there and prints the answer
//	probe setxattr FILE NAME HEX  sets an extended attribute
//	probe getxattr FILE NAME   prints it in the same form
//	probe tmpfile DIR NAME TEXT  writes TEXT to a file without a name (O_TMPFILE),
//	                           checks that it has none, and gives it NAME
package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "udp-echo":
		return echo(args[1])
	case len(args) == 3 && args[0] == "udp":
		return ask(args[1], args[2])
	case len(args) == 3 && args[0] == "mmap":
		return mapFile(args[1], args[2])
	case len(args) == 2 && args[0] == "hold":
		return hold(args[1])
	case len(args) == 2 && args[0] == "meet":
		return meet(args[1])
	case len(args) == 2 && args[0] == "locks":
		return locks(args[1])
	case len(args) == 2 && args[0] == "both-locks":
		return bothLocks(args[1])
	case len(args) == 2 && args[0] == "wait-lock":
		return waitLock(args[1])
	case len(args) == 2 && args[0] == "unix-echo":
		return listenUnix(args[1])
	case len(args) == 3 && args[0] == "unix":
		return dialUnix(args[1], args[2])
	case len(args) == 4 && args[0] == "setxattr":
		return setXattr(args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "getxattr":
		return getXattr(args[1], args[2])
	case len(args) == 4 && args[0] == "tmpfile":
		return nameless(args[1], args[2], args[3])
	}
	return fmt.Errorf("unknown arguments %q", args)
}

func echo(port string) error {
	conn, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	buf := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo(append([]byte("echo "), buf[:n]...), from); err != nil {
			return err
		}
	}
}

// ask sends again if nothing comes: datagrams get lost.
func ask(address, text string) error {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	buf := make([]byte, 64<<10)
	for range 10 {
		if _, err := conn.Write([]byte(text)); err != nil {
			return err
		}
		conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		n, err := conn.Read(buf)
		if err == nil {
			fmt.Printf("%s\n", buf[:n])
			return nil
		}
	}
	return errors.New("no answer")
}

func mapFile(path, text string) error {
	held, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if len(text) > len(held) {
		return fmt.Errorf("%s has only %d bytes", path, len(held))
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := syscall.Mmap(int(f.Fd()), 0, len(held), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	if !bytes.Equal(m, held) {
		return errors.New("the map is not what the file holds")
	}
	copy(m, text)
	if err := syscall.Munmap(m); err != nil {
		return err
	}
	return f.Sync()
}

// nameless makes a file as open(2) shows it under O_TMPFILE.
func nameless(dir, name, text string) error {
	before, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("O_TMPFILE in %s: %w", dir, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	after, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(after) != len(before) {
		return fmt.Errorf("%s has %d files more", dir, len(after)-len(before))
	}
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, dir+"/"+name, unix.AT_SYMLINK_FOLLOW)
}
