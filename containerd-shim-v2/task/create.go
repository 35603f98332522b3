package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"github.com/containerd/containerd/api/types/runtimeoptions/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kata-go/kata-runtime/config"
	"github.com/kata-go/kata-runtime/internal/undo"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/shim/relay"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

// Create makes a container, with a VM if it is the pod's first.
func (s *Service) Create(ctx context.Context, r *taskapi.CreateTaskRequest) (_ *taskapi.CreateTaskResponse, err error) {
	if r.Checkpoint != "" || r.ParentCheckpoint != "" {
		return s.refuseCheckpoint(ctx)
	}
	// The call's context ends with containerd's connection; a creation goes on
	// then, until containerd says that it has given it up.
	ctx, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	t := &task{
		id: r.ID, bundle: r.Bundle, execs: map[string]*process{}, abort: abort, gone: make(chan struct{}),
		init: newProcess("", streams{r.Terminal, r.Stdin, r.Stdout, r.Stderr}),
	}
	if err := s.reserve(t); err != nil {
		return nil, answer(err)
	}
	var done undo.List
	done.Add("forget the container", func() error { s.forget(t); return nil })
	defer func() {
		if err == nil {
			return
		}
		if undone := done.Run(); undone != nil {
			err = fmt.Errorf("%w; clean up after it: %w", err, undone)
		}
		err = answer(err)
	}()
	if err := mountRootfs(t.bundle, r.Rootfs); err != nil {
		return nil, err
	}
	done.Add("unmount the root file system", func() error { return UnmountRootfs(t.bundle) })
	bundle, err := oci.Load(t.bundle)
	if err != nil {
		return nil, err
	}
	role, _, err := oci.RoleOf(bundle.Spec)
	if err != nil {
		return nil, err
	}
	t.infra = role == oci.Infra
	if t.host, err = s.newHost(bundle, r.Options); err != nil {
		return nil, err
	}
	if t.init.io, err = openStdio(t.init.streams, t.id, s.Events.namespace); err != nil {
		return nil, err
	}
	done.Add("close the streams", func() error { t.init.io.close(); return nil })
	_, err = t.host.Create(ctx, &sandbox.CreateRequest{
		ID: t.id, Bundle: bundle, Publish: t.init.setPID,
		Attach: func(agent, _ string) error {
			s.forward(t, bundle, agent)
			if role != oci.Member {
				s.keepClock(t, agent)
			}
			t.init.attach(&relay.Relay{Agent: agent, Container: t.id, OOMKilled: func() { s.oomKilled(t) }, Log: s.Log}, func() { s.ended(t) })
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	done.Add("delete the container", func() error { return t.host.Delete(context.Background(), t.id, true) })
	if err := s.made(t); err != nil {
		return nil, err
	}
	s.Events.send(&events.TaskCreate{
		ContainerID: t.id, Bundle: t.bundle, Rootfs: r.Rootfs, Pid: uint32(t.init.getPID()),
		IO: &events.TaskIO{Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr, Terminal: r.Terminal},
	})
	if role != oci.Member {
		go s.watchOOM(t)
	}
	return &taskapi.CreateTaskResponse{Pid: uint32(t.init.getPID())}, nil
}

func (s *Service) refuseCheckpoint(ctx context.Context) (*taskapi.CreateTaskResponse, error) {
	_, err := s.Checkpoint(ctx, nil)
	return nil, err
}

// newHost answers the host by the configuration: the one that the runtime's
// options name, or the usual one.
func (s *Service) newHost(bundle *oci.Bundle, options *anypb.Any) (*sandbox.Host, error) {
	path, err := configPath(options)
	if err != nil {
		return nil, err
	}
	if path == "" {
		path = s.ConfigFile
	}
	c, origins, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	for _, warning := range origins.Warnings {
		s.Log.Warn(warning)
	}
	if c, err = config.ApplyAnnotations(c, bundle.Spec.Annotations); err != nil {
		return nil, err
	}
	settings := c.Sandbox()
	// containerd's CRI plugin writes systemd's form for a parent that is a slice,
	// and tells only runc whether that is meant so.
	settings.SystemdCgroup = strings.Count(bundle.Spec.Linux.CgroupsPath, ":") == 2 && hasSystemd()
	runtime := kataRuntime()
	if runtime != "" {
		settings.Serve = []string{runtime, "--kata-config", path}
	}
	host, err := sandbox.NewHost(s.Root, settings, s.Log)
	if err == nil && runtime != "" {
		host.Command(runtime, "--root", s.Root)
	}
	return host, err
}

// kataRuntime is the path of kata-runtime, which is installed beside this program;
// empty if it is not there.
func kataRuntime() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	runtime := filepath.Join(filepath.Dir(self), "kata-runtime")
	if info, err := os.Stat(runtime); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return runtime
}

// hasSystemd tells whether systemd is this host's init: sd_booted(3).
func hasSystemd() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// configPath reads ConfigPath of the runtime's options; "" without options.
func configPath(options *anypb.Any) (string, error) {
	if options == nil || !strings.HasSuffix(options.TypeUrl, "runtimeoptions.v1.Options") {
		return "", nil
	}
	o := new(runtimeoptions.Options)
	if err := proto.Unmarshal(options.Value, o); err != nil {
		return "", fmt.Errorf("runtime options: %w", err)
	}
	if o.ConfigPath != "" && !filepath.IsAbs(o.ConfigPath) {
		return "", fmt.Errorf("runtime options: ConfigPath %q is not an absolute path", o.ConfigPath)
	}
	return o.ConfigPath, nil
}

// watchOOM tells containerd of OOM kills in the pod until its VM ends.
func (s *Service) watchOOM(t *task) {
	err := t.host.OOMs(context.Background(), t.id, s.has, func(id string) {
		if t, err := s.find(id); err == nil {
			s.oomHeard(t)
		}
	})
	s.Log.Debug("no more events of the guest", "sandbox", t.id, "error", err)
}

// ended is told of the end of a container's init process.
func (s *Service) ended(t *task) {
	if err := t.host.Ended(t.id); errors.Is(err, sandbox.ErrNotExist) {
		s.Log.Debug("the container is gone", "id", t.id)
	} else if err != nil {
		s.Log.Warn("the container's end could not be written down: its deletion tries again", "id", t.id, "error", err)
	}
	s.exited(t, t.init)
}
