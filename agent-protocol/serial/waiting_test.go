package serial

import (
	"io"
	"testing"
	"time"
)

// A connection whose answer is long in coming (WaitProcess) has been accepted
// all the same: it keeps no other from being opened.
func TestManyUnansweredConnections(t *testing.T) {
	each(t, func(t *testing.T, open, accept func() (half, error)) {
		const conns = maxWaiting + 50
		deadline := time.Now().Add(time.Minute)
		answer := make(chan struct{})
		go func() {
			for range conns {
				c, err := accept()
				if err != nil {
					return
				}
				go func() {
					<-answer
					io.CopyN(c, c, 1)
				}()
			}
		}()
		opened := make(chan half)
		go func() {
			defer close(opened)
			for range conns {
				c, err := open()
				if err != nil {
					return
				}
				c.Write([]byte("x"))
				opened <- c
			}
		}()
		var all []half
		for len(all) < conns {
			select {
			case c, ok := <-opened:
				if !ok {
					t.Fatal("the session has ended")
				}
				all = append(all, c)
			case <-time.After(time.Until(deadline)):
				t.Fatalf("the session is stuck after %d connections", len(all))
			}
		}
		close(answer)
		for _, c := range all {
			c.SetDeadline(deadline)
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
	})
}
