package kernel

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/osbuilder/source"
)

// A source that is not what a patch was made for is refused, by the patch's name.
func TestPatchThatDoesNotFit(t *testing.T) {
	src := t.TempDir()
	file := filepath.Join(src, "arch/x86/kernel/apic/apic.c")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("#include <asm/apic.h>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := source.Tree{Dir: src, Log: io.Discard}.Patch(context.Background(), Patches())
	if err == nil || !strings.Contains(err.Error(), "apic-rate-of-tcg.patch") || !strings.Contains(err.Error(), "FAILED") {
		t.Errorf("patch = %v", err)
	}
}

// The reader of a patch learns why it is there, and the cache that it changed.
func TestPatchesSayWhy(t *testing.T) {
	names, err := fs.Glob(Patches(), "*")
	if err != nil || len(names) == 0 {
		t.Fatal("no patches", err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(Patches(), name)
		if err != nil {
			t.Fatal(err)
		}
		if why, _, ok := strings.Cut(string(data), "\n--- a/"); !ok || len(why) < 80 {
			t.Errorf("%s does not begin with its reason", name)
		}
	}
	if sum := source.SHA256(Patches()); len(sum) != 64 {
		t.Errorf("SHA256 = %q", sum)
	}
}
