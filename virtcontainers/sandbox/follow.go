package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// SyncNetwork brings what has changed in a sandbox's network namespace to its
// guest: interfaces that came, went, or have other addresses or routes. What
// the user has given or taken by hand stays. It does all that it can, and
// answers what it could not.
func (h *Host) SyncNetwork(ctx context.Context, id string) error {
	return h.withNetwork(ctx, id, func(dir *state.Dir, st *State, ns *network.Namespace, a *agent) error {
		found, err := network.Scan(ns, st.Network.NICs...)
		if err != nil {
			return err
		}
		gone, changed, fresh := st.Network.compare(found)
		var errs []error
		for _, pair := range gone {
			if err := dropPair(ctx, st, ns, a, pair); err != nil {
				errs = append(errs, fmt.Errorf("interface %s, which is gone: %w", pair.Name(), err))
				continue
			}
			errs = append(errs, st.saveNetwork(dir))
		}
		for _, pair := range changed {
			if _, err := replacePair(ctx, dir, st, a, pair); err != nil {
				errs = append(errs, fmt.Errorf("interface %s, which has changed: %w", pair.Name(), err))
			}
		}
		for _, i := range fresh {
			if _, err := addPair(ctx, dir, st, ns, a, network.Pair{Interface: i}); err != nil {
				errs = append(errs, fmt.Errorf("interface %s, which is new: %w", i.Name, err))
			}
		}
		errs = append(errs, h.lendLater(ctx, dir, st, st.Containers[dir.ID()], ns))
		return errors.Join(errs...)
	})
}

// compare tells what differs between the interfaces of the namespace and those
// that the guest has. What a macvtap has taken its MAC and addresses from has others
// now, which are not for the guest.
func (n *Network) compare(found []network.Interface) (gone, changed []network.Pair, fresh []network.Interface) {
	for _, p := range n.Pairs {
		at := slices.IndexFunc(found, func(i network.Interface) bool { return i.Index == p.Interface.Index })
		switch {
		case at < 0:
			gone = append(gone, p)
		case !p.Explicit && p.NIC.Model != network.ModelMacvtap && !network.Same(found[at], p.Interface):
			p.Interface = found[at]
			changed = append(changed, p)
		}
	}
	for _, i := range found {
		if !n.has(i) && !slices.Contains(n.Released, i.Index) {
			fresh = append(fresh, i)
		}
	}
	return gone, changed, fresh
}
