package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"headless-job-dns/lab/internal/image"
	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/process"
)

// Images that are made of Debian's programs, because the lab has no registry to
// have the public ones from.
const (
	// DnsmasqImage is dnsmasq with nothing but its libraries, for trials with a
	// DNS like kube-dns. Its program is where that of kube-dns' image is.
	DnsmasqImage = "lab.local/dnsmasq:debian"
	// BusyboxImage has a shell and busybox's other programs in /bin, as Docker's
	// busybox image has.
	BusyboxImage = "lab.local/busybox:debian"
)

// pack makes the images of the machine's programs.
func pack(ctx context.Context, state layout.State) error {
	err := packProgram(ctx, image.Spec{Name: DnsmasqImage, Entrypoint: "/usr/sbin/dnsmasq"}, state.DnsmasqTar())
	if err != nil {
		return err
	}
	out, err := process.Command(ctx, "busybox", "--list").Output()
	if err != nil {
		return fmt.Errorf("make image %s: busybox --list: %w", BusyboxImage, err)
	}
	s := image.Spec{Name: BusyboxImage, Entrypoint: "/bin/busybox"}
	for _, applet := range strings.Fields(string(out)) {
		if applet != "busybox" {
			s.Links = append(s.Links, "/bin/"+applet)
		}
	}
	return packProgram(ctx, s, state.BusyboxTar())
}

// packProgram makes an image of the machine's program that the entrypoint is
// named after.
func packProgram(ctx context.Context, s image.Spec, tar string) (err error) {
	if s.Binary, err = exec.LookPath(filepath.Base(s.Entrypoint)); err != nil {
		return fmt.Errorf("make image %s: %w", s.Name, err)
	}
	static, err := image.Static(s.Binary)
	if err != nil {
		return fmt.Errorf("make image %s: %w", s.Name, err)
	}
	if !static {
		out, err := process.Command(ctx, "ldd", s.Binary).CombinedOutput()
		if err != nil {
			return fmt.Errorf("make image %s: ldd %s: %w: %s", s.Name, s.Binary, err, out)
		}
		if s.Libraries, err = image.Libraries(string(out)); err != nil {
			return fmt.Errorf("make image %s: %w", s.Name, err)
		}
	}
	return image.Write(s, tar)
}
