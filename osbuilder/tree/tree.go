// Package tree describes the files of a guest image as plain data, so that an
// initrd and a file system image made from it have the same content.
package tree

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Kind of a file.
type Kind int

// The kinds that a guest image needs. Device nodes are not among them: the
// kernel makes them on devtmpfs.
const (
	File Kind = iota
	Dir
	Link
)

// Entry is one file. All belong to root.
type Entry struct {
	// Path is relative, clean and not ".".
	Path string
	Kind Kind
	// Perm holds permission bits only; of no meaning for a link.
	Perm uint32
	// Data is a file's content or a link's target.
	Data []byte
}

// Tree collects entries. The zero value is an empty one.
type Tree struct {
	entries map[string]Entry
}

// Add puts an entry in; the folders above it are made with mode 0755 if they
// are not there. Adding a path twice is an error, unless both are folders.
func (t *Tree) Add(e Entry) error {
	if e.Path == "" || e.Path == "." || path.Clean(e.Path) != e.Path || path.IsAbs(e.Path) || strings.HasPrefix(e.Path, "../") || e.Path == ".." {
		return fmt.Errorf("guest file %q: not a clean relative path", e.Path)
	}
	if t.entries == nil {
		t.entries = map[string]Entry{}
	}
	if old, there := t.entries[e.Path]; there && (old.Kind != Dir || e.Kind != Dir) {
		return fmt.Errorf("guest file %s: there already", e.Path)
	}
	if parent := path.Dir(e.Path); parent != "." {
		if up, there := t.entries[parent]; there && up.Kind != Dir {
			return fmt.Errorf("guest file %s: %s is not a folder", e.Path, parent)
		} else if !there {
			if err := t.Add(Entry{Path: parent, Kind: Dir, Perm: 0o755}); err != nil {
				return err
			}
		}
	}
	t.entries[e.Path] = e
	return nil
}

// Sorted answers the entries by path: a folder before what is in it.
func (t *Tree) Sorted() []Entry {
	all := make([]Entry, 0, len(t.entries))
	for _, e := range t.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return all
}
