package undo

import (
	"errors"
	"reflect"
	"testing"
)

func TestRunGoesBackwardsPastFailures(t *testing.T) {
	var l List
	var order []int
	boom := errors.New("boom")
	l.Add("one", func() error { order = append(order, 1); return nil })
	l.Add("two", func() error { order = append(order, 2); return boom })
	l.Add("three", func() error { order = append(order, 3); return nil })
	if err := l.Run(); !errors.Is(err, boom) {
		t.Errorf("Run() = %v, want it to hold %v", err, boom)
	}
	if want := []int{3, 2, 1}; !reflect.DeepEqual(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if err := l.Run(); err != nil || len(order) != 3 {
		t.Errorf("a second Run did something: %v, %v", err, order)
	}
}

func TestForget(t *testing.T) {
	var l List
	l.Add("one", func() error { t.Error("ran"); return nil })
	l.Forget()
	if err := l.Run(); err != nil {
		t.Error(err)
	}
}
