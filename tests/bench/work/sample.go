package work

import (
	"context"

	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// Measures of TCP: bytes per second into and out of the program, seconds of a
// byte there and back.
const (
	TCPIn   = "tcp in"
	TCPOut  = "tcp out"
	TCPEcho = "tcp echo"
)

// Sample takes one sample of each.
func (c Client) Sample(ctx context.Context, s *series.Set, who string, bytes int64, echoes int) error {
	in, err := c.In(ctx, bytes)
	if err != nil {
		return err
	}
	out, err := c.Out(ctx, bytes)
	if err != nil {
		return err
	}
	echo, err := c.Echo(ctx, echoes)
	if err != nil {
		return err
	}
	s.Add(who, TCPIn, float64(bytes)/in.Seconds())
	s.Add(who, TCPOut, float64(bytes)/out.Seconds())
	s.Add(who, TCPEcho, echo.Seconds())
	return nil
}
