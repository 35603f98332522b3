// Package kernel builds the guest kernel from Debian's source package with
// the configuration in this folder.
package kernel

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// Fragment is what is asked for on top of allnoconfig.
//
//go:embed config
var Fragment []byte

// parseConfig answers a configuration's symbols with their values as written;
// "# CONFIG_X is not set" is "n".
func parseConfig(data []byte) map[string]string {
	symbols := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if name, off := strings.CutSuffix(strings.TrimPrefix(line, "# "), " is not set"); off {
			symbols[name] = "n"
		} else if name, value, set := strings.Cut(line, "="); set && strings.HasPrefix(name, "CONFIG_") {
			symbols[name] = value
		}
	}
	return symbols
}

// Lost answers, sorted, what was asked for and did not come out.
func Lost(asked, got []byte) []string {
	have := parseConfig(got)
	var lost []string
	for name, want := range parseConfig(asked) {
		value, there := have[name]
		if !there {
			value = "n"
		}
		if value != want {
			lost = append(lost, fmt.Sprintf("%s=%s (is %s)", name, want, value))
		}
	}
	slices.Sort(lost)
	return lost
}
