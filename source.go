// Package source holds the source of the probe, so that an installed program
// can have the user's Go build it for whatever nodes a cluster has, without a
// checkout and at its own version for certain.
package source

import "embed"

// Probe is what package probe is built from. Tests are in it because patterns
// cannot leave them out.
//
//go:embed go.mod go.sum probe/*.go
//go:embed internal/record/*.go internal/recordwriter/*.go
var Probe embed.FS
