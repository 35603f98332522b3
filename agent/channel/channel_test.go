package channel

import "testing"

func TestLookPortWithoutPorts(t *testing.T) {
	if dev, err := lookPort("no such port"); dev != "" || err != nil {
		t.Errorf("%q, %v", dev, err)
	}
}
