package kernel

import (
	"bytes"
	"slices"
	"testing"
)

func TestLost(t *testing.T) {
	asked := []byte("# a comment\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=n\nCONFIG_D=y\nCONFIG_E=\"x y\"\nCONFIG_F=4\n" +
		"# --- optional: comes and goes\nCONFIG_G=y\nCONFIG_H=y\n")
	for _, test := range []struct {
		name, got string
		want      []string
	}{
		{"as asked", "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D=y\nCONFIG_E=\"x y\"\nCONFIG_F=4\nCONFIG_Z=y\n", nil},
		{"gone, off, other", "CONFIG_B=y\n# CONFIG_D is not set\nCONFIG_E=\"x y\"\nCONFIG_F=5\n",
			[]string{"CONFIG_A=y (is n)", "CONFIG_B=n (is y)", "CONFIG_D=y (is n)", "CONFIG_F=4 (is 5)"}},
		{"optional", "CONFIG_A=y\nCONFIG_D=y\nCONFIG_E=\"x y\"\nCONFIG_F=4\n# CONFIG_G is not set\n", []string{"CONFIG_G=y (is n)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Lost(asked, []byte(test.got)); !slices.Equal(got, test.want) {
				t.Errorf("Lost = %q, want %q", got, test.want)
			}
		})
	}
}

// A symbol that is there twice could contradict itself.
func TestFragmentNamesEachSymbolOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, line := range bytes.Split(Fragment, []byte("\n")) {
		name, _, _ := bytes.Cut(line, []byte("="))
		if !bytes.HasPrefix(name, []byte("CONFIG_")) {
			continue
		}
		if seen[string(name)] {
			t.Errorf("%s is there twice", name)
		}
		seen[string(name)] = true
	}
	if len(seen) < 100 {
		t.Errorf("only %d symbols", len(seen))
	}
}
