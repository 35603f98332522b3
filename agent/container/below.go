package container

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

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
				if _, err := os.Lstat(place); errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
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
		at := strings.TrimSuffix(filepath.Clean(m.Destination), "/")
		if below, ok := strings.CutPrefix(destination, at+"/"); ok && filepath.IsAbs(m.Source) {
			return filepath.Join(m.Source, below)
		}
	}
	return ""
}
