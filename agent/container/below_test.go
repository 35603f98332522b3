package container

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

func TestDropVanished(t *testing.T) {
	volume, inner := t.TempDir(), t.TempDir()
	for _, dir := range []string{filepath.Join(volume, "sub"), filepath.Join(inner, "deep")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	below := []string{"rbind", wire.BelowOption, "ro"}
	spec := &specs.Spec{Mounts: []specs.Mount{
		{Destination: "/", Source: "tmpfs", Type: "tmpfs"},
		{Destination: "//host/", Source: volume, Options: []string{"rbind"}},
		{Destination: "/host/sub", Source: inner, Options: below},
		{Destination: "/host/sub/deep", Source: inner, Options: below},
		{Destination: "/host/sub/gone", Source: inner, Options: below},
		{Destination: "/host/gone", Source: inner, Options: below},
		{Destination: "/host/gone/deep", Source: inner, Options: below},
		{Destination: "/host/asked", Source: inner, Options: []string{"rbind"}},
		{Destination: "/hosts", Source: inner, Options: below}, // in no volume
	}}
	dropVanished(slog.New(slog.DiscardHandler), "c", spec)
	var got []string
	for _, m := range spec.Mounts {
		got = append(got, m.Destination)
		if slices.Contains(m.Options, wire.BelowOption) {
			t.Errorf("%s keeps the mark: %q", m.Destination, m.Options)
		}
	}
	if want := []string{"/", "//host/", "/host/sub", "/host/sub/deep", "/host/asked", "/hosts"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	if !slices.Contains(below, wire.BelowOption) {
		t.Error("the caller's options were changed")
	}
}
