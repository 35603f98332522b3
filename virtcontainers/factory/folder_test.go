package factory

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// made makes a template by the folder's own steps, without a VM: its files are
// those that a VM would have filled.
func made(t *testing.T, f *Folder, key string, inputs ...hypervisor.Input) {
	t.Helper()
	l, err := f.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	d, err := l.Draft()
	if err != nil {
		t.Fatal(err)
	}
	d.info = Info{Version: infoVersion, Key: key, Created: time.Now().UTC(), Protocol: wire.ProtocolVersion, VCPUs: 1, MemoryMiB: 1, MACs: []string{"02:00:00:00:00:01"}, Inputs: inputs}
	for name, size := range map[string]int64{memoryFile: 1 << 20, stateFile: 10} {
		file, err := d.create(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(file.Truncate(size), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := d.Abandon(); err != nil {
		t.Fatal(err)
	}
}

// folder is one that the test has mounted nothing on.
func folder(t *testing.T) *Folder {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "factory-test-")
	if err != nil {
		t.Skip("no tmpfs at /dev/shm: ", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return (&Config{TemplatePath: filepath.Join(dir, "templates")}).Folder()
}

const key1, key2 = "0123456789abcdef", "fedcba9876543210"

func fp(key string) *hypervisor.Fingerprint { return &hypervisor.Fingerprint{Key: key} }

func TestFindFitDestroy(t *testing.T) {
	f := folder(t)
	if _, err := f.Find(fp(key1)); !errors.Is(err, ErrNone) {
		t.Errorf("without a folder: %v", err)
	}
	made(t, f, key1)
	if _, err := f.Find(fp(key2)); !errors.Is(err, ErrNone) {
		t.Errorf("another key: %v", err)
	}
	template, err := f.Find(fp(key1))
	if err != nil {
		t.Fatal(err)
	}
	defer template.Close()
	spec := &hypervisor.Spec{VCPUs: 4, MemoryMiB: 9, NICs: []hypervisor.NIC{{ID: "nic0", MAC: "02:00:00:00:00:02"}}}
	template.Fit(spec)
	if spec.VCPUs != 1 || spec.MemoryMiB != 1 || spec.NICs[0].MAC != "02:00:00:00:00:01" || !spec.Incoming || !spec.Memory.Private {
		t.Errorf("Fit: %+v", spec)
	}
	l, err := f.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lock(); !errors.Is(err, ErrBusy) {
		t.Errorf("a second lock: %v", err)
	}
	if err := l.Destroy(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{f.path, f.lockPath()} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	if l, err = f.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := l.Destroy(); err != nil {
		t.Errorf("destroy of nothing: %v", err)
	}
}

func TestFindRefusesWhatHasChanged(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"memory":   func(dir string) error { return os.WriteFile(filepath.Join(dir, memoryFile), []byte("x"), 0o600) },
		"state":    func(dir string) error { return os.Truncate(filepath.Join(dir, stateFile), 9) },
		"no state": func(dir string) error { return os.Remove(filepath.Join(dir, stateFile)) },
		"no info":  func(dir string) error { return os.Remove(filepath.Join(dir, infoFile)) },
		"bad info": func(dir string) error { return os.WriteFile(filepath.Join(dir, infoFile), []byte("{"), 0o600) },
		"open":     func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o755) },
		"protocol": func(dir string) error {
			return replace(filepath.Join(dir, infoFile), `"protocol": `, `"protocol": 9`)
		},
		"other key": func(dir string) error { return replace(filepath.Join(dir, infoFile), key1, key2) },
	} {
		t.Run(name, func(t *testing.T) {
			f := folder(t)
			made(t, f, key1)
			if err := change(filepath.Join(f.path, key1)); err != nil {
				t.Fatal(err)
			}
			if found, err := f.Find(fp(key1)); err == nil || errors.Is(err, ErrNone) {
				t.Errorf("Find = %v, %v", found, err)
			}
			list, err := f.List()
			if err != nil || len(list) != 1 || list[0].Err == nil {
				t.Errorf("List = %+v, %v", list, err)
			}
		})
	}
}

func replace(path, from, to string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.ReplaceAll(string(data), from, to)), 0o600)
}

func TestStaleAndOldOnesMakeRoom(t *testing.T) {
	f := folder(t)
	kernel := filepath.Join(t.TempDir(), "kernel")
	if err := os.WriteFile(kernel, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	input, err := hypervisor.Look(kernel)
	if err != nil {
		t.Fatal(err)
	}
	made(t, f, key1, input)
	if err := os.WriteFile(kernel, []byte("two!"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Find(fp(key2)); !errors.Is(err, ErrNone) || !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "stale: "+kernel) {
		t.Errorf("Find = %v", err)
	}
	keys := []string{"0000000000000001", "0000000000000005", "0000000000000003", "0000000000000004", "0000000000000002"}
	for _, key := range keys {
		made(t, f, key)
	}
	got, err := f.List()
	if err != nil {
		t.Fatal(err)
	}
	want := keys[len(keys)-maxTemplates:]
	for i, l := range got {
		if len(got) != len(want) || l.Key != want[i] || l.Err != nil {
			t.Fatalf("List = %+v, want %v", got, want)
		}
	}
}

func TestDraftClearsWhatWasKilled(t *testing.T) {
	f := folder(t)
	for range 2 {
		l, err := f.Lock()
		if err != nil {
			t.Fatal(err)
		}
		d, err := l.Draft()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.create(memoryFile); err != nil {
			t.Fatal(err)
		}
		d.info.Key = key1
		if err := d.Fail(errors.New("no luck")); err != nil {
			t.Fatal(err)
		}
		l.Unlock() // as the end of the process does
	}
	if got := f.Failed(key1); got != "no luck" {
		t.Errorf("Failed = %q", got)
	}
	if list, err := f.NotMade(); err != nil || len(list) != 1 || list[0].Key != key1 || !strings.Contains(list[0].Err.Error(), "no luck") {
		t.Errorf("NotMade = %v, %v", list, err)
	}
	note, old := filepath.Join(f.path, key1+failedSuffix), time.Now().Add(-2*retryAfter)
	if err := os.Chtimes(note, old, old); err != nil {
		t.Fatal(err)
	}
	if got := f.Failed(key1); got != "" {
		t.Errorf("Failed for ever = %q", got)
	}
	made(t, f, key1)
	if got := f.Failed(key1); got != "" {
		t.Errorf("Failed after success = %q", got)
	}
	if err := f.Drop(key1); err != nil {
		t.Fatal(err)
	}
	if list, err := f.List(); err != nil || len(list) != 0 {
		t.Errorf("List after Drop = %v, %v", list, err)
	}
}

func TestFolderThatIsOpenToOthers(t *testing.T) {
	f := folder(t)
	if err := os.Mkdir(f.path, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := f.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	if _, err := l.Draft(); err == nil || !strings.Contains(err.Error(), "open to others") {
		t.Errorf("Draft = %v", err)
	}
}

func FuzzInfo(f *testing.F) {
	good, err := json.Marshal(&Info{Version: 1, Key: key1, Protocol: wire.ProtocolVersion, VCPUs: 1, MemoryMiB: 1, Memory: hypervisor.Input{Size: 1 << 20}, State: hypervisor.Input{Size: 1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := parseInfo(data)
		if err == nil && (len(info.Key) != len(key1) || info.VCPUs == 0 || info.Memory.Size <= 0) {
			t.Errorf("accepted %+v", info)
		}
	})
	if _, err := parseInfo(good); err != nil {
		f.Errorf("the good one: %v", err)
	}
}
