package service

import (
	"sync"

	"github.com/kata-go/kata-runtime/agent/container"
)

// pause is the sandbox's pause process, which holds the shared pid namespace.
// It is started for the first container that asks for it: an engine may tell
// only then that there is to be one.
type pause struct {
	mu      sync.Mutex
	process *container.Pause
}

// start starts the process, unless it runs, and answers its pid.
func (p *pause) start() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		process, err := container.StartPause()
		if err != nil {
			return 0, err
		}
		p.process = process
	}
	return p.process.PID(), nil
}

// pid is the process's; 0 without one.
func (p *pause) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return 0
	}
	return p.process.PID()
}

// end ends the process, if there is one.
func (p *pause) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return nil
	}
	err := p.process.End()
	p.process = nil
	return err
}
