// Package docker measures what a user of Docker waits for, through a private
// dockerd, with kata-runtime and with runc.
package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/kata-go/kata-runtime/tests/bench/lab"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
	"github.com/kata-go/kata-runtime/tests/bench/work"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
)

// scripts start and end the private dockerd; the tests use them, too. The
// benchmark runs from the repository's root.
const scripts = "tests/engines/docker/engine.bash"

// bridge is the address of the daemon's bridge there, in its own network namespace.
const bridge = "10.231.17.1"

// runtimes in Docker's names, and those of their samples.
var runtimes = []struct{ name, who string }{{"kata", "docker, kata"}, {"runc", "docker, runc"}}

// Part is the group "docker".
type Part struct {
	lab    *lab.Lab
	dir    string
	netns  *network.Namespace
	bytes  int64 // through exec
	stream int64 // through TCP
	echoes int
	able   bool
}

// Name, What: see lab.Part.
func (*Part) Name() string { return "docker" }
func (*Part) What() string { return "docker run, docker exec -i, a published port" }

// Prepare starts dockerd.
func (p *Part) Prepare(ctx context.Context, l *lab.Lab) error {
	p.lab, p.dir = l, filepath.Join(l.Dir, "d")
	p.bytes, p.stream, p.echoes = 100<<20, 256<<20, 1000
	if l.Few {
		p.bytes, p.stream, p.echoes = 4<<20, 8<<20, 20
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		l.LeaveOut("docker", err)
		return nil
	}
	if _, err := os.Stat(scripts); err != nil {
		l.LeaveOut("docker", fmt.Errorf("the benchmark does not run from the repository's root: %w", err))
		return nil
	}
	if _, err := work.Compile(ctx, filepath.Join(l.Dir, "docker-work")); err != nil {
		return err
	}
	l.AtEnd(func(ctx context.Context) error {
		if _, err := os.Stat(p.dir); err != nil {
			return nil // it never came up
		}
		return p.script(ctx, "stop_docker")
	})
	if err := p.script(ctx, "start_docker "+p.dir); err != nil {
		return err
	}
	var err error
	if p.netns, err = network.OpenNamespace(filepath.Join(p.dir, "netns")); err != nil {
		return err
	}
	l.AtEnd(func(context.Context) error { return p.netns.Close() })
	version, err := p.docker(ctx, nil, "version", "--format", "{{.Server.Version}}")
	if err != nil {
		return err
	}
	l.Result.Versions = append(l.Result.Versions, report.Version{Name: "Docker", Text: strings.TrimSpace(version)})
	for _, r := range runtimes {
		if _, err := p.docker(ctx, nil, "run", "--rm", "--runtime", r.name, "busybox", "true"); err != nil {
			return err
		}
	}
	p.able = true
	return nil
}

// script calls a function of the scripts.
func (p *Part) script(ctx context.Context, call string) error {
	log, err := os.CreateTemp(p.lab.Dir, "script-*")
	if err != nil {
		return err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	// As the tests call them: each says by its own status how it went.
	cmd := exec.CommandContext(ctx, "bash", "-c", ". "+scripts+"; "+call)
	cmd.Env = append(os.Environ(), "KATA_RUNTIME="+p.lab.Kata, "KATA_CONF_FILE="+lab.Config(p.lab.Guests[0].Peer), "DOCKER_DIR="+p.dir)
	// A file: the daemon keeps what it inherits open.
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w: %s", call, err, bytes.TrimSpace(said))
	}
	return nil
}

// deadline of one command.
const deadline = 3 * time.Minute

func (p *Part) docker(ctx context.Context, in io.Reader, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", append([]string{"--config", filepath.Join(p.dir, "client"), "-H", "unix://" + filepath.Join(p.dir, "docker.sock")}, args...)...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return out.String(), nil
}

// Measures: seconds, and bytes per second.
const (
	run     = "run"
	execIn  = "exec in"
	execOut = "exec out"
)

// Jobs: see lab.Part.
func (p *Part) Jobs() []turn.Job {
	if !p.able {
		return nil
	}
	var jobs []turn.Job
	for _, r := range runtimes {
		jobs = append(jobs,
			turn.Job{Name: r.who + ", run", Do: func(ctx context.Context, _ int) error { return p.run(ctx, r.name, r.who) }},
			turn.Job{Name: r.who + ", streams", Do: func(ctx context.Context, _ int) error { return p.streams(ctx, r.name, r.who) }},
			turn.Job{Name: r.who + ", port", Do: func(ctx context.Context, _ int) error { return p.published(ctx, r.name, r.who) }})
	}
	return jobs
}

func (p *Part) run(ctx context.Context, runtime, who string) error {
	start := time.Now()
	if _, err := p.docker(ctx, nil, "run", "--rm", "--runtime", runtime, "busybox", "true"); err != nil {
		return err
	}
	p.lab.Samples.Add(who, run, time.Since(start).Seconds())
	return nil
}

// box calls f while a container runs.
func (p *Part) box(ctx context.Context, args []string, f func(id string) error) (err error) {
	id, err := p.docker(ctx, nil, append([]string{"run", "-d"}, args...)...)
	if err != nil {
		return err
	}
	id = strings.TrimSpace(id)
	defer func() {
		_, end := p.docker(context.WithoutCancel(ctx), nil, "rm", "-f", id)
		err = errors.Join(err, end)
	}()
	return f(id)
}

func (p *Part) streams(ctx context.Context, runtime, who string) error {
	return p.box(ctx, []string{"--runtime", runtime, "busybox", "sleep", "100000"}, func(id string) error {
		start := time.Now()
		// dd, since busybox's wc and head look at each byte by itself: that takes an
		// emulated CPU longer than all the rest.
		said, err := p.docker(ctx, io.LimitReader(zeros{}, p.bytes), "exec", "-i", id, "sh", "-c", "dd of=/dev/null bs=64k iflag=fullblock 2>&1")
		if err != nil {
			return err
		}
		if !strings.HasPrefix(said, fmt.Sprintf("%d+0 records in\n", p.bytes>>16)) {
			return fmt.Errorf("%s: not all of %d bytes came in: %s", who, p.bytes, said)
		}
		p.lab.Samples.Add(who, execIn, float64(p.bytes)/time.Since(start).Seconds())
		start = time.Now()
		out, err := p.docker(ctx, nil, "exec", "-i", id, "dd", "if=/dev/zero", "bs=64k", fmt.Sprintf("count=%d", p.bytes>>16))
		if err != nil {
			return err
		}
		if int64(len(out)) != p.bytes {
			return fmt.Errorf("%s: %d bytes of %d came out", who, len(out), p.bytes)
		}
		p.lab.Samples.Add(who, execOut, float64(p.bytes)/time.Since(start).Seconds())
		return nil
	})
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// published measures TCP through a published port.
func (p *Part) published(ctx context.Context, runtime, who string) error {
	const port = "18080"
	args := []string{"--runtime", runtime, "-v", filepath.Join(p.lab.Dir, "docker-work") + ":/work:ro", "-p", port + ":5001", "busybox", "/work/work", "serve", "5001"}
	return p.box(ctx, args, func(id string) error {
		if err := p.ready(ctx, id); err != nil {
			return err
		}
		c := work.Client{Dial: func(ctx context.Context) (conn net.Conn, err error) {
			err = p.netns.Do(func() error {
				conn, err = new(net.Dialer).DialContext(ctx, "tcp4", net.JoinHostPort(bridge, port))
				return err
			})
			return conn, err
		}}
		return c.Sample(ctx, p.lab.Samples, who, p.stream, p.echoes)
	})
}

// ready follows the container's log until its program listens.
func (p *Part) ready(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", "-H", "unix://"+filepath.Join(p.dir, "docker.sock"), "logs", "-f", id)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	err = work.Ready(out)
	cancel()
	_ = cmd.Wait() // says that it was ended
	return err
}

// Show: see lab.Part.
func (p *Part) Show(s *series.Set) ([]report.Target, []report.Table, []report.Plot) {
	t := report.Table{Title: "Docker", Head: []string{"median (min–max)", "kata", "runc", "ratio"}}
	for _, m := range []struct {
		measure, what string
		show          report.Show
	}{
		{run, "`docker run --rm busybox true`, ms", report.MS},
		{execIn, "100 MiB into `docker exec -i`, MiB/s", report.Rate},
		{execOut, "100 MiB out of `docker exec -i`, MiB/s", report.Rate},
		{work.TCPIn, "TCP into a published port, MiB/s", report.Rate},
		{work.TCPOut, "TCP out of it, MiB/s", report.Rate},
		{work.TCPEcho, "a byte there and back, ms", report.MS},
	} {
		if _, there := s.Of(runtimes[0].who, m.measure); there {
			t.Add(m.what, report.Cell(s, runtimes[0].who, m.measure, m.show), report.Cell(s, runtimes[1].who, m.measure, m.show),
				report.Ratio(s, series.Key{Peer: runtimes[0].who, Measure: m.measure}, series.Key{Peer: runtimes[1].who, Measure: m.measure}))
		}
	}
	return nil, []report.Table{t}, nil
}
