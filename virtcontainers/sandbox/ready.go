package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/kata-go/kata-runtime/virtcontainers/factory/cache"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// handout is what the taker of a ready VM gets to know of it. The first file
// that comes with it is its shared folder; the second, if it has a NIC, the
// namespace where that one's tap is.
type handout struct {
	// Name is that of its folder below the cache's.
	Name string         `json:"name"`
	VM   hypervisor.VM  `json:"vm"`
	NIC  *network.NIC   `json:"nic,omitempty"`
	Size resources.Size `json:"size"`
}

// place is where ready VMs are to be had; ok tells whether any are kept.
func (h *Host) place() (p cache.Place, ok bool) {
	config := h.settings.Factory
	if config == nil {
		return cache.Place{}, false
	}
	return cache.Place{Endpoint: config.Endpoint()}, config.VMCacheNumber > 0
}

// boots tells whether VMs begin with their kernel, and not with what was made before.
func (h *Host) boots() bool {
	config := h.settings.Factory
	return config == nil || !config.Enabled() && config.VMCacheNumber == 0
}

// cacheDir is the folder of the ready VMs; empty if none are kept.
func (h *Host) cacheDir() string {
	p, ok := h.place()
	if !ok {
		return ""
	}
	return p.Dir()
}

// readyVM takes a VM that is ready, if there is one that fits, else begins one.
func (h *Host) readyVM(ctx context.Context, b *boot, st *State) error {
	handed, err := h.take(ctx, b, st)
	if err != nil {
		return err
	}
	if handed != nil {
		err := b.adopt(ctx, st, handed)
		handed.CloseFiles()
		if err == nil {
			b.handed = handed
			return nil
		}
		handed.Close()
		if ctx.Err() != nil {
			return err
		}
		h.log.Warn("a ready VM cannot be used", "sandbox", st.ID, "error", err)
		if err := b.giveUp(ctx, st); err != nil {
			return err
		}
	}
	return h.begin(ctx, b, st)
}

// letGo tells the cache that the sandbox with the VM that it had ready is there.
func (b *boot) letGo() {
	if b.handed != nil {
		b.handed.Close()
		b.handed = nil
	}
}

// take asks for a ready VM; nil if there is none to be had. Where nobody serves
// them, it has somebody begin to, for those who come later.
func (h *Host) take(ctx context.Context, b *boot, st *State) (*cache.Handed, error) {
	p, ok := h.place()
	if !ok {
		return nil, nil
	}
	why, err := h.unfit(b.spec, st)
	if err != nil {
		return nil, err
	}
	if why != "" {
		h.log.Debug("no ready VM fits", "sandbox", st.ID, "cause", why)
		return nil, nil
	}
	key, err := h.readyKey(st.Network.plugged(h.settings.Network))
	if err != nil {
		return nil, err
	}
	handed, err := p.Take(ctx, key, b.dir.Path)
	switch {
	case err == nil:
		return handed, nil
	case errors.Is(err, cache.ErrNone), errors.Is(err, cache.ErrUnfit):
		h.log.Info("no ready VM is used", "sandbox", st.ID, "cause", err)
	case errors.Is(err, cache.ErrNotServed):
		h.log.Info("no ready VM is used", "sandbox", st.ID, "cause", err)
		if err := h.startServer(p, nil); err != nil {
			h.log.Warn("the cache of VMs is not served", "error", err)
		}
	default:
		h.log.Warn("no ready VM is used", "sandbox", st.ID, "error", err)
	}
	return nil, ctx.Err()
}

// adopt makes a ready VM the sandbox's: its shared folder gets its place, its
// tap comes into the sandbox's namespace, it goes on, and a proxy of the
// sandbox's own reaches its agent.
func (b *boot) adopt(ctx context.Context, st *State, handed *cache.Handed) error {
	var told handout
	if err := json.Unmarshal(handed.Told, &told); err != nil {
		return fmt.Errorf("the answer of the cache is damaged: %w", err)
	}
	want := 1
	if told.NIC != nil {
		want = 2
	}
	if len(handed.Files) != want || validID(told.Name) != nil {
		return fmt.Errorf("the answer of the cache is damaged: %d files, %d expected", len(handed.Files), want)
	}
	st.Origin, st.VM, st.ShareDriver = told.Name, told.VM, cloneShare.FS
	b.vm, b.choice, b.began, b.greeted = &st.VM, cloneShare, told.Size, true
	b.vmDir = filepath.Dir(told.VM.QMP)
	var err error
	if b.folder, err = share.Attach(handed.Files[0], sharedPath(b.dir)); err != nil {
		return err
	}
	if told.NIC != nil {
		if err := st.Network.adopt(*told.NIC, handed.Files[1]); err != nil {
			return err
		}
	}
	monitor, err := b.vm.Monitor(ctx)
	if err != nil {
		return err
	}
	err = monitor.Resume(ctx)
	monitor.Close()
	if err != nil {
		return err
	}
	st.Agent = "unix://" + filepath.Join(b.dir.Path, proxySocket)
	channel, err := b.listen(proxySocket)
	if err != nil {
		return err
	}
	return b.startProxy(st, channel)
}

// adopt brings a ready VM's tap into the sandbox's namespace.
func (n *Network) adopt(nic network.NIC, from *os.File) error {
	ns, err := network.OpenNamespace(n.Namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := network.MoveTap(nic, network.FromFile(from), ns); err != nil {
		return err
	}
	n.NICs = append(n.NICs, nic)
	return nil
}

// giveUp ends a ready VM that the sandbox has taken, so that another can be
// made in its place.
func (b *boot) giveUp(ctx context.Context, st *State) error {
	if err := endOrigin(ctx, b.log, b.dir, st); err != nil {
		return err
	}
	st.Origin, b.vmDir = "", b.dir.Path
	st.Network.NICs = nil // they have ended with it
	if err := b.forgetVM(ctx, st); err != nil {
		return err
	}
	return unshare(b.dir)
}

// endOrigin ends the ready VM that a sandbox has taken, and removes what is
// left of it where it was made. It may have been taken without the sandbox
// having come so far as to say so.
func endOrigin(ctx context.Context, log *slog.Logger, dir *state.Dir, st *State) error {
	if st.Cache == "" {
		return nil
	}
	worker, err := NewHost(st.Cache, nil, log)
	if err != nil {
		return err
	}
	names := []string{st.Origin}
	if st.Origin == "" {
		if names, err = worker.store.List(); err != nil {
			return err
		}
	}
	for _, name := range names {
		origin, ost, _, err := worker.load(name)
		if errors.Is(err, ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if ost.Owner != dir.Path {
			continue
		}
		if err := worker.teardown(ctx, origin, ost); err != nil && !errors.Is(err, ErrNotExist) {
			return err
		}
	}
	return cache.Tidy(st.Cache)
}
