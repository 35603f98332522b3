package guest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kata-go/kata-runtime/osbuilder/kmod"
	"github.com/kata-go/kata-runtime/osbuilder/tree"
)

// Files that tell the guest what to load: the agent, at boot, one absolute
// path a line in order; and modprobe, when the kernel asks for it.
const (
	ModuleList = "etc/kata-agent/modules"
	AliasList  = "etc/kata-agent/modules.alias"
)

// Wanted modules of a stock kernel at boot, in the order in which the guest
// needs them: first what the channel to the agent is made of, then the share,
// the network and what a container's root lies on, then what may be plugged
// in later.
var Wanted = []string{
	"virtio_pci", "virtio_mmio", "virtio_console", "vmw_vsock_virtio_transport",
	"9pnet_virtio", "9p", "virtiofs",
	"virtio_net", "overlay", "virtio_blk", "virtio_rng",
	"virtio_scsi", "sd_mod",
}

// OnDemand are patterns of modules that the kernel itself asks for when
// something in a container needs them. A kernel need not have all of them.
var OnDemand = []string{
	"ext4", "xfs", "erofs", "squashfs", "loop", "autofs4", "binfmt_misc",
	"veth", "bridge", "br_netfilter", "macvlan", "macvtap", "ipvlan", "tun", "tap", "dummy", "vxlan", "8021q",
	"sch_htb", "sch_tbf", "sch_fq", "sch_fq_codel", "sch_netem", "sch_ingress", "cls_u32", "cls_bpf", "act_mirred", "act_police",
	"tcp_bbr", "tcp_diag", "udp_diag", "unix_diag", "af_packet_diag", "netlink_diag", "inet_diag",
	"nf_tables", "nft_*", "nf_conntrack", "nf_conntrack_netlink", "nf_nat", "nf_log_syslog",
	"ip_tables", "ip6_tables", "iptable_*", "ip6table_*", "ipt_REJECT", "ip6t_REJECT", "xt_*",
	"virtio_mem", "virtio_balloon", "virtio_pmem", "nd_pmem", "nfit",
}

// AddModules puts modules, their lists and the modprobe binary into the tree;
// it answers the names of those that are loaded at boot, in order.
func AddModules(t *tree.Tree, x *kmod.Index, kernelRelease string, modprobe []byte) ([]string, error) {
	boot, err := x.Order(Wanted)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", kernelRelease, err)
	}
	a := adder{tree: t, index: x, release: kernelRelease, paths: map[string]string{}}
	if err := a.add(boot, false); err != nil {
		return nil, err
	}
	var list strings.Builder
	for _, name := range boot {
		fmt.Fprintln(&list, a.paths[name])
	}
	aliases, err := a.demand()
	if err != nil {
		return nil, err
	}
	if err := t.Add(tree.Entry{Path: AliasList, Perm: 0o644, Data: []byte(aliases)}); err != nil {
		return nil, err
	}
	if err := t.Add(tree.Entry{Path: "sbin/modprobe", Perm: 0o755, Data: modprobe}); err != nil {
		return nil, err
	}
	return boot, AddList(t, list.String())
}

// AddList puts the list of modules into the tree; an empty one says that
// there is none to load.
func AddList(t *tree.Tree, list string) error {
	return t.Add(tree.Entry{Path: ModuleList, Perm: 0o644, Data: []byte(list)})
}

type adder struct {
	tree    *tree.Tree
	index   *kmod.Index
	release string
	// paths in the guest of the modules that are in the tree.
	paths map[string]string
}

// add puts modules into the tree that are not there. What is rarely needed
// gets compressed: an initrd stays in the guest's memory.
func (a adder) add(names []string, compress bool) error {
	for _, name := range names {
		if a.paths[name] != "" {
			continue
		}
		data, err := a.index.Read(name)
		if err != nil {
			return err
		}
		file := path.Join("lib/modules", a.release, a.index.Path(name))
		if compress {
			file += ".gz"
			if data, err = deflate(data); err != nil {
				return err
			}
		}
		if err := a.tree.Add(tree.Entry{Path: file, Perm: 0o644, Data: data}); err != nil {
			return err
		}
		a.paths[name] = "/" + file
	}
	return nil
}

func deflate(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(data)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// demand adds the modules of OnDemand and answers the list by which they are
// found, sorted: a line for each alias and one for the module's own name.
func (a adder) demand() (string, error) {
	var lines []string
	for _, name := range a.index.Match(OnDemand) {
		order, err := a.index.Order([]string{name})
		if err != nil {
			return "", err
		}
		if err := a.add(order, true); err != nil {
			return "", err
		}
		info, err := a.index.Info(name)
		if err != nil {
			return "", err
		}
		var files []string
		for _, need := range order {
			files = append(files, a.paths[need])
		}
		for _, alias := range append(info.Aliases, name) {
			// The lists separate words by blanks.
			if !strings.ContainsAny(alias, " \t") {
				lines = append(lines, strings.ReplaceAll(alias, "-", "_")+" "+strings.Join(files, " ")+"\n")
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), ""), nil
}
