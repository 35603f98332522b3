package kernel

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	err := builder{ctx: context.Background(), src: src, log: io.Discard}.patch()
	if err == nil || !strings.Contains(err.Error(), "apic-rate-of-tcg.patch") || !strings.Contains(err.Error(), "FAILED") {
		t.Errorf("patch = %v", err)
	}
}

// The reader of a patch learns why it is there, and the cache that it changed.
func TestPatchesSayWhy(t *testing.T) {
	names := patchNames()
	if len(names) == 0 {
		t.Fatal("no patches")
	}
	for _, name := range names {
		data, err := patches.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if why, _, ok := strings.Cut(string(data), "\n--- a/"); !ok || len(why) < 80 {
			t.Errorf("%s does not begin with its reason", name)
		}
	}
	if len(PatchesSHA256()) != 64 {
		t.Errorf("PatchesSHA256 = %q", PatchesSHA256())
	}
}
