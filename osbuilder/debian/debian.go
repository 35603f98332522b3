// Package debian finds, downloads and unpacks Debian packages without
// installing them on the host.
package debian

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kata-go/kata-runtime/osbuilder/cache"
)

// Package is one version of a binary package, as the host's apt lists name it.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// SHA256 of the .deb file, in hex, from the signed package lists.
	SHA256 string `json:"sha256"`
	// Depends is the raw field.
	Depends string `json:"-"`
}

// ErrUnknown says that the host's package lists do not have a package.
var ErrUnknown = errors.New(`not in the package lists (run "apt-get update")`)

// ErrDownload says that a package could not be had from the servers.
var ErrDownload = errors.New("cannot be downloaded")

// ListsAreToBlame tells whether new package lists may help against err.
func ListsAreToBlame(err error) bool {
	return errors.Is(err, ErrUnknown) || errors.Is(err, ErrDownload)
}

// Resolve answers the version of a package that apt would install.
func Resolve(ctx context.Context, name string) (Package, error) {
	out, err := run(ctx, "", "apt-cache", "--no-all-versions", "show", "--", name)
	if err != nil {
		return Package{}, fmt.Errorf("package %s: %w: %w", name, ErrUnknown, err)
	}
	p := parse(out)
	if p.Name != name || p.Version == "" || len(p.SHA256) != 2*sha256.Size {
		return Package{}, fmt.Errorf("package %s: %w", name, ErrUnknown)
	}
	return p, nil
}

// parse reads the first paragraph of apt-cache's answer (deb-control(5)).
func parse(out []byte) Package {
	var p Package
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() && lines.Text() != "" {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "Package":
			p.Name = value
		case "Version":
			p.Version = value
		case "SHA256":
			p.SHA256 = value
		case "Depends":
			p.Depends = value
		}
	}
	return p
}

// Update fetches new package lists: after a while the versions that the old
// ones name are no longer on the servers.
func Update(ctx context.Context) error {
	if _, err := run(ctx, "", "apt-get", "-q", "update"); err != nil {
		return fmt.Errorf("new package lists: %w", err)
	}
	return nil
}

// Real answers the package that a meta package stands for: its first
// dependency whose name starts with prefix.
func Real(ctx context.Context, meta, prefix string) (Package, error) {
	p, err := Resolve(ctx, meta)
	if err != nil {
		return Package{}, err
	}
	name, err := p.First(prefix)
	if err != nil {
		return Package{}, err
	}
	return Resolve(ctx, name)
}

// First answers the first dependency whose name starts with prefix: how a
// meta package ("linux-image-amd64") names the real one.
func (p Package) First(prefix string) (string, error) {
	for _, dep := range strings.FieldsFunc(p.Depends, func(r rune) bool { return r == ',' || r == '|' }) {
		if name, _, _ := strings.Cut(strings.TrimSpace(dep), " "); strings.HasPrefix(name, prefix) {
			return name, nil
		}
	}
	return "", fmt.Errorf("package %s: depends on no %s…", p.Name, prefix)
}

// Fetch answers the path of the package's .deb in the cache, downloading it
// only if it is not there.
func (p Package) Fetch(ctx context.Context, c cache.Cache) (string, error) {
	dir, err := c.Get(ctx, "deb", p.SHA256[:32], func(ctx context.Context, dir string) error {
		if _, err := run(ctx, dir, "apt-get", "-q", "-oAPT::Sandbox::User=root", "download", "--", p.Name+"="+p.Version); err != nil {
			return fmt.Errorf("%w: %w", ErrDownload, err)
		}
		file, err := only(dir)
		if err != nil {
			return err
		}
		if err := verify(file, p.SHA256); err != nil {
			return err
		}
		return os.Rename(file, filepath.Join(dir, "package.deb"))
	})
	if err != nil {
		return "", fmt.Errorf("download package %s %s: %w", p.Name, p.Version, err)
	}
	return filepath.Join(dir, "package.deb"), nil
}

// Unpack puts a .deb file's content below dir.
func Unpack(ctx context.Context, deb, dir string) error {
	if _, err := run(ctx, "", "dpkg-deb", "--extract", deb, dir); err != nil {
		return fmt.Errorf("unpack %s: %w", deb, err)
	}
	return nil
}

func only(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d files instead of one", len(found))
	}
	return found[0], nil
}

func verify(path, want string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%s: SHA-256 %s, but the package lists say %s", path, got, want)
	}
	return nil
}

// run answers a command's standard output; an error carries the last line of
// what it said on standard error.
func run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return nil, fmt.Errorf("%s: %w: %s", name, err, lines[len(lines)-1])
	}
	return out, nil
}
