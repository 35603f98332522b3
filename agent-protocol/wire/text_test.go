package wire

import (
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"as it is: \u00e9\u00a0\u4e16":            "as it is: \u00e9\u00a0\u4e16",
		"\x1b]0;title\x07\nnext\r":                " ]0;title  next ",
		"\u009b31m\u0085\x7f":                     " 31m  ",
		"\xff\xfe":                                "?",
		strings.Repeat("a", MaxText-1) + "\u00e9": strings.Repeat("a", MaxText-1) + "?",
		strings.Repeat("x", 5*MaxText):            strings.Repeat("x", MaxText),
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if long := strings.Repeat("x", 5*MaxText); OneLine(long+"\n") != long+" " {
		t.Error("a line is cut that nobody wants short")
	}
}
