package initproc

// #include <malloc.h>
// #include <stdlib.h>
//
// static void reserve(size_t size)
// {
//	void *volatile p; // the compiler leaves out what nobody looks at
//
//	// From the heap, not from a map of its own, and not given back.
//	mallopt(M_MMAP_THRESHOLD, 2 * size);
//	mallopt(M_TRIM_THRESHOLD, 2 * size);
//	p = malloc(size);
//	free(p);
// }
import "C"

// seccompHeap is more than libseccomp needs for a container's filter, in bytes of
// address space: no page is touched until it does.
const seccompHeap = 4 << 20

// reserveHeap makes room in this thread's heap while there is any. A Go program has
// a gigabyte of addresses, most of which it never uses, so after the container's
// RLIMIT_AS nothing more may be had, and the seccomp filter is made after that.
func reserveHeap() { C.reserve(seccompHeap) }
