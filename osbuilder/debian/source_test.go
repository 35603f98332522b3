package debian

import (
	"strings"
	"testing"
)

func TestSourceList(t *testing.T) {
	targets := `Debian Debian-Security http://a/debian-security/
Debian Debian http://a/debian/
Debian Debian http://b/debian/
Docker Docker http://c/
`
	got := sourceList([]byte(targets), "bookworm")
	want := "deb-src [signed-by=" + keyring + "] http://a/debian-security/ bookworm-security main\n" +
		"deb-src [signed-by=" + keyring + "] http://a/debian/ bookworm main\n"
	if got != want {
		t.Errorf("sourceList = %q, want %q", got, want)
	}
	if got := sourceList([]byte("Ubuntu Ubuntu http://d/\n"), "bookworm"); got != "" {
		t.Errorf("of another distribution: %q", got)
	}
}

func TestParseURIs(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	out := "Reading package lists...\n" +
		"'http://a/q_1.dsc' q_7.2+dfsg-7.dsc 6909 SHA256:" + sum + "\n" +
		"'http://a/q.orig.tar.xz' q_7.2+dfsg.orig.tar.xz 23523172 SHA256:" + strings.Repeat("cd", 32) + "\n"
	if version, got := parseURIs([]byte(out)); version != "7.2+dfsg-7" || got != sum {
		t.Errorf("parseURIs = %q, %q", version, got)
	}
	for _, bad := range []string{"", "'x' q_1.dsc 1 MD5Sum:ab", "'x' q.dsc 1 SHA256:" + sum} {
		if version, sum := parseURIs([]byte(bad)); version != "" || sum != "" {
			t.Errorf("parseURIs(%q) = %q, %q", bad, version, sum)
		}
	}
}
