package sandbox

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/oci"
)

// wantHugePages notes what has to be set aside in the guest for a container: on
// a node, the kubelet gives a pod no more huge pages than it has, so that a limit
// of a pod's member is also what it shall find. For other containers a limit is
// one and no more, unless they mount such a volume.
func (c *Container) wantHugePages(spec *specs.Spec, role oci.Role) error {
	volume := slices.ContainsFunc(c.EmptyDirs, func(e EmptyDir) bool { return e.PageSize > 0 })
	if role != oci.Member && !volume {
		return nil
	}
	var err error
	if c.HugePages, err = oci.HugePagesOf(spec); err != nil {
		return err
	}
	for _, p := range c.HugePages {
		c.Limits.HugePages += p.Size
	}
	return nil
}

// hugePages is how the agent gets to know them.
func hugePages(list []oci.HugePages) []*agentpb.HugePages {
	var all []*agentpb.HugePages
	for _, p := range list {
		all = append(all, &agentpb.HugePages{PageSize: p.PageSize, Amount: p.Size})
	}
	return all
}
