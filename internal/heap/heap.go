// Package heap keeps the heaps of the long-lived helpers small, of which there
// are several for each container.
package heap

import (
	"runtime/debug"
	"strconv"
)

// percent is how much a heap may grow, in percent of what is alive, before it
// is collected (GOGC). The benchmark's part "heap" links other values in, and
// shows what each costs. It is not taken from the environment: the helpers have
// none of their caller's.
var percent = "50"

// limit is how much memory the Go runtime may take before it collects in any
// case, in bytes (GOMEMLIMIT); empty for none. Only the benchmark sets it.
var limit string

// Bound is called once by a helper's main.
func Bound() {
	n, err := strconv.Atoi(percent)
	if err != nil {
		panic("heap: linked with percent = " + percent)
	}
	debug.SetGCPercent(n)
	if limit == "" {
		return
	}
	bytes, err := strconv.ParseInt(limit, 10, 64)
	if err != nil {
		panic("heap: linked with limit = " + limit)
	}
	debug.SetMemoryLimit(bytes)
}
