package kmod

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// index makes modules from "name: dep dep ~soft" lines.
func index(t *testing.T, builtin string, lines ...string) *Index {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "modules.builtin"), []byte(builtin), 0o600); err != nil {
		t.Fatal(err)
	}
	infos := map[string]*Info{}
	for _, line := range lines {
		name, deps, _ := strings.Cut(line, ":")
		info := new(Info)
		for _, dep := range strings.Fields(deps) {
			if soft, is := strings.CutPrefix(dep, "~"); is {
				info.SoftPre = append(info.SoftPre, soft)
			} else {
				info.Depends = append(info.Depends, dep)
			}
		}
		infos[Name(name)] = info
		if err := os.WriteFile(filepath.Join(root, name+".ko"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	x, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	x.infos = infos
	return x
}

func TestOrder(t *testing.T) {
	for _, test := range []struct {
		name    string
		builtin string
		modules []string
		wanted  []string
		want    []string
	}{
		{"what is needed comes first, once", "", []string{"ring:", "bus: ring", "net: bus ring", "blk: bus"},
			[]string{"net", "blk"}, []string{"ring", "bus", "net", "blk"}},
		{"dashes are underscores", "", []string{"virtio-rng: virtio_core", "virtio-core:"},
			[]string{"virtio_rng"}, []string{"virtio_core", "virtio_rng"}},
		{"what is built in is left out", "kernel/fs/fuse.ko\n", []string{"virtiofs: fuse"},
			[]string{"fuse", "virtiofs"}, []string{"virtiofs"}},
		{"an algorithm", "", []string{"ext4: ~crc32c", "crc32c_generic:"},
			[]string{"ext4"}, []string{"crc32c_generic", "ext4"}},
		{"a soft need that is missing", "", []string{"a: ~gone"}, []string{"a"}, []string{"a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := index(t, test.builtin, test.modules...)
			got, err := x.Order(test.wanted)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("Order = %v, want %v", got, test.want)
			}
		})
	}
}

func TestOrderRefuses(t *testing.T) {
	x := index(t, "", "a: b", "b: gone", "c: d", "d: c")
	if _, err := x.Order([]string{"a"}); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "a needs b needs gone") {
		t.Errorf("a missing need: %v", err)
	}
	if _, err := x.Order([]string{"c"}); err == nil || !strings.Contains(err.Error(), "itself") {
		t.Errorf("a circle: %v", err)
	}
}

func TestMatch(t *testing.T) {
	x := index(t, "kernel/net/nft_in.ko\n", "nft_b:", "nft-a:", "other:")
	if got := x.Match([]string{"nft_*", "gone"}); !slices.Equal(got, []string{"nft_a", "nft_b"}) {
		t.Errorf("Match = %v", got)
	}
}

func TestParseInfo(t *testing.T) {
	got := parseInfo([]byte("license=GPL\x00depends=virtio-ring,virtio\x00alias=fs-9p\x00softdep=pre: crc32c x post: late\x00\x00depends=\x00"))
	if !slices.Equal(got.Depends, []string{"virtio_ring", "virtio"}) || !slices.Equal(got.Aliases, []string{"fs-9p"}) || !slices.Equal(got.SoftPre, []string{"crc32c", "x"}) {
		t.Errorf("parseInfo = %+v", got)
	}
}

// Debian 13's kernel has virtiofs built in.
func TestInfoOfABuiltinModule(t *testing.T) {
	x := index(t, "kernel/fs/fuse/virtio-fs.ko\nkernel/fs/fuse/fuse.ko\n")
	x.infos = map[string]*Info{}
	modinfo := "virtio-fs.license=GPL\x00virtio-fs.alias=virtio:d0000001Av*\x00fuse.alias=devname:fuse\x00"
	if err := os.WriteFile(filepath.Join(x.root, "modules.builtin.modinfo"), []byte(modinfo), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := x.Info("virtio_fs")
	if err != nil || !slices.Equal(info.Aliases, []string{"virtio:d0000001Av*"}) {
		t.Errorf("Info = %+v, %v", info, err)
	}
	if _, err := x.Info("gone"); !errors.Is(err, ErrNotFound) || strings.Count(err.Error(), "gone") != 1 {
		t.Errorf("of no module: %v", err)
	}
}

func TestName(t *testing.T) {
	for path, want := range map[string]string{
		"kernel/drivers/char/hw_random/virtio-rng.ko": "virtio_rng", "a/b.ko.xz": "b", "9p.ko.zst": "9p", "crc32c": "crc32c",
	} {
		if got := Name(path); got != want {
			t.Errorf("Name(%q) = %q, want %q", path, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x7fELF"))
	if self, err := os.Executable(); err == nil {
		if data, err := os.ReadFile(self); err == nil {
			f.Add(data[:4096])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if info, err := Parse(data); err == nil && info == nil {
			t.Error("neither info nor error")
		}
	})
}
