package boot

import (
	"os"
	"strings"
	"testing"
)

func TestParseOptions(t *testing.T) {
	for line, want := range map[string]Options{
		"":                               {},
		"console=ttyS0 agent.channel=x":  {},
		"agent.channel=vsock quiet\n":    {VSock: true},
		"agent.log=debug agent.log=info": {Debug: true},
		"agent.channel=vsock agent.channel=serial": {},
	} {
		if got := parseOptions(line); got != want {
			t.Errorf("%q: %+v, want %+v", line, got, want)
		}
	}
}

func TestLoadModules(t *testing.T) {
	if err := LoadModules(t.TempDir() + "/missing"); err != nil {
		t.Error(err)
	}
	list := t.TempDir() + "/modules"
	if err := os.WriteFile(list, []byte("# a comment\n\nrelative.ko\n/no/such.ko\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Each that fails is named.
	if err := LoadModules(list); err == nil || !strings.Contains(err.Error(), "relative.ko") || !strings.Contains(err.Error(), "/no/such.ko") {
		t.Errorf("LoadModules = %v", err)
	}
}
