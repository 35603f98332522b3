package boot

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kata-go/kata-runtime/agent/uevent"
)

// DeviceList names the drivers of the image that are modules: lines of a kind
// of device, as the kernel writes it ("virtio:d00000001v*"), and the absolute
// paths of the modules for it, each behind those that it needs.
const DeviceList = "/etc/kata-agent/modules.devices"

// Modprobe is the program that loads modules which the kernel asks for.
const Modprobe = "/usr/libexec/kata-modprobe"

// devicesGlob finds what there is on the buses that our drivers are for.
const devicesGlob = "/sys/bus/{bus}/devices/*/modalias"

var buses = []string{"virtio", "scsi"}

// Drivers loads drivers for devices. It belongs to one goroutine.
type Drivers struct {
	lines  []driver
	loaded map[string]bool
}

type driver struct {
	kind  string
	files []string
}

// ReadDrivers reads a list; a missing one is empty.
func ReadDrivers(list string) (*Drivers, error) {
	d := &Drivers{loaded: map[string]bool{}}
	data, err := os.ReadFile(list)
	if errors.Is(err, os.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) > 1 {
			d.lines = append(d.lines, driver{kind: words[0], files: words[1:]})
		}
	}
	return d, nil
}

// Any tells whether there is any driver to load.
func (d *Drivers) Any() bool { return len(d.lines) > 0 }

// Present loads the drivers of the devices that there are, in the list's order,
// until no new device appears.
func (d *Drivers) Present() error {
	if !d.Any() {
		return nil
	}
	var errs []error
	for more := true; more; {
		more = false
		kinds, err := present()
		if err != nil {
			return err
		}
		for _, line := range d.lines {
			if !slices.ContainsFunc(kinds, line.fits) {
				continue
			}
			some, err := d.load(line)
			more = more || some
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Follow loads the drivers of devices that are plugged in, until ctx ends.
func (d *Drivers) Follow(ctx context.Context, events *uevent.Events, failed func(error)) {
	for {
		kind, err := events.Added(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, uevent.ErrLost):
			err = d.Present()
		case err == nil:
			for _, line := range d.lines {
				if line.fits(kind) {
					_, lerr := d.load(line)
					err = errors.Join(err, lerr)
				}
			}
		default:
			failed(err)
			return
		}
		if err != nil {
			failed(err)
		}
	}
}

// load loads what is not loaded yet of one line, and tells whether that was
// anything. What fails is not tried again.
func (d *Drivers) load(line driver) (some bool, err error) {
	for _, file := range line.files {
		if d.loaded[file] {
			continue
		}
		d.loaded[file], some = true, true
		if lerr := loadModule(file); lerr != nil {
			err = errors.Join(err, fmt.Errorf("load module %s: %w", file, lerr))
		}
	}
	return some, err
}

func (l driver) fits(kind string) bool {
	ok, err := filepath.Match(l.kind, kind)
	return err == nil && ok
}

// present answers the kinds of the devices that there are.
func present() ([]string, error) {
	var kinds []string
	for _, bus := range buses {
		files, err := filepath.Glob(strings.ReplaceAll(devicesGlob, "{bus}", bus))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil {
				kinds = append(kinds, strings.TrimSpace(string(data)))
			}
		}
	}
	return kinds, nil
}

// NameModprobe tells the kernel which program loads modules. A kernel without
// modules has no such setting, and its image no such program.
func NameModprobe() error {
	if _, err := os.Stat(Modprobe); err != nil {
		return nil
	}
	return os.WriteFile("/proc/sys/kernel/modprobe", []byte(Modprobe), 0)
}
