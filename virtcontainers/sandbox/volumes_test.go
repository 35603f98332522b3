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

// Two containers that are removed at the same time must not each leave a volume
// to the other.
func TestTheLastToLeaveUnplugsAVolume(t *testing.T) {
	_, dir := podOf(t, "a", "b")
	volume := func(id string) Volume { return Volume{Disk: Disk{ID: id}, Path: "/none/x"} }
	disk := new(State)
	err := dir.Update(disk, func() error {
		disk.Containers["a"].Volumes = []Volume{volume("v1"), volume("v1")}
		disk.Containers["b"].Volumes = []Volume{volume("v1"), {Disk: Disk{ID: "v2"}, Path: "/none/y"}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	leave := func(id, want string) {
		t.Helper()
		_, disks, err := leaveVolumes(dir, id)
		got := ""
		for _, d := range disks {
			got += d.ID + " "
		}
		if err != nil || got != want {
			t.Errorf("%s leaves %q behind, %v, want %q", id, got, err, want)
		}
	}
	// Neither has been taken out of the state when the other decides.
	leave("a", "")
	leave("b", "v1 v2 ")
	// Cut off, and done again.
	leave("b", "v1 v2 ")
	leave("nobody", "")
	// Who comes now must not get the disk that goes, nor hold it up.
	c := &Container{ID: "c", Volumes: []Volume{volume("v9")}}
	err = dir.Update(disk, func() error {
		disk.adopt(c)
		disk.Containers["c"] = c
		return nil
	})
	if err != nil || c.Volumes[0].ID != "v9" {
		t.Errorf("adopted %+v, %v", c.Volumes, err)
	}
	leave("a", "v1 ")
	leave("c", "v9 ")
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
