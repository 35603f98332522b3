package container

import (
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

func TestCommandsFitIntoTheAnswer(t *testing.T) {
	list := func() []*agentpb.ProcessInfo {
		return []*agentpb.ProcessInfo{{Command: strings.Repeat("x", 90)}, {Command: "short"}, {Command: strings.Repeat("y", 25)}}
	}
	whole := list()
	shorten(whole, 120)
	for i, info := range list() {
		if whole[i].Command != info.Command {
			t.Errorf("cut, though there is room: %q", whole[i].Command)
		}
	}
	cut := list()
	shorten(cut, 60)
	for i, want := range []string{strings.Repeat("x", 20), "short", strings.Repeat("y", 20)} {
		if cut[i].Command != want {
			t.Errorf("%q, want %q", cut[i].Command, want)
		}
	}
	shorten(nil, 0)
}
