package container

import (
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// takeBundle takes the bundle's folder on the host out of a document; "" if it does
// not tell.
func takeBundle(spec *specs.Spec) string {
	bundle := spec.Annotations[wire.BundleAnnotation]
	delete(spec.Annotations, wire.BundleAnnotation)
	return bundle
}

// nameBundle makes it what hooks are told: libcontainer names its own working
// folder, and the last name counts (libcontainer/utils, Annotations).
func nameBundle(config *configs.Config, bundle string) {
	if bundle != "" {
		config.Labels = append(config.Labels, "bundle="+bundle)
	}
}
