package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

var networkCommand = cli.Command{
	Name:      networkName,
	Usage:     "manage the network of a running sandbox",
	ArgsUsage: "<verb> <container-id> [file]",
	Subcommands: []cli.Command{
		networkVerb("add-iface", "give the guest an interface of the sandbox's network namespace", true,
			func(ctx context.Context, host *sandbox.Host, id string, in io.Reader) (any, error) {
				want := new(netInterface)
				if err := decode(in, want); err != nil {
					return nil, err
				}
				request, err := want.request()
				if err != nil {
					return nil, err
				}
				added, err := host.AddInterface(ctx, id, request)
				if err != nil {
					return nil, err
				}
				return netInterfaceOf(added), nil
			}),
		networkVerb("del-iface", "take an interface from the guest", true,
			func(ctx context.Context, host *sandbox.Host, id string, in io.Reader) (any, error) {
				want := new(netInterface)
				if err := decode(in, want); err != nil {
					return nil, err
				}
				if want.Name == "" {
					want.Name = want.Device
				}
				return want, host.DropInterface(ctx, id, want.Name)
			}),
		networkVerb(networkSync, "bring what has changed in the sandbox's network namespace to the guest", false,
			func(ctx context.Context, host *sandbox.Host, id string, _ io.Reader) (any, error) {
				if err := host.SyncNetwork(ctx, id); err != nil {
					return nil, err
				}
				return interfaces(ctx, host, id)
			}),
		networkVerb("list-ifaces", "print the guest's interfaces", false,
			func(ctx context.Context, host *sandbox.Host, id string, _ io.Reader) (any, error) {
				return interfaces(ctx, host, id)
			}),
		networkVerb("update-routes", "replace the guest's routes", true,
			func(ctx context.Context, host *sandbox.Host, id string, in io.Reader) (any, error) {
				var routes []netRoute
				if err := decode(in, &routes); err != nil {
					return nil, err
				}
				list, err := host.UpdateRoutes(ctx, id, agentRoutes(routes))
				return netRoutes(list), err
			}),
		networkVerb("list-routes", "print the guest's routes", false,
			func(ctx context.Context, host *sandbox.Host, id string, _ io.Reader) (any, error) {
				list, err := host.Routes(ctx, id)
				return netRoutes(list), err
			}),
	},
}

// By these a process that follows the network calls us.
const (
	networkName = "kata-network"
	networkSync = "sync"
)

func interfaces(ctx context.Context, host *sandbox.Host, id string) (any, error) {
	list, err := host.Interfaces(ctx, id)
	all := []*netInterface{}
	for _, i := range list {
		all = append(all, netInterfaceOf(i))
	}
	return all, err
}

// networkVerb makes a verb that prints its answer as JSON. With input it reads
// a document from a file, or from standard input for "-".
func networkVerb(name, usage string, input bool, do func(context.Context, *sandbox.Host, string, io.Reader) (any, error)) cli.Command {
	args, count := "<container-id>", 1
	if input {
		args, count = "<container-id> <file>", 2
	}
	return cli.Command{Name: name, Usage: usage, ArgsUsage: args, Action: func(c *cli.Context) error {
		if err := wantArgs(c, count); err != nil {
			return err
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		var in io.Reader
		if input {
			in = os.Stdin
			if path := c.Args().Get(1); path != "-" {
				f, err := os.Open(path)
				if err != nil {
					return fmt.Errorf("kata-network %s: %w", name, err)
				}
				defer f.Close()
				in = f
			}
		}
		ctx, stop := interruptible()
		defer stop()
		answer, err := do(ctx, host, c.Args().First(), in)
		if err != nil {
			return fmt.Errorf("kata-network %s: %w", name, err)
		}
		return encodeGuests(os.Stdout, answer)
	}}
}

// decode reads one JSON document; a key that it does not know is an error.
func decode(in io.Reader, v any) error {
	d := json.NewDecoder(in)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the input is not what it should be: %w", err)
	}
	return nil
}

// netInterface is an interface in the form of Kata 1.x (its agent's types.proto).
type netInterface struct {
	// Device is the name in the sandbox's network namespace; empty for Name.
	Device      string       `json:"device,omitempty"`
	Name        string       `json:"name,omitempty"`
	IPAddresses []netAddress `json:"IPAddresses,omitempty"`
	MTU         uint32       `json:"mtu,omitempty"`
	HwAddr      string       `json:"hwAddr,omitempty"`
	// PCIAddr and Type are accepted and not needed: the device is found by its
	// MAC, its kind is seen.
	PCIAddr  string `json:"pciAddr,omitempty"`
	Type     string `json:"type,omitempty"`
	RawFlags uint32 `json:"raw_flags,omitempty"`
}

// netAddress is an address and the length of its prefix. Family (0 or 1 for
// IPv6) is only for readers: the address tells.
type netAddress struct {
	Family  any    `json:"family,omitempty"`
	Address string `json:"address"`
	Mask    string `json:"mask"`
}

func (i *netInterface) request() (sandbox.InterfaceRequest, error) {
	r := sandbox.InterfaceRequest{Link: i.Device, Name: i.Name, MAC: i.HwAddr, MTU: int(i.MTU)}
	if r.Link == "" {
		r.Link = i.Name
	}
	if r.Link == "" {
		return r, fmt.Errorf("the input names no interface: give \"name\", or \"device\" for its name in the network namespace")
	}
	for _, a := range i.IPAddresses {
		cidr := a.Address + "/" + a.Mask
		if _, _, err := net.ParseCIDR(cidr); err != nil {
			return r, fmt.Errorf("address %q with mask %q: %w", a.Address, a.Mask, err)
		}
		r.Addresses = append(r.Addresses, cidr)
	}
	if i.HwAddr != "" {
		if _, err := net.ParseMAC(i.HwAddr); err != nil {
			return r, fmt.Errorf("hwAddr %q: %w", i.HwAddr, err)
		}
	}
	return r, nil
}

func netInterfaceOf(i *agentpb.Interface) *netInterface {
	out := &netInterface{Name: i.Name, MTU: i.Mtu, HwAddr: i.Mac, RawFlags: i.Flags}
	for _, a := range i.Addresses {
		address, mask, _ := strings.Cut(a, "/")
		parsed := netAddress{Address: address, Mask: mask}
		if strings.Contains(address, ":") {
			parsed.Family = 1
		}
		out.IPAddresses = append(out.IPAddresses, parsed)
	}
	return out
}

// netRoute is a route in the form of Kata 1.x, with a metric, an MTU, a family
// and flags besides, so that what is listed can be put back.
type netRoute struct {
	// Dest is in CIDR notation; empty or "default" for the default route.
	Dest    string `json:"dest,omitempty"`
	Gateway string `json:"gateway,omitempty"`
	Device  string `json:"device,omitempty"`
	Source  string `json:"source,omitempty"`
	Scope   uint32 `json:"scope,omitempty"`
	Family  string `json:"family,omitempty"`
	Metric  uint32 `json:"metric,omitempty"`
	MTU     uint32 `json:"mtu,omitempty"`
	Flags   uint32 `json:"flags,omitempty"`
}

func agentRoutes(routes []netRoute) []*agentpb.Route {
	var out []*agentpb.Route
	for _, r := range routes {
		if r.Dest == "default" {
			r.Dest = ""
		}
		out = append(out, &agentpb.Route{
			Destination: r.Dest, Gateway: r.Gateway, Device: r.Device, Source: r.Source,
			Scope: r.Scope, Family: r.Family, Metric: r.Metric, Mtu: r.MTU, Flags: r.Flags,
		})
	}
	return out
}

func netRoutes(list []*agentpb.Route) []netRoute {
	out := []netRoute{}
	for _, r := range list {
		out = append(out, netRoute{
			Dest: r.Destination, Gateway: r.Gateway, Device: r.Device, Source: r.Source,
			Scope: r.Scope, Family: r.Family, Metric: r.Metric, MTU: r.Mtu, Flags: r.Flags,
		})
	}
	return out
}
