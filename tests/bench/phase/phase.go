// Package phase reads how long the parts of a start took from the runtime's
// own log: JSON lines that have the fields "phase" (a name) and "ms" (a number).
package phase

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Phase is one part of a command.
type Phase struct {
	Name string
	// Seconds that it took.
	Seconds float64
}

// maxLine is the longest log line that is read, in bytes.
const maxLine = 1 << 20

// Read answers the phases in a log, in its order. Lines of other kinds are
// passed over.
func Read(log io.Reader) ([]Phase, error) {
	var phases []Phase
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var line struct {
			Phase string `json:"phase"`
			// json.Number takes a number and a number in quotes: loggers write fractions
			// in either form.
			MS json.Number `json:"ms"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Phase == "" {
			continue
		}
		ms, err := line.MS.Float64()
		if err != nil || ms < 0 {
			continue
		}
		phases = append(phases, Phase{Name: line.Phase, Seconds: ms / 1000})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("log with phases: %w", err)
	}
	return phases, nil
}
