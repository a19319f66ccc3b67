//go:build !linux

package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "lab: this is %s: the lab is made of Linux namespaces, run it on Linux (as root)\n",
		runtime.GOOS)
	os.Exit(1)
}
