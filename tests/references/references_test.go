// Package references holds the test that the tests which docs/limitations.md
// names are there.
package references

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	quoted     = regexp.MustCompile(`"([^"]*)"`)
	goTests    = regexp.MustCompile("(?:([a-z0-9]+) )?((?:`Test[A-Za-z0-9]+`(?:, )?)+)$")
	goName     = regexp.MustCompile(`Test[A-Za-z0-9]+`)
	batsFile   = regexp.MustCompile(`^([a-z/]+)\.bats(?:, (".*"))?(?: \(.*\))?$`)
	folder     = regexp.MustCompile(`^([a-z]+)'s (?:tests|([a-z]+), "(.*)")$`)
	conforming = regexp.MustCompile(`^(critest|conformance), "?([A-Za-z_ ]+)"?$`)
)

// source is the text of all tests of the repository, by their files.
type source map[string]string

func read(t *testing.T) source {
	t.Helper()
	texts, root := source{}, os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (name == "build" || strings.HasPrefix(name, ".git")) {
			return skip(err)
		}
		if !d.IsDir() && (strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".bats") || strings.HasPrefix(name, "tests/conformance/known/")) {
			data, err := fs.ReadFile(root, name)
			texts[name] = string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// skip is what a walk does at a folder that is left out, or could not be read.
func skip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

// in says whether a file below a folder of this name has the text.
func (s source) in(dir, suffix, text string) bool {
	for name, data := range s {
		if strings.HasSuffix(name, suffix) && (dir == "" || strings.Contains("/"+path.Dir(name)+"/", "/"+dir+"/")) && strings.Contains(data, text) {
			return true
		}
	}
	return false
}

// bats says whether a file, which is named from tests/integration or
// tests/engines or lies in a folder of its own name there, has a test with the
// words in its name.
func (s source) bats(file, words string) bool {
	for _, name := range []string{"integration/" + file, "engines/" + file, "engines/" + file + "/" + file} {
		for line := range strings.Lines(s["tests/"+name+".bats"]) {
			if rest, ok := strings.CutPrefix(line, `@test "`); ok && strings.Contains(rest[:strings.LastIndex(rest, `"`)], words) {
				return true
			}
		}
	}
	return false
}

// missing answers what of a reference is not there; "" if all is.
func (s source) missing(reference string) string {
	if m := batsFile.FindStringSubmatch(reference); m != nil {
		words := [][]string{{"", ""}}
		if m[2] != "" {
			words = quoted.FindAllStringSubmatch(m[2], -1)
		}
		for _, w := range words {
			if !s.bats(m[1], w[1]) {
				return m[1] + ".bats: " + w[1]
			}
		}
		return ""
	}
	if m := goTests.FindStringSubmatch(reference); m != nil {
		for _, name := range goName.FindAllString(m[2], -1) {
			if !s.in(m[1], "_test.go", "func "+name+"(") {
				return m[1] + " " + name
			}
		}
		return ""
	}
	if m := folder.FindStringSubmatch(reference); m != nil {
		words := ""
		if m[2] != "" {
			words = `"` + m[3]
		}
		if s.in(path.Join(m[1], m[2]), "_test.go", words) {
			return ""
		}
	}
	if m := conforming.FindStringSubmatch(reference); m != nil && s.in("known", "", m[2]) {
		return ""
	}
	return reference
}

func TestLimitationsNameTestsThatAreThere(t *testing.T) {
	data, err := os.ReadFile("../../docs/limitations.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, column, found := read(t), false, 0
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			column = false
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		last := strings.TrimSpace(cells[len(cells)-1])
		if last == "test" {
			column = true
			continue
		}
		if !column || last == "–" || strings.HasPrefix(last, "--") {
			continue
		}
		for reference := range strings.SplitSeq(last, ";") {
			found++
			if m := tests.missing(strings.TrimSpace(reference)); m != "" {
				t.Errorf("%s: there is no test %s", cells[0], m)
			}
		}
	}
	if found < 50 {
		t.Errorf("%d references were found", found)
	}
}

func TestMissing(t *testing.T) {
	tests := source{
		"tests/integration/a.bats":     "@test \"one thing\" {\n# another\n",
		"tests/engines/crio/crio.bats": "@test \"it: forwarded\" {\n",
		"x/oci/a_test.go":              "func TestA(t",
	}
	for _, there := range []string{"a.bats", `a.bats, "thing", "one"`, `a.bats, "one" (3 of 4)`, `crio.bats, "forwarded"`, "oci `TestA`", "oci's tests"} {
		if m := tests.missing(there); m != "" {
			t.Errorf("%s: %s", there, m)
		}
	}
	for _, not := range []string{"b.bats", `a.bats, "another"`, `a.bats, "one", "two"`, "share `TestA`", "oci `TestA`, `TestB`", "share's tests", `critest, "x"`, "by hand"} {
		if tests.missing(not) == "" {
			t.Errorf("%s was found", not)
		}
	}
}
