package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// Whatever a caller sends, it gets the same short line and no more, at once, and
// nothing of its own back.
func TestListenerReflectsNothing(t *testing.T) {
	port := freePort(t)
	listenAs(t, podAddr(0), port, leader)
	for _, sent := range []string{"", "GET /canary HTTP/1.1\r\n\r\n", `{"run":"canary"}` + "\n", strings.Repeat("canary", 1<<16), "\x16\x03\x01canary\x00"} {
		began := time.Now()
		c, err := net.Dial("tcp", fmt.Sprint(podAddr(0), ":", port))
		require.NoError(t, err)
		defer c.Close()
		c.SetDeadline(time.Now().Add(patient))
		// The end of the connection may come in the middle of it.
		_, err = io.WriteString(c, sent)
		require.True(t, err == nil || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET), "%v", err)
		got, err := io.ReadAll(c)
		if sent == "" {
			require.NoError(t, err)
			require.NotEmpty(t, got)
		} else {
			// What nobody read is answered by a reset, which may overtake the line.
			require.True(t, err == nil || errors.Is(err, syscall.ECONNRESET), "%v", err)
		}
		require.NotContains(t, string(got), "canary")
		require.LessOrEqual(t, strings.Count(string(got), "\n"), 1)
		require.Less(t, len(got), 512)
		require.Less(t, time.Since(began), patient/2)
	}
}

// Nothing answers over UDP: there is nothing to amplify.
func TestNoUDP(t *testing.T) {
	port := freePort(t)
	pod := start(t, append(args(t, 0, 4, port, "127.0.0.1:1"), "--observer=solo")...)
	pod.log()
	c, err := net.Dial("udp", fmt.Sprint(podAddr(0), ":", port))
	require.NoError(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patient))
	_, err = c.Write([]byte("who are you?"))
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// FuzzWho: whatever listens at an address that DNS gave, it is a probe's line
// or none, and what is kept of it fits into a record.
func FuzzWho(f *testing.F) {
	line, err := json.Marshal(leader)
	require.NoError(f, err)
	f.Add(append(line, '\n'))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"))
	f.Add([]byte("\x16\x03\x01\n"))
	f.Add([]byte(`{"run":1}` + "\n"))
	f.Add([]byte(`{"pod":"` + strings.Repeat("<", maxWho) + `"}` + "\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		who, err := readWho(strings.NewReader(string(said)))
		if (who == nil) == (err == nil) {
			t.Fatalf("%+v, %v", who, err)
		}
		if err != nil {
			return
		}
		b, err := json.Marshal(record.Line{V: record.Version, Dial: &record.Dial{Who: who}})
		if err != nil || len(b) > record.MaxLine {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
	})
}
