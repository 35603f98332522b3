package kernel

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// patches are applied to the source in the order of their names. Each begins
// with why it is there.
//
//go:embed patches/*.patch
var patches embed.FS

// PatchesSHA256 is the hash of all that the source is patched with, in hex.
func PatchesSHA256() string {
	h := sha256.New()
	for _, name := range patchNames() {
		data, err := patches.ReadFile(name)
		if err != nil {
			panic(err) // it is in the program
		}
		fmt.Fprintf(h, "%s %d\n", path.Base(name), len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func patchNames() []string {
	names, err := fs.Glob(patches, "patches/*.patch")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return names
}

// patch applies the patches. One that does not fit exactly is an error that
// names it: code next to the place that was meant is not good enough.
func (b builder) patch() error {
	for _, name := range patchNames() {
		data, err := patches.ReadFile(name)
		if err != nil {
			return err
		}
		var out bytes.Buffer // where patch says what does not fit
		if err := b.runWith(bytes.NewReader(data), &out, "patch", "-p1", "--fuzz=0", "--batch"); err != nil {
			said := strings.ReplaceAll(strings.TrimSpace(out.String()), "\n", "; ")
			return fmt.Errorf("%s: %w %s", path.Base(name), err, said)
		}
	}
	return nil
}
