package inherit

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain is also the process that was given a descriptor, 3, and starts another.
func TestMain(m *testing.M) {
	switch os.Getenv("INHERIT") {
	case "":
		os.Exit(m.Run())
	case "nothing":
		Nothing()
	}
	passed, _, err := os.Pipe()
	if err == nil {
		cmd := exec.Command("readlink", "/proc/self/fd/3")
		if os.Getenv("PASS") != "" {
			cmd.ExtraFiles = []*os.File{passed}
		}
		cmd.Stdout = os.Stdout
		err = cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = nil // there is none
		}
	}
	if err == nil {
		_, err = os.NewFile(3, "leak").WriteString("still usable here")
	}
	if err != nil {
		panic(err)
	}
	os.Exit(0)
}

func TestNothing(t *testing.T) {
	leak, err := os.Create(t.TempDir() + "/leak")
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"the test finds a leak":     {[]string{"INHERIT=all"}, leak.Name()},
		"nothing":                   {[]string{"INHERIT=nothing"}, ""},
		"but what is passed itself": {[]string{"INHERIT=nothing", "PASS=yes"}, "pipe:"},
	} {
		if err := leak.Truncate(0); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd := exec.Command("/proc/self/exe")
		cmd.Env, cmd.ExtraFiles = append(c.env, "PATH="+os.Getenv("PATH")), []*os.File{leak}
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		if got := strings.TrimSpace(out.String()); err != nil || !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
		if text, err := os.ReadFile(leak.Name()); err != nil || !strings.Contains(string(text), "still usable here") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
