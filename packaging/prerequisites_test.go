package packaging

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// aptStub says what apt-get says when it installs 45 packages.
const aptStub = `
[ "$2" = install ] || [ "$3" = install ] || exit 0
echo "42 upgraded, 3 newly installed, 0 to remove and 7 not upgraded."
echo "Need to get 123 MB of archives."
for i in $(seq 45); do echo "Get:$i http://deb.debian.org/debian bookworm/main amd64 p$i amd64 1 [1 kB]"; done
[ -z "$BREAK" ] || { echo "E: no space left"; exit 100; }
for i in $(seq 45); do echo "Selecting previously unselected package p$i."; echo "Unpacking p$i (1) ..."; done
for i in $(seq 45); do echo "Setting up p$i (1) ..."; done
`

// Who waits for minutes sees that something happens, and why it failed.
func TestPrerequisitesShowProgress(t *testing.T) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil || !regexp.MustCompile(`(?m)^VERSION_ID="?1[23]"?$`).Match(release) || !strings.Contains(string(release), "\nID=debian\n") {
		t.Skip("this host is not Debian 12 or 13")
	}
	scripts := map[string]string{"apt-get": aptStub, "dpkg-query": "exit 1", "dpkg": "echo amd64", "id": "echo 0"}
	out, stderr, code := call(t, stubs(t, scripts, "BREAK="), "prerequisites.sh", "image")
	want := []string{
		"installing: xz-utils zstd lz4 erofs-utils", "reading the lists of packages", "123 MB to download, 45 packages",
		"downloaded 20 of 45", "downloaded 40 of 45", "unpacked 20 of 45", "unpacked 40 of 45", "set up 20 of 45", "set up 40 of 45",
	}
	if code != 0 || out != "" || stderr != "prerequisites: "+strings.Join(want, "\nprerequisites: ")+"\n" {
		t.Errorf("code %d, printed %q and %q", code, out, stderr)
	}
	_, stderr, code = call(t, stubs(t, scripts, "BREAK=1"), "prerequisites.sh", "image")
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	last := lines[len(lines)-1]
	if code != 1 || !strings.Contains(stderr, "p45 amd64 1 [1 kB]\nE: no space left\n") || strings.Contains(stderr, "Get:26 ") ||
		!strings.HasPrefix(last, "prerequisites: apt-get install failed") {
		t.Errorf("a failure: code %d, printed %q", code, stderr)
	}
	// What is there already is not asked for.
	scripts["dpkg-query"], scripts["apt-get"] = "echo installed", "exit 1"
	if out, stderr, code = call(t, stubs(t, scripts), "prerequisites.sh", "image"); code != 0 || out+stderr != "" {
		t.Errorf("nothing to do: code %d, printed %q and %q", code, out, stderr)
	}
}
