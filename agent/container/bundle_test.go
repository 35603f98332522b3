package container

import (
	"maps"
	"testing"

	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/utils"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

func TestHooksAreToldTheBundle(t *testing.T) {
	spec := plain()
	if bundle := takeBundle(spec); bundle != "" {
		t.Errorf("bundle %q of a document without one", bundle)
	}
	spec.Annotations = map[string]string{wire.BundleAnnotation: "/host/bundle", "a": "b"}
	config := &configs.Config{Labels: []string{"a=b", "bundle=/"}}
	nameBundle(config, takeBundle(spec))
	bundle, annotations := utils.Annotations(config.Labels)
	if want := map[string]string{"a": "b"}; bundle != "/host/bundle" || !maps.Equal(annotations, want) || !maps.Equal(spec.Annotations, want) {
		t.Errorf("bundle %q, annotations %v and %v", bundle, annotations, spec.Annotations)
	}
}
