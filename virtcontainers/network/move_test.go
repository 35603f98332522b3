package network

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func unnamed(t *testing.T) *Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("namespaces need root")
	}
	ns, err := NewUnnamed()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

func flags(t *testing.T, ns *Namespace, name string) (f net.Flags, there bool) {
	t.Helper()
	err := ns.Do(func() error {
		i, err := net.InterfaceByName(name)
		if err == nil {
			f, there = i.Flags, true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, there
}

// A tap whose queue is open goes into another namespace, works there, and ends
// there with its queue.
func TestMoveTap(t *testing.T) {
	from, path := unnamed(t), filepath.Join(t.TempDir(), "netns")
	to, err := NewNamespace(path)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Remove()
	tap, err := CreateTap(from, "kata0", Queues{Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	if err := MoveTap(tap.NIC, from, to); err != nil {
		t.Fatal(err)
	}
	from.Close()
	if _, there := flags(t, to, "kata0"); !there {
		t.Fatal("the tap has not arrived")
	}
	h, err := to.handle()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	link, err := h.LinkByName("kata0")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	// A frame that is written into the queue arrives at the tap.
	frame := make([]byte, 10+60) // behind a virtio_net_hdr
	copy(frame[10:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06})
	if _, err := unix.Write(int(tap.Queues[0].Fd()), frame); err != nil {
		t.Errorf("write into the queue: %v", err)
	}
	if link, err = h.LinkByName("kata0"); err != nil || link.Attrs().Statistics.RxPackets == 0 {
		t.Errorf("no frame has come through the moved tap: %v", err)
	}
	tap.Close()
	if _, there := flags(t, to, "kata0"); there {
		t.Error("the tap has outlived its queue")
	}
}

func TestMoveTapToATakenName(t *testing.T) {
	from, to := unnamed(t), unnamed(t)
	var taps []*Tap
	for _, ns := range []*Namespace{from, to} {
		tap, err := CreateTap(ns, "kata0", Queues{Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer tap.Close()
		taps = append(taps, tap)
	}
	if err := MoveTap(taps[0].NIC, from, to); !errors.Is(err, unix.EEXIST) {
		t.Errorf("MoveTap = %v, want %v", err, unix.EEXIST)
	}
	if _, there := flags(t, from, "kata0"); !there {
		t.Error("the tap is gone")
	}
}
