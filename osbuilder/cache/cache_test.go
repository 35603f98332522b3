package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func TestMadeOnceForManyCallers(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "missing", "cache")}
	var made atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			dir, err := c.Get(context.Background(), "thing", "k", func(_ context.Context, dir string) error {
				made.Add(1)
				return os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600)
			})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

// A second build that waits for the first can be interrupted.
func TestWaitThatIsInterrupted(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := c.Get(context.Background(), "thing", "k", func(context.Context, string) error {
		cancel()
		_, err := c.Get(ctx, "thing", "k", func(context.Context, string) error { return errors.New("made twice") })
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Get = %v", err)
	}
}

func TestFailureLeavesNothingAndCanBeRepeated(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	boom := errors.New("boom")
	_, err := c.Get(context.Background(), "thing", "k", func(_ context.Context, dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatalf("Get = %v", err)
	}
	dir, err := c.Get(context.Background(), "thing", "k", func(context.Context, string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestLeftoverOfAKilledBuildIsThrownAway(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(c.Dir, "thing-k.tmp", "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := c.Get(context.Background(), "thing", "k", func(context.Context, string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestKeyTellsPartsApart(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{{}, {""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"a", "b", ""}, {"1:a", "b"}} {
		k := Key(parts...)
		if other, there := seen[k]; there {
			t.Errorf("%q and %q have the same key", parts, other)
		}
		seen[k] = parts
	}
}
