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

// Asked answers the fragment without comments, sorted: what decides over the
// built kernel.
func Asked() string {
	var lines []string
	for name, value := range parseConfig(Fragment) {
		lines = append(lines, name+"="+value)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// optionalMark starts a section of symbols that not every kernel has.
const optionalMark = "# --- optional"

// Lost answers, sorted, what was asked for and did not come out. A symbol of an
// optional section is lost only if the kernel has it, with another value.
func Lost(asked, got []byte) []string {
	have := parseConfig(got)
	_, tail, _ := bytes.Cut(asked, []byte(optionalMark))
	optional := parseConfig(tail)
	var lost []string
	for name, want := range parseConfig(asked) {
		value, there := have[name]
		if !there {
			if _, may := optional[name]; may {
				continue
			}
			value = "n"
		}
		if value != want {
			lost = append(lost, fmt.Sprintf("%s=%s (is %s)", name, want, value))
		}
	}
	slices.Sort(lost)
	return lost
}
