package dns

import (
	"bytes"
	"io"
	"testing"
)

func TestMessages(t *testing.T) {
	var b bytes.Buffer
	for _, n := range []int{0, 1, 512, MaxMessage} {
		if err := WriteMessage(&b, bytes.Repeat([]byte{7}, n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{0, 1, 512, MaxMessage} {
		m, err := ReadMessage(&b)
		if err != nil || !bytes.Equal(m, bytes.Repeat([]byte{7}, n)) {
			t.Errorf("%d bytes: %d, %v", n, len(m), err)
		}
	}
	if _, err := ReadMessage(bytes.NewReader([]byte{0, 5, 1})); err != io.ErrUnexpectedEOF {
		t.Errorf("a message that is cut off: %v", err)
	}
	if err := WriteMessage(&b, make([]byte, MaxMessage+1)); err == nil {
		t.Error("a message that is too long is written")
	}
}
