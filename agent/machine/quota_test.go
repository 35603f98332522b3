package machine

import (
	"os"
	"path/filepath"
	"testing"
)

// A folder stands for the cgroup root: there the file has to be made first,
// which cgroupfs does itself.
func TestKeepQuotas(t *testing.T) {
	root := t.TempDir()
	for range 2 { // the second time is as good as the first
		if err := KeepQuotas(root); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(root, quotaGroup, "cpu.max"))
	if err != nil || string(got) != "100000 100000" {
		t.Errorf("cpu.max is %q, %v", got, err)
	}
	if err := KeepQuotas(filepath.Join(root, "missing")); err == nil {
		t.Error("no error without a cgroup root")
	}
}
