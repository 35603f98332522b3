package heap

import (
	"runtime/debug"
	"testing"
)

func TestBound(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	Bound()
	if got := debug.SetGCPercent(100); got != 50 {
		t.Errorf("GOGC = %d", got)
	}
}
