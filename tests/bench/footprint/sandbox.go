package footprint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kata-go/kata-runtime/internal/proc"
)

// Roles of a sandbox's host processes.
const (
	QEMU      = "qemu"
	VirtioFSD = "virtiofsd"
	Proxy     = "proxy"
	Shim      = "shim"
	Other     = "other"
)

// record is what is read of a sandbox's state.json.
type record struct {
	Sandbox struct {
		VM struct {
			Process proc.Handle `json:"process"`
		} `json:"vm"`
		Proxy       proc.Handle `json:"proxy"`
		ShareDaemon proc.Handle `json:"share_daemon"`
		Containers  map[string]struct {
			Shim proc.Handle `json:"shim"`
		} `json:"containers"`
	} `json:"sandbox"`
}

// Processes answers the host processes of a sandbox, by pid, with their roles:
// those in its state, their descendants, and all that carry its mark.
func Processes(root, id string) (map[int]string, error) {
	dir := filepath.Join(root, "sandboxes", id)
	data, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("sandbox %s: state: %w", id, err)
	}
	roles := map[int]string{}
	note := func(h proc.Handle, role string) {
		if h.PID > 0 && h.Alive() {
			roles[h.PID] = role
		}
	}
	note(r.Sandbox.VM.Process, QEMU)
	note(r.Sandbox.Proxy, Proxy)
	note(r.Sandbox.ShareDaemon, VirtioFSD)
	for _, c := range r.Sandbox.Containers {
		note(c.Shim, Shim)
	}
	there, err := proc.Marked(dir)
	if err != nil {
		return nil, err
	}
	all, err := descendants(roles)
	if err != nil {
		return nil, err
	}
	for _, h := range there {
		if _, known := all[h.PID]; !known {
			all[h.PID] = Other
		}
	}
	return all, nil
}

// Arguments answers a process's command line.
func Arguments(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil, err
	}
	var args []string
	for _, arg := range bytes.Split(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		args = append(args, string(arg))
	}
	return args, nil
}

// Roles answers them in the order in which they are shown.
func Roles() []string { return []string{QEMU, VirtioFSD, Proxy, Shim, Other} }
