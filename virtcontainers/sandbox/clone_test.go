package sandbox

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
)

func TestUnfit(t *testing.T) {
	vm := hypervisor.Spec{VCPUs: 1, MemoryMiB: 256}
	disk := []hypervisor.Disk{{ID: "d"}}
	for name, test := range map[string]struct {
		change func(*hypervisor.Spec, *Settings, *State)
		want   string
	}{
		"default":       {func(*hypervisor.Spec, *Settings, *State) {}, ""},
		"less memory":   {func(vm *hypervisor.Spec, _ *Settings, _ *State) { vm.MemoryMiB = 128 }, ""},
		"9p":            {func(_ *hypervisor.Spec, s *Settings, _ *State) { s.Share.SharedFS = share.Virtio9P }, ""},
		"more memory":   {func(vm *hypervisor.Spec, _ *Settings, _ *State) { vm.MemoryMiB = 257 }, ""},
		"more CPUs":     {func(vm *hypervisor.Spec, _ *Settings, _ *State) { vm.VCPUs = 2 }, ""},
		"a disk":        {func(vm *hypervisor.Spec, _ *Settings, _ *State) { vm.Disks = disk }, ""},
		"fixed memory":  {func(vm *hypervisor.Spec, _ *Settings, st *State) { vm.MemoryMiB, st.Sizing.Static = 257, true }, "257 MiB"},
		"fixed CPUs":    {func(vm *hypervisor.Spec, _ *Settings, st *State) { vm.VCPUs, st.Sizing.Static = 2, true }, "2 CPUs"},
		"fixed default": {func(_ *hypervisor.Spec, _ *Settings, st *State) { st.Sizing.Static = true }, ""},
		"microvm":       {func(_ *hypervisor.Spec, s *Settings, _ *State) { s.Hypervisor.MachineType = "microvm" }, ""},
		"microvm, more": {func(vm *hypervisor.Spec, s *Settings, _ *State) {
			vm.MemoryMiB, s.Hypervisor.MachineType = 257, "microvm"
		}, "257 MiB"},
		"microvm, disk": {func(vm *hypervisor.Spec, s *Settings, _ *State) { vm.Disks, s.Hypervisor.MachineType = disk, "microvm" }, "disk"},
		"SCSI disk": {func(vm *hypervisor.Spec, s *Settings, _ *State) {
			vm.Disks, s.Hypervisor.BlockDeviceDriver = disk, "virtio-scsi"
		}, "disk"},
		"macvtap":  {func(_ *hypervisor.Spec, s *Settings, _ *State) { s.Network.Model = network.ModelMacvtap }, "macvtap"},
		"virtiofs": {func(_ *hypervisor.Spec, s *Settings, _ *State) { s.Share.SharedFS = share.VirtioFS }, "virtio-fs"},
	} {
		t.Run(name, func(t *testing.T) {
			h := templateTestHost(t, &bytes.Buffer{})
			vm, st := vm, &State{}
			test.change(&vm, h.settings, st)
			why, err := h.unfit(&vm, st)
			if err != nil || test.want == "" && why != "" || test.want != "" && !strings.Contains(why, test.want) {
				t.Errorf("unfit = %q, %v, want %q", why, err, test.want)
			}
		})
	}
}

func templateTestHost(t *testing.T, log *bytes.Buffer) *Host {
	t.Helper()
	vm, s, n := hypervisor.Default(), share.Default(), network.Default()
	vm.Accelerator, vm.Path = hypervisor.AccelTCG, "/bin/true"
	host, err := NewHost(t.TempDir(), &Settings{
		Hypervisor: &vm, Share: &s, Network: &n, Cgroups: &resources.Config{}, Agent: &AgentConfig{},
		Factory: &factory.Config{EnableTemplate: true, TemplatePath: filepath.Join(t.TempDir(), "templates")},
	}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// Without a template that fits there is a warning and no clone, and nothing is
// made on the host for it.
func TestNoTemplate(t *testing.T) {
	var log bytes.Buffer
	h := templateTestHost(t, &log)
	vm := &hypervisor.Spec{VCPUs: 1, MemoryMiB: 256}
	if got, err := h.template(context.Background(), vm, &State{}); got != nil || err != nil {
		t.Errorf("template = %v, %v", got, err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "factory init") {
		t.Errorf("log %q", log.String())
	}
	log.Reset()
	h.settings.Factory.EnableTemplate = false
	if got, err := h.template(context.Background(), vm, &State{}); got != nil || err != nil || log.Len() > 0 {
		t.Errorf("switched off: %v, %v, log %q", got, err, log.String())
	}
	list, err := h.Templates()
	if err != nil || len(list.All) != 0 {
		t.Errorf("Templates = %+v, %v", list, err)
	}
}
