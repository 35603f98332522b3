// Command registry serves container images from a folder, for tests without a
// network. It knows what a pull needs of the OCI distribution specification,
// and nothing else: whatever the host of an image's name was, its engine is
// told to ask here.
// Usage: registry FOLDER ADDRESS-FILE
// FOLDER has the blobs as blobs/sha256/HEX, and the digest of each image's
// manifest in tags/NAME/TAG. The address on loopback is written to
// ADDRESS-FILE, which appears when it is served.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: registry FOLDER ADDRESS-FILE")
	}
	root, err := os.OpenRoot(args[0])
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	// With a rename: who sees the file sees the whole address.
	next := args[1] + ".new"
	if err := os.WriteFile(next, []byte(listener.Addr().String()), 0o600); err != nil {
		return err
	}
	if err := os.Rename(next, args[1]); err != nil {
		return err
	}
	return http.Serve(listener, handler{root.FS()})
}

// handler answers /v2/, /v2/NAME/manifests/REFERENCE and /v2/NAME/blobs/DIGEST.
type handler struct{ images fs.FS }

var (
	request = regexp.MustCompile(`^/v2/([a-z0-9][a-z0-9._/-]*)/(manifests|blobs)/([A-Za-z0-9_][A-Za-z0-9._:-]*)$`)
	digest  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "this registry is for pulls only", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == "/v2/" {
		w.WriteHeader(http.StatusOK)
		return
	}
	m := request.FindStringSubmatch(r.URL.Path)
	if m == nil {
		http.NotFound(w, r)
		return
	}
	name, kind, reference := m[1], m[2], m[3]
	if !digest.MatchString(reference) {
		data, err := fs.ReadFile(h.images, path.Join("tags", name, reference))
		if err != nil || kind == "blobs" {
			http.NotFound(w, r)
			return
		}
		reference = strings.TrimSpace(string(data))
	}
	blob := "blobs/" + strings.Replace(reference, ":", "/", 1)
	mediaType := "application/octet-stream"
	if kind == "manifests" {
		var err error
		if mediaType, err = manifestType(h.images, blob); err != nil {
			http.NotFound(w, r)
			return
		}
	}
	w.Header().Set("Docker-Content-Digest", reference)
	w.Header().Set("Content-Type", mediaType)
	http.ServeFileFS(w, r, h.images, blob)
}

// manifestType reads the media type that a manifest claims for itself.
func manifestType(images fs.FS, blob string) (string, error) {
	data, err := fs.ReadFile(images, blob)
	if err != nil {
		return "", err
	}
	var m struct{ MediaType string }
	if err := json.Unmarshal(data, &m); err != nil {
		return "", err
	}
	if m.MediaType == "" {
		return "", fmt.Errorf("%s is not a manifest", blob)
	}
	return m.MediaType, nil
}
