package footprint

import (
	"os"
	"testing"
	"time"
)

func TestActivityOfThisProcess(t *testing.T) {
	me := map[int]string{os.Getpid(): "test"}
	before, err := Active(me)
	if err != nil {
		t.Fatal(err)
	}
	// Work that shows in both figures: it is switched to and away at each sleep.
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		for i := range 1000000 {
			_ = i * i
		}
		time.Sleep(time.Millisecond)
	}
	after, err := Active(me)
	if err != nil {
		t.Fatal(err)
	}
	d := after.Since(before)
	if d.Switches < 10 || d.Of["test"] != d.Switches {
		t.Errorf("%d switches, %v", d.Switches, d.Of)
	}
	if d.CPU <= 0 || d.CPU > time.Minute {
		t.Errorf("CPU time %s", d.CPU)
	}
	if _, err := Active(map[int]string{1 << 22: "none"}); err == nil {
		t.Error("a process that is not there has activity")
	}
}
