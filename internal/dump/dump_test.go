package dump

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestWhole(t *testing.T) {
	interrupted := fmt.Errorf("list: %w", netlink.ErrDumpInterrupted)
	other := errors.New("other")
	for name, c := range map[string]struct {
		errs  []error // of one call after the other; the last of all further ones
		calls int
		err   error
	}{
		"at once":             {[]error{nil}, 1, nil},
		"after two changes":   {[]error{interrupted, interrupted, nil}, 3, nil},
		"another error":       {[]error{interrupted, other}, 2, other},
		"changes without end": {[]error{interrupted}, tries, netlink.ErrDumpInterrupted},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			all, err := Whole(func() ([]int, error) {
				err := c.errs[min(calls, len(c.errs)-1)]
				calls++
				return []int{calls}, err
			})
			if calls != c.calls || !errors.Is(err, c.err) || len(all) != 1 || all[0] != c.calls {
				t.Errorf("%d calls, %v, %v; want %d, %v", calls, all, err, c.calls, c.err)
			}
		})
	}
}
