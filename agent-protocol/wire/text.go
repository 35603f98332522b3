package wire

import "strings"

// MaxText bounds what a guest can put into the host's errors and logs, in bytes.
const MaxText = 1024

// Printable is OneLine of MaxText bytes at most, for errors and logs.
func Printable(text string) string {
	// No more than that is looked at; a rune that it cuts is no valid one.
	if len(text) > MaxText {
		text = text[:MaxText]
	}
	text = OneLine(text)
	return text[:min(len(text), MaxText)]
}

// OneLine answers what a guest wrote as a line that may go to a terminal: valid,
// and without control characters (those of C1, too, which some terminals obey).
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if Steers(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// Steers tells whether a terminal may do something at a rune rather than show it.
func Steers(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
