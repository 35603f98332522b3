package hypervisor

import (
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/internal/proc"
)

func TestStarved(t *testing.T) {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip(err)
	}
	self, err := proc.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	vm := &VM{Process: self}
	before := vm.Starved()
	// Twice as many that want to run as there are CPUs: each waits for another.
	var busy sync.WaitGroup
	end := time.Now().Add(time.Second)
	for range 2 * runtime.NumCPU() {
		busy.Go(func() {
			runtime.LockOSThread()
			for time.Now().Before(end) {
			}
		})
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2 * runtime.NumCPU()))
	for vm.Starved() == before {
		if time.Now().After(end) {
			t.Fatal("nobody had to wait")
		}
	}
	busy.Wait()
	if n := (&VM{Process: proc.Handle{PID: 1 << 30}}).Starved(); n != 0 {
		t.Errorf("a process that is not there: %s", n)
	}
}
