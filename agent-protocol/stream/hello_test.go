package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

func TestHelloThatIsRefused(t *testing.T) {
	for name, hello := range map[string]*agentpb.StreamHello{
		"no container": {Stream: agentpb.Stream_STDIN},
		"a path":       {ContainerId: "../x", Stream: agentpb.Stream_STDIN},
		"bad exec":     {ContainerId: "c", ExecId: "a/b", Stream: agentpb.Stream_STDIN},
		"no stream":    {ContainerId: "c"},
		"what stream":  {ContainerId: "c", Stream: 9},
	} {
		var sent bytes.Buffer
		if err := writeHello(&sent, hello); err != nil {
			t.Fatal(err)
		}
		sent.Next(len(Magic))
		if got, err := ReadHello(&sent); err == nil {
			t.Errorf("%s: taken: %v", name, got)
		}
	}
}

func TestRefuseCarriesCodeAndMessage(t *testing.T) {
	var sent bytes.Buffer
	if err := Refuse(&sent, call.Errorf(call.NotFound, "no\ncontainer\xff x")); err != nil {
		t.Fatal(err)
	}
	_, err := readWelcome(&sent, hello(agentpb.Stream_STDIN, 0))
	if call.CodeOf(err) != call.NotFound || err.Error() != "no container? x" {
		t.Errorf("got %v", err)
	}
	if err := Refuse(&sent, errors.New(strings.Repeat("ä", 10000))); err != nil {
		t.Fatal(err)
	}
	_, err = readWelcome(&sent, hello(agentpb.Stream_STDIN, 0))
	if call.CodeOf(err) != call.Unknown || len(err.Error()) < 1000 {
		t.Errorf("got %v", err)
	}
}

func TestWelcomeIsNotTrusted(t *testing.T) {
	for name, welcome := range map[string]*agentpb.StreamWelcome{
		"no window":   {},
		"huge window": {Window: MaxWindow + 1},
		"huge offset": {Window: 1, Offset: 1 << 63},
		"goes back":   {Window: 1, Offset: 4},
	} {
		var sent bytes.Buffer
		if err := writeWelcome(&sent, welcome); err != nil {
			t.Fatal(err)
		}
		if _, err := readWelcome(&sent, hello(agentpb.Stream_STDOUT, 5)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readWelcome(bytes.NewReader([]byte{0, 0, 0x10, 1}), hello(agentpb.Stream_STDIN, 0)); !errors.Is(err, ErrProtocol) {
		t.Errorf("too long: %v", err)
	}
}

func FuzzReadHello(f *testing.F) {
	var sent bytes.Buffer
	if err := writeHello(&sent, hello(agentpb.Stream_STDOUT, 7)); err != nil {
		f.Fatal(err)
	}
	f.Add(sent.Bytes()[len(Magic):])
	f.Add([]byte{0, 0, 0x10, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadHello(bytes.NewReader(data))
		if err != nil {
			return
		}
		// What is taken can be sent again and means the same.
		var again bytes.Buffer
		if err := writeHello(&again, got); err != nil {
			t.Fatal(err)
		}
		again.Next(len(Magic))
		second, err := ReadHello(&again)
		if err != nil || *second != *got {
			t.Errorf("%v became %v, %v", got, second, err)
		}
	})
}

func FuzzReadWelcome(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 0x20, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		welcome, err := readWelcome(bytes.NewReader(data), hello(agentpb.Stream_STDOUT, 3))
		if err == nil && (welcome.Window == 0 || welcome.Window > MaxWindow || welcome.Offset < 3 || welcome.Code != 0) {
			t.Errorf("taken: %v", welcome)
		}
	})
}

func FuzzPositions(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 5}, uint64(3), uint64(9))
	f.Add(bytes.Repeat([]byte{0xff}, 8), uint64(0), uint64(refused))
	f.Fuzz(func(t *testing.T, data []byte, low, high uint64) {
		position, err := readPosition(bytes.NewReader(data))
		if err != nil {
			return
		}
		if position != binary.BigEndian.Uint64(data) || position == refused {
			t.Errorf("read %d of %v", position, data)
		}
		if ok := checkPosition(position, low, high) == nil; ok != (low <= position && position <= high) {
			t.Errorf("%d in %d to %d: %v", position, low, high, ok)
		}
	})
}
