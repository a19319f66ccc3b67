// Command image makes a container image of several architectures from static
// Linux programs, without a registry and without a container engine, on any
// system that Go runs on. It is a program of its own because the lab's runs on
// Linux only.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"headless-job-dns/lab/internal/image"
)

const usage = `Makes an image from static Linux programs.

  image --name REF -o OUT.tar [--layout FOLDER] [--entrypoint /NAME] [--user 65532]
        [--file /FILE]... [--link /NAME]... PROGRAM...

A --file of this machine stands in the image at the same path, a --link leads to
the program. OUT.tar is for ctr images import, kind load image-archive and docker
load (from Docker 25 on). With --layout the image is of several architectures, each PROGRAM for the
one that it was built for; FOLDER is an OCI layout, for whatever pushes one to a
registry (crane push --index, skopeo copy --all). Without, it is of this machine's.
`

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case err != errUsage: // what is wrong with the flags has been said
		fmt.Fprintln(os.Stderr, "image:", err)
	}
	os.Exit(1)
}

var errUsage = errors.New("wrong usage")

func run(args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("image", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() { fmt.Fprint(stderr, usage) }
	var s image.Spec
	f.StringVar(&s.Name, "name", "", "")
	f.StringVar(&s.Entrypoint, "entrypoint", "", "")
	f.StringVar(&s.User, "user", image.DefaultUser, "")
	list := func(to *[]string) func(string) error {
		return func(v string) error { *to = append(*to, v); return nil }
	}
	f.Func("file", "", list(&s.Libraries))
	f.Func("link", "", list(&s.Links))
	out, folder := f.String("o", "", ""), f.String("layout", "", "")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if s.Name == "" || *out == "" || f.NArg() == 0 || *folder == "" && f.NArg() > 1 {
		f.Usage()
		return errors.New("--name, -o and a program are required, --layout for more than one")
	}
	if *folder == "" {
		s.Binary = f.Arg(0)
		return image.Write(s, *out)
	}
	if err := image.WriteIndex(s, f.Args(), *folder, *out); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "wrote %s and %s\n", *out, *folder)
	return nil
}
