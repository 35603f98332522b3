package oci

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// HugePages are pages of one size that a container may use; both sizes are in
// bytes, and Size is not 0.
type HugePages struct {
	PageSize uint64 `json:"page_size"`
	Size     uint64 `json:"size"`
}

// maxHugePages bounds a limit, so that a few can be added up: far above what any
// machine has.
const maxHugePages = 1 << 56

// HugePagesOf answers a spec's limits of huge pages that are not 0: the kubelet
// names each size that its node has.
func HugePagesOf(spec *specs.Spec) ([]HugePages, error) {
	if spec.Linux == nil || spec.Linux.Resources == nil {
		return nil, nil
	}
	var list []HugePages
	for i, l := range spec.Linux.Resources.HugepageLimits {
		if l.Limit == 0 {
			continue
		}
		size, err := pageSize(l.Pagesize)
		if err != nil {
			return nil, fmt.Errorf("linux.resources.hugepageLimits[%d]: %w", i, err)
		}
		list = append(list, HugePages{size, min(l.Limit, maxHugePages)})
	}
	return list, nil
}

// pageSize reads "2MB" or "64KB", which are powers of two (runtime-spec,
// config-linux.md, "Huge page limits").
func pageSize(text string) (uint64, error) {
	for unit, shift := range map[string]int{"KB": 10, "MB": 20, "GB": 30} {
		number, ok := strings.CutSuffix(text, unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err == nil && n > 0 {
			return n << shift, nil
		}
	}
	return 0, fmt.Errorf("pageSize %q: a number and KB, MB or GB are expected, as in \"2MB\"", text)
}
