// Command lab runs a throw-away Kubernetes cluster on a Linux machine, as
// root, without a container engine and without an image registry. Run it
// without arguments for its commands.
package main
