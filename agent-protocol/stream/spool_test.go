package stream

import (
	"bytes"
	"math/rand"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// keeper drives a spool as an output and its session do, and keeps the same
// bytes in the plainest way.
type keeper struct {
	t     *testing.T
	spool spool
	want  []byte // from spool.start on
	next  int    // the next piece to send
	sent  uint64
	rnd   *rand.Rand
}

func (k *keeper) read(asked, got int) {
	pieces := k.spool.free(asked)
	total := 0
	for _, p := range pieces {
		n := min(len(p), got-total)
		k.rnd.Read(p[:n])
		k.want = append(k.want, p[:n]...)
		total += n
	}
	k.spool.grow(total)
}

func (k *keeper) send() {
	p, more := k.spool.take(k.next)
	if !more {
		return
	}
	k.next++
	data := p.block.data[p.from:p.to]
	from := int(k.sent - k.spool.start)
	if !bytes.Equal(data, k.want[from:from+len(data)]) {
		k.t.Fatalf("piece %d of %d bytes at %d is not what was printed", k.next-1, len(data), k.sent)
	}
	k.sent += uint64(len(data))
	// Headers are written before a piece and may spoil nothing.
	for i := p.from - headroom; i < p.from; i++ {
		p.block.data[i] = 0xee
	}
	k.spool.done(p)
}

func (k *keeper) forget(n int) {
	n = min(n, int(k.sent-k.spool.start))
	k.want = k.want[n:]
	k.spool.forget(k.spool.start + uint64(n))
}

// resume is another client that has got as far as was acknowledged.
func (k *keeper) resume() { k.next, k.sent = k.spool.first, k.spool.start }

func (k *keeper) check() {
	if k.spool.len() != len(k.want) {
		k.t.Fatalf("%d bytes are kept, want %d", k.spool.len(), len(k.want))
	}
	if k.spool.len() > k.spool.max {
		k.t.Fatalf("%d bytes are kept, at most %d may be", k.spool.len(), k.spool.max)
	}
	if most := piecesMax + k.spool.len()/pieceMin + DefaultWindow/blockMin; len(k.spool.pieces) > most {
		k.t.Fatalf("%d pieces for %d bytes", len(k.spool.pieces), k.spool.len())
	}
}

func TestSpool(t *testing.T) {
	k := &keeper{t: t, spool: spool{max: DefaultWindow}, rnd: rand.New(rand.NewSource(6))}
	for range 20000 {
		switch k.rnd.Intn(7) {
		case 0:
			k.read(blockMin-headroom, 1+k.rnd.Intn(40))
		case 1:
			k.read(1+k.rnd.Intn(blockMax), 1+k.rnd.Intn(blockMax))
		case 2:
			k.read(readMost, 1+k.rnd.Intn(readMost))
		case 3, 4:
			for range 20 {
				k.send()
			}
		case 5:
			k.forget(k.rnd.Intn(600_000))
		case 6:
			if k.rnd.Intn(20) == 0 {
				k.resume()
			}
		}
		k.check()
	}
	if k.spool.end < 100<<20 {
		t.Errorf("only %d bytes went through", k.spool.end)
	}
}

// A process that prints byte by byte to a client that takes none is held back
// before its frames cost more than its bytes, and goes on when some are taken.
func TestSpoolOfBytes(t *testing.T) {
	k := &keeper{t: t, spool: spool{max: DefaultWindow}, rnd: rand.New(rand.NewSource(7))}
	for k.spool.room() > 0 {
		k.read(blockMin-headroom, 1)
	}
	if n := len(k.spool.pieces); n < ackFrames || n > 2*piecesMax {
		t.Errorf("%d pieces", n)
	}
	for range ackFrames {
		k.send()
	}
	k.forget(ackFrames)
	if k.spool.room() == 0 {
		t.Error("no room after an acknowledgement")
	}
}

func FuzzSpool(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		k := &keeper{t: t, spool: spool{max: 64 << 10}, rnd: rand.New(rand.NewSource(8))}
		for _, b := range script {
			n := 1 << (b >> 4)
			switch b & 3 {
			case 0:
				k.read(n, n/2+1)
			case 1:
				k.send()
			case 2:
				k.forget(n)
			case 3:
				k.resume()
			}
			k.check()
		}
		k.spool.drop()
	})
}

// A stream of tiny frames goes on though no client acknowledges each of them.
func TestOutputByteByByte(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		o := NewOutput(DefaultWindow)
		data := random(5000)
		go func() {
			for i := range data {
				if _, err := o.Write(data[i : i+1]); err != nil {
					t.Error(err)
				}
			}
			o.Close()
		}()
		client, served := open(t, tr, hello(agentpb.Stream_STDOUT, 0), serveOutput(t.Context(), o))
		got := newSink()
		if err := client.CopyTo(got); err != nil {
			t.Fatal(err)
		}
		got.same(t, data)
		if err := wait(t, served); err != nil {
			t.Error(err)
		}
	})
}
