package machine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A kernel need not have all of the settings, and none is made.
func TestQuieten(t *testing.T) {
	dir := t.TempDir()
	there, missing := filepath.Join(dir, quiet[1].file), filepath.Join(dir, quiet[0].file)
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "vm"), 0o755), os.WriteFile(there, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := set(dir, quiet); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(there); err != nil || string(got) != quiet[1].value {
		t.Errorf("%s has %q, %v", there, got, err)
	}
	if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", missing, err)
	}
}
