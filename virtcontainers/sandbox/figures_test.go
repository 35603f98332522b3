package sandbox

import (
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

func TestAGuestWithMoreDevicesThanAVMHas(t *testing.T) {
	if err := plausible(&agentpb.StatsReply{Network: make([]*agentpb.InterfaceStats, maxFigures)}); err != nil {
		t.Error(err)
	}
	for name, s := range map[string]*agentpb.StatsReply{
		"interfaces": {Network: make([]*agentpb.InterfaceStats, maxFigures+1)},
		"disks":      {BlockIo: make([]*agentpb.BlockIOStats, maxFigures+1)},
		"huge pages": {Hugepages: make([]*agentpb.HugepageStats, maxFigures+1)},
	} {
		if plausible(s) == nil {
			t.Errorf("%d %s are taken", maxFigures+1, name)
		}
	}
}
