package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A guard's command is run if who has started it ends without a word, and only then.
func TestGuard(t *testing.T) {
	for name, word := range map[string][]byte{"ended": {1}, "killed": nil} {
		t.Run(name, func(t *testing.T) {
			left := filepath.Join(t.TempDir(), "left")
			if err := os.WriteFile(left, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0], "--guard", "--start-fd", "3", "--", "rm", left)
			cmd.Env = append(os.Environ(), "KATA_SHIM_TEST=1")
			cmd.ExtraFiles = []*os.File{r}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			r.Close()
			w.Write(word)
			w.Close()
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(left); os.IsNotExist(err) == (word != nil) {
				t.Errorf("what was left: %v", err)
			}
		})
	}
}
