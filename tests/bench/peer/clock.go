package peer

import "time"

// clock answers how long f takes, in seconds.
func clock(f func() error) (float64, error) {
	start := time.Now()
	err := f()
	return time.Since(start).Seconds(), err
}
