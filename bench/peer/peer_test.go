package peer

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestPeersConformance starts every peer, stores an item and reads it back.
func TestPeersConformance(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("set ACKPROOF_CONFORMANCE=1: this needs npm and python3")
	}
	for _, name := range []string{Dynoxide, Dynalite, Moto, Local} {
		t.Run(name, func(t *testing.T) {
			var s *Server
			t.Run("up", func(t *testing.T) {
				s = Start(t, name)
				for _, call := range [][2]string{
					{"CreateTable", `{"TableName":"tab","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}`},
					{"PutItem", `{"TableName":"tab","Item":{"id":{"S":"a"},"n":{"N":"7"}}}`},
					{"GetItem", `{"TableName":"tab","Key":{"id":{"S":"a"}}}`},
				} {
					status, body, err := s.Call(t.Context(), call[0], []byte(call[1]))
					if err != nil || status != 200 {
						t.Fatalf("%s: %d %s %v", call[0], status, body, err)
					}
					if call[0] == "CreateTable" {
						if err := s.AwaitTable(t.Context(), "tab"); err != nil {
							t.Fatal(err)
						}
					}
					if call[0] == "GetItem" && !strings.Contains(string(body), `"7"`) {
						t.Fatalf("read %s", body)
					}
				}
			})
			if s == nil {
				return // skipped
			}
			if err := syscall.Kill(s.PID, 0); err != syscall.ESRCH {
				t.Errorf("%s is still there after its test: %v", name, err)
			}
		})
	}
}

// TestWhatCannotBeInstalled holds the errors against what a user needs to know.
func TestWhatCannotBeInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(CacheEnv, t.TempDir())
	t.Setenv(LocalEnv, t.TempDir())
	for name, want := range map[string]string{Dynalite: "npm is not on the PATH; install Node.js", Moto: "python3 is not on the PATH", Local: "DynamoDBLocal.jar", "minidyn": `no peer "minidyn"; the peers are`} {
		if _, err := Install(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestLocksHaveSums looks into the locks: each package is there with the sum
// that the client checks, and no registry is named.
func TestLocksHaveSums(t *testing.T) {
	for name, c := range map[string]struct{ file, item, sum string }{
		Dynoxide: {"package-lock.json", `"node_modules/`, `"integrity": "sha512-`},
		Dynalite: {"package-lock.json", `"node_modules/`, `"integrity": "sha512-`},
		Moto:     {"requirements.txt", "==", "--hash=sha256:"},
	} {
		text, err := fs.ReadFile(locks, fmt.Sprintf("locks/%s/%s", name, c.file))
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(text), c.item)[1:]
		if len(parts) == 0 {
			t.Errorf("%s locks nothing", name)
		}
		for _, p := range parts {
			if !strings.Contains(p, c.sum) {
				t.Errorf("%s: no sum of %.60q", name, p)
			}
		}
		if strings.Contains(string(text), "://") {
			t.Errorf("%s: the lock names a host", name)
		}
	}
}
