package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stub starts a process in place of the service, with its socket's file.
func stub(t *testing.T) (service *os.Process, socket string) {
	t.Helper()
	cmd := exec.Command("sleep", "infinity")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(t.TempDir(), "socket")
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return cmd.Process, socket
}

// A service that containerd does not get to know of would live for ever.
func TestServiceThatCannotBeAnnouncedEnds(t *testing.T) {
	closed, w := io.Pipe()
	closed.Close()
	for name, out := range map[string]io.Writer{"shim.pid": io.Discard, "address": io.Discard, "": w} {
		service, socket := stub(t)
		bundle := t.TempDir()
		if name != "" {
			if err := os.Mkdir(filepath.Join(bundle, name), 0o700); err != nil { // so it cannot be written
				t.Fatal(err)
			}
		}
		if err := announce(bundle, socket, service, out); err == nil {
			t.Errorf("%q: it was announced", name)
		}
		if err := service.Kill(); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("%q: the service lived on", name)
			service.Wait()
		}
		if _, err := os.Stat(socket); !os.IsNotExist(err) {
			t.Errorf("%q: its socket is left: %v", name, err)
		}
	}
}

func TestServiceIsAnnounced(t *testing.T) {
	service, socket := stub(t)
	pid := service.Pid
	bundle := t.TempDir()
	var out strings.Builder
	err := announce(bundle, socket, service, &out)
	own, findErr := os.FindProcess(pid)
	if findErr != nil {
		t.Fatal(findErr)
	}
	if err := own.Kill(); err != nil {
		t.Errorf("the service does not live: %v", err)
	}
	own.Wait()
	if err != nil || out.String() != "unix://"+socket {
		t.Errorf("%q, %v", out.String(), err)
	}
	if address, err := os.ReadFile(filepath.Join(bundle, "address")); err != nil || string(address) != out.String() {
		t.Errorf("address %q, %v", address, err)
	}
}
