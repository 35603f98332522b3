package config

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// FuzzParse: whatever a file holds, the answer is a configuration that is
// complete or an error of one line that names the file.
func FuzzParse(f *testing.F) {
	f.Add(kata1)
	f.Add("[hypervisor.qemu]\ninitrd=''\nimage='/i'\nkernel_params = \"\"\"\\\n a\"\"\"")
	f.Add("a.\"b\\u0041\".'c' = {d = [[1,2],[\"x\"]], e = 1979-05-27}")
	f.Add("[[hypervisor]]\n[hypervisor.qemu]\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines(text) // ends and does not panic, even for what is no TOML
		c, o, err := Parse("c.toml", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "c.toml") && !strings.HasPrefix(err.Error(), "[") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		for name, v := range o.values {
			if v.at.Line == 0 {
				t.Errorf("%s was set on no line", name)
			}
		}
		if q := c.Hypervisor.QEMU; (q.Image == "") == (q.Initrd == "") || q.Kernel == "" || c.Shim.Kata.Path == "" {
			t.Errorf("incomplete: %+v", c)
		}
		// What --config-origin prints is itself a file that says the same.
		var again strings.Builder
		for _, s := range o.Settings(c) {
			again.WriteString(s.Key.Name + " = " + Literal(s.Value) + "\n")
		}
		c2, _, err := Parse("again", []byte(again.String()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, again.String())
		}
		for _, k := range Schema() {
			if a, b := get(c, &k), get(c2, &k); k.Inert == "" && !equal(a, b) {
				t.Errorf("%s: %v, then %v", k.Name, a, b)
			}
		}
	})
}

// FuzzApplyAnnotations: no annotation gets past the lists.
func FuzzApplyAnnotations(f *testing.F) {
	f.Add("hypervisor.path", "/opt/qemu/x", ".*")
	f.Add("hypervisor.kernel", "/k/../etc/shadow", "kernel")
	f.Add("hypervisor.default_vcpus", "-1", "default_*")
	f.Add("runtime.experimental", "a;b", "runtime.*")
	f.Fuzz(func(t *testing.T, name, text, pattern string) {
		c := Default()
		q := &c.Hypervisor.QEMU
		if _, err := annotationPattern(pattern); err == nil {
			q.EnableAnnotations = []string{pattern}
		}
		q.ValidHypervisorPaths, q.ValidKernelPaths = []string{"/opt/qemu/*"}, []string{"/k/*"}
		got, err := ApplyAnnotations(c, map[string]string{AnnotationPrefix + name: text})
		if err != nil {
			if strings.Contains(err.Error(), "\n") && !strings.Contains(name, "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		for _, k := range Schema() {
			a, b := get(c, &k), get(got, &k)
			if equal(a, b) {
				continue
			}
			other := k.Name == "hypervisor.qemu.initrd" || k.Name == "hypervisor.qemu.image"
			if k.NoAnnotation || annotationName(&k) != name && !other {
				t.Errorf("%s changed %s", name, k.Name)
			}
			if _, err := k.check(b); err != nil {
				t.Errorf("%s is not valid: %v", k.Name, err)
			}
			if path, ok := b.(string); ok && k.Path == HostPath && path != "" {
				dir, _, _ := strings.Cut(strings.TrimPrefix(path, "/opt/qemu/"), "/")
				dir2, _, _ := strings.Cut(strings.TrimPrefix(path, "/k/"), "/")
				if "/opt/qemu/"+dir != path && "/k/"+dir2 != path && path != "/dev/random" && path != "/dev/urandom" {
					t.Errorf("%s is now %q", k.Name, path)
				}
			}
		}
	})
}

// The document that Literal makes of a string is that string.
func FuzzLiteral(f *testing.F) {
	f.Add("a\"b\\c\x00\x7f\u2028é")
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		var got struct{ A string }
		if _, err := toml.Decode("a = "+Literal(s), &got); err != nil || got.A != s {
			t.Errorf("%q: %q, %v", s, got.A, err)
		}
	})
}
