package cpu

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

const executable = unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC

// returns is a function that returns a number.
func returns(n uint32) []byte {
	code := []byte{0xb8, 0, 0, 0, 0, 0xc3} // mov $n, %eax; ret
	binary.LittleEndian.PutUint32(code[1:], n)
	return code
}

// A function in place of another, written by each instruction.
func TestCodeThatIsReplaced(t *testing.T) {
	mem := memory(t, 2, executable)
	for n := range uint32(300) {
		source := copy(mem[page:], returns(n))
		at := int(n%7) * 512
		width := 1 << (n % 4)
		m := move{width: width, n: (source + 7) / width, to: at, from: page}
		if err := m.do(mem, 0); err != nil {
			t.Fatal(err)
		}
		if got := call(address(mem, at)); got != n {
			t.Fatalf("the function returns %d, want %d", got, n)
		}
		// All of the page at once, functions that ran among it.
		if n%50 == 49 {
			if err := (move{width: 8, n: page / 8, from: -1}).do(mem, 0xc3c3c3c3c3c3c3c3); err != nil {
				t.Fatal(err)
			}
			call(address(mem, at)) // returns at once
		}
	}
}

// A function that replaces what comes after it, in its own page.
func TestCodeThatReplacesItself(t *testing.T) {
	mem := memory(t, 2, executable)
	for n := range uint32(200) {
		copy(mem[page:], returns(n))
		// Two lines that set RDI and RSI, then RCX, "rep movsb", and the new code.
		code := []byte{0x48, 0xbf}
		target := len(code) + 8 + 10 + 5 + 2
		code = binary.LittleEndian.AppendUint64(code, uint64(address(mem, target)))
		code = append(code, 0x48, 0xbe)
		code = binary.LittleEndian.AppendUint64(code, uint64(address(mem, page)))
		code = append(code, 0xb9, 6, 0, 0, 0, 0xf3, 0xa4)
		if len(code) != target {
			t.Fatalf("%d bytes, want %d", len(code), target)
		}
		copy(mem, append(code, returns(n+1000)...))
		if got := call(address(mem, 0)); got != n {
			t.Fatalf("the function returns %d, want %d", got, n)
		}
	}
}

// Processes that have other memory and other code at the same addresses, one
// after the other, again and again.
func TestAddressSpaces(t *testing.T) {
	const processes, rounds = 6, 300
	var pipes [processes + 1]struct{ r, w *os.File }
	for i := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		pipes[i].r, pipes[i].w = r, w
	}
	var all []*exec.Cmd
	for i := range processes {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), member+"="+strconv.Itoa(i))
		cmd.ExtraFiles = []*os.File{pipes[i].r, pipes[i+1].w}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for n := range rounds {
		if err := pass(pipes[processes].r, pipes[0].w, n); err != nil {
			t.Error(err)
			break
		}
	}
	pipes[0].w.Close()
	for i, cmd := range all {
		pipes[i+1].w.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
}

// pass sends a number around the ring and takes it back.
func pass(r io.Reader, w io.Writer, n int) error {
	if _, err := w.Write([]byte{byte(n)}); err != nil {
		return err
	}
	var b [1]byte
	if _, err := io.ReadFull(r, b[:]); err != nil || b[0] != byte(n) {
		return fmt.Errorf("round %d: %d, %w", n, b[0], err)
	}
	return nil
}

// member is the environment variable that makes this program one of the processes.
const member = "KATA_TEST_MEMBER"

func TestMain(m *testing.M) {
	if id, err := strconv.ParseUint(os.Getenv(member), 10, 32); err == nil {
		if err := takePart(uint32(id)); err != nil {
			fmt.Fprintf(os.Stderr, "process %d: %v\n", id, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// takePart has code at an address that all processes use, and passes numbers on.
func takePart(id uint32) error {
	const fixed, pages = 0x10000000, 8
	at, err := unix.MmapPtr(-1, 0, pointer(fixed), pages*page, executable,
		unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED_NOREPLACE)
	if err != nil {
		return fmt.Errorf("map: %w", err)
	}
	mem := slice(at, pages*page)
	for i := range pages {
		copy(mem[i*page:], returns(id*pages+uint32(i)))
		mem[i*page+100] = byte(id)
	}
	r, w := os.NewFile(3, "r"), os.NewFile(4, "w")
	var b [1]byte
	for {
		if _, err := io.ReadFull(r, b[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		i := int(b[0]) % pages
		if got := call(fixed + uintptr(i*page)); got != id*pages+uint32(i) {
			return fmt.Errorf("its code returns %d, want %d", got, id*pages+uint32(i))
		}
		if mem[i*page+100] != byte(id) {
			return fmt.Errorf("its memory holds %d, want %d", mem[i*page+100], id)
		}
		if _, err := w.Write(b[:]); err != nil {
			return err
		}
	}
}
