package footprint

import (
	"context"
	"time"

	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// Sums and the guest's own view, beside the roles.
const (
	AllPSS     = "all"
	HelpersPSS = "helpers"
	GuestUsed  = "guest used"
	GuestTotal = "guest total"
)

// Measures of a sandbox's memory in the order in which they are shown.
var Measures = []struct{ Name, What string }{
	{QEMU, "PSS of QEMU"}, {VirtioFSD, "PSS of virtiofsd"}, {Proxy, "PSS of the proxy"}, {Shim, "PSS of the shim"}, {Other, "PSS of others"},
	{HelpersPSS, "PSS of the helpers (shim, proxy)"},
	{AllPSS, "PSS of all host processes"},
	{GuestUsed, "used in the guest (MemTotal − MemAvailable)"},
	{GuestTotal, "the guest's MemTotal"},
}

// Memory names the samples of a runtime's sandboxes.
func Memory(peer string) string { return "memory, " + peer }

// Sandbox answers the PSS of all of a sandbox's processes in bytes, as it is now.
func Sandbox(root, id string) (int64, error) {
	sums, err := byRole(root, id)
	return sums[AllPSS], err
}

// Idle is Sandbox once that is idle.
func Idle(ctx context.Context, root, id string) (int64, error) {
	sums, err := settled(ctx, root, id)
	return sums[AllPSS], err
}

// A sandbox is idle when its memory has stayed within a hundredth for so many
// seconds: QEMU and the guest give back what the start has left when they have
// been quiet for two. Beyond the limit it is taken as it is.
const (
	quietSeconds = 3
	mostSeconds  = 20
)

func settled(ctx context.Context, root, id string) (map[string]int64, error) {
	for quiet, before, seconds := 0, int64(0), 0; ; seconds++ {
		sums, err := byRole(root, id)
		if err != nil {
			return nil, err
		}
		now := sums[AllPSS]
		if quiet++; max(now-before, before-now) > before/100 {
			quiet = 0
		}
		if before = now; quiet >= quietSeconds || seconds >= mostSeconds {
			return sums, nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func byRole(root, id string) (map[string]int64, error) {
	processes, err := Processes(root, id)
	if err != nil {
		return nil, err
	}
	sums := map[string]int64{}
	for pid, role := range processes {
		n, err := PSS(pid)
		if err != nil {
			return nil, err
		}
		sums[role] += n
		sums[AllPSS] += n
	}
	sums[HelpersPSS] = sums[Shim] + sums[Proxy]
	return sums, nil
}

// Sample notes what an idle sandbox holds, on the host first: the guest's
// answer costs a process in it.
func Sample(ctx context.Context, s *series.Set, k *peer.Peer, id string) error {
	sums, err := settled(ctx, k.Root, id)
	if err != nil {
		return err
	}
	for role, n := range sums {
		s.Add(Memory(k.Name), role, float64(n))
	}
	r, err := k.Run(ctx, "exec", id, "cat", "/proc/meminfo")
	if err != nil {
		return err
	}
	g, err := GuestMemory(r.Out)
	if err != nil {
		return err
	}
	s.Add(Memory(k.Name), GuestUsed, float64(g.Used))
	s.Add(Memory(k.Name), GuestTotal, float64(g.Total))
	return nil
}
