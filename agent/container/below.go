package container

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// dropVanished takes out what the host had mounted below a volume where the
// volume has no place for it any more: since the host looked, somebody unmounted
// it and removed the folder (other containers come and go below the host's root).
// libcontainer would make the folder again, or fail where it cannot.
func dropVanished(log *slog.Logger, id string, spec *specs.Spec) {
	var kept []specs.Mount
	for _, m := range spec.Mounts {
		if i := slices.Index(m.Options, wire.BelowOption); i >= 0 {
			m.Options = slices.Delete(slices.Clone(m.Options), i, i+1)
			if place := placeIn(kept, m.Destination); place != "" {
				if _, err := os.Lstat(place); err != nil {
					log.Warn("a mount below a volume has gone meanwhile, and is left out", "container", id, "mount", m.Destination, "cause", err)
					continue
				}
			}
		}
		kept = append(kept, m)
	}
	spec.Mounts = kept
}

// placeIn answers where a destination lies in the source of the last of the
// mounts that has it; empty if none does.
func placeIn(mounts []specs.Mount, destination string) string {
	for _, m := range slices.Backward(mounts) {
		if below, ok := strings.CutPrefix(destination, strings.TrimSuffix(m.Destination, "/")+"/"); ok {
			return filepath.Join(m.Source, below)
		}
	}
	return ""
}
