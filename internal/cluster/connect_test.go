package cluster

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// TestConnectWithAPlugin: what a credential plugin gets as arguments, what it
// is told and what it prints is secret; its name is not.
func TestConnectWithAPlugin(t *testing.T) {
	const failed = "the credential plugin \"plugin\" of context \"here\" failed: log in with it or install it; `kubectl version` shows whether it works"
	for name, tc := range map[string]struct {
		script, command string // a script that is made, or one that is not there
		want            string
	}{
		"fails":              {script: "echo secret; exit 3", want: failed},
		"babbles":            {script: "echo secret x509 timeout", want: failed},
		"gives nothing":      {script: "true", want: failed},
		"is not there":       {command: "/secret/plugin", want: failed},
		"is not in the path": {command: "plugin", want: failed},
		"works, and nobody listens": {script: `echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"secret"}}'`,
			want: "nothing listens at the API server's address https://127.0.0.1:1 (connection refused): start the cluster or choose another with --context"},
	} {
		t.Run(name, func(t *testing.T) {
			command := tc.command
			if tc.script != "" {
				command = filepath.Join(t.TempDir(), "plugin")
				require.NoError(t, os.WriteFile(command, []byte("#!/bin/sh\n"+tc.script), 0o700))
			}
			loader := clientcmd.NewDefaultClientConfig(clientcmdapi.Config{
				CurrentContext: "here",
				Contexts:       map[string]*clientcmdapi.Context{"here": {Cluster: "c", AuthInfo: "u"}},
				Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: "https://127.0.0.1:1", InsecureSkipTLSVerify: true}},
				AuthInfos: map[string]*clientcmdapi.AuthInfo{"u": {Exec: &clientcmdapi.ExecConfig{
					APIVersion: "client.authentication.k8s.io/v1", Command: command, Args: []string{"secret"}, InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
					InstallHint: "secret\nsecret", Env: []clientcmdapi.ExecEnvVar{{Name: "A", Value: "secret"}}}}},
			}, nil)
			_, _, err := Connect(t.Context(), loader)
			require.EqualError(t, err, tc.want)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

// TestExplain: whoever logs in takes minutes, and what ran out is named.
func TestExplain(t *testing.T) {
	plain := &Client{REST: &rest.Config{}, Host: "https://h", Context: "here"}
	plugin := &Client{REST: &rest.Config{ExecProvider: &clientcmdapi.ExecConfig{Command: "/opt/secret/kubelogin", Args: []string{"secret"}}}, Host: "https://h", Context: "here"}
	require.Equal(t, 10*time.Second, plain.patience())
	require.Equal(t, 5*time.Minute, plugin.patience())
	_, late := net.DialTimeout("tcp", "127.0.0.1:1", time.Nanosecond)
	dial := &url.Error{Op: "Get", URL: "https://h/version", Err: late}
	for name, tc := range map[string]struct {
		c    *Client
		err  error
		want string
	}{
		"silence":                  {plain, context.DeadlineExceeded, "the API server at https://h did not answer within 10s: check the network or VPN, or choose another with --context"},
		"silence, with a plugin":   {plugin, context.DeadlineExceeded, "the credential plugin \"kubelogin\" of context \"here\", or else the API server at https://h, did not answer within 5m0s: log in with the plugin; `kubectl version` shows whether it works"},
		"no way, with a plugin":    {plugin, dial, "the API server at https://h did not answer (dial tcp 127.0.0.1:1: i/o timeout): check the network or VPN, or choose another with --context"},
		"its words, and no plugin": {plain, &url.Error{Op: "Get", URL: "https://h/version", Err: errors.New("getting credentials: x")}, "the API server at https://h cannot be reached: getting credentials: x; check the address with `kubectl cluster-info`"},
	} {
		got := tc.c.explain(tc.err).Error()
		require.Equal(t, tc.want, got, name)
		require.False(t, strings.Contains(got, "\n") || strings.Contains(got, "secret"), name)
	}
}
