// Package container knows the life of one container on the host's side: its
// states, its hooks, its console, and the shims that stand for its processes.
package container

import (
	"errors"
	"fmt"
	"slices"
)

// Status is a container's state as the OCI runtime-spec names it, and "paused"
// as runc does.
type Status string

// The states of a container.
const (
	Creating Status = "creating"
	Created  Status = "created"
	Running  Status = "running"
	Paused   Status = "paused"
	Stopped  Status = "stopped"
)

// Operation is something that a state may forbid.
type Operation string

// The operations on a container.
const (
	Start  Operation = "start"
	Exec   Operation = "exec in"
	Kill   Operation = "kill"
	Pause  Operation = "pause"
	Resume Operation = "resume"
	Delete Operation = "delete"
	Update Operation = "update"
	Stats  Operation = "read the statistics of"
	List   Operation = "list the processes of"
	Resize Operation = "resize the terminal of"
)

// allowed is the state machine: the states in which each operation may begin.
var allowed = map[Operation][]Status{
	Start:  {Created},
	Exec:   {Created, Running, Paused},
	Kill:   {Created, Running, Paused},
	Pause:  {Created, Running},
	Resume: {Paused},
	Delete: {Stopped},
	Update: {Created, Running, Paused},
	Stats:  {Created, Running, Paused},
	List:   {Created, Running, Paused, Stopped},
	Resize: {Created, Running, Paused},
}

// ErrState is in every error about an operation that the state forbids.
var ErrState = errors.New("the state forbids it")

// Check answers an ErrState that names the state if it forbids the operation.
func (s Status) Check(op Operation) error {
	if slices.Contains(allowed[op], s) {
		return nil
	}
	return &stateError{op, s}
}

type stateError struct {
	op     Operation
	status Status
}

func (e *stateError) Error() string {
	return fmt.Sprintf("cannot %s a container in the state %s", e.op, e.status)
}

func (e *stateError) Is(target error) bool { return target == ErrState }
