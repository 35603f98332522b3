package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
)

// assigned is the folder that stands for the block device (direct-volume).
const assigned = "assigned"

// blockOption is a way to give a guest a disk.
type blockOption struct {
	name string
	floor.DiskOptions
}

func (o blockOption) String() string { return block + ", " + o.name }

// blockOptions begin with the runtime's own (virtcontainers/hypervisor).
var blockOptions = []blockOption{
	{name: "as the runtime has it"},
	{"cache.direct=on", floor.DiskOptions{Direct: true}},
	{"cache.direct=on, aio=native", floor.DiskOptions{Direct: true, AIO: "native"}},
	{"aio=io_uring", floor.DiskOptions{AIO: "io_uring"}},
	{"iothread", floor.DiskOptions{IOThread: true}},
	{"queue-size=1024", floor.DiskOptions{Device: ",queue-size=1024"}},
	{"two CPUs, two queues", floor.DiskOptions{Device: ",num-queues=2", CPUs: 2}},
}

// makeDisks makes loop devices with an ext4 that has the data, one for the
// comparison with a volume, which it assigns, and one for the options.
func (p *Part) makeDisks(ctx context.Context, dir string) error {
	device, err := p.loop(ctx, filepath.Join(dir, "disk.img"), p.volume)
	if err != nil {
		return err
	}
	smaller, err := p.loop(ctx, filepath.Join(dir, "small.img"), p.small)
	if err != nil {
		return err
	}
	k, path := p.way[ninep], filepath.Join(dir, assigned)
	info := fmt.Sprintf(`{"volume-type": "block", "device": %q, "fstype": "ext4"}`, device)
	if _, err := k.Run(ctx, "direct-volume", "add", "--volume-path", path, "--mount-info", info); err != nil {
		return err
	}
	p.lab.AtEnd(func(ctx context.Context) error {
		_, err := k.Run(ctx, "direct-volume", "remove", "--volume-path", path)
		return err
	})
	p.device, p.smallDevice = device, smaller
	return nil
}

// loop makes an image with a folder's files and answers its loop device.
func (p *Part) loop(ctx context.Context, image, folder string) (string, error) {
	f, err := os.Create(image)
	if err != nil {
		return "", err
	}
	if err := errors.Join(f.Truncate(1<<30), f.Close()); err != nil {
		return "", err
	}
	// -d fills it with the folder's files, so that nobody mounts it here.
	if out, err := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-d", folder, image).CombinedOutput(); err != nil {
		return "", fmt.Errorf("mkfs.ext4: %w: %s", err, out)
	}
	out, err := exec.CommandContext(ctx, "losetup", "--find", "--show", image).Output()
	if err != nil {
		return "", fmt.Errorf("losetup: %w", err)
	}
	device := strings.TrimSpace(string(out))
	p.lab.AtEnd(func(ctx context.Context) error {
		if out, err := exec.CommandContext(ctx, "losetup", "-d", device).CombinedOutput(); err != nil {
			return fmt.Errorf("losetup -d %s: %w: %s", device, err, out)
		}
		return nil
	})
	return device, nil
}

// bareDisk has the work done on a block device.
func (p *Part) bareDisk(ctx context.Context, name, device string, a amount, o floor.DiskOptions) error {
	out, err := p.worker.Run(ctx, floor.Task{
		Args:   []string{"disk", fmt.Sprint(a.mib), fmt.Sprint(a.files), inGuest},
		FSType: "ext4", Source: "/dev/vda", Devices: []floor.Device{floor.Disk(device, o)},
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return p.results(name, out, a)
}
