package container

import "testing"

func TestMemoryEvent(t *testing.T) {
	const text = "low 0\nhigh 3\nmax 17\noom 2\noom_kill 1\noom_group_kill 0\n"
	for name, want := range map[string]uint64{"max": 17, "high": 3, "oom_kill": 1, "oom_group_kill": 0, "ma": 0, "none": 0} {
		if got := memoryEvent(text, name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	for _, text := range []string{"", "max", "max x\n", "max -1\n"} {
		if got := memoryEvent(text, "max"); got != 0 {
			t.Errorf("%q: %d", text, got)
		}
	}
}
