package floor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kata-go/kata-runtime/osbuilder/cpio"
	"github.com/kata-go/kata-runtime/osbuilder/tree"
)

// taskDeadline is for a guest with a task: far beyond what any takes that works.
const taskDeadline = 5 * time.Minute

// Task is what a bare guest does with devices of a sandbox, without an agent:
// its first process is the program, which ends the machine.
type Task struct {
	// Args of the program ("work disk ...").
	Args []string
	// FSType, Source and Options are what it mounts at /mnt first; none without FSType.
	FSType, Source, Options string
	// Address of eth0; none without it.
	Address string
	Devices []Device
}

// Device is put on QEMU's command line.
type Device func(*Worker, *qemu)

// Tag is the name of a share.
const Tag = "bench"

// Share9p exports a folder as the runtime does (virtcontainers/hypervisor).
func Share9p(dir string) Device {
	return func(w *Worker, q *qemu) {
		q.cmd.Args = append(q.cmd.Args,
			"-fsdev", "local,id=share,path="+dir+",security_model=none,multidevs=remap",
			"-device", w.machine.device("virtio-9p")+",fsdev=share,mount_tag="+Tag)
	}
}

// ShareVirtioFS is for a connection to virtiofsd.
func ShareVirtioFS(conn *os.File) Device {
	return func(w *Worker, q *qemu) {
		q.machine("memory-backend=mem")
		// vhost-user-fs is modern always and knows no disable-legacy.
		kind, _, _ := strings.Cut(w.machine.device("vhost-user-fs"), ",")
		q.cmd.Args = append(q.cmd.Args,
			"-object", fmt.Sprintf("memory-backend-memfd,id=mem,size=%dM,share=on", w.machine.MemoryMiB),
			"-chardev", fmt.Sprintf("socket,id=share,fd=%d", q.inherit(conn)),
			"-device", kind+",chardev=share,tag="+Tag+",queue-size=1024")
	}
}

// DiskOptions are what differs from the runtime's way to give a guest a disk.
type DiskOptions struct {
	// Direct goes around the host's page cache.
	Direct bool
	// AIO is one of QEMU's ways to reach the host's device; empty for its default.
	AIO string
	// IOThread gives the device a thread of its own.
	IOThread bool
	// Device are further options of the device, each with a comma in front.
	Device string
	// CPUs is how many the guest has; 0 is as many as the sandbox.
	CPUs int
}

// Disk is a block device, /dev/vda in the guest.
func Disk(path string, o DiskOptions) Device {
	return func(w *Worker, q *qemu) {
		file := map[string]any{"driver": "host_device", "filename": path}
		node := map[string]any{"driver": "raw", "node-name": "disk", "file": file}
		if o.Direct {
			cache := map[string]any{"direct": true}
			node["cache"], file["cache"] = cache, cache
		}
		if o.AIO != "" {
			file["aio"] = o.AIO
		}
		text, err := json.Marshal(node)
		if err != nil {
			panic(err) // the options are constants
		}
		device := w.machine.device("virtio-blk") + ",drive=disk" + o.Device
		if o.IOThread {
			q.cmd.Args = append(q.cmd.Args, "-object", "iothread,id=io")
			device += ",iothread=io"
		}
		q.cmd.Args = append(q.cmd.Args, "-blockdev", string(text), "-device", device)
		if o.CPUs > 0 {
			CPUs(o.CPUs)(w, q)
		}
	}
}

// NIC is an open tap with its queues. options of the device have a comma in front.
func NIC(queues []*os.File, mac, options string) Device {
	return func(w *Worker, q *qemu) {
		device := w.machine.device("virtio-net") + ",netdev=nic,mac=" + mac
		if w.machine.Type != "microvm" {
			device += ",romfile="
		}
		netdev := "tap,id=nic,fd="
		if len(queues) > 1 {
			// A vector for each queue's two directions, for the control queue, for changes.
			netdev, options = "tap,id=nic,fds=", fmt.Sprintf("%s,mq=on,vectors=%d", options, 2*len(queues)+2)
		}
		var fds []string
		for _, f := range queues {
			fds = append(fds, strconv.Itoa(q.inherit(f)))
		}
		q.cmd.Args = append(q.cmd.Args, "-netdev", netdev+strings.Join(fds, ":"), "-device", device+options)
	}
}

// CPUs gives the guest another number of CPUs than the sandbox has: the last
// word counts.
func CPUs(count int) Device {
	return func(_ *Worker, q *qemu) { q.cmd.Args = append(q.cmd.Args, "-smp", strconv.Itoa(count)) }
}

// device answers the name of a virtio device, with what all of them have.
func (m *Machine) device(kind string) string { return kind + "-" + m.bus() }

// Worker boots bare guests with tasks.
type Worker struct {
	machine Machine
	initrd  string
}

// NewWorker makes the guest's initrd in dir, which must outlive the Worker:
// the sandbox's, so that it has all drivers, with the program besides.
func NewWorker(m Machine, program, dir string) (*Worker, error) {
	base, err := os.ReadFile(m.Initrd)
	if err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	t := new(tree.Tree)
	if err := t.Add(tree.Entry{Path: "work", Perm: 0o755, Data: binary}); err != nil {
		return nil, err
	}
	var more bytes.Buffer
	if err := cpio.Write(&more, t.Sorted(), 0); err != nil {
		return nil, err
	}
	// The kernel takes several archives, each at a multiple of four bytes
	// (Documentation/driver-api/early-userspace/buffer-format.rst).
	base = append(base, make([]byte, align(len(base))-len(base))...)
	w := &Worker{machine: m, initrd: filepath.Join(dir, "worker.img")}
	return w, os.WriteFile(w.initrd, append(base, more.Bytes()...), 0o600)
}

// Running is a guest that works.
type Running struct {
	// Out is what it prints. Read it to its end before Wait.
	Out    io.Reader
	q      *qemu
	cancel context.CancelFunc
}

// Start boots a guest. The caller waits for its end.
func (w *Worker) Start(ctx context.Context, t Task) (*Running, error) {
	ctx, cancel := context.WithTimeout(ctx, taskDeadline)
	f := Floor{machine: w.machine}
	q := f.command(ctx, w.initrd, strings.Join(append(t.params(), "rdinit=/work"), " "))
	for _, device := range t.Devices {
		device(w, q)
	}
	out, err := q.cmd.StdoutPipe()
	if err == nil {
		err = q.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("bare guest: %w", err)
	}
	return &Running{Out: io.TeeReader(out, &q.console), q: q, cancel: cancel}, nil
}

// params are what the program finds in its environment.
func (t Task) params() []string {
	fstype := t.FSType
	if fstype == "" {
		fstype = "none"
	}
	p := []string{"work_fstype=" + fstype, "work_args=" + strings.Join(t.Args, ",")}
	for _, v := range []struct{ name, value string }{
		{"work_source", t.Source}, {"work_options", t.Options}, {"work_address", t.Address},
	} {
		if v.value != "" {
			p = append(p, v.name+"="+v.value)
		}
	}
	return p
}

// Wait waits until the guest has ended.
func (r *Running) Wait() error {
	defer r.cancel()
	if err := r.q.cmd.Wait(); err != nil {
		return r.q.failure(err)
	}
	if strings.Contains(r.q.console.String(), "work failed: ") {
		return r.q.failure(errTask)
	}
	return nil
}

// errTask is the answer about a guest that could not do its task.
var errTask = errors.New("its work failed")

// Kill ends the guest.
func (r *Running) Kill() {
	r.cancel()
	_ = r.q.cmd.Wait()
}

// Run boots a guest, waits for its end and answers what it printed.
func (w *Worker) Run(ctx context.Context, t Task) (string, error) {
	r, err := w.Start(ctx, t)
	if err != nil {
		return "", err
	}
	out, readErr := io.ReadAll(r.Out)
	if err := r.Wait(); err != nil {
		return "", err
	}
	return string(out), readErr
}
