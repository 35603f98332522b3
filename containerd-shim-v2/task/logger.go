package task

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// loggerReady is how long a logger may take to say that it is ready.
	loggerReady = 10 * time.Second
	// loggerEnd is how long it may take to write what it has after the outputs'
	// end, and then as long again after SIGTERM.
	loggerEnd = 5 * time.Second
)

// logger is a program that the engine has named to take a process's outputs:
// "binary:///PROGRAM?ARGUMENT=ARGUMENT". It reads standard output at descriptor
// 3 and standard error at 4, and closes 5 when it is ready (containerd,
// core/runtime/v2/README.md, "Logging").
type logger struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// startLogger answers the ends of the pipes that are ours, too, once the
// program is ready.
func startLogger(uri, id, namespace string) (_ *logger, stdout, stderr *os.File, err error) {
	u, err := url.Parse(uri)
	if err == nil && !filepath.IsAbs(u.Path) {
		err = errors.New("the program's path must be absolute")
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("standard output %s: %w", uri, err)
	}
	var theirs, ours []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	defer func() {
		closeAll(theirs)
		if err != nil {
			closeAll(ours)
		}
	}()
	for range 2 {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil, nil, err
		}
		theirs, ours = append(theirs, r), append(ours, w)
	}
	ready, w, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	theirs = append(theirs, w)
	defer ready.Close()
	l := &logger{cmd: exec.Command(u.Path, arguments(u.RawQuery)...), done: make(chan struct{})}
	l.cmd.Env = []string{"CONTAINER_ID=" + id, "CONTAINER_NAMESPACE=" + namespace, "PATH=" + os.Getenv("PATH")}
	l.cmd.ExtraFiles = theirs
	if err := l.cmd.Start(); err != nil {
		return nil, nil, nil, fmt.Errorf("start the logger: %w", err)
	}
	go func() {
		defer close(l.done)
		_ = l.cmd.Wait() // its exit code means nothing to anybody
	}()
	w.Close() // so that its end is the end of ready
	err = ready.SetReadDeadline(time.Now().Add(loggerReady))
	if err == nil {
		if _, err = ready.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		_ = l.cmd.Process.Kill()
		<-l.done
		return nil, nil, nil, fmt.Errorf("logger %s does not get ready: %w", u.Path, err)
	}
	return l, ours[0], ours[1], nil
}

// arguments are the keys and values of a query, in its order.
func arguments(query string) []string {
	var args []string
	for _, pair := range strings.Split(query, "&") {
		if pair == "" {
			continue
		}
		key, value, has := strings.Cut(pair, "=")
		args = append(args, unescape(key))
		if has {
			args = append(args, unescape(value))
		}
	}
	return args
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// end waits for the program's end, which our closing of the pipes brings, and
// helps a program that does not see it.
func (l *logger) end() {
	for _, sig := range []os.Signal{unix.SIGTERM, unix.SIGKILL} {
		select {
		case <-l.done:
			return
		case <-time.After(loggerEnd):
			_ = l.cmd.Process.Signal(sig) // it may have ended just now
		}
	}
	<-l.done
}
