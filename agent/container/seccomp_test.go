package container

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestRefuses(t *testing.T) {
	rule := func(action specs.LinuxSeccompAction, args ...specs.LinuxSeccompArg) []specs.LinuxSyscall {
		return []specs.LinuxSyscall{{Names: []string{"other"}, Action: specs.ActErrno}, {Names: []string{"read", "statx"}, Action: action, Args: args}}
	}
	for _, test := range []struct {
		name    string
		profile *specs.LinuxSeccomp
		want    bool
	}{
		{"none", nil, false},
		{"not listed, allowed", &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, false},
		{"not listed, refused", &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}, true},
		{"listed and allowed", &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: rule(specs.ActAllow)}, false},
		{"listed and refused", &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: rule(specs.ActErrno)}, true},
		{"listed and deadly", &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: rule(specs.ActKillProcess)}, true},
		{"only logged", &specs.LinuxSeccomp{DefaultAction: specs.ActLog}, false},
		{"by argument", &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: rule(specs.ActErrno, specs.LinuxSeccompArg{Index: 1})}, false},
	} {
		if got := refuses(test.profile, "statx"); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
