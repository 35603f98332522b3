package tree

import "testing"

func TestAddRefuses(t *testing.T) {
	for _, path := range []string{"", ".", "..", "/abs", "../up", "a/../b", "a//b", "a/"} {
		if err := new(Tree).Add(Entry{Path: path}); err == nil {
			t.Errorf("%q was taken", path)
		}
	}
	var tree Tree
	if err := tree.Add(Entry{Path: "file"}); err != nil {
		t.Fatal(err)
	}
	for _, e := range []Entry{{Path: "file"}, {Path: "file", Kind: Dir}, {Path: "file/below"}} {
		if err := tree.Add(e); err == nil {
			t.Errorf("%+v was taken beside a file", e)
		}
	}
}

func TestFoldersComeFirstAndKeepTheirMode(t *testing.T) {
	var tree Tree
	for _, e := range []Entry{{Path: "a/b/c"}, {Path: "a", Kind: Dir, Perm: 0o700}} {
		if err := tree.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	got := tree.Sorted()
	if len(got) != 3 || got[0].Path != "a" || got[1].Path != "a/b" || got[2].Path != "a/b/c" {
		t.Fatalf("order %+v", got)
	}
	if got[0].Perm != 0o700 || got[1].Perm != 0o755 {
		t.Errorf("modes %o %o", got[0].Perm, got[1].Perm)
	}
}
