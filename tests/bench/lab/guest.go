package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/settings"
	"github.com/kata-go/kata-runtime/tests/bench/variant"
)

// Guest is a guest kernel with its initrd, and kata-runtime set to boot it.
type Guest struct {
	// Short is for the names of files: "tuned", "stock", "debian".
	Short string
	// Name says the same in a sentence: "tuned kernel".
	Name string
	// Release is what the kernel calls itself.
	Release string
	// Settings choose it.
	Settings variant.Settings
	Peer     *peer.Peer
	// Machine is that of its sandboxes.
	Machine floor.Machine
	// Lean is the same with the firmware and the kernel parameters of its sandboxes.
	Lean floor.Machine
	// Keeps: its QEMU keeps what it has translated.
	Keeps bool
	Env   *settings.Env
}

// kinds of guests that osbuilder makes, in folders of these names; the
// preferred one first, as packaging/configure.sh does. Where the configured QEMU
// keeps translations, the others are with the one that Debian has.
var kinds = []struct {
	folder, short, name, peer string
	stock                     bool
}{
	{"tuned", "tuned", "tuned kernel", report.Tuned, false},
	{"tuned", "stock", "tuned kernel, Debian's QEMU", report.Stock, true},
	{"debian", "debian", "Debian's kernel", report.Debian, true},
}

// stockQEMU is Debian's.
const stockQEMU = "/usr/bin/qemu-system-x86_64"

// findGuests looks beside the configured kernel for the others that were
// built, and admits all of them.
func (l *Lab) findGuests(ctx context.Context) error {
	plain, err := l.NewKata(report.Kata, "kata", nil)
	if err != nil {
		return err
	}
	_, env, err := settings.Read(ctx, plain)
	if err != nil {
		return err
	}
	l.Result.Versions = append(l.Result.Versions,
		report.Version{Name: "kata-runtime", Text: plain.Version(ctx)},
		report.Version{Name: "commit", Text: plain.Commit(ctx)},
		report.Version{Name: "QEMU", Text: peer.Version(ctx, env.Hypervisor.Path)})
	if env.Keeps {
		l.Result.Versions = append(l.Result.Versions, report.Version{Name: "QEMU, Debian's", Text: peer.Version(ctx, stockQEMU)})
	}
	built := filepath.Dir(filepath.Dir(env.Kernel.Path))
	for _, kind := range kinds {
		if kind.peer == report.Stock && !env.Keeps {
			continue // the one before is that
		}
		kernel, initrd := filepath.Join(built, kind.folder, "vmlinux"), filepath.Join(built, kind.folder, "initrd.img")
		if !exists(kernel) || !exists(initrd) {
			l.LeaveOut(kind.name, fmt.Errorf("%s or its initrd.img is not there (make image, make kernel)", kernel))
			continue
		}
		g := &Guest{Short: kind.short, Name: kind.name, Settings: variant.Settings{
			"hypervisor.qemu.kernel": kernel, "hypervisor.qemu.initrd": initrd, "hypervisor.qemu.image": "",
			// What is measured is said in full, whatever the defaults are.
			"factory.enable_template": false, "factory.auto_template": false,
		}}
		if env.Keeps {
			g.Settings["factory.translations_path"] = filepath.Join(l.Dir, "translations")
			if g.Keeps = !kind.stock; kind.stock {
				g.Settings["factory.keep_translations"], g.Settings["hypervisor.qemu.path"] = false, stockQEMU
			}
		}
		if err := l.admitGuest(ctx, g, kind.peer); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			l.LeaveOut(kind.name, err)
			continue
		}
		l.Guests = append(l.Guests, g)
	}
	if len(l.Guests) == 0 {
		return errors.New("kata-runtime cannot run a container, see above")
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (l *Lab) admitGuest(ctx context.Context, g *Guest, name string) (err error) {
	if g.Peer, err = l.NewKata(name, g.Short, g.Settings); err != nil {
		return err
	}
	var args []string
	g.Release, err = l.Admit(ctx, g.Peer, func(id string) error {
		args, err = QEMUArguments(g.Peer, id)
		return err
	})
	if err != nil {
		return err
	}
	if g.Machine, g.Env, err = settings.Read(ctx, g.Peer); err != nil {
		return err
	}
	g.Machine.TSCKHz = floor.GuestTSC(args)
	// What the runtime does by itself for a setting of zero.
	g.Machine.MemoryMiB, g.Machine.VCPUs = max(g.Machine.MemoryMiB, 256), max(g.Machine.VCPUs, 1)
	g.Lean = g.Machine.As(args)
	l.Result.Versions = append(l.Result.Versions, report.Version{Name: "guest, " + g.Name, Text: g.Release})
	return nil
}

// With answers the guest's settings with more of them.
func (g *Guest) With(more variant.Settings) variant.Settings {
	all := variant.Settings{}
	maps.Copy(all, g.Settings)
	maps.Copy(all, more)
	return all
}
