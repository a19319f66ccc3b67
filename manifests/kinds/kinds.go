// Package kinds lists the private DNS and the extra objects that trials can have.
// Each is one YAML file here, of dns or extras; its header says what everybody else
// has to know of it, under "# facts:". A file without facts is a part of others.
package kinds

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

//go:embed dns extras
var Files embed.FS

// DNS are the facts of a private DNS. Its name is its file's.
type DNS struct {
	Name    string   `json:"-"`
	Rank    int      `json:"rank"`    // its place in lists
	Title   string   `json:"title"`   // for users
	Objects []string `json:"objects"` // its files, in order of creation
	// Before names the DNS that Front stands in front of, in place of Objects.
	Before string   `json:"before,omitempty"`
	Front  []string `json:"front,omitempty"` // its files, of a cache on each node
	// Flags make the record writer what it is.
	Flags map[string]string `json:"flags,omitempty"`

	// TTL is what its records have, and its denials unless DenialTTL says
	// otherwise, that no cache has aged, in seconds; 0: what the DNS behind it says.
	TTL       uint32 `json:"ttl,omitempty"`
	DenialTTL uint32 `json:"denial_ttl,omitempty"`
	// KeepsAddresses and KeepsDenials are for how long it caches them at most, in
	// seconds; 0: it does not.
	KeepsAddresses uint32 `json:"keeps_addresses,omitempty"`
	KeepsDenials   uint32 `json:"keeps_denials,omitempty"`
	KeepsLast      bool   `json:"keeps_last,omitempty"` // it never withdraws the last record of a name

	ClusterRole bool `json:"cluster_role,omitempty"` // it reads the Services of all namespaces
	AsksCluster bool `json:"asks_cluster,omitempty"` // it asks the cluster's own DNS
	Optional    bool `json:"optional,omitempty"`     // a plan goes on without it where its image cannot be had
}

// Find returns the facts of a DNS; false: there is none of the name.
func Find(name string) (DNS, bool) {
	i := slices.IndexFunc(AllDNS, func(d DNS) bool { return d.Name == name })
	if i < 0 {
		return DNS{}, false
	}
	return AllDNS[i], true
}

// Kept is for how long clients may be told what it kept, at most: it, or the DNS
// that it stands before.
func (d DNS) Kept() (addresses, denials time.Duration) {
	behind, _ := Find(d.Before)
	return time.Duration(max(d.KeepsAddresses, behind.KeepsAddresses)) * time.Second,
		time.Duration(max(d.KeepsDenials, behind.KeepsDenials)) * time.Second
}

// Extra are the facts of what can be created before the headless Service.
type Extra struct {
	Name    string   `json:"-"`
	Rank    int      `json:"rank"`
	Title   string   `json:"title"`
	Objects []string `json:"objects"`
}

// AllDNS and Extras are those of the embedded files, by rank.
var (
	AllDNS = must(ReadDNS(Files))
	Extras = must(ReadExtras(Files))
)

func must[T any](list []T, err error) []T {
	if err != nil {
		panic(err)
	}
	return list
}

// ReadDNS reads the facts of the files in dns. A field that is not known is an
// error, and so is a file that is named and not there.
func ReadDNS(files fs.FS) ([]DNS, error) {
	list, err := read(files, "dns", func(d *DNS, name string) []string {
		d.Name = name
		return slices.Concat(d.Objects, d.Front)
	})
	for i, d := range list {
		if d.Before == "" {
			continue
		}
		behind := slices.IndexFunc(list, func(b DNS) bool { return b.Name == d.Before && b.Before == "" })
		if behind < 0 {
			return nil, fmt.Errorf("facts of dns/%s.yaml: there is no dns %s", d.Name, d.Before)
		}
		list[i].Objects = list[behind].Objects
	}
	slices.SortFunc(list, func(a, b DNS) int { return cmp.Or(a.Rank-b.Rank, strings.Compare(a.Name, b.Name)) })
	return list, err
}

// ReadExtras reads the facts of the files in extras likewise.
func ReadExtras(files fs.FS) ([]Extra, error) {
	list, err := read(files, "extras", func(e *Extra, name string) []string {
		e.Name = name
		return e.Objects
	})
	slices.SortFunc(list, func(a, b Extra) int { return cmp.Or(a.Rank-b.Rank, strings.Compare(a.Name, b.Name)) })
	return list, err
}

// read reads the facts of a folder's files. named gives them a name and returns the
// files that they name.
func read[T any](files fs.FS, folder string, named func(*T, string) []string) ([]T, error) {
	paths, err := fs.Glob(files, folder+"/*.yaml")
	if err != nil {
		return nil, err
	}
	var list []T
	for _, p := range paths {
		text, err := fs.ReadFile(files, p)
		if err != nil {
			return nil, err
		}
		header := facts(text)
		if header == nil {
			continue
		}
		var f T
		if err := yaml.UnmarshalStrict(header, &f); err != nil {
			return nil, fmt.Errorf("facts of %s: %w", p, err)
		}
		objects := named(&f, strings.TrimSuffix(path.Base(p), ".yaml"))
		if len(objects) == 0 {
			return nil, fmt.Errorf("facts of %s: no objects are named", p)
		}
		for _, o := range objects {
			if _, err := fs.Stat(files, folder+"/"+o+".yaml"); err != nil {
				return nil, fmt.Errorf("facts of %s: object %s: %w", p, o, err)
			}
		}
		list = append(list, f)
	}
	return list, nil
}

// facts is the YAML in the comment that follows "# facts:"; nil: there is none.
func facts(text []byte) []byte {
	_, after, found := bytes.Cut(text, []byte("# facts:\n"))
	if !found {
		return nil
	}
	var out bytes.Buffer
	for line := range bytes.Lines(after) {
		comment, is := bytes.CutPrefix(line, []byte("#   "))
		if !is {
			break
		}
		out.Write(comment)
	}
	return out.Bytes()
}
