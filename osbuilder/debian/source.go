package debian

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Source is one version of a source package of a Debian release.
type Source struct {
	Package
	// lists is a folder with apt's settings and lists of sources.
	lists string
}

// keyring is Debian's own (package debian-archive-keyring, essential for apt).
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// FindSource answers the newest version of a source package in a release
// ("bookworm") and its security updates, from the servers that the host has its
// packages from; hosts seldom have lists of sources themselves. The lists go to
// dir, which Unpack needs. SHA256 is that of the .dsc file, which names the others.
func FindSource(ctx context.Context, dir, name, release string) (Source, error) {
	s := Source{Package{Name: name}, dir}
	if err := s.prepare(ctx, release); err != nil {
		return s, fmt.Errorf("source of %s: %w", name, err)
	}
	out, err := s.apt(ctx, "", "-q", "--print-uris", "--only-source", "source", "--", name)
	if err != nil {
		return s, fmt.Errorf("source of %s: %w: %w", name, ErrUnknown, err)
	}
	if s.Version, s.SHA256 = parseURIs(out); s.Version == "" {
		return s, fmt.Errorf("source of %s in %s: %w", name, release, ErrUnknown)
	}
	return s, nil
}

// prepare makes lists of sources.
func (s Source) prepare(ctx context.Context, release string) error {
	out, err := run(ctx, "", "apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages")
	if err != nil {
		return err
	}
	sources := sourceList(out, release)
	if sources == "" {
		return fmt.Errorf("this host has no packages of Debian: %w", ErrUnknown)
	}
	if err := os.WriteFile(filepath.Join(s.lists, "sources.list"), []byte(sources), 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.lists, "lists", "partial"), 0o755); err != nil {
		return err
	}
	_, err = s.apt(ctx, "", "-q", "update")
	return err
}

// sourceList answers a release's sources.list(5), from lines of origin, label and
// server.
func sourceList(targets []byte, release string) string {
	suites := map[string]string{"Debian": release, "Debian-Security": release + "-security"}
	seen := map[string]bool{}
	var list strings.Builder
	for lines := bufio.NewScanner(bytes.NewReader(targets)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) != 3 || f[0] != "Debian" || suites[f[1]] == "" || seen[f[1]] {
			continue
		}
		seen[f[1]] = true
		fmt.Fprintf(&list, "deb-src [signed-by=%s] %s %s main\n", keyring, f[2], suites[f[1]])
	}
	return list.String()
}

// parseURIs reads lines of 'URI' FILE SIZE SHA256:SUM.
func parseURIs(out []byte) (version, sum string) {
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) != 4 || !strings.HasSuffix(f[1], ".dsc") {
			continue
		}
		hash, ok := strings.CutPrefix(f[3], "SHA256:")
		_, rest, found := strings.Cut(strings.TrimSuffix(f[1], ".dsc"), "_")
		if ok && found && len(hash) == 2*sha256.Size {
			return rest, hash
		}
	}
	return "", ""
}

// Unpack downloads the source into dir and answers its tree, with Debian's own
// patches applied.
func (s Source) Unpack(ctx context.Context, dir string) (string, error) {
	if _, err := s.apt(ctx, dir, "-q", "--download-only", "--only-source", "source", "--", s.Name); err != nil {
		return "", fmt.Errorf("source of %s: %w: %w", s.Name, ErrDownload, err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.dsc"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("source of %s: %d .dsc files instead of one", s.Name, len(found))
	}
	if err := verify(found[0], s.SHA256); err != nil {
		return "", err
	}
	// apt has checked the signed lists, and by them all files.
	tree := filepath.Join(dir, s.Name)
	if _, err := run(ctx, dir, "dpkg-source", "--no-check", "-x", found[0], tree); err != nil {
		return "", fmt.Errorf("unpack the source of %s: %w", s.Name, err)
	}
	return tree, nil
}

// apt runs apt-get with the lists of sources alone.
func (s Source) apt(ctx context.Context, dir string, args ...string) ([]byte, error) {
	options := []string{
		"-oDir::Etc::sourcelist=" + filepath.Join(s.lists, "sources.list"), "-oDir::Etc::sourceparts=/dev/null",
		"-oDir::State::lists=" + filepath.Join(s.lists, "lists"), "-oAPT::Sandbox::User=root",
		"-oDir::Cache::srcpkgcache=", "-oDir::Cache::pkgcache=",
	}
	return run(ctx, dir, "apt-get", append(options, args...)...)
}
