package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/work"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
)

// option is a way to share a folder, with options.
type option struct {
	way string
	// mount are the guest's options, daemon and cache those of virtiofsd.
	mount  string
	cache  string
	daemon []string
}

func (o option) String() string {
	if o.way == ninep {
		return o.way + ", " + strings.TrimPrefix(o.mount, base9p)
	}
	return strings.Join(append([]string{o.way, "cache=" + o.cache}, o.daemon...), ", ")
}

const base9p = "trans=virtio,version=9p2000.L,"

// standard are the runtime's own (virtcontainers/share).
var standard = map[string]option{
	ninep:    {way: ninep, mount: base9p + "cache=mmap,msize=1048576"},
	virtiofs: {way: virtiofs, cache: "auto"},
}

// options that are compared; the first of a way is what the runtime has. A pool
// of 16 threads was seen to end Debian 12's virtiofsd in the middle of its work.
var options = []option{
	standard[ninep],
	{way: ninep, mount: base9p + "cache=mmap,msize=8192"},
	{way: ninep, mount: base9p + "cache=mmap,msize=262144"},
	{way: ninep, mount: base9p + "cache=none,msize=1048576"},
	{way: ninep, mount: base9p + "cache=loose,msize=1048576"},
	standard[virtiofs],
	{way: virtiofs, cache: "none"},
	{way: virtiofs, cache: "always"},
	{way: virtiofs, cache: "auto", daemon: []string{"--thread-pool-size=1"}},
}

// inGuest is where a bare guest mounts the share.
const inGuest = "/mnt"

// bare has the work done in a guest without an agent, on the share that the
// runtime would make.
func (p *Part) bare(ctx context.Context, name, folder string, a amount, o option) (err error) {
	shared, err := share.New(filepath.Join(p.lab.Dir, "io-share"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shared.Remove()) }()
	inSandbox, err := shared.AddMount(share.NewPlace(), 0, folder, share.MountOptions{})
	if err != nil {
		return err
	}
	inShare := strings.TrimPrefix(inSandbox, share.GuestDir)
	t := floor.Task{
		Args:   []string{"disk", fmt.Sprint(a.mib), fmt.Sprint(a.files), inGuest + inShare},
		FSType: "9p", Source: floor.Tag, Options: o.mount, Devices: []floor.Device{floor.Share9p(shared.Dir())},
	}
	if o.way == virtiofs {
		d, conn, startErr := p.daemon(shared, o)
		if startErr != nil {
			return startErr
		}
		// It ends with QEMU; after a failure it is ended. A guest whose daemon has
		// died would wait for ever.
		defer func() { err = errors.Join(err, d.Stop(context.WithoutCancel(ctx))) }()
		defer conn.Close()
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() {
			<-d.Done()
			if d.Err() != nil {
				cancel()
			}
		}()
		t.FSType, t.Devices = "virtiofs", []floor.Device{floor.ShareVirtioFS(conn)}
	}
	out, err := p.worker.Run(ctx, t)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return p.results(name, out, a)
}

// results takes those of a bare guest, which has one folder.
func (p *Part) results(name, out string, a amount) error {
	results, err := work.Results(out, 1)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, r := range results {
		p.lab.Samples.Add(name, r.Measure, a.speed(r))
	}
	return nil
}

// daemon starts virtiofsd as the runtime does.
func (p *Part) daemon(shared *share.Folder, o option) (*share.Daemon, *os.File, error) {
	cfg := share.Config{SharedFS: share.VirtioFS, VirtioFSCache: o.cache, VirtioFSExtraArgs: o.daemon}
	choice, err := cfg.Choose()
	if err != nil {
		return nil, nil, err
	}
	d, err := share.StartVirtioFSD(cfg, choice, p.lab.Dir, shared, filepath.Join(p.lab.Dir, "virtiofsd.log"))
	if err != nil {
		return nil, nil, err
	}
	conn, err := d.Connect()
	if err != nil {
		return nil, nil, errors.Join(err, d.Stop(context.Background()))
	}
	return d, conn, nil
}
