package task

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kata-go/kata-runtime/config"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
	"github.com/kata-go/kata-runtime/virtcontainers/volume"
)

// answer gives an error the code by which containerd decides.
func answer(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	code := codes.Unknown
	var annotation *config.AnnotationError
	switch {
	case errors.Is(err, sandbox.ErrNotExist), errors.Is(err, sandbox.ErrEnded):
		code = codes.NotFound
	case errors.Is(err, state.ErrExist):
		code = codes.AlreadyExists
	case errors.Is(err, sandbox.ErrNoResources):
		code = codes.ResourceExhausted
	case errors.Is(err, container.ErrState):
		code = codes.FailedPrecondition
	case errors.Is(err, config.ErrForbidden):
		code = codes.PermissionDenied
	case errors.As(err, &annotation), errors.Is(err, volume.ErrInvalid), errors.Is(err, share.ErrUnsupportedFile):
		code = codes.InvalidArgument
	}
	return status.Error(code, err.Error())
}

func notFound(format string, args ...any) error {
	return status.Errorf(codes.NotFound, format, args...)
}
