package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// files is a Maker of things that are files: what the pool does with them is
// the same. The tests with real virtual machines are in tests/integration.
type files struct {
	dir string

	mu     sync.Mutex
	key    string
	broken error
	made   int
	gone   map[string]chan struct{}
	owners map[string]string
}

func newFiles(t *testing.T) *files {
	return &files{dir: t.TempDir(), key: "k1", gone: map[string]chan struct{}{}, owners: map[string]string{}}
}

func (f *files) Key() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.key, nil
}

func (f *files) Make(ctx context.Context) (*VM, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return nil, f.broken
	}
	f.made++
	name := fmt.Sprint("vm", f.made)
	file, err := os.Create(filepath.Join(f.dir, name))
	if err != nil {
		return nil, err
	}
	if _, err := file.WriteString(name); err != nil {
		return nil, err
	}
	f.gone[name] = make(chan struct{})
	told, err := json.Marshal(name)
	return &VM{Name: name, Key: f.key, Told: told, Files: []*os.File{file}, Gone: f.gone[name]}, err
}

func (f *files) Give(vm *VM, owner string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owners[vm.Name] = owner
	return nil
}

func (f *files) End(vm *VM) error { return os.Remove(filepath.Join(f.dir, vm.Name)) }

func (f *files) owner(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.owners[name]
}

func (f *files) left(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// served begins to serve and answers what ends it and waits.
func served(t *testing.T, maker Maker, want int) (Place, func()) {
	t.Helper()
	p := Place{Endpoint: filepath.Join(t.TempDir(), "run", "cache.sock")}
	lock, err := p.Lock()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	listening, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- Serve(ctx, p, maker, want, quiet(), func() { close(listening) }) }()
	var once sync.Once
	end := func() {
		once.Do(func() {
			cancel()
			if err := errors.Join(<-ended, p.Remove(lock)); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(end)
	<-listening
	return p, end
}

func full(t *testing.T, p Place, ready int) *Status {
	t.Helper()
	s, err := p.Settle(deadline(t))
	if err != nil || s.Ready != ready || s.Booting != 0 {
		t.Fatalf("settled as %+v, %v, want %d ready", s, err, ready)
	}
	return s
}

func TestHandsOutRefillsAndDrains(t *testing.T) {
	maker := newFiles(t)
	p, end := served(t, maker, 3)
	full(t, p, 3)
	handed, err := p.Take(deadline(t), "k1", "/root/sandboxes/a")
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if err := json.Unmarshal(handed.Told, &name); err != nil || len(handed.Files) != 1 {
		t.Fatalf("got %s with %d files: %v", handed.Told, len(handed.Files), err)
	}
	content := make([]byte, 10)
	if n, _ := handed.Files[0].ReadAt(content, 0); string(content[:n]) != name {
		t.Errorf("the file holds %q, want %q", content[:n], name)
	}
	// None is made in its place while its taker is not through.
	if s, err := p.Status(deadline(t)); err != nil || s.Ready != 2 || s.Booting != 0 {
		t.Errorf("while the taker starts: %+v, %v", s, err)
	}
	handed.Close()
	if owner := maker.owner(name); owner != "/root/sandboxes/a" {
		t.Errorf("its owner is %q", owner)
	}
	if s := full(t, p, 3); s.Handed != 1 || s.Wanted != 3 || s.PID != os.Getpid() {
		t.Errorf("status %+v", s)
	}
	end()
	if left := maker.left(t); len(left) != 1 || left[0] != name {
		t.Errorf("left after the drain: %v, want %s alone", left, name)
	}
	for _, path := range []string{p.Endpoint, p.lock()} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	if _, err := p.Take(deadline(t), "k1", "/o"); !errors.Is(err, ErrNotServed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestManyAtOnceGetOneEach(t *testing.T) {
	maker := newFiles(t)
	p, _ := served(t, maker, 4)
	full(t, p, 4)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			handed, err := p.Take(deadline(t), "k1", fmt.Sprint("/sandboxes/", i))
			if err == nil {
				handed.Close()
			} else if !errors.Is(err, ErrNone) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s := full(t, p, 4)
	maker.mu.Lock()
	defer maker.mu.Unlock()
	if s.Handed < 4 || s.Handed != len(maker.owners) {
		t.Errorf("%d handed out, %d have an owner", s.Handed, len(maker.owners))
	}
}

func TestOtherSettingsAndStaleOnes(t *testing.T) {
	maker := newFiles(t)
	p, _ := served(t, maker, 2)
	full(t, p, 2)
	if _, err := p.Take(deadline(t), "other", "/o"); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), "2 ready") {
		t.Errorf("another key: %v", err)
	}
	full(t, p, 2)
	// The files behind the key have changed: what is ready makes room.
	maker.mu.Lock()
	maker.key = "k2"
	maker.mu.Unlock()
	if _, err := p.Take(deadline(t), "k2", "/o"); !errors.Is(err, ErrNone) {
		t.Errorf("before the new ones are there: %v", err)
	}
	full(t, p, 2)
	handed, err := p.Take(deadline(t), "k2", "/o")
	if err != nil {
		t.Fatal(err)
	}
	handed.Close()
	full(t, p, 2)
	if left := maker.left(t); len(left) != 3 {
		t.Errorf("there are %v, want the one that was taken and two", left)
	}
}

// Nothing is tried again and again; a request tries again.
func TestWhatCannotBeMade(t *testing.T) {
	maker := newFiles(t)
	maker.broken = errors.New("no luck")
	p, _ := served(t, maker, 2)
	if s := full(t, p, 0); s.Failed != "no luck" {
		t.Errorf("status %+v", s)
	}
	maker.mu.Lock()
	maker.broken = nil
	maker.mu.Unlock()
	if s := full(t, p, 0); s.Failed == "" {
		t.Error("it was made without a request")
	}
	if _, err := p.Take(deadline(t), "k1", "/o"); !errors.Is(err, ErrNone) {
		t.Errorf("Take = %v", err)
	}
	if s := full(t, p, 2); s.Failed != "" {
		t.Errorf("status %+v", s)
	}
}

func TestOneThatEndsIsReplaced(t *testing.T) {
	maker := newFiles(t)
	p, _ := served(t, maker, 1)
	full(t, p, 1)
	maker.mu.Lock()
	close(maker.gone["vm1"])
	maker.mu.Unlock()
	for {
		// It takes a moment until the pool has seen it.
		s, err := p.Settle(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		maker.mu.Lock()
		made := maker.made
		maker.mu.Unlock()
		if made == 2 && s.Ready == 1 {
			break
		}
	}
	handed, err := p.Take(deadline(t), "k1", "/o")
	if err != nil {
		t.Fatal(err)
	}
	defer handed.Close()
	if string(handed.Told) != `"vm2"` {
		t.Errorf("got %s", handed.Told)
	}
}

// What a client does not get is ended: nobody else may ever have it.
func TestClientThatIsGone(t *testing.T) {
	maker := newFiles(t)
	pool := newPool(maker, 1, quiet())
	defer pool.Drain()
	pool.Settled(deadline(t))
	if err := pool.take("k1", "/o", func(*VM) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("take = %v", err)
	}
	if _, err := os.Lstat(filepath.Join(maker.dir, "vm1")); err == nil {
		t.Error("it is still there")
	}
}

func TestNonsense(t *testing.T) {
	maker := newFiles(t)
	p, _ := served(t, maker, 1)
	for _, line := range []string{"{\n", "[]\n", `{"do":"dance"}` + "\n"} {
		conn, err := sock.Dial(deadline(t), p.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		conn.CloseWrite()
		if _, err := io.ReadAll(conn); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
	full(t, p, 1)
}

// A server that goes away without an answer is as none.
func TestServerThatIsGone(t *testing.T) {
	p := Place{Endpoint: filepath.Join(t.TempDir(), "cache.sock")}
	for name, answer := range map[string]func(*net.UnixConn){
		"end":   func(conn *net.UnixConn) { io.Copy(io.Discard, io.LimitReader(conn, 10)); conn.Close() },
		"reset": func(conn *net.UnixConn) { conn.Close() },
		"half":  func(conn *net.UnixConn) { conn.Write([]byte("{")); conn.Close() },
	} {
		os.Remove(p.Endpoint)
		l, err := sock.Listen(p.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if conn, err := l.AcceptUnix(); err == nil {
				answer(conn)
			}
		}()
		if _, err := p.Take(deadline(t), "k", "/o"); !errors.Is(err, ErrNotServed) {
			t.Errorf("%s: Take = %v", name, err)
		}
		l.Close()
	}
}

// One who says stop when all others who did have heard is not forgotten.
func TestStopAfterTheFarewell(t *testing.T) {
	here, there := pair(t)
	s := &server{pool: newPool(newFiles(t), 0, slog.New(slog.DiscardHandler)), stop: func() {}, log: slog.New(slog.DiscardHandler)}
	s.pool.Drain()
	s.farewell()
	if _, err := here.Write([]byte("{\"do\":\"stop\"}\n")); err != nil {
		t.Fatal(err)
	}
	if s.serve(deadline(t), there) {
		t.Error("the connection is through")
	}
	if err := here.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if r, _, err := receive(here); err != nil || r.Status == nil {
		t.Errorf("answer %+v, %v", r, err)
	}
}

// pair is two ends of one connection.
func pair(t *testing.T) (*net.UnixConn, *net.UnixConn) {
	path := filepath.Join(t.TempDir(), "pair.sock")
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	here, err := sock.Dial(deadline(t), path)
	if err != nil {
		t.Fatal(err)
	}
	there, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

func TestOneServerAtATime(t *testing.T) {
	p, end := served(t, newFiles(t), 1)
	if _, err := p.Lock(); !errors.Is(err, ErrBusy) {
		t.Errorf("Lock = %v", err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- p.Stop(deadline(t)) }()
	done := make(chan struct{})
	go func() { end(); close(done) }()
	lock, err := p.Wait(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	<-done
	// It comes before the server's end, or while it ends.
	if err := <-stopped; err != nil && !errors.Is(err, ErrNotServed) {
		t.Errorf("Stop = %v", err)
	}
	if err := p.Remove(lock); err != nil {
		t.Error(err)
	}
}
