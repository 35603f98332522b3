package factory

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func keep(t *testing.T, kept *Translations, key, content string) {
	t.Helper()
	err := kept.Record(t.Context(), key, func(_, _, file string) error { return os.WriteFile(file, []byte(content), 0o600) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestTranslationsAreKept(t *testing.T) {
	kept := &Translations{Folder{path: filepath.Join(t.TempDir(), "missing", "kept")}}
	const key = "0123456789abcdef"
	if _, err := kept.Open(key); !errors.Is(err, ErrNone) {
		t.Fatalf("Open of nothing: %v", err)
	}
	keep(t, kept, key, "one")
	keep(t, kept, key, "two")
	f, err := kept.Open(key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); string(data) != "two" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	lock, err := kept.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Destroy(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(kept.path)); len(left) != 0 || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestTranslationsThatCannotBeRecorded(t *testing.T) {
	kept := &Translations{Folder{path: filepath.Join(t.TempDir(), "kept")}}
	const key = "0123456789abcdef"
	cause := errors.New("no QEMU")
	if err := kept.Record(t.Context(), key, func(string, string, string) error { return cause }); !errors.Is(err, cause) {
		t.Fatalf("Record: %v", err)
	}
	if why := kept.Failed(key); why != cause.Error() {
		t.Errorf("Failed = %q", why)
	}
	// A QEMU that wrote nothing.
	if err := kept.Record(t.Context(), key, func(string, string, string) error { return nil }); err == nil {
		t.Error("nothing was recorded, and no error")
	}
	if _, err := kept.Open(key); !errors.Is(err, ErrNone) {
		t.Errorf("Open: %v", err)
	}
	if err := kept.Record(t.Context(), key, func(work, _, _ string) error {
		return kept.Record(t.Context(), key, func(string, string, string) error { return nil })
	}); !errors.Is(err, ErrBusy) {
		t.Errorf("two at once: %v", err)
	}
	keep(t, kept, key, "at last")
	if why := kept.Failed(key); why != "" {
		t.Errorf("Failed = %q", why)
	}
}

func TestTranslationsOfOthersAreNotTrusted(t *testing.T) {
	kept := &Translations{Folder{path: filepath.Join(t.TempDir(), "kept")}}
	const key = "0123456789abcdef"
	keep(t, kept, key, "x")
	if err := os.Chmod(kept.path, 0o770); err != nil {
		t.Fatal(err)
	}
	if f, err := kept.Open(key); err == nil || !strings.Contains(err.Error(), "is open to others") {
		f.Close()
		t.Errorf("Open: %v", err)
	}
}

func TestTheOldestTranslationsGo(t *testing.T) {
	kept := &Translations{Folder{path: filepath.Join(t.TempDir(), "kept")}}
	key := func(i int) string { return fmt.Sprintf("%016x", i) }
	for i := range maxTranslations + 2 {
		keep(t, kept, key(i), "x")
		past := time.Now().Add(time.Duration(i-100) * time.Hour)
		if err := os.Chtimes(filepath.Join(kept.path, key(i)), past, past); err != nil {
			t.Fatal(err)
		}
	}
	list, err := kept.Kept()
	if err != nil || len(list) != maxTranslations {
		t.Fatalf("%d are kept, %v", len(list), err)
	}
	for _, i := range []int{0, 1} {
		if _, err := kept.Open(key(i)); !errors.Is(err, ErrNone) {
			t.Errorf("the one of time %d is there still: %v", i, err)
		}
	}
}
