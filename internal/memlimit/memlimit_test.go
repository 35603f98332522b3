package memlimit

import (
	"os"
	"path/filepath"
	"testing"
)

func TestThere(t *testing.T) {
	const none = "hierarchical_memory_limit 9223372036854771712\n"
	for _, c := range []struct {
		name, own string
		files     map[string]string
		want      bool
	}{
		{"version 1, none", "4:memory:/a\n0::/\n", map[string]string{"memory/a/memory.stat": "cache 1\n" + none}, false},
		{"version 1, a limit", "4:cpu,memory:/a\n", map[string]string{"memory/a/memory.stat": "hierarchical_memory_limit 67108864\n"}, true},
		{"version 1, a group that is not seen", "4:memory:/b\n", map[string]string{"memory/a/memory.stat": none}, true},
		{"version 1, no number", "4:memory:/a\n", map[string]string{"memory/a/memory.stat": "hierarchical_memory_limit x\n"}, true},
		{"version 2, none", "0::/a/b\n", map[string]string{"cgroup.controllers": "memory\n", "a/memory.max": "max\n", "a/b/memory.max": "max\n"}, false},
		{"version 2, a limit above", "0::/a/b\n", map[string]string{"cgroup.controllers": "memory\n", "a/memory.max": "67108864\n", "a/b/memory.max": "max\n"}, true},
		{"version 2, without the controller", "0::/a/b\n", map[string]string{"cgroup.controllers": "\n", "a/b/cgroup.procs": ""}, false},
		{"version 2, the root", "0::/\n", map[string]string{"cgroup.controllers": "memory\n"}, false},
		{"version 2, a group that is not seen", "0::/../b\n", map[string]string{"cgroup.controllers": "memory\n"}, true},
		{"neither", "1:name=systemd:/\n", nil, true},
		{"garbage", "memory\n", nil, true},
		{"empty", "", nil, true},
	} {
		dir := t.TempDir()
		own, mounts := filepath.Join(dir, "cgroup"), filepath.Join(dir, "fs")
		for name, text := range c.files {
			path := filepath.Join(mounts, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(own, []byte(c.own), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := there(own, mounts); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if !there("/nonexistent", "/sys/fs/cgroup") {
		t.Error("no limit without knowing")
	}
}
