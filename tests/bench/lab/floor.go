package lab

import (
	"context"
	"os"
	"path/filepath"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
)

// Floor makes the files of bare guests on a machine, in a folder of that name.
func (l *Lab) Floor(ctx context.Context, m floor.Machine, name string) (*floor.Floor, error) {
	dir := filepath.Join(l.Dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return floor.New(ctx, m, dir)
}
