package hypervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/internal/sock"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}` + "\r\n"

// serve plays QEMU: it greets, answers qmp_capabilities, and gives the rest to
// script.
func serve(t *testing.T, script func(conn *net.UnixConn, commands *json.Decoder)) (*qmpConn, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qmp.sock")
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := l.AcceptUnix()
		if err != nil {
			return
		}
		defer conn.Close()
		script(conn, json.NewDecoder(conn))
	}()
	conn, err := sock.Dial(testContext(t), path)
	if err != nil {
		t.Fatal(err)
	}
	return newQMP(testContext(t), conn)
}

type command struct {
	Execute string `json:"execute"`
	ID      uint64 `json:"id"`
}

func greet(conn io.Writer, commands *json.Decoder) {
	io.WriteString(conn, greeting)
	var c command
	if commands.Decode(&c) == nil && c.Execute == "qmp_capabilities" {
		fmt.Fprintf(conn, `{"return": {}, "id": %d}`+"\r\n", c.ID)
	}
}

func TestAnswersFindTheirCommands(t *testing.T) {
	q, err := serve(t, func(conn *net.UnixConn, commands *json.Decoder) {
		greet(conn, commands)
		var one, two command
		commands.Decode(&one)
		commands.Decode(&two)
		// Backwards, with an event, an unknown id, an unknown kind and a blank line.
		fmt.Fprintf(conn, "{\"timestamp\": {\"seconds\": 1}, \"event\": \"RESUME\"}\r\n\r\n{\"id\": 999, \"return\": 1}\n{\"what\": 1}\n{\"id\": %d, \"return\": %q}\n{\"id\": %d, \"return\": %q}\n",
			two.ID, two.Execute, one.ID, one.Execute)
		commands.Decode(&one)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer q.close()
	events, cancel := q.watch(1)
	defer cancel()
	errs := make(chan error)
	for _, name := range []string{"first", "second"} {
		go func() {
			var got string
			err := q.execute(testContext(t), name, nil, &got)
			if err == nil && got != name {
				err = fmt.Errorf("%s got the answer of %s", name, got)
			}
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if e := <-events; e.Name != "RESUME" {
		t.Errorf("event %+v", e)
	}
}

func TestRefusal(t *testing.T) {
	q, err := serve(t, func(conn *net.UnixConn, commands *json.Decoder) {
		greet(conn, commands)
		var c command
		commands.Decode(&c)
		fmt.Fprintf(conn, `{"id": %d, "error": {"class": "DeviceNotFound", "desc": "no such thing"}}`+"\n", c.ID)
		commands.Decode(&c)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer q.close()
	var refusal *QMPError
	if err := q.execute(testContext(t), "device_del", nil, nil); !errors.As(err, &refusal) || refusal.Class != "DeviceNotFound" {
		t.Errorf("%v", err)
	}
}

func TestBrokenPeers(t *testing.T) {
	for name, reply := range map[string]string{
		"gone":        "",
		"not JSON":    "\x00\x01{{{\n",
		"wrong kinds": `{"id": "x", "return": 1}` + "\n",
		"endless":     `{"event": "` + strings.Repeat("x", 2*qmpLineMax),
		"array":       "[1,2]\n",
	} {
		t.Run(name, func(t *testing.T) {
			q, err := serve(t, func(conn *net.UnixConn, commands *json.Decoder) {
				greet(conn, commands)
				var c command
				commands.Decode(&c)
				io.WriteString(conn, reply)
			})
			if err != nil {
				t.Fatal(err)
			}
			defer q.close()
			events, cancel := q.watch(1)
			defer cancel()
			err = q.execute(testContext(t), "query-status", nil, nil)
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("execute: %v", err)
			}
			if name == "gone" && !errors.Is(err, ErrStopped) {
				t.Errorf("execute: %v, want ErrStopped", err)
			}
			if _, open := <-events; open {
				t.Error("an event came")
			}
			// And once more on what is known to be dead.
			if err := q.execute(testContext(t), "query-status", nil, nil); err == nil {
				t.Error("a dead connection answers")
			}
		})
	}
}

func TestNoGreeting(t *testing.T) {
	q, err := serve(t, func(conn *net.UnixConn, _ *json.Decoder) { io.WriteString(conn, `{"return": {}}`+"\n") })
	if err == nil {
		q.close()
		t.Error("a peer without greeting is taken for QEMU")
	}
}

func TestFilesGoWithACommand(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make(chan int, 1)
	q, err := serve(t, func(conn *net.UnixConn, _ *json.Decoder) {
		io.WriteString(conn, greeting)
		buf, oob := make([]byte, 4096), make([]byte, 4096)
		conn.Read(buf)
		io.WriteString(conn, `{"return": {}, "id": 1}`+"\n")
		_, n, _, _, _ := conn.ReadMsgUnix(buf, oob)
		got <- n
		io.WriteString(conn, `{"return": {}, "id": 2}`+"\n")
		conn.Read(buf)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer q.close()
	if err := q.execute(testContext(t), "getfd", map[string]any{"fdname": "x"}, nil, w); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if n := <-got; n == 0 {
		t.Error("no file came with the command")
	}
}

// A QEMU that hangs in the middle of a hot-plug does not hold its caller for ever.
func TestUndoOfAHotplugHasADeadline(t *testing.T) {
	usual := undoTimeout
	undoTimeout = 200 * time.Millisecond // in none at all, the command could not even be sent
	defer func() { undoTimeout = usual }()
	hanging := func(conn *net.UnixConn, commands *json.Decoder) {
		greet(conn, commands)
		for {
			var c command
			if commands.Decode(&c) != nil {
				return
			}
			switch c.Execute {
			case "blockdev-add", "getfd", "netdev_add":
				fmt.Fprintf(conn, `{"return": {}, "id": %d}`+"\r\n", c.ID)
			case "qom-list": // no bus: so the device finds no place
				fmt.Fprintf(conn, `{"return": [], "id": %d}`+"\r\n", c.ID)
			}
		}
	}
	ctx := testContext(t)
	for what, plug := range map[string]func(*Monitor) error{
		"disk": func(m *Monitor) error { return m.HotplugDisk(ctx, testConfig(t, "q35"), testDisk(t, "d")) },
		"NIC": func(m *Monitor) error {
			return m.HotplugNIC(ctx, NIC{ID: "nic1", MAC: "02:00:00:00:00:01", Taps: []*os.File{os.Stdin}})
		},
	} {
		q, err := serve(t, hanging)
		if err != nil {
			t.Fatal(err)
		}
		m := &Monitor{vm: &VM{Machine: "q35"}, qmp: q}
		defer m.Close()
		done := make(chan error, 1)
		go func() { done <- plug(m) }()
		select {
		case err := <-done:
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no bus") {
				t.Errorf("%s: %v", what, err)
			}
		case <-ctx.Done():
			t.Fatalf("%s: it waits for ever", what)
		}
	}
}

// A kernel that refuses memory cannot be had on demand, so this one is played.
func TestGrowMemoryRefused(t *testing.T) {
	var seen []string
	q, err := serve(t, func(conn *net.UnixConn, commands *json.Decoder) {
		greet(conn, commands)
		dimms := "[]"
		for {
			var c command
			if commands.Decode(&c) != nil {
				return
			}
			seen = append(seen, c.Execute)
			answer := "{}"
			switch c.Execute {
			case "query-memory-devices":
				answer = dimms
			case "qom-get":
				answer = "false"
			case "device_add":
				dimms = "[{}]"
			}
			fmt.Fprintf(conn, `{"return": %s, "id": %d}`+"\r\n", answer, c.ID)
			switch c.Execute {
			case "device_add":
				io.WriteString(conn, `{"event": "ACPI_DEVICE_OST", "data": {"info": {"device": "dimm7", "slot": "7", "slot-type": "DIMM", "source": 1, "status": 0}}}`+"\r\n")
				io.WriteString(conn, `{"event": "ACPI_DEVICE_OST", "data": {"info": {"device": "dimm0", "slot": "0", "slot-type": "DIMM", "source": 1, "status": 1}}}`+"\r\n")
			case "device_del":
				io.WriteString(conn, `{"event": "DEVICE_DELETED", "data": {"device": "dimm0", "path": "/machine/peripheral/dimm0"}}`+"\r\n")
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &Monitor{vm: &VM{Machine: "q35"}, qmp: q}
	n, err := m.GrowMemory(testContext(t), MemoryStep)
	m.Close()
	if n != 0 || !errors.Is(err, ErrNoRoom) {
		t.Errorf("%d, %v", n, err)
	}
	if got := strings.Join(seen, " "); !strings.HasSuffix(got, "device_add query-memory-devices device_del object-del") {
		t.Errorf("commands: %s", got)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte(greeting))
	f.Add([]byte(`{"id": 1, "return": [{"props": {"core-id": 1}, "type": "max-x86_64-cpu"}]}` + "\n\r\n{\"event\": \"STOP\"}"))
	f.Add([]byte(`{"error": {"class": "GenericError", "desc": "x"}, "id": 18446744073709551615}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := newMessages(bytes.NewReader(data))
		for range len(data) + 1 {
			msg, err := in.next()
			if err != nil {
				return
			}
			var slots []cpuSlot
			if err := msg.result(&slots); err == nil && msg.Error != nil {
				t.Error("a refusal passes as an answer")
			}
		}
		t.Error("more messages than bytes")
	})
}
