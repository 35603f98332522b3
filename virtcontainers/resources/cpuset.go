package resources

import (
	"path/filepath"
	"strings"

	"github.com/opencontainers/cgroups"
)

// cpusetFiles in the order in which libcontainer writes them.
var cpusetFiles = []string{"cpuset.cpus", "cpuset.mems"}

// cpusetsBelow answers the groups below a v1 cpuset.
func cpusetsBelow(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "cpuset.cpus")) // the pattern is a good one
	for i, file := range files {
		files[i] = filepath.Dir(file)
	}
	return files
}

// setCpuset sets a v1 cpuset and those below it. A parent must always hold all
// that its children have (cpusets(7)), so it has the old and the new in between.
func (g *Group) setCpuset(r *cgroups.Resources) error {
	dir := g.Paths["cpuset"]
	below := cpusetsBelow(dir)
	for i, text := range []string{r.CpusetCpus, r.CpusetMems} {
		if text == "" {
			continue
		}
		if err := widen(dir, cpusetFiles[i], text); err != nil {
			return err
		}
		for _, each := range append(below, dir) {
			if err := cgroups.WriteFile(each, cpusetFiles[i], text); err != nil {
				return err
			}
		}
	}
	return nil
}

// widen adds to what a file of a v1 cpuset holds.
func widen(dir, file, text string) error {
	now, err := cgroups.ReadFile(dir, file)
	if err != nil {
		return err
	}
	if now = strings.TrimSpace(now); now != "" {
		text = now + "," + text
	}
	return cgroups.WriteFile(dir, file, text)
}

// widenAll makes room in v1 cpusets, the upper ones first, for what they held.
// What is refused is not there any more, and told when it is written.
func widenAll(settings []setting) {
	if cgroups.IsCgroup2UnifiedMode() {
		return
	}
	for _, s := range settings {
		if text := strings.TrimSpace(s.text); strings.HasPrefix(s.file, "cpuset.") && text != "" {
			_ = widen(s.dir, s.file, text)
		}
	}
}
