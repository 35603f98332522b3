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
// path a line in order; the agent again, for each device that there is or that
// gets plugged in; and modprobe, when the kernel asks for it.
const (
	ModuleList = "etc/kata-agent/modules"
	DeviceList = "etc/kata-agent/modules.devices"
	FilterList = "etc/kata-agent/modules.filters"
	AliasList  = "etc/kata-agent/modules.alias"
)

// Loader is the modprobe binary. It does not lie where the kernel looks by
// itself: until the agent names it to the kernel, nobody starts it. A booting
// kernel asks for dozens of names that are not there (variants of algorithms).
const Loader = "usr/libexec/kata-modprobe"

// Wanted modules of a stock kernel at boot, in the order in which the guest
// needs them: first what the channel to the agent is made of, then what the
// first container cannot do without.
var Wanted = []string{"virtio_pci", "virtio_mmio", "virtio_console", "overlay"}

// Drivers are modules that are loaded when their device is there: loading is
// slow, and a guest has few of these devices.
var Drivers = []Driver{
	{Module: "vmw_vsock_virtio_transport"},
	{Module: "9pnet_virtio", With: []string{"9p"}},
	{Module: "virtiofs"},
	{Module: "virtio_net"},
	{Module: "virtio_blk"},
	{Module: "virtio_scsi"},
	{Module: "sd_mod"},
	{Module: "virtio_rng"},
	{Module: "virtio_balloon"},
	{Module: "virtio_mem"},
}

// filters are patterns of the modules that the agent loads for a container that
// may administrate the network: nobody asks the kernel for them.
var filters = []string{"ip_tables", "ip6_tables"}

// Driver is a module that says which devices it is for.
type Driver struct {
	Module string
	// With are modules without a device that are of no use without this one.
	With []string
}

// OnDemand are patterns of modules that the kernel itself asks for when
// something in a container needs them. A kernel need not have all of them.
var OnDemand = []string{
	"9p", "virtiofs", "overlay", "ext4", "crc32c_generic", "xfs", "erofs", "squashfs", "loop", "autofs4", "binfmt_misc",
	"veth", "bridge", "br_netfilter", "macvlan", "macvtap", "ipvlan", "tun", "tap", "dummy", "vxlan", "8021q",
	"wireguard", "geneve", "vrf", "bonding", "ifb", "ip_gre", "ip6_gre", "ipip", "sit", "ip6_tunnel", "sctp", "tls",
	"sch_*", "cls_*", "act_*", "tcp_*", "udp_diag", "unix_diag", "af_packet_diag", "netlink_diag", "inet_diag",
	"nf_tables", "nft_*", "nf_conntrack", "nf_conntrack_*", "nf_nat", "nf_nat_*", "nf_log_syslog", "nfnetlink_*",
	"ip_tables", "ip6_tables", "iptable_*", "ip6table_*", "ipt_*", "ip6t_*", "xt_*", "arp_tables", "arptable_*", "ebtable*", "ebt_*",
	"ip_set", "ip_set_*", "xfrm_user", "xfrm_interface", "esp4", "esp6", "ah4", "ah6", "af_key",
	// What IPsec and AF_ALG (algif_*) name of the kernel's ciphers.
	"algif_*", "authenc", "authencesn", "seqiv", "echainiv", "cbc", "ctr", "gcm", "ccm", "xts", "cmac", "ghash_generic", "sha512_generic", "drbg", "chacha20poly1305", "aesni_intel",
	"virtio_pmem", "nd_pmem", "nfit",
}

// AddModules puts modules, their lists and the modprobe binary into the tree;
// it answers the names of those that are loaded at boot, in order, and of the
// drivers.
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
	order, err := x.Order(x.Match(filters))
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", kernelRelease, err)
	}
	if err := a.add(order, false); err != nil {
		return nil, err
	}
	if err := t.Add(tree.Entry{Path: FilterList, Perm: 0o644, Data: []byte(strings.Join(a.files(order), "\n"))}); err != nil {
		return nil, err
	}
	drivers, names, err := a.drivers()
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", kernelRelease, err)
	}
	if err := t.Add(tree.Entry{Path: DeviceList, Perm: 0o644, Data: []byte(drivers)}); err != nil {
		return nil, err
	}
	aliases, err := a.demand()
	if err != nil {
		return nil, err
	}
	if err := t.Add(tree.Entry{Path: AliasList, Perm: 0o644, Data: []byte(aliases)}); err != nil {
		return nil, err
	}
	if err := t.Add(tree.Entry{Path: Loader, Perm: 0o755, Data: modprobe}); err != nil {
		return nil, err
	}
	return append(boot, names...), AddList(t, list.String())
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
			return fmt.Errorf("module %s: %w", name, err)
		}
		if data, err = kmod.Strip(data); err != nil {
			return fmt.Errorf("module %s: %w", name, err)
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

// drivers adds the modules of Drivers and answers the list by which they are
// found, a line for each kind of device, and the names of those that are new.
func (a adder) drivers() (list string, names []string, err error) {
	var lines strings.Builder
	for _, d := range Drivers {
		order, err := a.index.Order(append([]string{d.Module}, d.With...))
		if err != nil {
			return "", nil, err
		}
		if len(order) == 0 {
			continue // all of it is built in
		}
		for _, name := range order {
			if a.paths[name] == "" {
				names = append(names, name)
			}
		}
		if err := a.add(order, false); err != nil {
			return "", nil, err
		}
		info, err := a.index.Info(d.Module)
		if err != nil {
			return "", nil, err
		}
		for _, alias := range info.Aliases {
			// Names of kinds of devices have the bus before a colon.
			if strings.Contains(alias, ":") {
				fmt.Fprintln(&lines, alias, strings.Join(a.files(order), " "))
			}
		}
	}
	return lines.String(), names, nil
}

// files answers the paths in the guest of modules that are in the tree.
func (a adder) files(names []string) []string {
	var files []string
	for _, name := range names {
		files = append(files, a.paths[name])
	}
	return files
}

// demand adds the modules of OnDemand, with those that they need, and answers the
// list by which all of them are found, sorted: a line for each alias and one for
// the module's own name. The kernel asks for what another module needs by its
// alias, too: for nfnetlink, when nft(8) opens its socket.
func (a adder) demand() (string, error) {
	var lines []string
	all, err := a.index.Order(a.index.Match(OnDemand))
	if err != nil {
		return "", err
	}
	if err := a.add(all, true); err != nil {
		return "", err
	}
	for _, name := range all {
		order, err := a.index.Order([]string{name})
		if err != nil {
			return "", err
		}
		info, err := a.index.Info(name)
		if err != nil {
			return "", err
		}
		files := a.files(order)
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
