package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/variant"
)

// NewKata answers a kata-runtime with settings of its own. name is for the
// report, short for files.
func (l *Lab) NewKata(name, short string, s variant.Settings) (*peer.Peer, error) {
	all := variant.Settings{
		// A machine that is busy with other things must not end a run.
		"hypervisor.qemu.boot_timeout": 180,
	}
	maps.Copy(all, s)
	config, err := variant.Write(l.base, filepath.Join(l.Dir, "config-"+short), all)
	if err != nil {
		return nil, err
	}
	p := &peer.Peer{
		Name: name, Short: short, Binary: l.Kata, Env: []string{"KATA_CONF_FILE=" + config},
		Root: filepath.Join(l.Dir, "root-"+short), Dir: l.Dir,
	}
	l.peers = append(l.peers, p)
	return p, nil
}

// Config answers the configuration of a peer that NewKata made.
func Config(p *peer.Peer) string { return p.Env[0][len("KATA_CONF_FILE="):] }

// NewHost answers one of the runtimes that need no VM, and names its version.
func (l *Lab) NewHost(ctx context.Context, name string) (*peer.Peer, error) {
	binary := map[string]string{report.Runc: l.Runc, report.Crun: l.Crun, report.Runsc: l.Runsc}[name]
	if binary == "" {
		return nil, errors.New("not built")
	}
	path, err := Find(binary)
	if err != nil {
		return nil, err
	}
	p := &peer.Peer{Name: name, Binary: path, Root: filepath.Join(l.Dir, "root-"+name), Dir: l.Dir}
	switch name {
	case report.Crun:
		p.HideUnified = peer.HasUnified()
	case report.Runsc:
		// No network, as the others' containers have none.
		p.Args = []string{"--platform=systrap", "--network=none"}
	}
	l.peers = append(l.peers, p)
	l.Result.Versions = append(l.Result.Versions, report.Version{Name: name, Text: p.Version(ctx)})
	return p, nil
}

// Admit lets a peer prove itself: a container that says which kernel it runs
// on, and a whole life; it is warm then. look, which may be nil, is called
// with the id of the living container.
func (l *Lab) Admit(ctx context.Context, p *peer.Peer, look func(id string) error) (kernel string, err error) {
	Say("%s: a first container", p.Name)
	kernel, err = p.Output(ctx, l.uname)
	if err != nil {
		return "", err
	}
	host, err := hostKernel()
	if err != nil {
		return "", err
	}
	// gVisor answers with a release of its own.
	isVM := p.Binary == l.Kata
	if kernel == "" || isVM && kernel == host || !isVM && p.Name != report.Runsc && kernel != host {
		return "", fmt.Errorf("its container says that it runs on the kernel %q, the host on %q", kernel, host)
	}
	return kernel, p.Life(ctx, -1, l.Bundles, func(string, float64) {}, look)
}

func hostKernel() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

// QEMUArguments answers the command line of a sandbox's QEMU.
func QEMUArguments(p *peer.Peer, id string) ([]string, error) {
	processes, err := footprint.Processes(p.Root, id)
	if err != nil {
		return nil, err
	}
	for pid, role := range processes {
		if role == footprint.QEMU {
			return footprint.Arguments(pid)
		}
	}
	return nil, fmt.Errorf("sandbox %s has no QEMU", id)
}
