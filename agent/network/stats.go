package network

import (
	"fmt"
	"net"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// Stats answers what went through the guest's interfaces, the loopback left out.
func Stats() ([]*agentpb.InterfaceStats, error) {
	all, err := links()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var list []*agentpb.InterfaceStats
	for _, link := range all {
		a := link.Attrs()
		if a.Flags&net.FlagLoopback != 0 || a.Statistics == nil {
			continue
		}
		s := a.Statistics
		list = append(list, &agentpb.InterfaceStats{Name: a.Name,
			RxBytes: s.RxBytes, RxPackets: s.RxPackets, RxErrors: s.RxErrors, RxDropped: s.RxDropped,
			TxBytes: s.TxBytes, TxPackets: s.TxPackets, TxErrors: s.TxErrors, TxDropped: s.TxDropped})
	}
	return list, nil
}
