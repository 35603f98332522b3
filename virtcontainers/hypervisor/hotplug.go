package hypervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// ErrNoHotplug is the answer of a machine that is as it was at boot.
var ErrNoHotplug = errors.New("cannot hot-plug")

// can tells whether the VM's machine type has a capability.
func (m *Monitor) can(what string, has func(*machine) bool) error {
	for i := range machines {
		if machines[i].name == m.vm.Machine && has(&machines[i]) {
			return nil
		}
	}
	return fmt.Errorf("machine %s: %w %s: set machine_type = \"q35\" for that", m.vm.Machine, ErrNoHotplug, what)
}

func devices(m *machine) bool { return m.hotplug }
func cpus(m *machine) bool    { return m.cpuHotplug }

// Hotplug is what can be plugged into a VM while it runs.
type Hotplug struct {
	NICs, Disks, Memory, CPUs bool
}

// Hotplug answers what the VMs of this configuration can get while they run,
// beyond what they booted with. A SCSI disk needs a controller, which only a VM
// that booted with such a disk has.
func (c *Config) Hotplug() (Hotplug, error) {
	m, err := findMachine(c)
	if err != nil {
		return Hotplug{}, err
	}
	return Hotplug{
		NICs: m.hotplug, Disks: m.hotplug && c.blockDriver() == "virtio-blk",
		Memory: m.memHotplug, CPUs: m.cpuHotplug,
	}, nil
}

// HotplugDisk adds a block device to the running guest. It returns when QEMU
// has it; the guest finds it by its serial, which is d.ID. After an error
// nothing of it remains.
func (m *Monitor) HotplugDisk(ctx context.Context, cfg *Config, d Disk) error {
	if err := m.can("disks", devices); err != nil {
		return err
	}
	if !validID(d.ID) || len(d.ID) > maxSerial {
		return fmt.Errorf("disk id %q: at most %d letters, digits and -_., a letter first", d.ID, maxSerial)
	}
	if err := m.do(ctx, "blockdev-add", cfg.blockNode(d), nil); err != nil {
		return fmt.Errorf("disk %s (%s): %w", d.ID, d.Path, err)
	}
	dev := map[string]any{"id": deviceName(d.ID), "drive": nodeName(d.ID), "serial": d.ID}
	var err error
	if cfg.blockDriver() == "virtio-scsi" {
		dev["driver"], dev["bus"] = "scsi-hd", "scsi.0"
		err = m.do(ctx, "device_add", dev, nil)
	} else {
		dev["driver"], dev["disable-legacy"] = "virtio-blk-pci", "on"
		err = m.addPCI(ctx, dev)
	}
	if err != nil {
		err = fmt.Errorf("disk %s (%s): %w", d.ID, d.Path, err)
		return errors.Join(err, m.undo(ctx, "blockdev-del", map[string]any{"node-name": nodeName(d.ID)}))
	}
	return nil
}

// undoTimeout bounds the undo of half a hot-plug: QEMU may hang.
var undoTimeout = 10 * time.Second

// undo takes half a hot-plug back, also when the caller's time is up.
func (m *Monitor) undo(ctx context.Context, command string, arguments any) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := m.do(ctx, command, arguments, nil); err != nil {
		return fmt.Errorf("take it back: %w", err)
	}
	return nil
}

// UnplugDisk takes a block device away. The guest must let it go: ctx bounds
// how long that may take. A device that is not there is no error.
func (m *Monitor) UnplugDisk(ctx context.Context, id string) error {
	if err := m.unplug(ctx, deviceName(id)); err != nil {
		return fmt.Errorf("disk %s: %w", id, err)
	}
	return ignoreMissing(m.do(ctx, "blockdev-del", map[string]any{"node-name": nodeName(id)}, nil))
}

// ResizeDisk tells the guest that a disk has another size, in bytes. A block
// device of the host must have that size, or more, already.
func (m *Monitor) ResizeDisk(ctx context.Context, id string, size uint64) error {
	if err := m.do(ctx, "block_resize", map[string]any{"node-name": nodeName(id), "size": size}, nil); err != nil {
		return fmt.Errorf("disk %s: %w", id, err)
	}
	return nil
}

// HotplugNIC adds a network device to the running guest, which finds it by its
// MAC. The files in n stay the caller's to close. After an error nothing of it
// remains.
func (m *Monitor) HotplugNIC(ctx context.Context, n NIC) error {
	if err := m.can("NICs", devices); err != nil {
		return err
	}
	if err := n.check(); err != nil {
		return err
	}
	netdev := map[string]any{"type": "tap", "id": n.ID}
	taps, err := m.giveAll(ctx, n.ID+"-tap", n.Taps)
	if err != nil {
		return fmt.Errorf("NIC %s: %w", n.ID, err)
	}
	vhosts, err := m.giveAll(ctx, n.ID+"-vhost", n.VHosts)
	if err != nil {
		return fmt.Errorf("NIC %s: %w", n.ID, err)
	}
	key := func(one string) string {
		if len(taps) == 1 {
			return one
		}
		return one + "s"
	}
	netdev[key("fd")] = strings.Join(taps, ":")
	if len(vhosts) > 0 {
		netdev["vhost"], netdev[key("vhostfd")] = true, strings.Join(vhosts, ":")
	}
	if err := m.do(ctx, "netdev_add", netdev, nil); err != nil {
		return fmt.Errorf("NIC %s: %w", n.ID, err)
	}
	dev := map[string]any{
		"driver": "virtio-net-pci", "id": deviceName(n.ID), "netdev": n.ID, "mac": n.MAC,
		"disable-legacy": "on", "romfile": "",
	}
	if len(taps) > 1 {
		dev["mq"], dev["vectors"] = true, 2*len(taps)+2
	}
	if err := m.addPCI(ctx, dev); err != nil {
		err = fmt.Errorf("NIC %s: %w", n.ID, err)
		return errors.Join(err, m.undo(ctx, "netdev_del", map[string]any{"id": n.ID}))
	}
	return nil
}

// giveAll hands files to QEMU and answers the names that it knows them by. What
// QEMU does not use goes when the Monitor is closed.
func (m *Monitor) giveAll(ctx context.Context, prefix string, files []*os.File) ([]string, error) {
	var names []string
	for i, f := range files {
		name := fmt.Sprintf("%s%d", prefix, i)
		if err := m.qmp.execute(ctx, "getfd", map[string]any{"fdname": name}, nil, f); err != nil {
			return nil, fmt.Errorf("hand over a file: %w", err)
		}
		names = append(names, name)
	}
	return names, nil
}

// UnplugNIC takes a network device away, as UnplugDisk.
func (m *Monitor) UnplugNIC(ctx context.Context, id string) error {
	if err := m.unplug(ctx, deviceName(id)); err != nil {
		return fmt.Errorf("NIC %s: %w", id, err)
	}
	return ignoreMissing(m.do(ctx, "netdev_del", map[string]any{"id": id}, nil))
}

// addPCI plugs a device into the first bus that has room.
func (m *Monitor) addPCI(ctx context.Context, dev map[string]any) error {
	buses, err := m.buses(ctx)
	if err != nil {
		return err
	}
	err = errors.New("the machine has no bus for hot-plugged devices")
	for _, bus := range buses {
		dev["bus"] = bus
		err = m.do(ctx, "device_add", dev, nil)
		var refusal *QMPError
		if errors.As(err, &refusal) && (strings.Contains(refusal.Desc, "slot") || strings.Contains(refusal.Desc, "in use")) {
			continue
		}
		return err
	}
	return err
}

// buses finds the bridges and root ports by the names that Launch gave them.
func (m *Monitor) buses(ctx context.Context) ([]string, error) {
	var list []struct {
		Name string `json:"name"`
	}
	if err := m.do(ctx, "qom-list", map[string]any{"path": "/machine/peripheral"}, &list); err != nil {
		return nil, err
	}
	var buses []string
	for _, d := range list {
		if strings.HasPrefix(d.Name, bridgePrefix) || strings.HasPrefix(d.Name, portPrefix) {
			buses = append(buses, d.Name)
		}
	}
	slices.Sort(buses)
	return buses, nil
}

// unplug asks the guest for a device and waits until it is gone.
func (m *Monitor) unplug(ctx context.Context, device string) error {
	if err := m.can("devices", devices); err != nil {
		return err
	}
	// Registered first, so that the event cannot come too early.
	events, cancel := m.Events()
	defer cancel()
	err := m.do(ctx, "device_del", map[string]any{"id": device}, nil)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for {
		select {
		case e, open := <-events:
			switch {
			case !open:
				return ErrStopped
			case !strings.Contains(string(e.Data), `"`+device+`"`):
			case e.Name == "DEVICE_DELETED":
				return nil
			case e.Name == "DEVICE_UNPLUG_GUEST_ERROR":
				return errors.New("the guest refuses to let the device go")
			}
		case <-ctx.Done():
			return fmt.Errorf("the guest does not let the device go: %w", ctx.Err())
		}
	}
}

// isMissing tells QEMU's answer about something that it does not have.
func isMissing(err error) bool {
	var refusal *QMPError
	return errors.As(err, &refusal) &&
		(refusal.Class == "DeviceNotFound" || strings.Contains(refusal.Desc, "Failed to find"))
}

func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}
