package container

import (
	"os/exec"
	"testing"
)

func TestPersistDir(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"conmon", []string{"/usr/bin/conmon", "-c", "id", "--persist-dir", "/run/persist/id", "-i"}, "/run/persist/id"},
		{"conmon without", []string{"conmon", "-c", "id"}, ""},
		{"conmon, cut off", []string{"conmon", "--persist-dir"}, ""},
		{"another", []string{"engine", "--persist-dir", "/run/persist/id"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// A shell under that name, which ignores the arguments.
			cmd := exec.Command("sh")
			cmd.Args = append([]string{test.args[0], "-c", "echo; read line", "sh"}, test.args[1:]...)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// Its arguments are to be seen a moment after Start has returned.
			if _, err := stdout.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
			have := persistDir(cmd.Process.Pid)
			stdin.Close()
			cmd.Wait()
			if have != test.want {
				t.Errorf("have %q, want %q", have, test.want)
			}
		})
	}
	if have := persistDir(0); have != "" {
		t.Errorf("of no process: %q", have)
	}
}
