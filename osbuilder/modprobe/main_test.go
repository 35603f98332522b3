package main

import (
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	const text = `fs_ext4 /m/crc.ko /m/ext4.ko
nft_chain_2_nat /m/nat.ko
virtio:d00000008v* /m/scsi.ko
veth /m/veth.ko

broken
[ /m/bad-pattern.ko
`
	for name, want := range map[string][]string{
		"fs-ext4":                   {"/m/crc.ko", "/m/ext4.ko"},
		"nft-chain-2-nat":           {"/m/nat.ko"},
		"virtio:d00000008v00001af4": {"/m/scsi.ko"},
		"veth":                      {"/m/veth.ko"},
		"vet":                       nil,
		"broken":                    nil,
		"virtio:d00000009v0":        nil,
	} {
		got, err := find(strings.NewReader(text), name)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("find(%q) = %v, %v, want %v", name, got, err, want)
		}
	}
}

func TestRunNeedsAName(t *testing.T) {
	if err := run([]string{"-q", "--"}); err == nil {
		t.Error("no name was taken")
	}
}
