package task

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kata-go/kata-runtime/config"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
	"github.com/kata-go/kata-runtime/virtcontainers/volume"
)

func TestAnswer(t *testing.T) {
	for want, err := range map[codes.Code]error{
		codes.OK: nil, codes.Unknown: errors.New("x"), codes.InvalidArgument: status.Error(codes.InvalidArgument, "x"),
		codes.NotFound: sandbox.ErrNotExist, codes.AlreadyExists: state.ErrExist,
		codes.FailedPrecondition: container.ErrState, codes.ResourceExhausted: sandbox.ErrNoResources,
		codes.PermissionDenied: config.ErrForbidden,
	} {
		if err != nil && want != codes.InvalidArgument {
			err = fmt.Errorf("update container x: %w", err)
		}
		if got := status.Code(answer(err)); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
	_, unknown := config.ApplyAnnotations(new(config.Config), map[string]string{config.AnnotationPrefix + "hypervisor.no_such": "1"})
	for _, err := range []error{unknown, volume.ErrInvalid, share.ErrUnsupportedFile} {
		if got := status.Code(answer(fmt.Errorf("create: %w", err))); got != codes.InvalidArgument {
			t.Errorf("%v: %v", err, got)
		}
	}
}
