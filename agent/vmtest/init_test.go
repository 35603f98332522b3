package vmtest

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// otherInit is PID 1 of a guest in which the agent is a service.
const otherInit = "/kata-test/init"

// otherInitScript does what an init system does before it starts services. It
// leaves the initramfs first: there is no pivot_root(2) in one.
const otherInitScript = `#!/kata-test/rootfs/bin/sh
PATH=/kata-test/rootfs/bin
if [ "$1" != again ]; then
	for m in proc sys dev new; do busybox mkdir -p /$m; done
	mount -t proc proc /proc
	for m in $(cat /etc/kata-agent/modules); do busybox insmod $m; done
	mount -t tmpfs -o mode=755 root /new
	for m in proc sys dev run etc tmp; do busybox mkdir -p /new/$m; done
	busybox cp -a /kata-test /init /new
	busybox umount /proc
	exec busybox switch_root /new /kata-test/init again
fi
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs run /run
busybox mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
/init </dev/null >/dev/console 2>&1 &
while :; do wait; sleep 1000; done
`

func TestUnderAnotherInit(t *testing.T) {
	g := bootWith(t, "rdinit="+otherInit)
	details, err := g.GuestDetails(g.ctx, &agentpb.Empty{})
	g.must(err)
	if details.AgentIsInit {
		t.Error("the agent takes itself for the guest's init")
	}
	g.sandbox()
	limited := spec(shell("cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; (sleep 0.1 &); echo from $(hostname)")...)
	memory, pids := int64(64<<20), int64(77)
	limited.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &memory}
	limited.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
	if out, code := g.run("c", limited); code != 0 || !strings.Contains(out, "67108864\n77\nfrom box\n") {
		t.Errorf("printed %q, code %d", out, code)
	}
	_, err = g.DestroySandbox(g.ctx, &agentpb.DestroySandboxRequest{})
	g.must(err)
}
