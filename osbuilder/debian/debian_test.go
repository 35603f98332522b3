package debian

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const answer = `Package: linux-image-amd64
Source: linux-signed-amd64 (6.1.1+1)
Version: 6.1.1-1
Depends: linux-base (>= 4.3~), linux-image-6.1.0-7-amd64 (= 6.1.1-1) | other
Description: Linux
 Version: not a field
SHA256: 5a1e
Description-md5: 0

Package: second
Version: 9
`

func TestFirstParagraphOnly(t *testing.T) {
	p := parse([]byte(answer))
	if p.Name != "linux-image-amd64" || p.Version != "6.1.1-1" || p.SHA256 != "5a1e" {
		t.Errorf("parse = %+v", p)
	}
	if name, err := p.First("linux-image-"); err != nil || name != "linux-image-6.1.0-7-amd64" {
		t.Errorf("First = %q, %v", name, err)
	}
	if _, err := p.First("linux-source-"); err == nil || !strings.Contains(err.Error(), "linux-image-amd64") {
		t.Errorf("First of nothing = %v", err)
	}
}

func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	// FIPS 180-2, B.1.
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if err := verify(path, abc); err != nil {
		t.Error(err)
	}
	if err := verify(path, strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("another hash: %v", err)
	}
}

func TestOnlyOneDeb(t *testing.T) {
	dir := t.TempDir()
	if _, err := only(dir); err == nil {
		t.Error("none was taken for one")
	}
	for _, name := range []string{"a.deb", "b.deb"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := only(dir)
		if (name == "a.deb") != (err == nil) {
			t.Errorf("with %s: %v", name, err)
		}
	}
}
