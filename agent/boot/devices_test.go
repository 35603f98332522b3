package boot

import (
	"os"
	"strings"
	"testing"
)

func TestDrivers(t *testing.T) {
	if d, err := ReadDrivers(t.TempDir() + "/missing"); err != nil || d.Any() {
		t.Errorf("a missing list: %v", err)
	}
	list := t.TempDir() + "/modules.devices"
	text := "virtio:d00000001v* /no/failover.ko /no/net.ko\nvirtio:d00000002v* /no/blk.ko\nscsi:t-0x00* /no/sd.ko\nshort\n"
	if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := ReadDrivers(list)
	if err != nil || len(d.lines) != 3 {
		t.Fatalf("%d lines, %v", len(d.lines), err)
	}
	for kind, want := range map[string]int{
		"virtio:d00000001v00001AF4": 0, "virtio:d00000002v00001AF4": 1, "scsi:t-0x00": 2,
		"virtio:d00000010v00001AF4": -1, "": -1, "pci:v00001AF4d00001041": -1,
	} {
		got := -1
		for i, line := range d.lines {
			if line.fits(kind) {
				got = i
			}
		}
		if got != want {
			t.Errorf("%q is for line %d, want %d", kind, got, want)
		}
	}
	// Each that fails is named, once.
	some, err := d.load(d.lines[0])
	if !some || err == nil || !strings.Contains(err.Error(), "failover.ko") || !strings.Contains(err.Error(), "net.ko") {
		t.Errorf("load = %t, %v", some, err)
	}
	if some, err = d.load(d.lines[0]); some || err != nil {
		t.Errorf("a second load = %t, %v", some, err)
	}
}
