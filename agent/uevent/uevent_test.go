package uevent

import "testing"

func TestAdded(t *testing.T) {
	for text, want := range map[string]string{
		"add@/devices/x\x00ACTION=add\x00SUBSYSTEM=virtio\x00MODALIAS=virtio:d00000002v00001AF4\x00SEQNUM=7\x00": "virtio:d00000002v00001AF4",
		"add@/devices/x\x00ACTION=add\x00SUBSYSTEM=block\x00":                                                    "",
		"remove@/devices/x\x00MODALIAS=virtio:d00000002v00001AF4\x00":                                            "",
		"libudev\x00": "",
		"":            "",
	} {
		if got := added([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
