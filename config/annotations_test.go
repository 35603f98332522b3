package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// admin is a configuration as an administrator may have it.
func admin(t *testing.T, text string) *Config {
	t.Helper()
	c, _, err := Parse("c.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const prefixH = AnnotationPrefix + "hypervisor."

func TestNothingIsAllowedByDefault(t *testing.T) {
	c := Default()
	for i := range schema() {
		k := &schema()[i]
		name := AnnotationPrefix + annotationName(k)
		_, err := ApplyAnnotations(c, map[string]string{name: Literal(k.Default)})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
		if !k.NoAnnotation && !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: got %v, want ErrForbidden", name, err)
		}
	}
}

func TestAllowedAnnotationsChangeACopy(t *testing.T) {
	c := admin(t, `
[hypervisor.qemu]
kernel_params = "quiet"
enable_annotations = ["default_*", "kernel_params", "initrd|image", "machine_type", "virtio_fs_extra_args", "runtime\\.never", "runtime.disable_.*", "agent.*"]
valid_image_paths = ["/images/*.img"]
`)
	before := c.Clone()
	got, err := ApplyAnnotations(c, map[string]string{
		prefixH + "default_memory":                         "1024",
		prefixH + "default_max_vcpus":                      "3",
		prefixH + "kernel_params":                          "panic=1",
		prefixH + "image":                                  "/images/my.img",
		prefixH + "machine_type":                           "pc",
		prefixH + "virtio_fs_extra_args":                   "-o; debug ;",
		AnnotationPrefix + "runtime.disable_guest_seccomp": "true",
		"io.katacontainers.pkg.oci.container_type":         "pod_sandbox",
		"io.kubernetes.cri.container-type":                 "sandbox",
	})
	if err != nil {
		t.Fatal(err)
	}
	q := got.Hypervisor.QEMU
	if q.DefaultMemory != 1024 || q.DefaultMaxVCPUs != 3 || q.KernelParams != "quiet panic=1" || q.MachineType != "q35" ||
		q.Image != "/images/my.img" || q.Initrd != "" || !reflect.DeepEqual(q.VirtioFSExtraArgs, []string{"-o", "debug"}) ||
		!got.Runtime.DisableGuestSeccomp {
		t.Errorf("got %+v", got)
	}
	if !reflect.DeepEqual(c, before) {
		t.Error("the administrator's configuration has changed")
	}
	got.Hypervisor.QEMU.EnableAnnotations[0] = "x"
	if c.Hypervisor.QEMU.EnableAnnotations[0] != "default_*" {
		t.Error("the copy shares a list")
	}
}

func TestAnnotationsThatAreRefused(t *testing.T) {
	c := admin(t, `
[hypervisor.qemu]
path = "/usr/bin/qemu-system-x86_64"
enable_annotations = ["path", "kernel", "default_memory", "initrd", "image", "enable_debug", "msize_9p", "entropy_source", "runtime.*"]
valid_hypervisor_paths = ["/opt/qemu/*"]
`)
	for name, test := range map[string]struct {
		key, value, want string
	}{
		"path outside":    {"hypervisor.path", "/tmp/qemu", `matches none of the globs in hypervisor.qemu.valid_hypervisor_paths`},
		"path with dots":  {"hypervisor.path", "/opt/qemu/../../bin/sh", `not a clean absolute path`},
		"deeper":          {"hypervisor.path", "/opt/qemu/a/b", `matches none`},
		"relative":        {"hypervisor.path", "qemu", `not an absolute path`},
		"empty":           {"hypervisor.path", "", `not a clean absolute path`},
		"empty list":      {"hypervisor.kernel", "/boot/vmlinuz", `matches none of the globs in hypervisor.qemu.valid_kernel_paths`},
		"not a number":    {"hypervisor.default_memory", "1G", `"1G" is not a whole number`},
		"out of range":    {"hypervisor.default_memory", "-1", `outside of the range 0 to`},
		"package's check": {"hypervisor.msize_9p", "1", `must be 4096`},
		"not a bool":      {"hypervisor.enable_debug", "maybe", `neither true nor false`},
		"not enabled":     {"hypervisor.default_vcpus", "1", `not enabled by enable_annotations`},
		"other component": {"agent.enable_tracing", "true", `not enabled by enable_annotations`},
		"misspelt":        {"hypervisor.default_memroy", "1", `did you mean "hypervisor.default_memory"`},
		"hash":            {"hypervisor.kernel_hash", "00", `no setting of that name`},
		"never":           {"hypervisor.enable_annotations", ".*", `no setting of that name`},
		"list of paths":   {"hypervisor.valid_hypervisor_paths", "/*", `no setting of that name`},
		"helper":          {"shim.path", "/bin/sh", `no setting of that name`},
		"runtime debug":   {"runtime.enable_debug", "true", `no setting of that name`},
		"entropy":         {"hypervisor.entropy_source", "/dev/sda", `matches none of the globs`},
	} {
		t.Run(name, func(t *testing.T) {
			full := AnnotationPrefix + test.key
			got, err := ApplyAnnotations(c, map[string]string{full: test.value})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "annotation") {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			if got != nil {
				t.Error("a configuration in spite of the error")
			}
		})
	}
	same := map[string]string{prefixH + "path": "/usr/bin/qemu-system-x86_64", prefixH + "entropy_source": "/dev/random"}
	if _, err := ApplyAnnotations(c, same); err != nil {
		t.Errorf("the configuration's own path, and one of a list: %v", err)
	}
}

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"default_memory", "hypervisor.default_memory", true},
		{"default", "hypervisor.default_memory", false},
		{"memory", "hypervisor.default_memory", false},
		{"default_*", "hypervisor.default_memory", true},
		{"default_.*", "hypervisor.default_memory", true},
		{"*", "hypervisor.path", true},
		{".*", "hypervisor.path", true},
		{".*", "runtime.experimental", false},
		{"runtime.*", "runtime.experimental", true},
		{"runtime.*", "hypervisor.path", false},
		{"path|kernel", "hypervisor.kernel", true},
		{"path|runtime.x", "runtime.x", false},
		{"hypervisor.path", "hypervisor.path", true},
		{"", "hypervisor.path", false},
	} {
		got, err := annotationEnabled([]string{test.pattern}, test.name)
		if err != nil || got != test.want {
			t.Errorf("%q for %q: %v, %v", test.pattern, test.name, got, err)
		}
	}
}
