package network

import (
	"errors"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMacvtapQueues(t *testing.T) {
	c := newCable(t)
	i := scanOne(t, c.sandbox)
	tap, err := CreateMacvtap(c.sandbox, i, "kata0", Queues{Count: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	if len(tap.Queues) != 2 || tap.NIC.MAC != i.MAC {
		t.Errorf("%d queues, MAC %s", len(tap.Queues), tap.NIC.MAC)
	}
	// By then its addresses are off the interface: the guest gets what it had.
	pair, err := Connect(c.sandbox, Interface{Name: i.Name, Index: i.Index}, tap.NIC)
	if err != nil || len(i.Addresses) == 0 || !reflect.DeepEqual(pair.Interface, i) {
		t.Errorf("connected as %+v, %v, want %+v", pair.Interface, err, i)
	}
	if _, err := Connect(c.sandbox, Interface{Name: "eth1"}, tap.NIC); err == nil {
		t.Error("a macvtap was tied to another interface")
	}
}

// The interface is as it was after a failure.
func TestMacvtapUndo(t *testing.T) {
	c := newCable(t)
	script(t, c.sandbox, "ip link add kata0 type bridge", "ip route add default via 10.9.0.1", "ip -6 route add fd08::/64 via fd09::1")
	before := scanOne(t, c.sandbox)
	if len(before.Routes) != 2 {
		t.Fatalf("routes %+v", before.Routes)
	}
	if _, err := CreateMacvtap(c.sandbox, before, "kata0", Queues{}); !errors.Is(err, unix.EEXIST) {
		t.Errorf("the name is taken, yet: %v", err)
	}
	if after := scanOne(t, c.sandbox); !Same(before, after) {
		t.Errorf("before\n%+v, after\n%+v", before, after)
	}
}

func TestMacvtapRefusesMacvlan(t *testing.T) {
	ns := namespace(t, "ns")
	script(t, ns, "ip link add lower0 type veth peer name up0", "ip link add link lower0 name eth0 type macvlan", "ip link set eth0 up")
	if _, err := CreateMacvtap(ns, scanOne(t, ns), "kata0", Queues{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

// A NIC is noted before it is made: its Remove takes nothing away that it has
// not got as far as to change, nor what has its name.
func TestMacvtapThatWasOnlyPlanned(t *testing.T) {
	c := newCable(t)
	script(t, c.sandbox, "ip link add kata0 type bridge", "ip route add default via 10.9.0.1")
	before := scanOne(t, c.sandbox)
	nic, err := PlanMacvtap(before, "kata0")
	if err == nil {
		err = nic.Remove(c.sandbox, *nic.Below)
	}
	if err != nil {
		t.Fatal(err)
	}
	if after := scanOne(t, c.sandbox); !Same(before, after) {
		t.Errorf("before\n%+v, after\n%+v", before, after)
	}
	script(t, c.sandbox, "ip link show kata0")
}
