package variant

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kata-go/kata-runtime/config"
)

func TestWritePutsSettingsOverAll(t *testing.T) {
	dir := t.TempDir()
	base := filepath.Join(dir, "base.toml")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(base, "[hypervisor.qemu]\nkernel = '/k'\ninitrd = '/i'\ndefault_memory = 100\n")
	write(filepath.Join(dir, "config.d/zz.toml"), "[hypervisor.qemu]\ndefault_memory = 200\ndefault_vcpus = 2\n")
	path, err := Write(base, filepath.Join(dir, "new"), Settings{
		"hypervisor.qemu.default_memory": 512, "factory.auto_template": true, "hypervisor.qemu.virtio_fs_extra_args": []string{"-o", "x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	q := c.Hypervisor.QEMU
	if q.DefaultMemory != 512 || q.DefaultVCPUs != 2 || q.Kernel != "/k" || !c.Factory.AutoTemplate || len(q.VirtioFSExtraArgs) != 2 {
		t.Errorf("loaded %+v", c)
	}
}
