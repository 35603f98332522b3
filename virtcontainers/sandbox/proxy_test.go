package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConsoleTail(t *testing.T) {
	stack := strings.Repeat("[ 1.6]  kernel_init+0x16/0x130\r\n", 6)
	for text, want := range map[string]string{
		"":                   "",
		"a\r\n\r\nb\x1b[0m":  "a | b [0m",
		"1\n2\n3\n4\n5\n6\n": "2 | 3 | 4 | 5 | 6",
		"ok\n[ 1.5] Kernel panic - not syncing: no root\n" + stack + "end": "[ 1.5] Kernel panic - not syncing: no root | " +
			strings.Repeat("[ 1.6]  kernel_init+0x16/0x130 | ", 4) + "end",
		"[ 1.5] Kernel panic - not syncing: no root\nend": "[ 1.5] Kernel panic - not syncing: no root | end",
	} {
		path := filepath.Join(t.TempDir(), "console.log")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := consoleTail(path); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := consoleTail("/no/such/file"); got != "" {
		t.Errorf("without a log: %q", got)
	}
}
