// Package guest puts the guest's file tree together: the agent as init, the
// kernel modules that it loads, and mount points. Nothing else is in there:
// no shell, no library.
package guest

import (
	"fmt"
	"path"
	"strings"

	"github.com/kata-go/kata-runtime/osbuilder/kmod"
	"github.com/kata-go/kata-runtime/osbuilder/tree"
)

// ModuleList is where the agent finds the modules to load, one absolute path
// a line, in order.
const ModuleList = "etc/kata-agent/modules"

// Wanted modules of a stock kernel, in the order in which the guest needs
// them: first what the channel to the agent is made of, then the share, the
// network and what a container's root lies on.
var Wanted = []string{
	"virtio_pci", "virtio_mmio", "virtio_console", "vmw_vsock_virtio_transport",
	"9pnet_virtio", "9p", "virtiofs",
	"virtio_net", "overlay", "virtio_blk", "virtio_rng",
}

// Tree answers the files of a guest without kernel modules: for a kernel that
// has everything built in.
func Tree(agent []byte, release string) (*tree.Tree, error) {
	t := new(tree.Tree)
	dir := func(p string, perm uint32) tree.Entry { return tree.Entry{Path: p, Kind: tree.Dir, Perm: perm} }
	link := func(p, to string) tree.Entry { return tree.Entry{Path: p, Kind: tree.Link, Data: []byte(to)} }
	file := func(p, text string) tree.Entry {
		return tree.Entry{Path: p, Perm: 0o644, Data: []byte(text)}
	}
	for _, e := range []tree.Entry{
		{Path: "init", Perm: 0o755, Data: agent},
		link("sbin/init", "../init"),
		dir("dev", 0o755), dir("proc", 0o555), dir("sys", 0o555), dir("run", 0o755),
		dir("mnt", 0o755), dir("root", 0o700), dir("tmp", 0o1777), dir("var", 0o755),
		link("var/run", "../run"),
		file("etc/os-release", fmt.Sprintf("NAME=\"Kata guest\"\nID=kata-guest\nVERSION_ID=%s\n", release)),
		// The image may be read-only; /run never is.
		link("etc/resolv.conf", "../run/resolv.conf"),
	} {
		if err := t.Add(e); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// AddModules puts modules and their list into the tree; it answers the
// modules' names in order.
func AddModules(t *tree.Tree, x *kmod.Index, kernelRelease string) ([]string, error) {
	order, err := x.Order(Wanted)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", kernelRelease, err)
	}
	var list strings.Builder
	for _, name := range order {
		data, err := x.Read(name)
		if err != nil {
			return nil, err
		}
		file := path.Join("lib/modules", kernelRelease, x.Path(name))
		if err := t.Add(tree.Entry{Path: file, Perm: 0o644, Data: data}); err != nil {
			return nil, err
		}
		fmt.Fprintf(&list, "/%s\n", file)
	}
	return order, AddList(t, list.String())
}

// AddList puts the list of modules into the tree; an empty one says that
// there is none to load.
func AddList(t *tree.Tree, list string) error {
	return t.Add(tree.Entry{Path: ModuleList, Perm: 0o644, Data: []byte(list)})
}
