package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/virtcontainers/network"
)

// engineNetwork makes a network namespace as an engine does, which outlives the
// sandbox: with a veth eth0 that has addresses and a route.
func engineNetwork(t *testing.T) *network.Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	ns, err := network.NewNamespace(filepath.Join(t.TempDir(), "engine"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(ns.Close(), network.RemoveNamespace(ns.Path())); err != nil {
			t.Error(err)
		}
	})
	for _, line := range []string{
		"link add eth0 type veth peer name peer0", "address add 10.9.0.2/24 dev eth0", "link set eth0 up",
		"route add default via 10.9.0.1",
	} {
		inside(t, ns, "ip "+line)
	}
	return ns
}

// inside runs a command in a namespace and answers its output.
func inside(t *testing.T, ns *network.Namespace, line string) (text string) {
	t.Helper()
	args := strings.Fields(line)
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("needs iproute2: %v", err)
	}
	err := ns.Do(func() error {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		text = string(out)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v: %s", line, err, text)
	}
	return text
}

// eth0 answers the interface as the host has it.
func eth0(t *testing.T, ns *network.Namespace, own ...network.NIC) network.Interface {
	t.Helper()
	found, err := network.Scan(ns, own...)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range found {
		if i.Name == "eth0" {
			return i
		}
	}
	t.Fatalf("no eth0 among %+v", found)
	return network.Interface{}
}

// A creation that is killed at any time: what is on disk by then takes back what
// it did in the engine's namespace.
func TestNetworkOfAKilledCreationIsTakenBack(t *testing.T) {
	for _, model := range []string{network.ModelTCFilter, network.ModelMacvtap} {
		t.Run(model, func(t *testing.T) {
			ns := engineNetwork(t)
			before := eth0(t, ns)
			_, dir := podOf(t)
			st := &State{ID: "pod"}
			config := &network.Config{Model: model}
			st.Network.plan(dir, ns.Path(), config)
			notes := 0
			note := func() error {
				// What is noted has not happened yet.
				notes++
				if now := eth0(t, ns, st.Network.NICs...); now.MAC != before.MAC || !reflect.DeepEqual(now.Addresses, before.Addresses) {
					t.Errorf("changed before it is noted: %+v", now)
				}
				if text := inside(t, ns, "tc qdisc show dev eth0"); strings.Contains(text, "ingress") {
					t.Errorf("redirected before it is noted: %s", text)
				}
				return write(dir, st)
			}
			if err := errors.Join(write(dir, st), st.Network.open()); err != nil {
				t.Fatal(err)
			}
			taps, err := st.Network.plug(config, network.Queues{}, false, note)
			if err != nil {
				t.Fatal(err)
			}
			if model == network.ModelMacvtap {
				if now := eth0(t, ns, st.Network.NICs...); now.MAC == before.MAC || len(now.Addresses) > 0 {
					t.Fatalf("still there: %+v", now)
				}
			} else if _, err := st.Network.connect(func(string, *network.Tap) error { return errors.New("plugged") }, note); err != nil {
				t.Fatal(err)
			} else if text := inside(t, ns, "tc qdisc show dev eth0"); !strings.Contains(text, "ingress") {
				t.Fatalf("not redirected: %s", text)
			}
			if notes != 1 {
				t.Errorf("noted %d times", notes)
			}
			// With the creation its files go.
			for _, tap := range taps {
				tap.Close()
			}
			disk := new(State)
			if err := errors.Join(dir.Read(disk), disk.Network.remove(dir), disk.Network.remove(dir)); err != nil {
				t.Fatal(err)
			}
			if after := eth0(t, ns); !reflect.DeepEqual(before, after) {
				t.Errorf("before\n%+v, after\n%+v", before, after)
			}
			if text := inside(t, ns, "tc qdisc show dev eth0"); strings.Contains(text, "ingress") {
				t.Errorf("still redirected: %s", text)
			}
		})
	}
}

// A start that plugs a NIC for an interface that came late, and then fails or is
// killed, is repeated with what the state says.
func TestNetworkOfAStartThatIsRepeated(t *testing.T) {
	for name, noted := range map[string]bool{"before the NIC is noted": false, "behind that": true} {
		t.Run(name, func(t *testing.T) {
			ns := engineNetwork(t)
			config := &network.Config{Model: network.ModelTCFilter}
			n := Network{Namespace: ns.Path()}
			taps, err := n.plug(config, network.Queues{}, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			late := func() {
				for _, line := range []string{"link add late type veth peer name peer1", "address add 10.9.8.7/24 dev late", "link set late up"} {
					inside(t, ns, "ip "+line)
				}
			}
			disk, fail := n, errors.New("no space")
			plugged := 0
			plug := func(_ string, tap *network.Tap) error {
				// QEMU has it from now on.
				plugged++
				fd, err := unix.Dup(int(tap.Queues[0].Fd()))
				if err == nil {
					t.Cleanup(func() { unix.Close(fd) })
				}
				return err
			}
			late()
			note := func() error {
				if !noted {
					return fail
				}
				disk.NICs = slices.Clone(n.NICs)
				inside(t, ns, "ip link del late")
				return nil
			}
			if _, err := n.connect(plug, note); err == nil || errors.Is(err, fail) == noted {
				t.Fatalf("connect = %v", err)
			}
			if noted {
				late()
			}
			n = disk
			fresh, err := n.connect(plug, func() error { return nil })
			if err != nil || len(fresh) != 2 {
				t.Fatalf("again: %+v, %v", fresh, err)
			}
			if want := map[bool]int{true: 1, false: 2}[noted]; plugged != want {
				t.Errorf("plugged %d times, want %d", plugged, want)
			}
			for _, tap := range taps {
				tap.Close()
			}
		})
	}
}

// What could not be noted is not done.
func TestNetworkIsNotChangedUnnoted(t *testing.T) {
	ns := engineNetwork(t)
	before := eth0(t, ns)
	full := errors.New("no space")
	n := Network{Namespace: ns.Path()}
	config := &network.Config{Model: network.ModelMacvtap}
	note := func() error { return full }
	if _, err := n.plug(config, network.Queues{}, false, note); !errors.Is(err, full) || len(n.NICs) > 0 {
		t.Errorf("plug = %v, %+v", err, n.NICs)
	}
	config.Model = network.ModelTCFilter
	taps, err := n.plug(config, network.Queues{}, false, note)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.connect(nil, note); !errors.Is(err, full) || len(n.Pairs) > 0 {
		t.Errorf("connect = %v, %+v", err, n.Pairs)
	}
	for _, tap := range taps {
		tap.Close()
	}
	if after := eth0(t, ns); !reflect.DeepEqual(before, after) {
		t.Errorf("before\n%+v, after\n%+v", before, after)
	}
}
