package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	base := file("base", "a: yes\nb 1: yes\nb 2: yes\nc: ENOSYS\nfile /proc/x: yes\n")
	other := file("other", "a: yes\nb 1: ENOSYS\nb 2: EPERM\nc: yes\n")
	for _, test := range []struct{ known, wants string }{
		{"b *: reason\nfile /proc/x: reason\n", ""},
		{"b *?: reason\nfile /proc/x: reason\na?: not always\n", ""},
		{"b 1: reason\nfile /proc/x: reason\n", "b 2: works with the first, with the second: EPERM"},
		{"b *: reason\n", "file /proc/x: works with the first, with the second: nothing"},
		{"b *: reason\nfile /proc/x: reason\na: reason\n", `"a" is no worse`},
		{"b *: reason\nfile /proc/x: reason\nc: reason\nother: reason\n", ""},
	} {
		err := compare(file("known", test.known), base, other)
		if (err == nil) != (test.wants == "") || err != nil && !strings.Contains(err.Error(), test.wants) {
			t.Errorf("compare with %q: %v, want %q", test.known, err, test.wants)
		}
	}
	if err := compare(file("known", ""), file("empty", ""), other); err == nil {
		t.Error("an empty output was compared")
	}
}

// Each thing has a name of its own: what is known is found by it.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, group := range groups() {
		for _, p := range group {
			if seen[p.name] || strings.Contains(p.name, ": ") {
				t.Errorf("the name %q is another's, too, or has a colon", p.name)
			}
			seen[p.name] = true
		}
	}
}
