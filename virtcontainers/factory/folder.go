package factory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// Folder holds templates. What is in it, all of it 0700 and 0600:
//
//	KEY/memory  KEY/state  KEY/template.json   a template; never changed, only removed
//	KEY.failed                                 why making it failed: auto_template does not try again for a while
//	draft/                                     a template in the making
//	vm/                                        the sandbox that it is made of
//
// Beside it stands its lock (PATH.lock), held by who makes or removes.
type Folder struct {
	path string
}

// Path is the folder's.
func (f *Folder) Path() string { return f.path }

const (
	memoryFile = "memory"
	stateFile  = "state"
	infoFile   = "template.json"

	failedSuffix = ".failed"
	draftDir     = "draft"
	vmDir        = "vm"
)

// VMDir is where the sandbox lives that a template is made of.
func (f *Folder) VMDir() string { return filepath.Join(f.path, vmDir) }

// infoVersion is the version of template.json.
const infoVersion = 1

// Info says what a template is.
type Info struct {
	Version int `json:"version"`
	// Key is the fingerprint's: the template fits VMs that have the same.
	Key     string    `json:"key"`
	Created time.Time `json:"created"`
	// Machine and Accelerator are what it ran on ("q35", "tcg").
	Machine     string `json:"machine"`
	Accelerator string `json:"accelerator"`
	VCPUs       uint32 `json:"vcpus"`
	MemoryMiB   uint64 `json:"memory_mib"`
	// MaxVCPUs and MaxMemoryMiB are the ceilings of hot-plug.
	MaxVCPUs     uint32 `json:"max_vcpus"`
	MaxMemoryMiB uint64 `json:"max_memory_mib"`
	// ReadOnly: its QEMU lets clones map the memory without the right to write to
	// the file.
	ReadOnly bool `json:"read_only,omitempty"`
	// MACs are those of its NICs. A clone begins with them.
	MACs []string `json:"macs"`
	// Protocol is the version in which its agent was greeted: a clone's is not.
	Protocol uint32 `json:"protocol"`
	// Inputs are the files that it was made from.
	Inputs []hypervisor.Input `json:"inputs"`
	// Memory and State are the template's own files, without a path.
	Memory hypervisor.Input `json:"memory"`
	State  hypervisor.Input `json:"state"`
}

// Stale answers the path of a file that has changed since the template was
// made; empty if none has.
func (i *Info) Stale() string {
	for _, input := range i.Inputs {
		if !input.Same() {
			return input.Path
		}
	}
	return ""
}

var validKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{16}$`) })

func parseInfo(data []byte) (*Info, error) {
	info := new(Info)
	if err := json.Unmarshal(data, info); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", infoFile, err)
	}
	if info.Version != infoVersion {
		return nil, fmt.Errorf("%s has version %d, this runtime knows %d", infoFile, info.Version, infoVersion)
	}
	if info.Protocol != wire.ProtocolVersion {
		return nil, fmt.Errorf("its agent was greeted by a runtime of protocol version %s, this one has %s",
			wire.VersionString(info.Protocol), wire.VersionString(wire.ProtocolVersion))
	}
	if !validKey().MatchString(info.Key) || info.VCPUs == 0 || info.MemoryMiB == 0 ||
		info.Memory.Size != int64(info.MemoryMiB)<<20 || info.State.Size == 0 {
		return nil, fmt.Errorf("%s is damaged: values are missing or do not fit each other", infoFile)
	}
	return info, nil
}

func (f *Folder) readInfo(key string) (*Info, error) {
	data, err := os.ReadFile(filepath.Join(f.path, key, infoFile))
	if err != nil {
		return nil, err
	}
	info, err := parseInfo(data)
	if err == nil && info.Key != key {
		err = fmt.Errorf("%s is of another template", infoFile)
	}
	return info, err
}

// keys are the names of the templates' folders.
func (f *Folder) keys() ([]string, error) {
	entries, err := os.ReadDir(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("factory: %w", err)
	}
	var keys []string
	for _, e := range entries {
		if validKey().MatchString(e.Name()) {
			keys = append(keys, e.Name())
		}
	}
	return keys, nil
}

// Listed is a template of List: Info, or what is wrong with it.
type Listed struct {
	Key  string
	Info *Info
	Err  error
}

// List answers the templates, the oldest first. Those that cannot be used come
// with the reason.
func (f *Folder) List() ([]Listed, error) {
	keys, err := f.keys()
	if err != nil {
		return nil, err
	}
	var list []Listed
	for _, key := range keys {
		t, err := f.open(key)
		l := Listed{Key: key, Err: err}
		if err == nil {
			l.Info = &t.Info
			t.Close()
			if changed := l.Info.Stale(); changed != "" {
				l.Err = fmt.Errorf("%w: %s has changed", ErrStale, changed)
			}
		}
		list = append(list, l)
	}
	slices.SortStableFunc(list, func(a, b Listed) int { return a.created().Compare(b.created()) })
	return list, nil
}

func (l *Listed) created() time.Time {
	if l.Info == nil {
		return time.Time{}
	}
	return l.Info.Created
}

// retryAfter is for how long a template that could not be made is not tried again:
// a host that was short of memory may have it by then, and one whose template
// cannot be made pays for a boot in vain that often, no more.
const retryAfter = 15 * time.Minute

// Failed answers why auto_template does not make the template; empty if it may.
func (f *Folder) Failed(key string) string {
	path := filepath.Join(f.path, key+failedSuffix)
	info, err := os.Lstat(path)
	if err != nil || time.Since(info.ModTime()) > retryAfter {
		return ""
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// NotMade answers those that auto_template does not make now, with the reasons.
func (f *Folder) NotMade() ([]Listed, error) {
	notes, err := filepath.Glob(filepath.Join(f.path, "*"+failedSuffix))
	if err != nil {
		return nil, err
	}
	var list []Listed
	for _, note := range notes {
		key := strings.TrimSuffix(filepath.Base(note), failedSuffix)
		if why := f.Failed(key); why != "" {
			list = append(list, Listed{Key: key, Err: fmt.Errorf("it could not be made: %s (tried again %s after that)", why, retryAfter)})
		}
	}
	return list, nil
}
