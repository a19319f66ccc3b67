package recordwriter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// watchFor is for how many seconds a watch is asked, watchLimit after how long
	// one is given up that did not end: a connection may be lost without a sign.
	watchFor, watchLimit = "120", 150 * time.Second
	// retryPause is the pause after a request that failed.
	retryPause = time.Second
	// tokenFile is where a pod finds its service account's.
	tokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
)

// api is the API server, as a pod reaches it. Its certificate is judged by the
// authorities that SSL_CERT_FILE names.
type api struct {
	base     string        // URL
	token    string        // file; it is renewed, so it is read for each request
	selector string        // of labels; empty: everything
	pause    time.Duration // after a request that failed
}

// object is what is read of a Service or an EndpointSlice, or of an error.
type object struct {
	Metadata struct {
		Name            string
		UID             string
		OwnerReferences []struct{ Kind, UID string }
	}
	Endpoints []struct {
		Addresses  []netip.Addr
		Hostname   string
		Conditions struct{ Ready *bool }
	}
	Message string
}

// owner is the UID of the Service that an EndpointSlice is of.
func (o object) owner() string {
	for _, r := range o.Metadata.OwnerReferences {
		if r.Kind == "Service" {
			return r.UID
		}
	}
	return ""
}

// ready returns the addresses of endpoints that are ready and have a hostname, by
// hostname. Under publishNotReadyAddresses the API calls all of them ready.
func (o object) ready() map[string][]netip.Addr {
	set := map[string][]netip.Addr{}
	for _, e := range o.Endpoints {
		if e.Hostname != "" && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
			set[e.Hostname] = append(set[e.Hostname], e.Addresses...)
		}
	}
	return set
}

// follow says which objects of a kind there are, and which are gone, until ctx
// ends. It calls listed after each list.
func (a *api) follow(ctx context.Context, path string, see func(o object, gone bool), listed func(),
	failed func(error)) {
	known := map[string]object{}
	for ctx.Err() == nil {
		// However a watch ends, be it that its version has expired (410), the
		// objects are listed anew.
		if err := a.listAndWatch(ctx, path, known, see, listed); err != nil && ctx.Err() == nil {
			failed(fmt.Errorf("%s: %w", path, err))
			time.Sleep(a.pause)
		}
	}
}

func (a *api) listAndWatch(ctx context.Context, path string, known map[string]object,
	see func(o object, gone bool), listed func()) error {
	var list struct {
		Metadata struct{ ResourceVersion string }
		Items    []object
	}
	if err := a.get(ctx, path, url.Values{}, func(d *json.Decoder) error { return d.Decode(&list) }); err != nil {
		return err
	}
	gone := maps.Clone(known)
	for _, o := range list.Items {
		known[o.Metadata.UID] = o
		delete(gone, o.Metadata.UID)
	}
	for uid, o := range gone {
		delete(known, uid)
		see(o, true)
	}
	for _, o := range list.Items {
		see(o, false)
	}
	listed()
	query := url.Values{"watch": {"1"}, "resourceVersion": {list.Metadata.ResourceVersion}, "timeoutSeconds": {watchFor}}
	return a.get(ctx, path, query, func(events *json.Decoder) error {
		for {
			var e struct {
				Type   string
				Object object
			}
			switch err := events.Decode(&e); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			case e.Type == "ERROR":
				return errors.New(e.Object.Message)
			}
			gone := e.Type == "DELETED"
			known[e.Object.Metadata.UID] = e.Object
			if gone {
				delete(known, e.Object.Metadata.UID)
			}
			see(e.Object, gone)
		}
	})
}

// get has the answer to a request read.
func (a *api) get(ctx context.Context, path string, query url.Values, read func(*json.Decoder) error) error {
	ctx, stop := context.WithTimeout(ctx, watchLimit)
	defer stop()
	query.Set("labelSelector", a.selector)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	token, err := os.ReadFile(a.token)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the API server answered %s", answer.Status)
	}
	return read(json.NewDecoder(answer.Body))
}
