package service

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/copyfile"
	"github.com/kata-go/kata-runtime/agent/machine"
	"github.com/kata-go/kata-runtime/agent/network"
	"github.com/kata-go/kata-runtime/agent/process"
	"github.com/kata-go/kata-runtime/agent/storage"
)

// statusOf gives an error its gRPC code, and makes one line of it.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	return status.Error(codeOf(err), strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool {
		return r == '\n' || r == '\r'
	}), "; "))
}

func codeOf(err error) codes.Code {
	for _, known := range []struct {
		err  error
		code codes.Code
	}{
		{container.ErrInvalid, codes.InvalidArgument},
		{container.ErrState, codes.FailedPrecondition},
		{container.ErrNotFound, codes.NotFound},
		{container.ErrExists, codes.AlreadyExists},
		{process.ErrEnded, codes.NotFound},
		{process.ErrNoTerminal, codes.FailedPrecondition},
		{process.ErrNoStream, codes.FailedPrecondition},
		{wire.ErrVersion, codes.FailedPrecondition},
		{storage.ErrInvalid, codes.InvalidArgument},
		{storage.ErrNotFound, codes.NotFound},
		{storage.ErrExists, codes.AlreadyExists},
		{storage.ErrInUse, codes.FailedPrecondition},
		{network.ErrInvalid, codes.InvalidArgument},
		{network.ErrNotFound, codes.NotFound},
		{machine.ErrInvalid, codes.InvalidArgument},
		{copyfile.ErrInvalid, codes.InvalidArgument},
		{errors.ErrUnsupported, codes.Unimplemented},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return codes.Internal
}

// checkID answers InvalidArgument with the name of the field.
func checkID(field, id string) error {
	if err := wire.ValidID(id); err != nil {
		return status.Errorf(codes.InvalidArgument, "%s: %v", field, err)
	}
	return nil
}
