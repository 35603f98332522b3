package overlay

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCompact(t *testing.T) {
	for data, want := range map[string][2]string{
		"lowerdir=/s/1/fs:/s/22/fs,upperdir=/s/3/fs,workdir=/s/3/work": {"/s", "lowerdir=1/fs:22/fs,upperdir=/s/3/fs,workdir=/s/3/work"},
		"index=off,lowerdir=/s/10:/s/1":                                {"/s", "index=off,lowerdir=10:1"},
		"lowerdir=/s/1:/s/1/2":                                         {"/s/1", "lowerdir=.:2"},
		"lowerdir=/a/1:/b/2":                                           {"/", "lowerdir=/a/1:/b/2"},
		`lowerdir=/s/a\:b:/s/c`:                                        {"/", `lowerdir=/s/a\:b:/s/c`},
		`lowerdir=/s/a\,b:/s/c,x`:                                      {"/", `lowerdir=/s/a\,b:/s/c,x`},
		"lowerdir=s/1:s/2":                                             {"/", "lowerdir=s/1:s/2"},
		"upperdir=/s/1":                                                {"/", "upperdir=/s/1"},
	} {
		if from, short := compact(data); from != want[0] || short != want[1] {
			t.Errorf("%s: %s, %s", data, from, short)
		}
	}
}

func TestMountOfManyLayers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 20))
	target := filepath.Join(t.TempDir(), "target")
	var lower []string
	const layers = 120
	for n := range layers {
		layer := filepath.Join(dir, fmt.Sprint(n), "fs")
		lower = append(lower, layer)
		if err := os.MkdirAll(layer, 0o700); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"top": fmt.Sprint(n), fmt.Sprintf("file%d", n): "x"} {
			if err := os.WriteFile(filepath.Join(layer, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := Mount(target, unix.MS_RDONLY, "lowerdir="+strings.Join(lower, ":")); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(target, unix.MNT_DETACH)
	if now, err := os.Getwd(); err != nil || now != here {
		t.Errorf("now in %s, %v", now, err)
	}
	found, err := os.ReadDir(target)
	if err != nil || len(found) != layers+1 {
		t.Errorf("%d files, %v", len(found), err)
	}
	if top, err := os.ReadFile(target + "/top"); err != nil || string(top) != "0" {
		t.Errorf("on top is %q, %v", top, err)
	}
	if err := Mount(target, 0, "lowerdir=/a:/b/"+strings.Repeat("c", 4096)); err == nil || !strings.Contains(err.Error(), "fewer or shorter") {
		t.Errorf("beyond the page: %v", err)
	}
}
