package vmtest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

const bulk = 50 << 20

// noise answers bytes that are the same each time.
func noise(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

func TestStreams(t *testing.T) {
	g := boot(t)
	g.sandbox()
	t.Run("both ways, byte for byte", func(t *testing.T) {
		g := g.in(t)
		g.must(g.create("cat", spec("cat")))
		g.start("cat")
		data := noise(bulk)
		in := g.attach("cat", "", agentpb.Stream_STDIN, 0)
		sent := make(chan error, 1)
		go func() { sent <- in.CopyFrom(bytes.NewReader(data)) }()
		sum := sha256.New()
		g.must(g.attach("cat", "", agentpb.Stream_STDOUT, 0).CopyTo(sum))
		g.must(<-sent)
		if want := sha256.Sum256(data); !bytes.Equal(sum.Sum(nil), want[:]) {
			t.Error("what came back is not what was sent")
		}
		if code := g.wait("cat", "").ExitCode; code != 0 {
			t.Errorf("code %d", code)
		}
		g.remove("cat")
	})
	t.Run("output without a client is kept", func(t *testing.T) {
		g := g.in(t)
		g.must(g.create("late", spec(shell("echo one; echo two >&2; sleep 1000 & exit 3")...)))
		g.start("late")
		if code := g.wait("late", "").ExitCode; code != 3 {
			t.Errorf("code %d", code)
		}
		// Twice: the first did not acknowledge the end, so to speak.
		for range 2 {
			client := g.attach("late", "", agentpb.Stream_STDOUT, 0)
			client.Close()
		}
		if out, errs := g.output("late", "", agentpb.Stream_STDOUT), g.output("late", "", agentpb.Stream_STDERR); out != "one\n" || errs != "two\n" {
			t.Errorf("stdout %q, stderr %q", out, errs)
		}
		g.remove("late")
	})
	t.Run("a flood blocks nobody else", func(t *testing.T) {
		g := g.in(t)
		g.must(g.create("flood", spec("yes")))
		g.start("flood")
		stuck := g.attach("flood", "", agentpb.Stream_STDOUT, 0) // and nobody reads it
		defer stuck.Close()
		out, code := g.run("calm", spec("echo", "calm"))
		if out != "calm\n" || code != 0 {
			t.Errorf("printed %q, code %d", out, code)
		}
		g.remove("flood")
	})
	// All through one port: each gets its own bytes, whatever the others do.
	t.Run("several at once, and one that nobody reads", func(t *testing.T) {
		g := g.in(t)
		g.must(g.create("deaf", spec("yes")))
		g.start("deaf")
		stuck := g.attach("deaf", "", agentpb.Stream_STDOUT, 0)
		defer stuck.Close()
		g.must(g.create("many", spec("sleep", "1000")))
		g.start("many")
		var group sync.WaitGroup
		for i := range 3 {
			id := fmt.Sprintf("cat%d", i)
			g.must(g.exec("many", id, process("cat")))
			// Of odd lengths, so that no frame ends where a page does.
			data := noise(bulk/4 + 4099*i)
			data[0] = byte(i)
			in, out := g.attach("many", id, agentpb.Stream_STDIN, 0), g.attach("many", id, agentpb.Stream_STDOUT, 0)
			group.Go(func() {
				if err := in.CopyFrom(bytes.NewReader(data)); err != nil {
					t.Error("stdin: ", err)
				}
			})
			group.Go(func() {
				sum := sha256.New()
				if err := out.CopyTo(sum); err != nil {
					t.Error("stdout: ", err)
				}
				if want := sha256.Sum256(data); !bytes.Equal(sum.Sum(nil), want[:]) {
					t.Errorf("%s: what came back is not what was sent", id)
				}
			})
		}
		group.Wait()
		for i := range 3 {
			if code := g.wait("many", fmt.Sprintf("cat%d", i)).ExitCode; code != 0 {
				t.Errorf("code %d", code)
			}
		}
		g.remove("many")
		g.remove("deaf")
	})
	t.Run("a reader that has had enough", func(t *testing.T) {
		g := g.in(t)
		g.must(g.create("head", spec("yes")))
		g.start("head")
		err := g.attach("head", "", agentpb.Stream_STDOUT, 0).CopyTo(&limited{left: 1 << 20})
		if !errors.Is(err, errEnough) {
			t.Errorf("CopyTo = %v", err)
		}
		// SIGPIPE ends it, as in a shell's pipe.
		if code := g.wait("head", "").ExitCode; code != 128+13 && code != 1 {
			t.Errorf("code %d", code)
		}
		g.remove("head")
	})
}

var errEnough = errors.New("enough")

type limited struct{ left int }

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errEnough
	}
	return len(p), nil
}

// broken keeps what comes until it breaks the client's connection.
type broken struct {
	bytes.Buffer
	after int
	do    func()
}

func (b *broken) Write(p []byte) (int, error) {
	n, _ := b.Buffer.Write(p)
	if b.after > 0 && b.Len() >= b.after {
		b.after = 0
		b.do()
	}
	return n, nil
}

// TestProxyVanishes kills the host's end of the port in the middle of streams:
// the next goes on with them where the first had got to.
func TestProxyVanishes(t *testing.T) {
	g := boot(t)
	g.sandbox()
	const lines = 100000
	g.must(g.create("talk", spec(shell("i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); done; read x; echo got $x; exit 5", lines)...)))
	g.start("talk")
	var all bytes.Buffer
	for range 5 {
		part := &broken{after: 150_000}
		client := g.attach("talk", "", agentpb.Stream_STDOUT, uint64(all.Len()))
		if client.Offset() != uint64(all.Len()) {
			t.Fatalf("resumed at %d, not at %d", client.Offset(), all.Len())
		}
		session := g.session
		part.do = func() { session.Close() }
		if err := client.CopyTo(part); err == nil {
			t.Fatal("the stream ended before its connection broke")
		}
		all.Write(part.Bytes())
		g.conn.Close()
		g.connect()
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := g.attach("talk", "", agentpb.Stream_STDIN, 0).CopyFrom(strings.NewReader("an answer\n")); err != nil && !errors.Is(err, io.EOF) {
			t.Error("stdin: ", err)
		}
	})
	if err := g.attach("talk", "", agentpb.Stream_STDOUT, uint64(all.Len())).CopyTo(&all); err != nil {
		t.Error(err)
	}
	wg.Wait()
	var want strings.Builder
	for i := range lines {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	want.WriteString("got an answer\n")
	if all.String() != want.String() {
		t.Errorf("%d bytes came, %d were printed", all.Len(), want.Len())
	}
	if code := g.wait("talk", "").ExitCode; code != 5 {
		t.Errorf("code %d", code)
	}
}
