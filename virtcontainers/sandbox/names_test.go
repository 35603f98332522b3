package sandbox

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestLoopbackServers(t *testing.T) {
	for text, want := range map[string][]string{
		"nameserver 127.0.0.11\noptions ndots:0\n":                           {"127.0.0.11"},
		"search a\nnameserver\t8.8.8.8\nnameserver ::1 # x\n":                {"::1"},
		"nameserver 127.0.0.1\nnameserver 127.0.0.1\n":                       {"127.0.0.1"},
		"#nameserver 127.0.0.1\nnameserver\nnameserver localhost\n":          nil,
		"nameserver 169.254.1.1":                                             nil,
		strings.Repeat("nameserver 127.0.0.1\n", 9) + "nameserver 127.0.0.2": {"127.0.0.1", "127.0.0.2"},
	} {
		got, err := loopbackServers(strings.NewReader(text))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestResolvConf(t *testing.T) {
	spec := &specs.Spec{Mounts: []specs.Mount{
		{Type: "bind", Source: "/x/hosts", Destination: "/etc/hosts"},
		{Type: "bind", Source: "/x/resolv.conf", Destination: "/etc//resolv.conf"},
	}}
	if got := resolvConf(spec); got != "/x/resolv.conf" {
		t.Errorf("%q", got)
	}
	spec.Mounts[1].Type, spec.Mounts[1].Source = "tmpfs", "tmpfs"
	if got := resolvConf(spec); got != "" {
		t.Errorf("a tmpfs: %q", got)
	}
}
