package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckVersion(t *testing.T) {
	for _, c := range []struct {
		host, agent uint32
		update      string
	}{
		{ProtocolVersion, ProtocolVersion, ""},
		{1<<16 | 7, 1 << 16, ""},
		{1 << 16, 1<<16 | 7, ""},
		{2 << 16, 1<<16 | 3, "update the guest image"},
		{1 << 16, 2 << 16, "update the runtime"},
		{1 << 16, 0, "speaks 1.0, the guest's agent 0.0"},
	} {
		err := CheckVersion(c.host, c.agent)
		if c.update == "" {
			if err != nil {
				t.Errorf("CheckVersion(%#x, %#x) = %v", c.host, c.agent, err)
			}
			continue
		}
		if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), c.update) {
			t.Errorf("CheckVersion(%#x, %#x) = %v, want %q", c.host, c.agent, err, c.update)
		}
	}
}

func TestValidID(t *testing.T) {
	for _, id := range []string{"a", "A-1_b.c+d", "...", strings.Repeat("f", MaxID)} {
		if err := ValidID(id); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", "/", "a b", "a\x00", "ä", strings.Repeat("f", MaxID+1)} {
		if ValidID(id) == nil {
			t.Errorf("%q is taken", id)
		}
	}
}
