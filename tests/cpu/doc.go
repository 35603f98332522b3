// Package cpu tests a CPU: what string instructions move, code that changes, and
// processes whose memory lies at the same addresses. "go test" tries the host's,
// and so the tests themselves; in a VM without KVM (tests/integration/cpu.bats)
// they try what QEMU makes of it.
package cpu
