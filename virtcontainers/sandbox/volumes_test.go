package sandbox

import (
	"testing"

	"github.com/kata-go/kata-runtime/virtcontainers/network"
)

func TestVolumesAreSharedInASandbox(t *testing.T) {
	volume := func(id, path string) Volume { return Volume{Disk: Disk{ID: id}, Path: path} }
	a := &Container{ID: "a", Volumes: []Volume{volume("v1", "/x"), volume("v1", "/x"), volume("v2", "/y")}}
	st := &State{Containers: map[string]*Container{"a": a}}
	ids := func(disks []Disk) (all string) {
		for _, d := range disks {
			all += d.ID + " "
		}
		return all
	}
	if got := ids(st.own(a)); got != "v1 v2 " {
		t.Errorf("alone: %s", got)
	}
	b := &Container{ID: "b", Volumes: []Volume{volume("v3", "/x"), volume("v4", "/z")}}
	st.adopt(b)
	if b.Volumes[0].ID != "v1" || b.Volumes[1].ID != "v4" {
		t.Errorf("adopted: %+v", b.Volumes)
	}
	st.Containers["b"] = b
	if got := ids(st.own(a)) + "/ " + ids(st.own(b)); got != "v2 / v4 " {
		t.Errorf("together: %s", got)
	}
	delete(st.Containers, "a")
	if got := ids(st.own(b)); got != "v1 v4 " {
		t.Errorf("after the other's end: %s", got)
	}
}

func TestFreeNIC(t *testing.T) {
	n := Network{
		NICs: []network.NIC{
			{Name: "kata0", Model: network.ModelMacvtap, Link: "eth0"},
			{Name: "kata1", Model: network.ModelTCFilter}, {Name: "kata2", Model: network.ModelTCFilter},
		},
		Pairs: []network.Pair{{NIC: network.NIC{Name: "kata1"}}},
	}
	for link, want := range map[string]string{"eth0": "kata0", "eth1": "kata2"} {
		if nic, ok := n.free(network.Interface{Name: link}); !ok || nic.Name != want {
			t.Errorf("%s: %+v, %v", link, nic, ok)
		}
	}
	n.Pairs = append(n.Pairs, network.Pair{NIC: n.NICs[2]})
	if nic, ok := n.free(network.Interface{Name: "eth1"}); ok {
		t.Errorf("none is free: %+v", nic)
	}
}
