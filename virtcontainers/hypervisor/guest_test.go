package hypervisor

import (
	"bufio"
	"bytes"
	"debug/elf"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// reporter is the guest's init: it writes a line whenever a device, a CPU or
// memory comes or goes.
const reporter = `#!/busybox sh
b=/busybox
$b mkdir -p /proc /sys
$b mount -t proc p /proc; $b mount -t sysfs s /sys; $b mount -t devtmpfs d /dev
exec >/dev/console 2>&1
while :; do
	n="serials=$($b cat /sys/block/vd*/serial 2>/dev/null) macs=$($b cat /sys/class/net/*/address) cpus=$($b cat /sys/devices/system/cpu/present) MiB=$(($($b awk '/MemTotal/{print $2}' /proc/meminfo) / 1024))"
	[ "$n" = "$o" ] || $b echo STATE $n
	o="$n"
	$b usleep 100000
done
`

// reporterInitrd builds the guest's root around the host's static busybox.
func reporterInitrd(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("no busybox: the Debian package busybox-static has it")
	}
	if f, err := elf.Open(path); err != nil || len(f.Progs) == 0 {
		t.Fatal(err)
	} else {
		defer f.Close()
		if libs, _ := f.ImportedLibraries(); len(libs) > 0 {
			t.Skip("the host's busybox is not static: the Debian package busybox-static has one")
		}
	}
	busybox, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Documentation/driver-api/early-userspace/buffer-format.rst: "newc".
	var out bytes.Buffer
	add := func(name string, mode, major, minor int, data []byte) {
		fmt.Fprintf(&out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			1, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0, name)
		pad := func() { out.Write(make([]byte, -out.Len()&3)) }
		pad()
		out.Write(data)
		pad()
	}
	add("dev", 0o40755, 0, 0, nil)
	add("dev/console", 0o20600, 5, 1, nil)
	add("busybox", 0o100755, 0, 0, busybox)
	add("init", 0o100755, 0, 0, []byte(reporter))
	add("TRAILER!!!", 0, 0, 0, nil)
	initrd := filepath.Join(t.TempDir(), "initrd")
	if err := os.WriteFile(initrd, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return initrd
}

// TestGuestSeesHotplug proves that what QEMU takes also reaches a guest, and
// that the guest lets go of it again. The kernel must have the virtio drivers
// and hot-plug built in, as ours has.
func TestGuestSeesHotplug(t *testing.T) {
	kernel := os.Getenv("KATA_TEST_TUNED_KERNEL")
	if kernel == "" {
		t.Skip("KATA_TEST_TUNED_KERNEL names no kernel with virtio built in (make kernel)")
	}
	cfg, spec := testConfig(t, "q35"), testSpec(t)
	spec.Kernel, spec.Initrd, spec.MemoryMiB = kernel, reporterInitrd(t), 256
	path := filepath.Join(spec.Dir, "console.sock")
	spec.Console = listen(t, path)
	vm := launch(t, cfg, spec)
	conn, err := sock.Dial(testContext(t), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	states := bufio.NewScanner(conn)
	before := awaitState(t, conn, states, func(string) bool { return true })
	m := monitor(t, vm)

	if err := m.HotplugDisk(testContext(t), cfg, testDisk(t, "hot")); err != nil {
		t.Fatal(err)
	}
	has := func(what string) func(string) bool {
		return func(state string) bool { return strings.Contains(state, what) }
	}
	awaitState(t, conn, states, has("serials=hot"))
	const mac = "02:00:00:00:00:07"
	onTap(t, func(tap *os.File) {
		if err := m.HotplugNIC(testContext(t), NIC{ID: "nic1", MAC: mac, Taps: []*os.File{tap}}); err != nil {
			t.Fatal(err)
		}
		awaitState(t, conn, states, has(mac))
	})
	if n, err := m.HotplugCPUs(testContext(t), 1); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	awaitState(t, conn, states, has("cpus=0-1"))
	if n, err := m.HotplugMemory(testContext(t), MemoryStep); n != MemoryStep || err != nil {
		t.Fatal(n, err)
	}
	_, mib, _ := strings.Cut(before, "MiB=")
	var old int
	if _, err := fmt.Sscan(mib, &old); err != nil {
		t.Fatal(err)
	}
	awaitState(t, conn, states, has(fmt.Sprintf("MiB=%d", old+MemoryStep)))
	if err := m.UnplugDisk(testContext(t), "hot"); err != nil {
		t.Error(err)
	}
	awaitState(t, conn, states, has("serials= "))
	if err := m.UnplugNIC(testContext(t), "nic1"); err != nil {
		t.Error(err)
	}
	awaitState(t, conn, states, func(state string) bool { return !strings.Contains(state, mac) })
}

// TestGuestAnswersToMemory proves that GrowMemory hears the guest's answer. Any
// kernel with hot-plug of memory does.
func TestGuestAnswersToMemory(t *testing.T) {
	kernel := os.Getenv("KATA_TEST_KERNEL")
	if kernel == "" {
		t.Skip("KATA_TEST_KERNEL names no kernel")
	}
	cfg, spec := testConfig(t, "q35"), testSpec(t)
	spec.Kernel, spec.Initrd, spec.MemoryMiB, spec.MaxMemoryMiB = kernel, reporterInitrd(t), 192, 16<<10
	path := filepath.Join(spec.Dir, "console.sock")
	spec.Console = listen(t, path)
	vm := launch(t, cfg, spec)
	conn, err := sock.Dial(testContext(t), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	states := bufio.NewScanner(conn)
	awaitState(t, conn, states, func(string) bool { return true })
	go func() {
		for states.Scan() { // the guest must not wait for a reader
		}
	}()
	m := monitor(t, vm)
	if n, err := m.GrowMemory(testContext(t), MemoryStep); n != MemoryStep || err != nil {
		t.Errorf("a step: %d, %v", n, err)
	}
	if _, plugged, err := m.Memory(testContext(t)); plugged != MemoryStep || err != nil {
		t.Errorf("plugged %d, %v", plugged, err)
	}
}

// awaitState reads the guest's lines until one is as wished.
func awaitState(t *testing.T, conn net.Conn, states *bufio.Scanner, fits func(string) bool) string {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(2 * deadline))
	var last string
	for states.Scan() {
		last = states.Text()
		if strings.Contains(last, "STATE ") && fits(last) {
			return last
		}
	}
	t.Fatalf("the guest never says so, the last was %q: %v", last, states.Err())
	return ""
}
