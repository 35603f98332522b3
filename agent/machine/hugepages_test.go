package machine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

func TestHugePages(t *testing.T) {
	h := &HugePages{dir: t.TempDir()}
	file := filepath.Join(h.dir, "hugepages-2048kB", "nr_hugepages")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("1\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	pool := func(want uint64) {
		t.Helper()
		if n, err := readPool(file); err != nil || n != want {
			t.Errorf("the pool has %d, want %d; %v", n, want, err)
		}
	}
	two := []*agentpb.HugePages{{PageSize: 2 << 20, Amount: 2<<20 + 1}}
	for i, c := range []string{"one", "two"} {
		if err := h.Reserve(c, two); err != nil {
			t.Fatal(err)
		}
		pool(uint64(3 + 2*i))
	}
	// The second size is not there: the first is given back.
	for _, size := range []uint64{1 << 30, 0} {
		if err := h.Reserve("three", append(two, &agentpb.HugePages{PageSize: size, Amount: 1})); !errors.Is(err, ErrNoHugePages) {
			t.Errorf("pages of %d bytes: %v", size, err)
		}
		pool(5)
	}
	for i, c := range []string{"one", "one", "two"} {
		if err := h.Release(c); err != nil {
			t.Error(err)
		}
		pool([]uint64{3, 3, 1}[i])
	}
}
