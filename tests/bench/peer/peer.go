// Package peer drives OCI runtimes by their command line, as an engine does,
// and takes the time of each command.
package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/thread"
)

// deadline is for one command: far beyond what any takes that works, also on a
// machine that is busy, unless its container has much to do (Peer.Deadline).
const deadline = 4 * time.Minute

// Peer is one runtime.
type Peer struct {
	// Name in the report; Short is its form in ids and file names, if they differ.
	Name, Short string
	// Binary is the runtime's path, Args are those before the verb, Env is added
	// to our own environment.
	Binary    string
	Args, Env []string
	// Root is the runtime's state folder, Dir one of ours for its output.
	Root, Dir string
	// HideUnified runs it without the cgroup v2 hierarchy beside v1, which crun
	// 1.8 refuses.
	HideUnified bool
	// Deadline for one command; 0 for one that fits the verbs.
	Deadline time.Duration
}

// Result is how a command went.
type Result struct {
	// Start is when it was started, Wall the time from then until it had ended.
	Start time.Time
	Wall  time.Duration
	// Out is what it, and a process of the container that it left running, has
	// written to standard output by then.
	Out []byte
}

// Run runs a verb and waits for it. A code other than zero is an error that
// tells what the runtime said.
func (p *Peer) Run(ctx context.Context, args ...string) (Result, error) {
	limit := deadline
	if p.Deadline > 0 {
		limit = p.Deadline
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// Files, not pipes: the container's process keeps them open when the command
	// has ended.
	out, err := os.CreateTemp(p.Dir, "out-*")
	if err != nil {
		return Result{}, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	said, err := os.CreateTemp(p.Dir, "err-*")
	if err != nil {
		return Result{}, err
	}
	defer os.Remove(said.Name())
	defer said.Close()

	cmd := exec.CommandContext(ctx, p.Binary, append(p.arguments(), args...)...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr = out, said
	// It takes back by itself what it has begun.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	// A terminal's interrupt is ours to handle.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var r Result
	err = p.where(func() error {
		r.Start = time.Now()
		err := cmd.Run()
		r.Wall = time.Since(r.Start)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("%s %s: %w: %s", p.Name, strings.Join(args, " "), err, tail(said.Name()))
	}
	r.Out, err = os.ReadFile(out.Name())
	return r, err
}

func (p *Peer) arguments() []string {
	return append([]string{"--root", p.Root}, p.Args...)
}

// where calls f where the runtime can work.
func (p *Peer) where(f func() error) error {
	if !p.HideUnified {
		return f()
	}
	// A child inherits the mount namespace of the thread that starts it.
	return thread.Run(func() (bool, error) {
		if err := hideUnified(); err != nil {
			return false, err
		}
		return false, f()
	})
}

// unified is where systemd mounts cgroup v2 beside v1 (systemd, "hybrid").
const unified = "/sys/fs/cgroup/unified"

// HasUnified tells whether this host has both versions of cgroups.
func HasUnified() bool {
	info, err := os.Stat(unified)
	return err == nil && info.IsDir()
}

func hideUnified() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	if err := unix.Unmount(unified, 0); err != nil {
		return fmt.Errorf("unmount %s: %w", unified, err)
	}
	return nil
}

// Version answers the first line that "--version" prints.
func (p *Peer) Version(ctx context.Context) string { return Version(ctx, p.Binary) }

// Version answers the first line that a program prints for "--version".
func Version(ctx context.Context, binary string) string {
	return versionLine(ctx, binary, "")
}

// Commit answers what "--version" names as the commit that it was built from.
func (p *Peer) Commit(ctx context.Context) string {
	return strings.TrimPrefix(versionLine(ctx, p.Binary, "commit: "), "commit: ")
}

// versionLine answers the first line of "--version" that begins so.
func versionLine(ctx context.Context, binary, begin string) string {
	out, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return "unknown (" + err.Error() + ")"
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, begin) {
			return strings.TrimSpace(line)
		}
	}
	return "unknown"
}

// Clean removes every container that is left, running or not.
func (p *Peer) Clean(ctx context.Context) error {
	var failed []string
	ids, err := p.left()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := p.Run(ctx, "delete", "--force", id); err != nil {
			failed = append(failed, err.Error())
		}
	}
	// runsc keeps an empty network namespace mounted in its root.
	if err := unix.Unmount(filepath.Join(p.Root, "null-netns"), unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		failed = append(failed, fmt.Sprintf("null-netns: %v", err))
	}
	if len(failed) > 0 {
		return fmt.Errorf("left behind: %s", strings.Join(failed, "; "))
	}
	return nil
}

// left lists the ids under the root. kata-runtime keeps them in a folder of
// their own, runc and crun at the top, runsc in files ID_sandbox:ID.state.
func (p *Peer) left() ([]string, error) {
	for _, dir := range []string{filepath.Join(p.Root, "containers"), p.Root} {
		entries, err := os.ReadDir(dir)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, e := range entries {
			id, _, _ := strings.Cut(e.Name(), "_sandbox:")
			if strings.HasPrefix(id, IDPrefix) && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		return ids, nil
	}
	return nil, nil
}

func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	data = bytes.TrimSpace(data)
	if len(data) > 800 {
		data = append([]byte("…"), data[len(data)-800:]...)
	}
	return strings.ReplaceAll(string(data), "\n", "; ")
}
