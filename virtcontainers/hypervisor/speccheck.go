package hypervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// check finds what QEMU would only say much later or not clearly.
func (s *Spec) check(m *machine) error {
	if s.VCPUs == 0 || s.VCPUs > m.maxCPUs {
		return fmt.Errorf("%d CPUs: machine type %s takes 1 to %d", s.VCPUs, m.name, m.maxCPUs)
	}
	if s.MemoryMiB == 0 {
		return errors.New("a VM needs memory")
	}
	if s.Incoming && s.Memory == nil {
		return errors.New("a VM that is restored needs a file with its memory")
	}
	for _, path := range []string{s.Kernel, s.Initrd, s.Image} {
		if path == "" {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("guest asset: %w", err)
		}
		f.Close()
	}
	ids := make(map[string]bool)
	for _, d := range s.Disks {
		if ids[d.ID] {
			return fmt.Errorf("disk id %q is used twice", d.ID)
		}
		ids[d.ID] = true
		if !validID(d.ID) || len(d.ID) > maxSerial {
			return fmt.Errorf("disk id %q: at most %d letters, digits and -_., a letter first", d.ID, maxSerial)
		}
	}
	for _, n := range s.NICs {
		if err := n.check(); err != nil {
			return err
		}
	}
	for _, sh := range s.Shares {
		if len(sh.Tag) == 0 || len(sh.Tag) > 31 {
			return fmt.Errorf("share tag %q: 1 to 31 bytes", sh.Tag)
		}
	}
	if s.Agent.CID != 0 && (s.Agent.CID < 3 || s.Agent.VHost == nil) {
		return fmt.Errorf("agent by vsock: address %d must be 3 or more and come with the open /dev/vhost-vsock", s.Agent.CID)
	}
	return nil
}

// maxSerial is the length of a virtio-blk device's serial (virtio 1.2, 5.2.6.1).
const maxSerial = 20

func (n NIC) check() error {
	if !validID(n.ID) {
		return fmt.Errorf("NIC id %q: letters, digits and -_., a letter first", n.ID)
	}
	// The text goes into an option of QEMU's as it is.
	if _, err := net.ParseMAC(n.MAC); err != nil {
		return fmt.Errorf("NIC %s: MAC %q: %w", n.ID, n.MAC, err)
	}
	if len(n.Taps) == 0 {
		return fmt.Errorf("NIC %s has no tap", n.ID)
	}
	if len(n.VHosts) != 0 && len(n.VHosts) != len(n.Taps) {
		return fmt.Errorf("NIC %s has %d taps and %d vhost devices: as many or none", n.ID, len(n.Taps), len(n.VHosts))
	}
	return nil
}
