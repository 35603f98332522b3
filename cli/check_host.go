package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
)

func checkRoot(context.Context, *checkInput) checkResult {
	if uid := os.Geteuid(); uid != 0 {
		return fail("run it as root", "user id %d: namespaces, mounts and tap devices need root", uid)
	}
	return ok("root")
}

func checkTun(context.Context, *checkInput) checkResult {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return fail("modprobe tun", "%v", err)
	}
	f.Close()
	return ok("/dev/net/tun opens")
}

// checkTC does what a sandbox's network does: a tap and another link in a
// network namespace, an ingress qdisc, a filter that redirects. Nothing of it
// is seen outside of the namespace, which ends with its thread.
func checkTC(_ context.Context, in *checkInput) checkResult {
	if model := in.config.Runtime.Model; model != network.ModelTCFilter {
		return ok("not needed for internetworking_model = %q", model)
	}
	done := make(chan error)
	go func() {
		// Never unlocked: the thread is in another namespace and must not be
		// used again, so the Go runtime ends it with this goroutine.
		runtime.LockOSThread()
		done <- tryRedirect()
	}()
	if err := <-done; err != nil {
		return fail(`modprobe sch_ingress cls_u32 act_mirred; or set internetworking_model = "none" in [runtime] and go without network`, "%v", err)
	}
	return ok("traffic between two links in a network namespace can be redirected")
}

func tryRedirect() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("new network namespace: %w", err)
	}
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tap0"}, Mode: netlink.TUNTAP_MODE_TAP}
	if err := netlink.LinkAdd(tap); err != nil {
		return fmt.Errorf("add a tap: %w", err)
	}
	peer := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth1"}
	if err := netlink.LinkAdd(peer); err != nil {
		return fmt.Errorf("add a veth pair: %w", err)
	}
	from, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	to, err := netlink.LinkByName("tap0")
	if err != nil {
		return err
	}
	ingress := &netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: from.Attrs().Index, Parent: netlink.HANDLE_INGRESS, Handle: netlink.MakeHandle(0xffff, 0),
	}}
	if err := netlink.QdiscAdd(ingress); err != nil {
		return fmt.Errorf("add an ingress qdisc: %w", err)
	}
	redirect := netlink.NewMirredAction(to.Attrs().Index)
	err = netlink.FilterAdd(&netlink.U32{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: from.Attrs().Index, Parent: ingress.Handle, Priority: 1, Protocol: unix.ETH_P_ALL,
		},
		Actions: []netlink.Action{redirect},
	})
	if err != nil {
		return fmt.Errorf("add a filter that redirects: %w", err)
	}
	return nil
}

func checkCgroups(context.Context, *checkInput) checkResult {
	const dir = "/sys/fs/cgroup"
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fail("mount the cgroup file systems", "%s: %v", dir, err)
	}
	switch s.Type {
	case unix.CGROUP2_SUPER_MAGIC:
		return ok("version 2 on %s", dir)
	case unix.TMPFS_MAGIC:
		if _, err := os.Stat(dir + "/memory"); err != nil {
			return warn("mount the memory controller", "version 1 without the memory controller: %v", err)
		}
		return ok("version 1 on %s", dir)
	}
	return fail("mount the cgroup file systems", "%s holds no cgroups (file system type %#x)", dir, s.Type)
}

func checkOverlay(context.Context, *checkInput) checkResult {
	data, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return warn("mount /proc: other checks need it, too", "%v", err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 0 && f[len(f)-1] == "overlay" {
			return ok("the kernel has it, for the engines' root file systems")
		}
	}
	return warn("modprobe overlay", "the kernel does not list it; most engines build root file systems with it")
}

// minStateSpace is below what one sandbox may write there: its logs are
// limited to some MiB, its state is some KiB.
const minStateSpace = 64 << 20

func checkState(_ context.Context, in *checkInput) checkResult {
	dir := filepath.Clean(in.root)
	for {
		_, err := os.Stat(dir)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return fail("name another folder with --root", "%v", err)
		}
		dir = filepath.Dir(dir)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fail("name another folder with --root", "%s: %v", dir, err)
	}
	space := s.Bavail * uint64(s.Bsize)
	switch {
	case s.Flags&unix.ST_RDONLY != 0:
		return fail("name another folder with --root", "%s is read-only", dir)
	case space < minStateSpace:
		return fail("make room there", "%s has only %s free, of at least %s", dir, size(space), size(minStateSpace))
	case s.Type != unix.TMPFS_MAGIC:
		return warn("use a folder on a tmpfs (as /run is), so that a reboot leaves no stale state", "%s is not on a tmpfs; %s free", in.root, size(space))
	}
	return ok("%s, on a tmpfs with %s free", in.root, size(space))
}

func checkMemory(_ context.Context, in *checkInput) checkResult {
	available, err := memInfo("MemAvailable")
	if err != nil {
		return warn("mount /proc: other checks need it, too", "%v", err)
	}
	want := uint64(in.config.Hypervisor.QEMU.DefaultMemory) << 20
	if want == 0 {
		want = resources.DefaultMemoryMiB << 20
	}
	if available < want {
		return fail("free memory, or lower default_memory in [hypervisor.qemu]", "%s available, less than one sandbox's %s", size(available), size(want))
	}
	return ok("%s available, %s per sandbox without a limit of its own", size(available), size(want))
}

// memInfo answers a line of /proc/meminfo in bytes.
func memInfo(name string) (uint64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, found := strings.CutPrefix(s.Text(), name+":"); found {
			kib, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/meminfo: %s: %w", name, err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/meminfo has no %s", name)
}
