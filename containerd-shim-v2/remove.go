package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/kata-go/kata-runtime/containerd-shim-v2/task"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

// removeTimeout bounds the removal: containerd gives this program five seconds
// and kills it then (io.containerd.timeout.shim.cleanup), and nobody would come
// back for what is left.
const removeTimeout = 4500 * time.Millisecond

// remove takes away all that is left of a container whose service is gone, and
// prints how it ended: as by SIGKILL. Nothing left is no error.
func remove(o *options, out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	host, err := sandbox.NewHost(o.root(), nil, log)
	if err != nil {
		return err
	}
	if err := host.Delete(ctx, o.id, true); err != nil {
		return err
	}
	if err := task.UnmountRootfs(o.bundle); err != nil {
		return err
	}
	if socket := socketPath(o.address, o.namespace, o.id); alive(socket) != nil {
		if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	data, err := proto.Marshal(&taskapi.DeleteResponse{
		ExitStatus: 128 + uint32(unix.SIGKILL), ExitedAt: timestamppb.Now(),
	})
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}
