package service

import (
	"context"
	"errors"
	"strings"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/copyfile"
	"github.com/kata-go/kata-runtime/agent/machine"
	"github.com/kata-go/kata-runtime/agent/network"
	"github.com/kata-go/kata-runtime/agent/process"
	"github.com/kata-go/kata-runtime/agent/storage"
)

// coded gives an error its code, and makes one line of it.
func coded(err error) error {
	if err == nil {
		return nil
	}
	code := call.CodeOf(err)
	if code == call.Unknown {
		code = codeOf(err)
	}
	return &call.Error{Code: code, Text: strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool {
		return r == '\n' || r == '\r'
	}), "; ")}
}

func codeOf(err error) call.Code {
	for _, known := range []struct {
		err  error
		code call.Code
	}{
		{container.ErrInvalid, call.InvalidArgument},
		{container.ErrState, call.FailedPrecondition},
		{container.ErrNotFound, call.NotFound},
		{container.ErrExists, call.AlreadyExists},
		{process.ErrEnded, call.NotFound},
		{process.ErrNoTerminal, call.FailedPrecondition},
		{process.ErrNoStream, call.FailedPrecondition},
		{wire.ErrVersion, call.FailedPrecondition},
		{storage.ErrInvalid, call.InvalidArgument},
		{storage.ErrNotFound, call.NotFound},
		{storage.ErrExists, call.AlreadyExists},
		{storage.ErrInUse, call.FailedPrecondition},
		{network.ErrInvalid, call.InvalidArgument},
		{network.ErrNotFound, call.NotFound},
		{machine.ErrInvalid, call.InvalidArgument},
		{machine.ErrNoHugePages, call.ResourceExhausted},
		{copyfile.ErrInvalid, call.InvalidArgument},
		{errors.ErrUnsupported, call.Unimplemented},
		{context.Canceled, call.Canceled},
		{context.DeadlineExceeded, call.DeadlineExceeded},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return call.Internal
}

// checkID answers InvalidArgument with the name of the field.
func checkID(field, id string) error {
	if err := wire.ValidID(id); err != nil {
		return call.Errorf(call.InvalidArgument, "%s: %v", field, err)
	}
	return nil
}
