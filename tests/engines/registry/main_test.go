package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestServe(t *testing.T) {
	manifest, layer := strings.Repeat("a", 64), strings.Repeat("b", 64)
	server := httptest.NewServer(handler{fstest.MapFS{
		"tags/team/app/1":          {Data: []byte("sha256:" + manifest + "\n")},
		"blobs/sha256/" + manifest: {Data: []byte(`{"mediaType":"application/vnd.oci.image.manifest.v1+json"}`)},
		"blobs/sha256/" + layer:    {Data: []byte("layer")},
	}})
	defer server.Close()
	tests := []struct {
		name, method, path string
		code               int
		contentType, body  string
	}{
		{"version", "GET", "/v2/", 200, "", ""},
		{"tag", "GET", "/v2/team/app/manifests/1", 200, "application/vnd.oci.image.manifest.v1+json", `{"mediaType":"application/vnd.oci.image.manifest.v1+json"}`},
		{"tag's head", "HEAD", "/v2/team/app/manifests/1", 200, "application/vnd.oci.image.manifest.v1+json", ""},
		{"digest", "GET", "/v2/team/app/manifests/sha256:" + manifest, 200, "application/vnd.oci.image.manifest.v1+json", `{"mediaType":"application/vnd.oci.image.manifest.v1+json"}`},
		{"blob", "GET", "/v2/team/app/blobs/sha256:" + layer, 200, "application/octet-stream", "layer"},
		{"unknown tag", "GET", "/v2/team/app/manifests/2", 404, "", ""},
		{"unknown digest", "GET", "/v2/team/app/blobs/sha256:" + strings.Repeat("c", 64), 404, "", ""},
		{"a layer as manifest", "GET", "/v2/team/app/manifests/sha256:" + layer, 404, "", ""},
		{"a tag as blob", "GET", "/v2/team/app/blobs/1", 404, "", ""},
		{"out of the folder", "GET", "/v2/team/../../etc/manifests/passwd", 404, "", ""},
		{"push", "PUT", "/v2/team/app/manifests/1", 405, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req, err := http.NewRequest(test.method, server.URL+test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			reply, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer reply.Body.Close()
			body, err := io.ReadAll(reply.Body)
			if err != nil {
				t.Fatal(err)
			}
			if reply.StatusCode != test.code {
				t.Fatalf("code %d, want %d: %s", reply.StatusCode, test.code, body)
			}
			if test.code != 200 {
				return
			}
			if test.contentType != "" && reply.Header.Get("Content-Type") != test.contentType {
				t.Errorf("type %q, want %q", reply.Header.Get("Content-Type"), test.contentType)
			}
			if string(body) != test.body {
				t.Errorf("body %q, want %q", body, test.body)
			}
		})
	}
}
