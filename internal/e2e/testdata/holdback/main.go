// Command holdback is a TCP proxy that passes on what the server says only
// after a while, and prints when it passed each piece on. It stands between
// CoreDNS and the apiserver: what it holds is ciphertext, so it delays all
// alike.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"os"
	"time"
)

type piece struct {
	Came, Passed time.Time
	data         []byte
}

func main() {
	listen, server := os.Args[1], os.Args[2]
	hold, err := time.ParseDuration(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listening")
	out := json.NewEncoder(os.Stdout)
	passed := make(chan piece, 1024)
	go func() {
		for p := range passed {
			out.Encode(p)
		}
	}()
	for {
		client, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer client.Close()
			up, err := net.Dial("tcp", server)
			if err != nil {
				log.Print(err)
				return
			}
			defer up.Close()
			go io.Copy(up, client)
			held := make(chan piece, 1<<16)
			go func() {
				defer close(held)
				for {
					buf := make([]byte, 32<<10)
					n, err := up.Read(buf)
					if n > 0 {
						held <- piece{Came: time.Now(), data: buf[:n]}
					}
					if err != nil {
						return
					}
				}
			}()
			for p := range held {
				time.Sleep(time.Until(p.Came.Add(hold)))
				if _, err := client.Write(p.data); err != nil {
					return
				}
				p.Passed = time.Now()
				passed <- p
			}
		}()
	}
}
