// Package wire is what both ends of the agent's channel must agree on: the
// protocol's version and the form of ids.
package wire

import (
	"errors"
	"fmt"
)

// VersionMajor changes when an older peer would misunderstand a newer one,
// VersionMinor when something was added that an older peer may ignore.
const (
	VersionMajor = 3
	VersionMinor = 1
)

// ProtocolVersion is the version of this code in the form of HelloRequest and
// HelloReply: major in the upper 16 bits, minor in the lower.
const ProtocolVersion uint32 = VersionMajor<<16 | VersionMinor

// Features that an agent may have beyond the version's minimum; it names those
// that it has in HelloReply.
const (
	// FeatureSharePID: the containers of a sandbox can share a pid namespace.
	FeatureSharePID = "share-pid"
	// FeatureSeccomp: the guest's kernel and the agent apply seccomp filters.
	FeatureSeccomp = "seccomp"
	// FeatureGuestHooks: hook programs in the guest image are run.
	FeatureGuestHooks = "guest-hooks"
	// FeatureEvents: the call Events reports OOM kills and ends of processes.
	FeatureEvents = "events"
	// FeatureHotplug: CPUs and memory can be brought into use while it runs.
	FeatureHotplug = "hotplug"
	// FeatureVolumes: the calls StatVolume and ResizeVolume.
	FeatureVolumes = "volumes"
	// FeaturePIDOf: a container can join the pid namespace of another one.
	FeaturePIDOf = "pid-of"
)

// ErrVersion is the answer of CheckVersion when the two cannot talk.
var ErrVersion = errors.New("agent protocol versions do not match")

// CheckVersion tells whether a host with one version can talk to an agent with
// another: the majors must be the same, the minors may differ.
func CheckVersion(host, agent uint32) error {
	if host>>16 == agent>>16 {
		return nil
	}
	older := "the runtime on the host"
	if agent>>16 < host>>16 {
		older = "the guest image"
	}
	return fmt.Errorf("%w: the runtime speaks %s, the guest's agent %s; update %s",
		ErrVersion, VersionString(host), VersionString(agent), older)
}

// VersionString writes a version as "1.0".
func VersionString(v uint32) string { return fmt.Sprintf("%d.%d", v>>16, v&0xffff) }
