package storage

import "testing"

func TestIsPCIPath(t *testing.T) {
	for s, want := range map[string]bool{
		"03": true, "1F": true, "02/00": true, "02.0/1f.7": true,
		"": false, "3": false, "003": false, "0g": false, "02/": false, "/02": false, "02.8": false, "02.": false, "02.10": false, "02//03": false, "..": false,
	} {
		if isPCIPath(s) != want {
			t.Errorf("isPCIPath(%q) = %v", s, !want)
		}
	}
}

func TestSlots(t *testing.T) {
	for path, want := range map[string]string{
		"/sys/devices/pci0000:00/0000:00:02.0/0000:01:0f.7/virtio3": "02.0/0f.7",
		"/sys/devices/pci0000:00":                                   "",
		"0000:00:02.8/000:00:02.0/0000.00.02.0/0000:00:0g.0":        "",
	} {
		if got := slots(path); got != want {
			t.Errorf("slots(%q) = %q, want %q", path, got, want)
		}
	}
}
