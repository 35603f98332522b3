package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/config"
)

const root = "../.."

func TestGeneratedFilesAreFresh(t *testing.T) {
	outputs, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range outputs {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go run ./config/generate", path)
		}
	}
}

// What is installed loads without a warning, and so does the same file with
// every key that is a comment made one that counts: it then says the defaults.
func TestSampleLoads(t *testing.T) {
	data, err := os.ReadFile(root + "/configuration.toml.in")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(
		"@QEMU@", "/bin/qemu", "@KERNEL@", "/k", "@INITRD@", "/i", "@IMAGE@", "",
		"@VIRTIOFSD@", "/v", "@SHIM@", "/s", "@PROXY@", "/p").Replace(string(data))
	if i := strings.IndexByte(text, '@'); i >= 0 {
		t.Fatalf("an unknown placeholder: %q", text[i:min(len(text), i+20)])
	}
	uncommented := regexp.MustCompile(`(?m)^#([a-z0-9_]+ = )`).ReplaceAllString(text, "$1")
	if uncommented == text {
		t.Fatal("no key is a comment")
	}
	for _, text := range []string{text, uncommented} {
		c, o, err := config.Parse("configuration.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Warnings) > 0 {
			t.Errorf("warnings: %q", o.Warnings)
		}
		base := config.Default()
		for i, s := range o.Settings(c) {
			d := o.Settings(base)[i]
			if s.Key.Sample == "" && config.Literal(s.Value) != config.Literal(d.Value) {
				t.Errorf("%s = %v, but the default is %v", s.Key.Name, s.Value, d.Value)
			}
			if text == uncommented && s.Origin.Line == 0 {
				t.Errorf("%s is not in the file", s.Key.Name)
			}
		}
	}
}
