package config

import (
	"reflect"
	"testing"
)

func TestSchemaAndStructsAgree(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Schema() {
		if seen[k.Name] {
			t.Errorf("%s is there twice", k.Name)
		}
		seen[k.Name] = true
		index, hasField := fieldIndex()[k.Name]
		switch {
		case !hasField && k.Inert == "":
			t.Errorf("%s has neither a field nor a reason to have none", k.Name)
		case hasField:
			// A field that nothing reads says so itself, beside its comment.
			tag := reflect.TypeFor[Config]().FieldByIndex(index).Tag.Get("effect")
			if (tag == "none") != (k.Inert != "") {
				t.Errorf("%s: effect tag %q, but inert %q", k.Name, tag, k.Inert)
			}
		}
		switch k.Default.(type) {
		case string, int64, bool, []string:
		default:
			t.Errorf("%s: default of type %T", k.Name, k.Default)
		}
		if _, err := k.check(k.Default); err != nil {
			t.Errorf("%s: the default is not valid: %v", k.Name, err)
		}
		if k.AllowList != "" && (find(k.AllowList) == nil || k.Path != HostPath) {
			t.Errorf("%s: wrong list %s", k.Name, k.AllowList)
		}
		if k.Path == HostPath && !k.NoAnnotation && k.AllowList == "" && k.Inert == "" {
			t.Errorf("%s: an annotation can name a file of the host without any list", k.Name)
		}
		for _, v := range []int64{k.Min, k.Max} {
			if k.Range() != "" {
				if err := set(Default(), &k, v); err != nil {
					t.Errorf("%s: its limit does not fit its field: %v", k.Name, err)
				}
			}
		}
	}
	for name := range fieldIndex() {
		if !seen[name] {
			t.Errorf("%s has a field and is not in the schema", name)
		}
	}
}

func TestNumbersThatDoNotFitTheirField(t *testing.T) {
	c := Default()
	for _, v := range []int64{-1, 1 << 32} {
		if err := set(c, find("hypervisor.qemu.default_memory"), v); err == nil {
			t.Errorf("%d fits into a uint32", v)
		}
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	c, o, err := Parse("c.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, Default()) || len(o.Warnings) > 0 {
		t.Errorf("got %+v, %v", c, o.Warnings)
	}
	for _, s := range o.Settings(c) {
		if s.Origin.String() != "default" {
			t.Errorf("%s comes from %v", s.Key.Name, s.Origin)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"kernel", "kernel_params", "image", "initrd", "path"}
	for word, want := range map[string]string{
		"kernle": "kernel", "kernal": "kernel", "kernelparams": "kernel_params", "Path": "path", "pth": "path",
		"": "", "xyz": "", "machine": "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	got := lines("a = 1 # x = 2\n'b c'.d=\"\"\"\n[no]\n\"\"\"\n\n  [t . \"u\"] # c\ne.f = [ 1,\n  { g = ']' }, # ]\n]\nh = '''x'''''\n[[v]]\ni = { j = 1 }\n")
	want := map[string]int{
		"a": 1, `"b c"`: 2, `"b c".d`: 2, "t": 6, "t.u": 6, "t.u.e": 7, "t.u.e.f": 7, "t.u.h": 10, "v": 11, "v.i": 12,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
