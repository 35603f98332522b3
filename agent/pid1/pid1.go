// Package pid1 makes the agent's process PID 1's only other half when the
// kernel starts it as the guest's init, and a pause process when it is called
// with the one argument "pause". Both happen in C, before Go starts: see pid1.c.
package pid1

// extern int kata_is_init;
import "C"

// IsInit tells whether the guest is the agent's alone: the kernel started it
// as init, and its parent, PID 1, does nothing but reap.
func IsInit() bool { return C.kata_is_init != 0 }

// PauseArg is the argument that makes the program a pause process.
const PauseArg = "pause"
