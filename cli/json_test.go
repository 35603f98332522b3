package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestEncodeGuests(t *testing.T) {
	want := map[string]string{"a\u009b31m": "b\u007f\u0085\n\u00e9\u4e16\U0001f600"}
	var out strings.Builder
	if err := encodeGuests(&out, want); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != `{"a\u009b31m":"b\u007f\u0085\né世😀"}`+"\n" {
		t.Errorf("%q", got)
	}
	var back map[string]string
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil || len(back) != 1 || back["a\u009b31m"] != want["a\u009b31m"] {
		t.Errorf("%q, %v", back, err)
	}
}
