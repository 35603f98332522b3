package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
)

func checkConfig(_ context.Context, in *checkInput) checkResult {
	if in.configErr != nil {
		return fail("correct it; kata-env --config-origin shows what is in force", "%v", in.configErr)
	}
	files := strings.Join(in.origins.Files, ", ")
	for _, f := range in.origins.Files {
		info, err := os.Stat(f)
		if err != nil {
			return warn("see who may read and change it", "%v", err)
		}
		// Whoever can change it names the programs that root runs.
		stat, isUnix := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm()&0o022 != 0 || isUnix && stat.Uid != 0 {
			return warn("chown root:root "+f+" && chmod go-w "+f, "%s can be changed by others than root", f)
		}
	}
	if n := len(in.origins.Warnings); n > 0 {
		return warn("remove the keys: "+strings.Join(in.origins.Warnings, "; "), "%s: %d key(s) without effect", files, n)
	}
	return ok("%s", files)
}

// minQEMU is the oldest major version that knows what we put on its command
// line (object-add without props came with 6.0).
const minQEMU = 6

func checkQEMU(ctx context.Context, in *checkInput) checkResult {
	path, err := qemuPath(in)
	const remedy = "install QEMU (Debian: apt install qemu-system-x86 or qemu-system-arm) or set path in [hypervisor.qemu]"
	if err != nil {
		return fail(remedy, "%v", err)
	}
	line, err := versionLine(ctx, path)
	if err != nil {
		return fail(remedy, "%v", err)
	}
	major, err := strconv.Atoi(regexp.MustCompile(`\d+`).FindString(line))
	if err != nil {
		return warn(remedy, "%s tells no version: %q", path, line)
	}
	if major < minQEMU {
		return fail(fmt.Sprintf("install QEMU %d or later", minQEMU), "%s: %s is too old", path, line)
	}
	return ok("%s: %s", path, line)
}

// qemuPath is the configured binary, or the one in PATH.
func qemuPath(in *checkInput) (string, error) {
	q := in.config.Hypervisor.QEMU
	if q.Path == "" {
		return exec.LookPath(qemuName(q.Arch))
	}
	return q.Path, executable(q.Path)
}

// versionLine is the first line that a program prints for --version.
func versionLine(ctx context.Context, path string) (string, error) {
	cmd := exec.CommandContext(ctx, path, "--version")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(out.String()), "\n")
	return line, nil
}

// executable answers an error unless path is a program that root could run.
func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file", path)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is not executable", path)
	}
	return nil
}

func checkAccelerator(_ context.Context, in *checkInput) checkResult {
	name, reason, err := hypervisor.Accelerator(&in.config.Hypervisor.QEMU.VM)
	switch {
	case err != nil:
		return fail(`set accelerator = "auto" or "tcg" in [hypervisor.qemu]`, "%v", err)
	case name == "tcg":
		return warn("use a host (or a VM with nested virtualization) whose /dev/kvm works, or live with it", "tcg, several times slower than kvm: %s", reason)
	}
	return ok("%s: %s", name, reason)
}

// checkTranslations looks whether keep_translations can be honoured: the first
// start would only warn, and each one be slow.
func checkTranslations(ctx context.Context, in *checkInput) checkResult {
	cfg := &in.config.Hypervisor.QEMU.VM
	name, _, err := hypervisor.Accelerator(cfg)
	if err != nil {
		return fail("see accelerator", "%v", err)
	}
	if name != hypervisor.AccelTCG {
		return ok("not needed with %s", name)
	}
	can, err := hypervisor.CanKeepTranslations(ctx, cfg)
	wanted := in.config.Factory.KeepTranslations
	switch {
	case err != nil:
		return fail("see qemu", "%v", err)
	case can && wanted:
		return ok("kept from one guest for the next (keep_translations)")
	case can:
		return ok("not kept, though this QEMU could (keep_translations): starts would take half of the time")
	case wanted:
		return warn("make qemu builds one that can; set path in [hypervisor.qemu] to it, or keep_translations = false in [factory]", "keep_translations is set, and this QEMU cannot")
	}
	return ok("not kept: this QEMU cannot (make qemu builds one that can, for guests of amd64: starts take half of the time)")
}

func checkKernel(_ context.Context, in *checkInput) checkResult {
	return checkAsset(in.config.Hypervisor.QEMU.Kernel, "kernel")
}

func checkGuestRoot(_ context.Context, in *checkInput) checkResult {
	if q := in.config.Hypervisor.QEMU; q.Image != "" {
		return checkAsset(q.Image, "image")
	}
	return checkAsset(in.config.Hypervisor.QEMU.Initrd, "initrd")
}

// checkMachine looks at settings that do not fit each other or the machine.
func checkMachine(ctx context.Context, in *checkInput) checkResult {
	for _, c := range []func(context.Context, *checkInput) checkResult{checkQEMU, checkAccelerator, checkKernel, checkGuestRoot} {
		if c(ctx, in).Result == checkFail {
			return warn("see the failures above", "not looked at until QEMU, kernel and guest image are there")
		}
	}
	if err := hypervisor.Validate(&in.config.Hypervisor.QEMU.VM); err != nil {
		return fail("correct the setting", "%v", err)
	}
	return ok("the settings of [hypervisor.qemu] fit each other")
}

// checkAsset wants a file that is there, readable and not empty.
func checkAsset(path, key string) checkResult {
	remedy := fmt.Sprintf("build and install it (make install) or set %s in [hypervisor.qemu]", key)
	f, err := os.Open(path)
	if err != nil {
		return fail(remedy, "%s: %v", key, err)
	}
	defer f.Close()
	if _, err := f.Read(make([]byte, 1)); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%s is empty", path)
		}
		return fail(remedy, "%s: %v", key, err)
	}
	info, err := f.Stat()
	if err != nil {
		return fail(remedy, "%s: %v", key, err)
	}
	return ok("%s %s, %s", key, path, size(uint64(info.Size())))
}

func checkShim(_ context.Context, in *checkInput) checkResult {
	return checkHelper(in.config.Shim.Kata.Path, "[shim.kata]")
}

func checkProxy(_ context.Context, in *checkInput) checkResult {
	r := checkHelper(in.config.Proxy.Kata.Path, "[proxy.kata]")
	if r.Result == checkFail && usesVSock(in) {
		return ok("not needed: the agent is reached by vsock")
	}
	return r
}

func checkHelper(path, table string) checkResult {
	if err := executable(path); err != nil {
		return fail("install it (make install) or set path in "+table, "%v", err)
	}
	return ok("%s", path)
}

func usesVSock(in *checkInput) bool {
	_, err := os.Stat("/dev/vhost-vsock")
	return in.config.Hypervisor.QEMU.UseVSock && err == nil
}

func checkChannel(_ context.Context, in *checkInput) checkResult {
	const path = "/dev/vhost-vsock"
	if !in.config.Hypervisor.QEMU.UseVSock {
		return ok("serial port and kata-proxy (use_vsock = false)")
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return ok("serial port and kata-proxy: the host has no %s", path)
	}
	if err != nil {
		return fail("use_vsock = false in [hypervisor.qemu] does without", "%v", err)
	}
	f.Close()
	return ok("vsock")
}

// size shows bytes for a person.
func size(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

func checkShare(ctx context.Context, in *checkInput) checkResult {
	choice, err := in.config.Hypervisor.QEMU.Share.Choose()
	if err != nil {
		return fail(`correct it, or set shared_fs = "auto" in [hypervisor.qemu]`, "%v", err)
	}
	if choice.FS != share.VirtioFS {
		return ok("%s: %s", choice.FS, choice.Reason)
	}
	line, err := versionLine(ctx, choice.Daemon)
	if err != nil {
		return fail(`install virtiofsd, or set shared_fs = "virtio-9p" in [hypervisor.qemu]`, "%v", err)
	}
	return ok("%s: %s: %s", choice.FS, choice.Daemon, line)
}
