package hypervisor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// buildFor builds the command line of a VM with one of everything.
func buildFor(t *testing.T, cfg *Config, spec *Spec) []string {
	t.Helper()
	c, err := newCmdline(cfg, spec)
	if err != nil {
		t.Fatal(err)
	}
	c.machine = fixedTSC(c.machine)
	c.build(os.Stdin)
	if want := strings.Count(strings.Join(c.args, " "), "fd="); want > len(c.files) {
		t.Errorf("%d descriptors spoken of, %d files", want, len(c.files))
	}
	return c.args
}

// fixedTSC takes the host's figure out of the command line.
func fixedTSC(m *machine) *machine {
	fixed := *m
	if fixed.tcgParams != nil {
		fixed.tcgParams = func() []string { return []string{"tsc_early_khz=1000"} }
	}
	return &fixed
}

func fullSpec(t *testing.T) *Spec {
	t.Helper()
	kernel := filepath.Join(t.TempDir(), "vmlinux")
	if err := os.WriteFile(kernel, []byte("kernel"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := os.Stdin
	return &Spec{
		Name: "box,1", Dir: "/run/box", VCPUs: 2, MaxVCPUs: 4, MemoryMiB: 512, MaxMemoryMiB: 2048,
		Kernel: kernel, Initrd: kernel, KernelParams: []string{"agent.log=debug"},
		Agent: AgentChannel{Serial: f}, Console: f,
		Shares: []Share{{Tag: "kata", Path: "/run/a,b"}, {Tag: "fast", VirtioFS: f}},
		NICs:   []NIC{{ID: "nic0", MAC: "02:00:00:00:00:01", Taps: []*os.File{f, f}, VHosts: []*os.File{f, f}}},
		Disks:  []Disk{{ID: "data", Path: "/dev/null", ReadOnly: true}},
	}
}

// golden holds what each machine type is started with, but for what all have
// in common; the kernel's path reads KERNEL.
var golden = map[string]string{
	"q35": `-machine q35,accel=tcg,hpet=off,smm=off,vmport=off,sata=off,smbus=off,usb=off,dump-guest-core=off,mem-merge=off,memory-backend=mem
-cpu max,-erms,-fsrm,-la57
-smp cpus=2,maxcpus=4
-m size=512M,slots=10,maxmem=2048M
-object memory-backend-memfd,share=on,id=mem,size=512M
-chardev socket,id=qmp,fd=3,server=on,wait=off
-mon chardev=qmp,mode=control
-bios qboot.rom
-kernel KERNEL
-initrd KERNEL
-append reboot=t panic=-1 no_timer_check noreplace-smp cryptomgr.notests 8250.nr_uarts=1 dummy.numdummies=0 initcall_blacklist=crypto_kdf108_init,jent_mod_init,ftrace_check_for_weak_functions,trace_eval_init,tracer_init_tracefs,slab_sysfs_init,load_system_certificate_list,init_ima,init_encrypted,i8042_init,cmos_init lsm=landlock,lockdown,yama swiotlb=noforce pci=noearly,lastbus=0 tsc_early_khz=1000 init_on_alloc=1 quiet console=ttyS0 user=1 agent.log=debug
-chardev socket,id=console,fd=4,server=on,wait=off
-device isa-serial,chardev=console
-device pci-bridge,id=bridge0,chassis_nr=1,shpc=off,io-reserve=0,mem-reserve=2M,pref64-reserve=2M
-object rng-random,id=rng,filename=/dev/urandom
-device virtio-rng-pci,rng=rng,bus=bridge0,disable-legacy=on
-device virtio-balloon-pci,free-page-reporting=on,disable-legacy=on
-blockdev {"auto-read-only":false,"driver":"raw","file":{"driver":"host_device","filename":"/dev/null"},"node-name":"node-data","read-only":true}
-device virtio-blk-pci,id=dev-data,drive=node-data,serial=data,disable-legacy=on
-fsdev local,id=share0,path=/run/a,,b,security_model=none,multidevs=remap
-device virtio-9p-pci,fsdev=share0,mount_tag=kata,disable-legacy=on
-chardev socket,id=share1,fd=5
-device vhost-user-fs-pci,chardev=share1,tag=fast,queue-size=1024
-netdev tap,id=nic0,fds=6:7,vhost=on,vhostfds=8:9
-device virtio-net-pci,id=dev-nic0,netdev=nic0,mac=02:00:00:00:00:01,disable-legacy=on,mq=on,vectors=6,romfile=
-chardev socket,id=agent,fd=10,server=on,wait=off
-device virtio-serial-pci,id=serial,max_ports=2,disable-legacy=on
-device virtserialport,bus=serial.0,nr=1,chardev=agent,name=kata.agent.0`,
	"microvm": `-machine microvm,accel=tcg,acpi=on,x-option-roms=off,pit=on,pic=on,rtc=on,isa-serial=on,auto-kernel-cmdline=off,dump-guest-core=off,mem-merge=off,memory-backend=mem
-global virtio-mmio.force-legacy=false
-cpu max,-erms,-fsrm,-la57
-smp cpus=2
-m size=512M
-object memory-backend-memfd,share=on,id=mem,size=512M
-chardev socket,id=qmp,fd=3,server=on,wait=off
-mon chardev=qmp,mode=control
-bios qboot.rom
-kernel KERNEL
-initrd KERNEL
-append reboot=t panic=-1 no_timer_check noreplace-smp cryptomgr.notests 8250.nr_uarts=1 dummy.numdummies=0 initcall_blacklist=crypto_kdf108_init,jent_mod_init,ftrace_check_for_weak_functions,trace_eval_init,tracer_init_tracefs,slab_sysfs_init,load_system_certificate_list,init_ima,init_encrypted,i8042_init,cmos_init lsm=landlock,lockdown,yama tsc_early_khz=1000 init_on_alloc=1 quiet console=ttyS0 user=1 agent.log=debug
-chardev socket,id=console,fd=4,server=on,wait=off
-serial chardev:console
-object rng-random,id=rng,filename=/dev/urandom
-device virtio-rng-device,rng=rng
-device virtio-balloon-device,free-page-reporting=on
-blockdev {"auto-read-only":false,"driver":"raw","file":{"driver":"host_device","filename":"/dev/null"},"node-name":"node-data","read-only":true}
-device virtio-blk-device,id=dev-data,drive=node-data,serial=data
-fsdev local,id=share0,path=/run/a,,b,security_model=none,multidevs=remap
-device virtio-9p-device,fsdev=share0,mount_tag=kata
-chardev socket,id=share1,fd=5
-device vhost-user-fs-device,chardev=share1,tag=fast,queue-size=1024
-netdev tap,id=nic0,fds=6:7,vhost=on,vhostfds=8:9
-device virtio-net-device,id=dev-nic0,netdev=nic0,mac=02:00:00:00:00:01,mq=on
-chardev socket,id=agent,fd=10,server=on,wait=off
-device virtio-serial-device,id=serial,max_ports=2
-device virtserialport,bus=serial.0,nr=1,chardev=agent,name=kata.agent.0`,
	"virt": `-machine virt,accel=tcg,gic-version=max,usb=off,dump-guest-core=off,mem-merge=off,memory-backend=mem
-cpu max,pauth-impdef=on
-smp cpus=2
-m size=512M
-object memory-backend-memfd,share=on,id=mem,size=512M
-chardev socket,id=qmp,fd=3,server=on,wait=off
-mon chardev=qmp,mode=control
-kernel KERNEL
-initrd KERNEL
-append panic=-1 cryptomgr.notests dummy.numdummies=0 lsm=landlock,lockdown,yama init_on_alloc=1 quiet console=ttyAMA0 user=1 agent.log=debug
-chardev socket,id=console,fd=4,server=on,wait=off
-serial chardev:console
-device pcie-root-port,id=port0,chassis=100
-object rng-random,id=rng,filename=/dev/urandom
-device virtio-rng-pci,rng=rng,disable-legacy=on
-device virtio-balloon-pci,free-page-reporting=on,disable-legacy=on
-blockdev {"auto-read-only":false,"driver":"raw","file":{"driver":"host_device","filename":"/dev/null"},"node-name":"node-data","read-only":true}
-device virtio-blk-pci,id=dev-data,drive=node-data,serial=data,disable-legacy=on
-fsdev local,id=share0,path=/run/a,,b,security_model=none,multidevs=remap
-device virtio-9p-pci,fsdev=share0,mount_tag=kata,disable-legacy=on
-chardev socket,id=share1,fd=5
-device vhost-user-fs-pci,chardev=share1,tag=fast,queue-size=1024
-netdev tap,id=nic0,fds=6:7,vhost=on,vhostfds=8:9
-device virtio-net-pci,id=dev-nic0,netdev=nic0,mac=02:00:00:00:00:01,disable-legacy=on,mq=on,vectors=6,romfile=
-chardev socket,id=agent,fd=10,server=on,wait=off
-device virtio-serial-pci,id=serial,max_ports=2,disable-legacy=on
-device virtserialport,bus=serial.0,nr=1,chardev=agent,name=kata.agent.0`,
}

// common begins the command line of each machine.
const common = `-name box,,1,debug-threads=on
-uuid UUID
-no-user-config -nodefaults -no-reboot
-display none
-msg timestamp=on
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
`

func TestCommandLine(t *testing.T) {
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			cfg := Default()
			cfg.Accelerator, cfg.Arch, cfg.MachineType, cfg.KernelParams = AccelTCG, m.arch, m.name, " user=1 "
			spec := fullSpec(t)
			args := buildFor(t, &cfg, spec)
			text := strings.NewReplacer("KERNEL", spec.Kernel, "UUID", uuid(spec.Name)).Replace(common + golden[m.name])
			var want []string
			for line := range strings.Lines(text) {
				option, value, _ := strings.Cut(strings.TrimSpace(line), " ")
				if strings.HasPrefix(value, "-") {
					want = append(append(want, option), strings.Fields(value)...)
				} else {
					want = append(want, option, value)
				}
			}
			for i := range max(len(want), len(args)) {
				if i >= len(want) || i >= len(args) || want[i] != args[i] {
					t.Fatalf("argument %d:\n got %q\nwant %q", i, args[min(i, len(args)):], want[min(i, len(want)):])
				}
			}
		})
	}
}

// A VM that asks for little gets no more than that.
func TestCommandLineOfLittle(t *testing.T) {
	cfg := Config{Accelerator: AccelTCG, Arch: "amd64"}
	args := buildFor(t, &cfg, &Spec{Name: "s", VCPUs: 1, MaxVCPUs: 1, MemoryMiB: 128, MaxMemoryMiB: 128})
	for _, a := range args {
		for _, no := range []string{"memory-backend", "maxcpus", "maxmem", "-kernel", "-append", "netdev", "fsdev", "virtio-serial", "isa-serial"} {
			if strings.Contains(a, no) {
				t.Errorf("%q", a)
			}
		}
	}
	if !slices.Contains(args, "rng-builtin,id=rng") {
		t.Errorf("%q lacks the built-in source of entropy", args)
	}
}

// qboot where it was tried, and where each bridge has a device.
func TestFirmware(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"without KVM":               {Config{Accelerator: AccelTCG, Arch: "amd64"}, qboot},
		"with several bridges":      {Config{Accelerator: AccelTCG, Arch: "amd64", DefaultBridges: 2}, ""},
		"a file of the user's":      {Config{Accelerator: AccelTCG, Arch: "amd64", Firmware: "/bios"}, "/bios"},
		"microvm":                   {Config{Accelerator: AccelTCG, Arch: "amd64", MachineType: "microvm"}, qboot},
		"a machine that needs none": {Config{Accelerator: AccelTCG, Arch: "arm64"}, ""},
	} {
		cmd, err := newCmdline(&c.cfg, &Spec{Name: "s", VCPUs: 1, MaxVCPUs: 1, MemoryMiB: 128, MaxMemoryMiB: 128})
		if err != nil {
			t.Fatal(err)
		}
		if got := cmd.firmware(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		cmd.accel = AccelKVM
		if got := cmd.firmware(); cmd.machine.name == "q35" && got != c.cfg.Firmware {
			t.Errorf("%s, with KVM: %q", name, got)
		}
	}
}

func TestCommandLineFollowsConfig(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	sector := make([]byte, 512)
	sector[510], sector[511], sector[450] = 0x55, 0xaa, 0x83
	if err := os.WriteFile(image, sector, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config, *Spec)
		want   []string
	}{
		"KSM": {func(c *Config, _ *Spec) { c.EnableKSM = true }, []string{"dump-guest-core=off\n"}},
		"machine and CPU": {func(c *Config, _ *Spec) { c.MachineAccelerators, c.CPUFeatures = "hpet=off", "pmu=off" },
			[]string{"dump-guest-core=off,mem-merge=off,hpet=off", "-la57,pmu=off"}},
		"huge pages": {func(c *Config, _ *Spec) { c.EnableHugePages = true },
			[]string{"memory-backend-memfd,share=on,hugetlb=on,id=mem,size=128M"}},
		"file": {func(c *Config, _ *Spec) { c.FileMemBackend, c.EnableMemPrealloc = "/dev/shm", true },
			[]string{"memory-backend-file,share=on,mem-path=/dev/shm,prealloc=on,id=mem,size=128M"}},
		"a template": {func(_ *Config, s *Spec) { s.Memory = &MemoryFile{File: os.Stdin} },
			[]string{"memory-backend-file,id=mem,size=128M,share=on,mem-path=/proc/self/fd/3\n"}},
		"a clone": {func(_ *Config, s *Spec) { s.Memory, s.Incoming = &MemoryFile{File: os.Stdin, Private: true}, true },
			[]string{"memory-backend-file,id=mem,size=128M,share=off,mem-path=/proc/self/fd/3\n", "-incoming\ndefer\n"}},
		"a clone that cannot write": {func(_ *Config, s *Spec) { s.Memory = &MemoryFile{File: os.Stdin, Private: true, ReadOnly: true} },
			[]string{"memory-backend-file,id=mem,size=128M,share=off,readonly=on,rom=off,mem-path=/proc/self/fd/3\n"}},
		"an open folder": {func(_ *Config, s *Spec) { s.Shares = []Share{{Tag: "t", Folder: os.Stdin}} },
			[]string{"local,id=share0,path=/proc/self/fd/4,security_model=none"}},
		"prealloc": {func(c *Config, _ *Spec) { c.EnableMemPrealloc = true },
			[]string{"memory-backend-ram,prealloc=on,id=mem,size=128M"}},
		"offset": {func(c *Config, s *Spec) { c.MemoryOffset, s.MaxMemoryMiB = 100, 256 },
			[]string{"size=128M,slots=10,maxmem=384M"}}, // for two whole DIMMs, where one and a half were asked for
		"a ceiling beyond TCG's addresses": {func(_ *Config, s *Spec) { s.MaxMemoryMiB = 8 << 20 },
			[]string{"size=128M,slots=10,maxmem=524288M"}},
		"debug": {func(c *Config, s *Spec) { c.EnableDebug, s.Kernel = true, image },
			[]string{"cryptomgr.notests 8250.nr_uarts=1 dummy.numdummies=0 initcall_blacklist=crypto_kdf108_init,jent_mod_init,ftrace_check_for_weak_functions,trace_eval_init,tracer_init_tracefs,slab_sysfs_init,load_system_certificate_list,init_ima,init_encrypted,i8042_init,cmos_init lsm=landlock,lockdown,yama swiotlb=noforce pci=noearly,lastbus=0 tsc_early_khz=1000\n"}},
		"image": {func(_ *Config, s *Spec) { s.Kernel, s.Image = image, image },
			[]string{"quiet root=/dev/vda1 ro rootwait\n", "serial=kata-image", `"read-only":true`}},
		"vsock": {func(_ *Config, s *Spec) { s.Agent = AgentChannel{CID: 7, VHost: os.Stdin} },
			[]string{"vhost-vsock-pci,guest-cid=7,vhostfd=4"}},
		"scsi with iothread and cache": {func(c *Config, s *Spec) {
			c.BlockDeviceDriver, c.EnableIOThreads, c.BlockDeviceCacheSet, c.BlockDeviceCacheDirect = "virtio-scsi", true, true, true
			s.Disks = []Disk{{ID: "a", Path: "/a"}, {ID: "b", Path: "/b"}}
		}, []string{"iothread,id=io\n", "virtio-scsi-pci,id=scsi,disable-legacy=on,iothread=io", "scsi-hd,id=dev-b,drive=node-b,serial=b,bus=scsi.0",
			`"cache":{"direct":true,"no-flush":false}`}},
		"one queue": {func(_ *Config, s *Spec) {
			s.NICs = []NIC{{ID: "n", MAC: "02:00:00:00:00:01", Taps: []*os.File{os.Stdin}, VHosts: []*os.File{os.Stdin}}}
		}, []string{"tap,id=n,fd=4,vhost=on,vhostfd=5"}},
		"root ports": {func(c *Config, _ *Spec) { c.PCIeRootPort, c.DefaultBridges = 2, 9 },
			[]string{"pci-bridge,id=bridge4,", "pcie-root-port,id=port1,"}},
		"firmware": {func(c *Config, _ *Spec) { c.Firmware = "/fw" }, []string{"-bios\n/fw\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Accelerator: AccelTCG, Arch: "amd64"}
			spec := &Spec{Name: "s", VCPUs: 1, MaxVCPUs: 1, MemoryMiB: 128}
			c.change(&cfg, spec)
			line := strings.Join(buildFor(t, &cfg, spec), "\n") + "\n"
			for _, want := range c.want {
				if !strings.Contains(line, want) {
					t.Errorf("%q lacks %q", line, want)
				}
			}
		})
	}
}
