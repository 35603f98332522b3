package container

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// refuses tells whether a seccomp profile lets a system call fail, or ends the
// process for it. A rule that depends on arguments counts as allowing it.
func refuses(profile *specs.LinuxSeccomp, call string) bool {
	if profile == nil {
		return false
	}
	action := profile.DefaultAction
	for _, rule := range profile.Syscalls {
		if slices.Contains(rule.Names, call) {
			if len(rule.Args) != 0 {
				return false
			}
			action = rule.Action
		}
	}
	switch action {
	case specs.ActErrno, specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActTrap:
		return true
	}
	return false
}
