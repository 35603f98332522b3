package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// quotaGroup is an empty group beside the containers'.
const quotaGroup = "kata-quota"

// KeepQuotas has the guest's kernel ready for CPU quotas as long as it lives, by
// an empty group below the cgroup root that has one. It must be called before a
// second CPU comes; in a guest that boots with more, before they have work.
//
// The first quota and the last make the kernel rewrite instructions of its own
// scheduler (kernel/sched/fair.c, cfs_bandwidth_usage_inc), with a breakpoint in
// their place meanwhile. Without KVM a QEMU like 7.2 translates code first and
// only then has writes to its page watched (accel/tcg, tb_gen_code and
// tb_link_page): if another CPU's thread takes the breakpoint back in between, the
// translated one stays, and that CPU meets it for ever. Of clones that got a
// second CPU and a quota 3 of 262 hung so on a busy host.
func KeepQuotas(cgroupRoot string) error {
	dir := filepath.Join(cgroupRoot, quotaGroup)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// All of one CPU; nobody is in there.
	err := os.WriteFile(filepath.Join(dir, "cpu.max"), []byte("100000 100000"), 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil // no quotas in this kernel, or the controller is not ours to have
	}
	return err
}
