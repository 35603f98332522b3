package sandbox

import (
	"context"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// Hello answers as an agent with some features.
func (a *fakeAgent) Hello(context.Context, *agentpb.HelloRequest) (*agentpb.HelloReply, error) {
	return &agentpb.HelloReply{Version: wire.ProtocolVersion, Release: "0.0.1", Features: a.features}, nil
}

func TestAnOlderAgentIsNotAskedForWhatItWouldDrop(t *testing.T) {
	plain, filtered := &specs.Spec{Linux: &specs.Linux{}}, &specs.Spec{Linux: &specs.Linux{Seccomp: &specs.LinuxSeccomp{}}}
	for name, c := range map[string]struct {
		features  []string
		hooks     string
		unwanted  bool
		container guestContainer
		want      string
	}{
		"nothing is asked for":      {container: guestContainer{spec: plain}},
		"seccomp":                   {container: guestContainer{spec: filtered}, want: "linux.seccomp: the guest's agent 0.0.1"},
		"seccomp, which it has":     {features: []string{wire.FeatureSeccomp}, container: guestContainer{spec: filtered}},
		"seccomp, left out":         {unwanted: true, container: guestContainer{spec: filtered}},
		"seccomp without process":   {container: guestContainer{spec: filtered, infra: true}},
		"guest hooks":               {hooks: "/hooks", container: guestContainer{spec: plain}, want: "guest_hook_path: the guest's agent 0.0.1"},
		"guest hooks, which it has": {features: []string{wire.FeatureGuestHooks}, hooks: "/hooks", container: guestContainer{spec: plain}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newFakeAgent()
			a.features = c.features
			_, st, _, err := running(t, a).load("c")
			if err != nil {
				t.Fatal(err)
			}
			b := &boot{config: &Settings{Hypervisor: &hypervisor.Config{GuestHookPath: c.hooks}, DisableGuestSeccomp: c.unwanted}}
			b.greeted = true // by another, who alone knows
			for _, want := range []string{"", c.want, c.want} {
				agent, err := b.greet(t.Context(), st)
				if err != nil {
					t.Fatal(err)
				}
				err = b.lacks(agent, c.container)
				agent.Close()
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("greeted by another %v: %v, want %q", b.greeted, err, want)
				}
				// Then by us, then again, as for an interface that came early.
				b.greeted = agent.Greeted()
				if b.greeted {
					b.met = agent
				}
			}
		})
	}
}
