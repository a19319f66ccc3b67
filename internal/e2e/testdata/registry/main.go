// Command registry serves the one image of an OCI layout, read-only: as much of
// a registry as a node needs to pull it. Whatever name and tag is asked for, it
// is that image.
package main

import (
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	listen, layout := os.Args[1], os.Args[2]
	text, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil {
		log.Fatal(err)
	}
	var index struct{ Manifests []struct{ Digest string } }
	if err := json.Unmarshal(text, &index); err != nil || len(index.Manifests) != 1 {
		log.Fatalf("%s: want one image: %v", layout, err)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listening")
	log.Fatal(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, layout, index.Manifests[0].Digest)
	})))
}

// serve answers /v2/, /v2/NAME/manifests/TAG-OR-DIGEST and /v2/NAME/blobs/DIGEST.
func serve(w http.ResponseWriter, r *http.Request, layout, image string) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) < 4 {
		return // it speaks version 2
	}
	what, digest := parts[len(parts)-2], parts[len(parts)-1]
	if what == "manifests" && !strings.HasPrefix(digest, "sha256:") {
		digest = image
	}
	// Base drops whatever else a path may hold.
	data, err := os.ReadFile(filepath.Join(layout, "blobs", "sha256",
		filepath.Base(strings.TrimPrefix(digest, "sha256:"))))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if what == "manifests" {
		var m struct{ MediaType string }
		if err := json.Unmarshal(data, &m); err == nil {
			w.Header().Set("Content-Type", m.MediaType)
		}
	}
	w.Header().Set("Docker-Content-Digest", digest)
	w.Write(data)
}
