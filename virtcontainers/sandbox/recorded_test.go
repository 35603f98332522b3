package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

func TestRecordedProgramEnds(t *testing.T) {
	program, err := recordedProgram()
	if err != nil {
		t.Fatal(err)
	}
	if len(program) != recordedSize {
		t.Errorf("%d bytes, want %d", len(program), recordedSize)
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("the program is one of amd64")
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v, %q", err, out)
	}
}
