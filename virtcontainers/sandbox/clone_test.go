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

func TestCloneable(t *testing.T) {
	vm := hypervisor.Spec{VCPUs: 1, MemoryMiB: 256, NICs: []hypervisor.NIC{{ID: "nic0"}}}
	for name, test := range map[string]struct {
		change func(*hypervisor.Spec, *Settings)
		want   string
	}{
		"default":       {func(*hypervisor.Spec, *Settings) {}, ""},
		"no network":    {func(vm *hypervisor.Spec, _ *Settings) { vm.NICs = nil }, ""},
		"less memory":   {func(vm *hypervisor.Spec, _ *Settings) { vm.MemoryMiB = 128 }, ""},
		"9p":            {func(_ *hypervisor.Spec, s *Settings) { s.Share.SharedFS = share.Virtio9P }, ""},
		"more memory":   {func(vm *hypervisor.Spec, _ *Settings) { vm.MemoryMiB = 257 }, "257 MiB"},
		"more CPUs":     {func(vm *hypervisor.Spec, _ *Settings) { vm.VCPUs = 2 }, "2 CPUs"},
		"a disk":        {func(vm *hypervisor.Spec, _ *Settings) { vm.Disks = []hypervisor.Disk{{ID: "d"}} }, "disk"},
		"more networks": {func(vm *hypervisor.Spec, _ *Settings) { vm.NICs = append(vm.NICs, hypervisor.NIC{ID: "nic1"}) }, "interfaces"},
		"macvtap":       {func(_ *hypervisor.Spec, s *Settings) { s.Network.Model = network.ModelMacvtap }, "macvtap"},
		"virtiofs":      {func(_ *hypervisor.Spec, s *Settings) { s.Share.SharedFS = share.VirtioFS }, "virtio-fs"},
	} {
		t.Run(name, func(t *testing.T) {
			h := templateTestHost(t, &bytes.Buffer{})
			vm := vm
			test.change(&vm, h.settings)
			err := h.cloneable(&vm)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("cloneable = %v, want %q", err, test.want)
			}
		})
	}
}

func templateTestHost(t *testing.T, log *bytes.Buffer) *Host {
	t.Helper()
	vm, s, n := hypervisor.Default(), share.Default(), network.Default()
	vm.Accelerator, vm.Path = hypervisor.AccelTCG, "/bin/true"
	host, err := NewHost(t.TempDir(), &Settings{
		Hypervisor: &vm, Share: &s, Network: &n, Cgroups: &resources.Config{},
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
	if got := h.template(context.Background(), &hypervisor.Spec{VCPUs: 1, MemoryMiB: 256}); got != nil {
		t.Errorf("template = %v", got)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "factory init") {
		t.Errorf("log %q", log.String())
	}
	log.Reset()
	h.settings.Factory.EnableTemplate = false
	if got := h.template(context.Background(), &hypervisor.Spec{VCPUs: 1, MemoryMiB: 256}); got != nil || log.Len() > 0 {
		t.Errorf("switched off: %v, log %q", got, log.String())
	}
	list, err := h.Templates()
	if err != nil || len(list.All) != 0 {
		t.Errorf("Templates = %+v, %v", list, err)
	}
}
