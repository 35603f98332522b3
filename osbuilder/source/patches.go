package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// SHA256 is the hash of the files in a folder that is in the program, by their
// names, in hex.
func SHA256(files fs.FS) string {
	h := sha256.New()
	for _, name := range names(files) {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err) // it is in the program
		}
		fmt.Fprintf(h, "%s %d\n", path.Base(name), len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// names are in order.
func names(files fs.FS) []string {
	var list []string
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, name)
		}
		return err
	})
	if err != nil {
		panic(err) // it is in the program
	}
	return list
}

// Patch applies patches in the order of their names. One that does not fit exactly
// is an error that names it: code next to the place that was meant is not good
// enough.
func (t Tree) Patch(ctx context.Context, patches fs.FS) error {
	for _, name := range names(patches) {
		data, err := fs.ReadFile(patches, name)
		if err != nil {
			return err
		}
		var out bytes.Buffer // where patch says what does not fit
		if err := t.RunWith(ctx, bytes.NewReader(data), &out, "patch", "-p1", "--fuzz=0", "--batch"); err != nil {
			said := strings.ReplaceAll(strings.TrimSpace(out.String()), "\n", "; ")
			return fmt.Errorf("%s: %w %s", path.Base(name), err, said)
		}
	}
	return nil
}
