package machine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// HugePages sets the guest's huge pages aside for its containers. The zero value
// has none; its methods may be called at the same time.
type HugePages struct {
	// dir is where the kernel has its pools; empty for its usual place.
	dir string

	mu  sync.Mutex
	had map[string][]pages
}

type pages struct {
	file  string
	count uint64
}

// ErrNoHugePages is wrapped when the guest cannot set them aside.
var ErrNoHugePages = errors.New("the guest cannot set them aside")

// Reserve makes the pools greater by what a container asks for. After an error
// they are as they were.
func (h *HugePages) Reserve(container string, list []*agentpb.HugePages) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range list {
		if p.PageSize < 1<<10 {
			return errors.Join(fmt.Errorf("huge pages of %d bytes: %w", p.PageSize, ErrNoHugePages), h.release(container))
		}
		count := p.Amount / p.PageSize
		if p.Amount%p.PageSize > 0 {
			count++
		}
		if err := h.grow(container, p.PageSize, count); err != nil {
			return errors.Join(err, h.release(container))
		}
	}
	return nil
}

// Release gives back what a container had. Pages that a file on a hugetlbfs
// still has go when that does.
func (h *HugePages) Release(container string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.release(container)
}

func (h *HugePages) release(container string) error {
	var errs []error
	for _, p := range h.had[container] {
		pool, err := readPool(p.file)
		if err == nil {
			err = writePool(p.file, pool-min(p.count, pool))
		}
		errs = append(errs, err)
	}
	delete(h.had, container)
	return errors.Join(errs...)
}

func (h *HugePages) grow(container string, size, count uint64) error {
	dir := h.dir
	if dir == "" {
		dir = "/sys/kernel/mm/hugepages"
	}
	file := fmt.Sprintf("%s/hugepages-%dkB/nr_hugepages", dir, size>>10)
	before, err := readPool(file)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%d huge pages of %d KiB: %w: its kernel or CPU has none of this size", count, size>>10, ErrNoHugePages)
	}
	if err != nil {
		return err
	}
	info, err := memInfo()
	if err != nil {
		return err
	}
	// Not tried: the kernel would press all containers for what is not there.
	if room := info["MemAvailable"] / size; room < count {
		return noRoom(count, size, room)
	}
	// The kernel takes what it can get and says nothing (Documentation/admin-guide/
	// mm/hugetlbpage.rst).
	err = writePool(file, before+count)
	after, rerr := readPool(file)
	if err = errors.Join(err, rerr); err == nil && after >= before+count {
		if h.had == nil {
			h.had = map[string][]pages{}
		}
		h.had[container] = append(h.had[container], pages{file, count})
		return nil
	}
	if err == nil {
		err = noRoom(count, size, after-min(before, after))
	}
	return errors.Join(err, writePool(file, before))
}

func noRoom(count, size, room uint64) error {
	return fmt.Errorf("%d huge pages of %d KiB: %w: its memory has room for %d; raise default_maxmemory, or the pod's memory limit",
		count, size>>10, ErrNoHugePages, room)
}

func readPool(file string) (uint64, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
}

func writePool(file string, count uint64) error {
	return os.WriteFile(file, strconv.AppendUint(nil, count, 10), 0o644)
}
