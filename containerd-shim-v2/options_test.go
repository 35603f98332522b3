package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/containerd/containerd/api/types"
	"google.golang.org/protobuf/proto"
)

func TestParseRefusesWhatBecomesPaths(t *testing.T) {
	for args, want := range map[string]string{
		"-namespace ../x -id a start": "-namespace",
		"-namespace n -id a/b start":  "-id",
		"-id a start":                 "-namespace",
		"-namespace n start":          "-id",
		"-nonsense":                   "nonsense",
	} {
		if _, _, err := parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parse(%s) = %v, want %q in it", args, err, want)
		}
	}
}

func TestParseTakesContainerdsCall(t *testing.T) {
	o, action, err := parse(strings.Fields(
		"-namespace k8s.io -address /run/c.sock -publish-binary /usr/bin/containerd -id abc -bundle /b -debug delete"))
	if err != nil || action != "delete" || o.id != "abc" || o.bundle != "/b" || !o.debug {
		t.Fatalf("parse = %+v, %q, %v", o, action, err)
	}
	if want := "/run/kata-containers/containerd/k8s.io"; o.root() != want {
		t.Errorf("root %s, want %s", o.root(), want)
	}
}

func TestSocketPathTellsPodsApart(t *testing.T) {
	one := socketPath("/run/c.sock", "n", "pod")
	if len(one) > 107 { // sun_path, unix(7)
		t.Errorf("%s has %d characters", one, len(one))
	}
	if one != socketPath("/run/c.sock", "n", "pod") {
		t.Error("the same pod has two sockets")
	}
	for _, other := range []string{
		socketPath("/run/other.sock", "n", "pod"), socketPath("/run/c.sock", "m", "pod"), socketPath("/run/c.sock", "n", "pod2"),
	} {
		if other == one {
			t.Error("two pods have one socket")
		}
	}
}

func TestInfoNamesTheRuntime(t *testing.T) {
	var out bytes.Buffer
	if err := printInfo(strings.NewReader(""), &out); err != nil {
		t.Fatal(err)
	}
	info := new(types.RuntimeInfo)
	if err := proto.Unmarshal(out.Bytes(), info); err != nil || info.Name != "io.containerd.kata.v2" {
		t.Errorf("info = %v, %v", info, err)
	}
}
