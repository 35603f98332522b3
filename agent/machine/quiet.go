package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// sysctls is where the kernel's settings are.
const sysctls = "/proc/sys"

// quiet are the settings of a kernel that lets an idle guest sleep: each time
// that it wakes, its tick comes for a few turns, and QEMU has to set its timer.
var quiet = []struct{ file, value string }{
	// kcompactd looks twice a second whether memory should be compacted before
	// anybody asks for it (mm/compaction.c, HPAGE_FRAG_CHECK_INTERVAL_MSEC).
	{"vm/compaction_proactiveness", "0"},
	// Seconds between two looks at the counters of memory, one by default
	// (mm/vmstat.c, vmstat_shepherd). They are behind by less than a megabyte.
	{"vm/stat_interval", "10"},
}

// Quieten makes the guest's kernel wake less often while nothing happens. What
// a kernel does not have is left out.
func Quieten() error { return quieten(sysctls) }

func quieten(dir string) error {
	var errs []error
	for _, q := range quiet {
		f, err := os.OpenFile(filepath.Join(dir, q.file), os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = f.WriteString(q.value)
			err = errors.Join(err, f.Close())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
