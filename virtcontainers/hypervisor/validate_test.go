package hypervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	asset, empty := file("asset", "x"), file("empty", "")
	good := Default()
	good.Path, good.Kernel, good.Initrd, good.Accelerator, good.Arch = asset, asset, asset, AccelTCG, "amd64"
	if err := Validate(&good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"no kernel":         {func(c *Config) { c.Kernel = "" }, []string{"kernel", "make image"}},
		"missing kernel":    {func(c *Config) { c.Kernel = "/no/kernel" }, []string{"kernel", "/no/kernel", "make image"}},
		"relative kernel":   {func(c *Config) { c.Kernel = "vmlinux" }, []string{"kernel", "absolute"}},
		"empty initrd":      {func(c *Config) { c.Initrd = empty }, []string{"initrd", empty}},
		"folder":            {func(c *Config) { c.Initrd = dir }, []string{"initrd", dir}},
		"no root":           {func(c *Config) { c.Initrd = "" }, []string{"neither initrd nor image", "make image"}},
		"missing image":     {func(c *Config) { c.Initrd, c.Image = "", "/no/image" }, []string{"image", "/no/image"}},
		"two roots":         {func(c *Config) { c.Image = asset }, []string{"both initrd and image"}},
		"no QEMU":           {func(c *Config) { c.Path = "/no/qemu" }, []string{"path", "/no/qemu", "qemu-system-x86"}},
		"no firmware":       {func(c *Config) { c.Firmware = "/no/fw" }, []string{"firmware", "/no/fw"}},
		"machine":           {func(c *Config) { c.MachineType = "pc98" }, []string{"machine_type", "pc98", "q35, microvm"}},
		"machine of other":  {func(c *Config) { c.MachineType = "virt" }, []string{"virt", "amd64", "q35, microvm"}},
		"arch":              {func(c *Config) { c.Arch = "s390x" }, []string{"arch", "s390x", "amd64, arm64"}},
		"accelerator":       {func(c *Config) { c.Accelerator = "x" }, []string{"accelerator", "auto, kvm, tcg"}},
		"block driver":      {func(c *Config) { c.BlockDeviceDriver = "nvdimm" }, []string{"block_device_driver", "nvdimm", "virtio-scsi"}},
		"block of microvm":  {func(c *Config) { c.MachineType, c.BlockDeviceDriver = "microvm", "virtio-scsi" }, []string{"microvm", "virtio-blk"}},
		"slots":             {func(c *Config) { c.MemorySlots = 257 }, []string{"memory_slots", "256"}},
		"virtio-mem":        {func(c *Config) { c.EnableVirtioMem, c.MachineType = true, "microvm" }, []string{"enable_virtio_mem", "microvm", "q35"}},
		"virtio-mem filled": {func(c *Config) { c.EnableVirtioMem, c.EnableMemPrealloc = true, true }, []string{"enable_virtio_mem", "enable_mem_prealloc"}},
		"two memories":      {func(c *Config) { c.EnableHugePages, c.FileMemBackend = true, "/dev/shm" }, []string{"enable_hugepages", "file_mem_backend"}},
		"blank in features": {func(c *Config) { c.CPUFeatures = "a, b" }, []string{"cpu_features", "commas"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			err := Validate(&cfg)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(c.want, "[hypervisor.qemu]") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has several lines", err)
			}
		})
	}
}

func TestLaunchRefusesABadSpec(t *testing.T) {
	cfg := Config{Path: "/bin/true", Accelerator: AccelTCG, Arch: "amd64"}
	f := os.Stdin
	for name, c := range map[string]struct {
		change func(*Spec)
		want   string
	}{
		"no CPU":       {func(s *Spec) { s.VCPUs = 0 }, "CPUs"},
		"many CPUs":    {func(s *Spec) { s.VCPUs = 1000 }, "1 to 288"},
		"no memory":    {func(s *Spec) { s.MemoryMiB = 0 }, "memory"},
		"no kernel":    {func(s *Spec) { s.Kernel = "/no/kernel" }, "/no/kernel"},
		"disk id":      {func(s *Spec) { s.Disks = []Disk{{ID: "a,b"}} }, "a,b"},
		"long disk id": {func(s *Spec) { s.Disks = []Disk{{ID: strings.Repeat("d", 21)}} }, "20"},
		"no tap":       {func(s *Spec) { s.NICs = []NIC{{ID: "n", MAC: "02:00:00:00:00:01"}} }, "no tap"},
		"odd vhosts": {func(s *Spec) {
			s.NICs = []NIC{{ID: "n", MAC: "02:00:00:00:00:01", Taps: []*os.File{f, f}, VHosts: []*os.File{f}}}
		}, "2 taps"},
		"MAC":             {func(s *Spec) { s.NICs = []NIC{{ID: "n", MAC: "x,y", Taps: []*os.File{f}}} }, "x,y"},
		"long tag":        {func(s *Spec) { s.Shares = []Share{{Tag: strings.Repeat("t", 32)}} }, "31"},
		"vsock no vhost":  {func(s *Spec) { s.Agent.CID = 3 }, "vsock"},
		"same disk twice": {func(s *Spec) { s.Disks = []Disk{{ID: "d"}, {ID: "d"}} }, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := &Spec{Name: "box", Dir: t.TempDir(), VCPUs: 1, MemoryMiB: 64}
			c.change(spec)
			_, err := Launch(context.Background(), &cfg, spec)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "box") {
				t.Errorf("%v, want %q in it", err, c.want)
			}
			if left, _ := os.ReadDir(spec.Dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestLaunchWithoutQEMUOrTime(t *testing.T) {
	spec := &Spec{Name: "box", Dir: t.TempDir(), VCPUs: 1, MemoryMiB: 64}
	cfg := Config{Path: "/no/qemu", Accelerator: AccelTCG, Arch: "amd64"}
	if _, err := Launch(context.Background(), &cfg, spec); err == nil || !strings.Contains(err.Error(), "/no/qemu") {
		t.Errorf("%v", err)
	}
	// A file that cannot be executed fails after the socket was made.
	cfg.Path = filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(cfg.Path, []byte("text"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Launch(context.Background(), &cfg, spec); err == nil {
		t.Error("a text was started")
	}
	if _, err := os.Stat(filepath.Join(spec.Dir, qmpSocket)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Launch(ctx, &cfg, spec); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}
