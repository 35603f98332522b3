// Package known reads the lists in its folder of what kata is worse at than
// runc: one for each run of critest, and one for the OCI validation programs.
package known

import (
	"fmt"
	"os"
	"strings"
)

// Read answers the reasons in a list by the name before them. A line is "NAME:
// reason"; a "?" at the name's end says that it is not always worse; "#" begins
// a comment.
func Read(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	reasons := map[string]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, reason, found := strings.Cut(line, ": ")
		if !found || reasons[name] != "" {
			return nil, fmt.Errorf("%s: %q is not one \"NAME: reason\"", path, line)
		}
		reasons[name] = reason
	}
	return reasons, nil
}
