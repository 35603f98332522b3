package resources

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/internal/proc"
)

// sleeper starts a process that stays; it is ended with the test.
func sleeper(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid
}

// place is a cgroup path of this test's own, of which nothing may be left.
func place(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("cgroups need root")
	}
	top := fmt.Sprintf("/kata-test-%d-%s", os.Getpid(), t.Name())
	t.Cleanup(func() {
		left, err := filepath.Glob("/sys/fs/cgroup/*" + top)
		more, err2 := filepath.Glob("/sys/fs/cgroup" + top)
		if left = append(left, more...); len(left) > 0 || err != nil || err2 != nil {
			t.Errorf("left %v (%v, %v)", left, err, err2)
		}
	})
	return top + "/c1"
}

// cgroupOf answers the paths of a process by controller, as the kernel says.
func cgroupOf(t *testing.T, pid int) map[string]string {
	t.Helper()
	paths, err := cgroups.ParseCgroupFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func create(t *testing.T, path string, pids ...int) *Group {
	t.Helper()
	g, warnings, err := Create(path, false, pids...)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Skipf("no cgroups here: %v", warnings)
	}
	t.Cleanup(func() {
		if err := g.Remove(context.Background(), true); err != nil {
			t.Error(err)
		}
	})
	return g
}

func TestGroup(t *testing.T) {
	path := place(t)
	shim, vm, other := sleeper(t), sleeper(t), sleeper(t)
	g := create(t, path, shim)
	s, err := g.Below(vm, other)
	if err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[int]string{shim: path, vm: path + "/kata", other: path + "/kata"} {
		for controller, got := range cgroupOf(t, pid) {
			if g.Paths[controller] != "" && got != want {
				t.Errorf("process %d, controller %q: %s, want %s", pid, controller, got, want)
			}
		}
	}
	if err := s.Remove(t.Context(), false); err == nil || !strings.Contains(err.Error(), fmt.Sprint(vm)) {
		t.Errorf("removed with processes inside: %v", err)
	}
	for range 2 {
		if err := s.Remove(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	for pid, want := range map[int]bool{shim: true, vm: false, other: false} {
		h, err := proc.Of(pid)
		if got := err == nil && h.Alive(); got != want {
			t.Errorf("process %d lives: %v", pid, got)
		}
	}
}

func TestSandboxBesideItsContainer(t *testing.T) {
	path := place(t)
	vm := sleeper(t)
	g := create(t, path)
	s, err := Config{SandboxCgroupOnly: true}.PlanSandbox(g, "s1", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Make(vm); err != nil {
		t.Fatal(err)
	}
	want := filepath.Dir(path) + "/kata_s1"
	for controller, got := range cgroupOf(t, vm) {
		if s.Paths[controller] != "" && got != want {
			t.Errorf("controller %q: %s", controller, got)
		}
	}
	if err := s.Remove(t.Context(), true); err != nil {
		t.Fatal(err)
	}
}

// virtiofsd serves in a child that may be older than the group.
func TestPlaceTakesDescendants(t *testing.T) {
	path := place(t)
	cmd := exec.Command("sh", "-c", "sh -c 'echo $$; read x; true' ; true")
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
	defer cmd.Wait()
	defer stdin.Close()
	var child int
	if _, err := fmt.Fscan(stdout, &child); err != nil || child == cmd.Process.Pid {
		t.Fatal(child, err)
	}
	g := create(t, path, cmd.Process.Pid)
	for controller, got := range cgroupOf(t, child) {
		if g.Paths[controller] != "" && got != path {
			t.Errorf("controller %q of the child: %s", controller, got)
		}
	}
}

// A group that somebody else made stays.
func TestGroupThatWasThere(t *testing.T) {
	path := place(t)
	first := create(t, path)
	second, _, err := Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Made) > 0 {
		t.Errorf("claims to have made %v", second.Made)
	}
	if err := second.Remove(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for _, dir := range first.Paths {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}

// A parent that two groups share stays until the last is gone, whoever made it.
func TestSharedParent(t *testing.T) {
	path := place(t)
	first := create(t, path)
	second := create(t, filepath.Dir(path)+"/c2")
	if err := first.Remove(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for _, dir := range second.Paths {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
	// The parent was the first's to remove, and was in use then.
	if err := second.Remove(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := first.Remove(t.Context(), false); err != nil {
		t.Fatal(err)
	}
}

// Whoever comes last takes our own top group away.
func TestOurTopGoesWithTheLast(t *testing.T) {
	place(t)
	id := fmt.Sprintf("test-%d", os.Getpid())
	var groups []*Group
	for _, name := range []string{id + "-a", id + "-b"} {
		groups = append(groups, create(t, overheadTop+"/"+name))
	}
	for _, g := range groups {
		if err := g.Remove(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range groups[0].Paths {
		left, err := os.ReadDir(filepath.Dir(dir))
		folders := slices.ContainsFunc(left, os.DirEntry.IsDir) // of somebody's else
		if !folders && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left (%v)", filepath.Dir(dir), err)
		}
	}
}

func TestCreateWithAProcessThatIsGone(t *testing.T) {
	path := place(t)
	alive := sleeper(t)
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if g, _, err := Create(path, false, alive, cmd.Process.Pid); err == nil {
		t.Errorf("made %+v", g)
	}
}

func TestLimit(t *testing.T) {
	path := place(t)
	g := create(t, path)
	if cgroups.IsCgroup2UnifiedMode() {
		t.Skip("reads the files of cgroup v1")
	}
	s, err := g.Below()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Remove(context.Background(), false)
	memory, err := cgroups.ReadFile(g.Paths["memory"], "memory.limit_in_bytes")
	if err != nil {
		t.Fatal(err)
	}
	all, err := cgroups.ReadFile(g.Paths["cpuset"], "cpuset.cpus")
	if err != nil {
		t.Fatal(err)
	}
	r := &specs.LinuxResources{
		CPU:    &specs.LinuxCPU{Shares: ptr[uint64](512), Quota: ptr[int64](50000), Period: ptr[uint64](100000), Cpus: "0"},
		Memory: &specs.LinuxMemory{Limit: ptr[int64](16 << 20)},
		Pids:   &specs.LinuxPids{Limit: ptr[int64](7)},
	}
	if warnings, err := g.Limit(r); err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	for _, test := range []struct{ controller, sub, file, want string }{
		{"cpu", "", "cpu.shares", "512"},
		{"cpu", "", "cpu.cfs_quota_us", "50000"},
		{"cpuset", "", "cpuset.cpus", "0"},
		{"cpuset", "kata", "cpuset.cpus", "0"},
		{"memory", "", "memory.limit_in_bytes", strings.TrimSpace(memory)},
		{"pids", "", "pids.max", "max"},
	} {
		got, err := cgroups.ReadFile(filepath.Join(g.Paths[test.controller], test.sub), test.file)
		if err != nil || strings.TrimSpace(got) != test.want {
			t.Errorf("%s/%s: %q, %v; want %s", test.sub, test.file, got, err, test.want)
		}
	}
	r = &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: strings.TrimSpace(all)}}
	if warnings, err := g.Limit(r); err != nil || len(warnings) > 0 {
		t.Errorf("growing the cpuset again: %v, %v", warnings, err)
	}
}

func TestLimitWarnsByName(t *testing.T) {
	path := place(t)
	g := create(t, path)
	if cgroups.IsCgroup2UnifiedMode() {
		t.Skip("in cgroup v2 the kernel answers by itself")
	}
	without := *g
	without.Paths = map[string]string{"cpu": g.Paths["cpu"]}
	warnings, err := without.Limit(&specs.LinuxResources{
		CPU:     &specs.LinuxCPU{Cpus: "0"},
		BlockIO: &specs.LinuxBlockIO{Weight: ptr[uint16](100)},
	})
	if err != nil || len(warnings) != 2 || !strings.Contains(warnings[0], "cpuset") || !strings.Contains(warnings[1], "blkio") {
		t.Errorf("%v, %v", warnings, err)
	}
}

func TestLimitRefusesAndRestores(t *testing.T) {
	g := create(t, place(t))
	if cgroups.IsCgroup2UnifiedMode() {
		t.Skip("reads the files of cgroup v1")
	}
	s, err := g.Below()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Remove(context.Background(), false)
	before := g.settings()
	for name, r := range map[string]*specs.LinuxResources{
		"a node that is not there, after other values": {CPU: &specs.LinuxCPU{
			Shares: ptr[uint64](512), Quota: ptr[int64](20000), Period: ptr[uint64](50000), Cpus: "0", Mems: "999"}},
		"a CPU that is not there": {CPU: &specs.LinuxCPU{Cpus: "100-101"}},
		"a disk that is not there": {CPU: &specs.LinuxCPU{Cpus: "0"}, BlockIO: &specs.LinuxBlockIO{
			ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{throttle(4095, 99, 1000)}}},
	} {
		if warnings, _, err := g.Relimit(r); err == nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %v", name, warnings, err)
		}
		if after := g.settings(); !sameSettings(before, after) {
			t.Errorf("%s: %v was %v", name, after, before)
		}
	}
	// What was accepted can be taken back, too.
	_, undo, err := g.Relimit(&specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: ptr[uint64](512), Quota: ptr[int64](20000), Period: ptr[uint64](50000), Cpus: "0"}})
	if err != nil || sameSettings(before, g.settings()) {
		t.Fatal("nothing was set", err)
	}
	if err := undo(); err != nil || !sameSettings(before, g.settings()) {
		t.Errorf("%v: %v was %v", err, g.settings(), before)
	}
}

func throttle(major, minor int64, rate uint64) specs.LinuxThrottleDevice {
	d := specs.LinuxThrottleDevice{Rate: rate}
	d.Major, d.Minor = major, minor
	return d
}

// sameSettings: maps have no order.
func sameSettings(a, b []setting) bool {
	order := func(x, y setting) int { return strings.Compare(x.dir+x.file, y.dir+y.file) }
	slices.SortFunc(a, order)
	slices.SortFunc(b, order)
	return len(a) > 0 && slices.Equal(a, b)
}

func TestSystemdNeedsAProcess(t *testing.T) {
	if _, _, err := Create("a.slice:b:c", true); err == nil {
		t.Error("made a scope without a process")
	}
}

func TestMissing(t *testing.T) {
	dir := t.TempDir()
	want := []string{dir + "/a/b", dir + "/a"}
	if got := missing(dir + "/a/b"); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := missing(dir); len(got) > 0 {
		t.Errorf("%v", got)
	}
	if _, err := os.Stat(want[1]); !errors.Is(err, os.ErrNotExist) {
		t.Error("it made something")
	}
}
