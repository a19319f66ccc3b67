// Command asker is the end to end test's pod: it asks for a name, says what it
// heard, tries to get out of the lab, and stays unless it is told "once".
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	addrs, err := net.LookupHost(os.Args[1])
	fmt.Println("answer:", addrs, err)
	if len(os.Args) > 2 {
		return
	}
	_, err = net.LookupHost("example.com.")
	fmt.Println("outside name:", err)
	// An address that is nobody's (RFC 5737) would be sent to the default route.
	_, err = net.DialTimeout("tcp", "192.0.2.250:80", 2*time.Second)
	fmt.Println("outside address:", err)
	fmt.Println("done")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}
