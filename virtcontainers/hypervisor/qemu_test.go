package hypervisor

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// These tests run a real QEMU without a guest: no kernel is needed, the
// firmware finds nothing to boot and idles.

const deadline = 30 * time.Second

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return ctx
}

func testConfig(t *testing.T, machine string) *Config {
	t.Helper()
	cfg := Default()
	cfg.Accelerator = AccelTCG
	cfg.MachineType = machine
	cfg.Arch = "amd64"
	if machine == "virt" {
		cfg.Arch = "arm64"
	}
	if _, err := exec.LookPath(cfg.binary()); err != nil {
		t.Skipf("%v: the Debian packages qemu-system-x86 and qemu-system-arm have it", err)
	}
	return &cfg
}

func testSpec(t *testing.T) *Spec {
	t.Helper()
	return &Spec{Name: "test", Dir: t.TempDir(), VCPUs: 1, MaxVCPUs: 3, MemoryMiB: 128, MaxMemoryMiB: 1024}
}

// listen makes a listening socket as a caller of Launch does.
func listen(t *testing.T, path string) *os.File {
	t.Helper()
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func launch(t *testing.T, cfg *Config, spec *Spec) *VM {
	t.Helper()
	ctx := testContext(t)
	vm, err := Launch(ctx, cfg, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := vm.Kill(ctx); err != nil {
			t.Error(err)
		}
	})
	return vm
}

func monitor(t *testing.T, vm *VM) *Monitor {
	t.Helper()
	m, err := vm.Monitor(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestLaunchEveryMachine(t *testing.T) {
	for _, machine := range []string{"q35", "microvm", "virt"} {
		t.Run(machine, func(t *testing.T) {
			cfg := testConfig(t, machine)
			spec := testSpec(t)
			disk := filepath.Join(spec.Dir, "a,disk")
			if err := os.WriteFile(disk, make([]byte, 1<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			spec.Console = listen(t, filepath.Join(spec.Dir, "console.sock"))
			spec.Agent.Serial = listen(t, filepath.Join(spec.Dir, "agent.sock"))
			spec.Disks = []Disk{{ID: "d0", Path: disk, ReadOnly: true}}
			shared := filepath.Join(spec.Dir, "shared,")
			if err := os.Mkdir(shared, 0o700); err != nil {
				t.Fatal(err)
			}
			spec.Shares = []Share{{Tag: "kata", Path: shared}}
			vm := launch(t, cfg, spec)
			m := monitor(t, vm)
			if status, err := m.Status(testContext(t)); err != nil || status != "running" {
				t.Errorf("Status = %q, %v", status, err)
			}
			if err := m.Pause(testContext(t)); err != nil {
				t.Error(err)
			}
			if status, err := m.Status(testContext(t)); err != nil || status != "paused" {
				t.Errorf("Status after Pause = %q, %v", status, err)
			}
			if err := m.Resume(testContext(t)); err != nil {
				t.Error(err)
			}
			conn, err := sock.Dial(testContext(t), filepath.Join(spec.Dir, "agent.sock"))
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if err := m.Quit(testContext(t)); err != nil {
				t.Error(err)
			}
			if vm.Alive() {
				t.Error("alive after Quit")
			}
			if log, err := os.ReadFile(filepath.Join(spec.Dir, LogFile)); err != nil || len(log) > 0 {
				t.Errorf("QEMU's log: %q, %v", log, err)
			}
		})
	}
}

func TestFilesArePrivateAndProcessIsConfined(t *testing.T) {
	cfg, spec := testConfig(t, "q35"), testSpec(t)
	vm := launch(t, cfg, spec)
	monitor(t, vm)
	for _, name := range []string{qmpSocket, LogFile} {
		info, err := os.Stat(filepath.Join(spec.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", name, mode)
		}
	}
	status, err := os.ReadFile(procFile(vm, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("QEMU's status lacks %q", want)
		}
	}
	t.Setenv("KATA_TEST_SECRET", "1")
	env, err := os.ReadFile(procFile(launch(t, cfg, testSpec(t)), "environ"))
	if err != nil || strings.Contains(string(env), "KATA_TEST_SECRET") {
		t.Errorf("environment %q, %v", env, err)
	}
}

func TestDeathAtOnceTellsQEMUsReason(t *testing.T) {
	cfg := testConfig(t, "q35")
	cfg.MachineAccelerators = "no-such-property=on"
	vm := launch(t, cfg, testSpec(t))
	ctx, cancel := vm.Bind(testContext(t))
	defer cancel()
	<-ctx.Done()
	var died *LaunchError
	if err := context.Cause(ctx); !errors.As(err, &died) || !errors.Is(err, ErrStopped) {
		t.Fatalf("cause %v", err)
	}
	for _, want := range []string{"exit status 1", "no-such-property"} {
		if !strings.Contains(died.Error(), want) {
			t.Errorf("%q lacks %q", died, want)
		}
	}
	if strings.Contains(died.Error(), "\n") {
		t.Errorf("%q has several lines", died)
	}
	if _, err := vm.Monitor(testContext(t)); !errors.As(err, &died) {
		t.Errorf("Monitor = %v", err)
	}
}

func TestKillIsCompleteAndRepeatable(t *testing.T) {
	vm := launch(t, testConfig(t, "q35"), testSpec(t))
	// As another process sees it, that has only the state.
	other := &VM{Process: vm.Process, QMP: vm.QMP, Machine: vm.Machine}
	if !other.Alive() || other.Exited() != nil {
		t.Error("a VM from the state is not alive")
	}
	for range 2 {
		if err := other.Kill(testContext(t)); err != nil {
			t.Error(err)
		}
	}
	if err := vm.Wait(testContext(t)); err != nil || vm.Alive() || other.Alive() {
		t.Errorf("Wait = %v", err)
	}
	<-vm.Exited()
	if status := vm.ExitError().Status; status != "signal: killed" {
		t.Errorf("status %q", status)
	}
	if _, err := other.Monitor(testContext(t)); !errors.Is(err, ErrStopped) {
		t.Errorf("Monitor = %v, want ErrStopped", err)
	}
}

func TestOneMonitorAtATime(t *testing.T) {
	vm := launch(t, testConfig(t, "q35"), testSpec(t))
	first := monitor(t, vm)
	ctx, cancel := context.WithCancel(testContext(t))
	got := make(chan error, 1)
	go func() {
		m, err := vm.Monitor(ctx)
		if err == nil {
			m.Close()
		}
		got <- err
	}()
	if _, err := first.Status(testContext(t)); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("the second monitor: %v, want Canceled", err)
	}
	first.Close()
	if _, err := monitor(t, vm).Status(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestVirtioFSTakesAConnectedSocket(t *testing.T) {
	spec := testSpec(t)
	spec.Console = nil
	a, b := socketPair(t)
	spec.Shares = []Share{{Tag: "kata", VirtioFS: b}}
	vm := launch(t, testConfig(t, "q35"), spec)
	// The daemon's end sees QEMU's first vhost-user request: GET_FEATURES is
	// request 1, version 1 in the flags (QEMU docs/interop/vhost-user.rst).
	a.SetDeadline(time.Now().Add(deadline))
	header := make([]byte, 12)
	if _, err := a.Read(header); err != nil {
		t.Fatalf("%v; %v", err, vm.ExitError())
	}
	if header[0] != 1 || header[4]&3 != 1 {
		t.Errorf("first request %v", header)
	}
}

func procFile(vm *VM, name string) string {
	return filepath.Join("/proc", strconv.Itoa(vm.Process.PID), name)
}

// socketPair answers the two ends of a connection.
func socketPair(t *testing.T) (*net.UnixConn, *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := sock.Dial(testContext(t), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	f, err := conn.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	peer, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return peer, f
}
