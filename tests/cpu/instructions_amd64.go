package cpu

// form is how an instruction names its source.
type form int

const (
	plain        form = iota
	byLowAddress      // with 32 bits
	bySegment         // from FS's base on
)

// movs is "rep movs" of n elements of width bytes, downwards if back is not 0. It
// returns the registers.
func movs(to, from, n uintptr, width, back, form int) (di, si, cx uintptr)

// stos is "rep stos".
func stos(to uintptr, value uint64, n uintptr, width, back int) (di, cx uintptr)

// call jumps to a function at address code and returns EAX.
func call(code uintptr) uint32
