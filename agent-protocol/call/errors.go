package call

import (
	"errors"
	"fmt"
)

// Code is the class of an error that crosses a connection. Names, numbers and
// meanings are gRPC's, which everybody in the field knows.
type Code uint32

// The codes that are in use.
const (
	OK                 Code = 0
	Canceled           Code = 1
	Unknown            Code = 2
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	NotFound           Code = 5
	AlreadyExists      Code = 6
	ResourceExhausted  Code = 8
	FailedPrecondition Code = 9
	Unimplemented      Code = 12
	Internal           Code = 13
	Unavailable        Code = 14
)

var codeNames = [...]string{"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
	7: "PermissionDenied", 8: "ResourceExhausted", 9: "FailedPrecondition", 10: "Aborted", 11: "OutOfRange",
	12: "Unimplemented", 13: "Internal", 14: "Unavailable"}

// String is the code's name, or its number.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("Code(%d)", uint32(c))
}

// Error is an error with a code: an agent's answer, or (Unavailable, Canceled,
// DeadlineExceeded) why there is none.
type Error struct {
	Code Code
	Text string
	// Cause is what an answer does not have: why there is none.
	Cause error
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Unwrap answers the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an error with a code; %w in format gives it a cause.
func Errorf(code Code, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Text: err.Error(), Cause: errors.Unwrap(err)}
}

// CodeOf answers the code of an error, Unknown if it has none, OK for nil.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Unknown
}
