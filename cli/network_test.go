package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

func TestNetInterface(t *testing.T) {
	for name, test := range map[string]struct {
		in   string
		want sandbox.InterfaceRequest
		err  string
	}{
		"a name":     {`{"name": "eth1"}`, sandbox.InterfaceRequest{Link: "eth1", Name: "eth1"}, ""},
		"other name": {`{"device": "veth0", "name": "eth1"}`, sandbox.InterfaceRequest{Link: "veth0", Name: "eth1"}, ""},
		"all": {`{"device": "d", "name": "n", "IPAddresses": [{"family": 0, "address": "10.0.0.2", "mask": "24"},
			{"Family": "v6", "address": "fd00::2", "mask": "64"}], "mtu": 1400, "hwAddr": "02:00:00:00:00:01", "pciAddr": "", "type": "veth", "raw_flags": 0}`,
			sandbox.InterfaceRequest{Link: "d", Name: "n", Addresses: []string{"10.0.0.2/24", "fd00::2/64"}, MAC: "02:00:00:00:00:01", MTU: 1400}, ""},
		"nothing":        {`{}`, sandbox.InterfaceRequest{}, "names no interface"},
		"a bad mask":     {`{"name": "e", "IPAddresses": [{"address": "10.0.0.2", "mask": "255.0.0.0"}]}`, sandbox.InterfaceRequest{}, "255.0.0.0"},
		"a bad MAC":      {`{"name": "e", "hwAddr": "x"}`, sandbox.InterfaceRequest{}, "hwAddr"},
		"an extra key":   {`{"name": "e", "vhostUserSocket": "/s"}`, sandbox.InterfaceRequest{}, "vhostUserSocket"},
		"no JSON":        {`name`, sandbox.InterfaceRequest{}, "not what it should be"},
		"a negative MTU": {`{"name": "e", "mtu": -1}`, sandbox.InterfaceRequest{}, "mtu"},
	} {
		var i netInterface
		err := decode(strings.NewReader(test.in), &i)
		var got sandbox.InterfaceRequest
		if err == nil {
			got, err = i.request()
		}
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestNetInterfaceOf(t *testing.T) {
	data, err := json.Marshal(netInterfaceOf(&agentpb.Interface{
		Name: "eth0", Mac: "02:00:00:00:00:01", Mtu: 1500, Addresses: []string{"10.0.0.2/24", "fd00::2/64"},
	}))
	want := `{"name":"eth0","IPAddresses":[{"address":"10.0.0.2","mask":"24"},{"family":1,"address":"fd00::2","mask":"64"}],"mtu":1500,"hwAddr":"02:00:00:00:00:01"}`
	if err != nil || string(data) != want {
		t.Errorf("%s, %v", data, err)
	}
}

func TestNetRoutesRoundTrip(t *testing.T) {
	routes := []netRoute{{Gateway: "10.0.0.1", Device: "eth0"}, {Dest: "10.1.0.0/16", Device: "eth1", Source: "10.1.0.2",
		Scope: 253, Family: "4", Metric: 5, MTU: 1400, Flags: 4}}
	if got := netRoutes(agentRoutes(routes)); !reflect.DeepEqual(got, routes) {
		t.Errorf("%+v", got)
	}
	if got := agentRoutes([]netRoute{{Dest: "default", Gateway: "10.0.0.1"}}); got[0].Destination != "" {
		t.Errorf("default: %v", got)
	}
}
