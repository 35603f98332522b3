package known

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRead(t *testing.T) {
	list := func(text string) string {
		path := filepath.Join(t.TempDir(), "list")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	reasons, err := Read(list("# words\n\na: one: two\n"))
	if err != nil || len(reasons) != 1 || reasons["a"] != "one: two" {
		t.Errorf("%v, %v", reasons, err)
	}
	for _, wrong := range []string{"a\n", "a: b\na: c\n"} {
		if _, err := Read(list(wrong)); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}
