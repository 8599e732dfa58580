package local

import (
	"context"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/eventsource"
)

// FuzzKept holds that no text in the log breaks the start of a cloud.
func FuzzKept(f *testing.F) {
	f.Add(`{"Stream":"arn","Skips":[{"From":"2026-01-02T03:04:05Z","Ahead":3600000000000}],"Pulled":{"0":"mapping.disable"}}`, "3", `{"Document":{"version":"1.0"},"IDs":["a"]}`)
	f.Add("", "", `{"Record":"e30=","At":"2026-01-02T03:04:05Z"}`)
	f.Fuzz(func(t *testing.T, plane, life, letter string) {
		c := &cloud{
			cfg:    cloudConfig{Stack: bench.Stack{Data: "data", Dir: t.TempDir()}, Again: &again{}},
			engine: dynamo.New(dynamo.Options{}), time: &skippedClock{}, levers: levers{pulled: map[int]string{}},
		}
		os.MkdirAll(filepath.Join(c.cfg.Stack.Dir, "deliveries"), 0o755)
		os.WriteFile(filepath.Join(c.cfg.Stack.Dir, "deliveries", "log"), nil, 0o644)
		for key, text := range map[string]string{keptPlane: plane, keptLife: life, keptLetters + "1": letter} {
			c.engine.Keep(key, text)
		}
		if err := c.goOn(bench.NoObserver{}); err != nil {
			return
		}
		if c.life >= 1<<(32-lifeShift) {
			t.Errorf("life %d", c.life)
		}
		if _, err := c.letters.readBack(); err == nil && letter != "" && len(c.letters.letters) != 1 {
			t.Errorf("%d letters", len(c.letters.letters))
		}
	})
}

// TestLettersAreReadInOrder: the box goes on with the numbers of the one before.
func TestLettersAreReadInOrder(t *testing.T) {
	engine := dynamo.New(dynamo.Options{})
	for i := range 3 {
		var box letterBox
		if err := box.keep(engine); err != nil {
			t.Fatal(err)
		}
		if len(box.letters) != 2*i {
			t.Fatalf("%d letters, want %d", len(box.letters), 2*i)
		}
		for range 2 {
			if err := box.Send(t.Context(), eventsource.Document{Version: string(rune('a' + i))}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	var box letterBox
	box.keep(engine)
	var versions strings.Builder
	for _, l := range box.letters {
		versions.WriteString(l.Document.Version)
	}
	if versions.String() != "aabbcc" {
		t.Errorf("letters %s", &versions)
	}
}

// calm is a set of no faults.
type calm struct{ bench.NoFaults }

func (calm) Begin(int)                  {}
func (calm) End(int)                    {}
func (calm) Bites() []bench.Bites       { return nil }
func (calm) Place(int) bench.Place      { return "" }
func (calm) Told(int)                   {}
func (calm) States() []bench.FaultState { return nil }
func (calm) Resume([]bench.FaultState)  {}

// TestADeathForGood: without data, or where they cannot be read any more, the
// death of the cloud is told, each call says why it fails, and the address
// refuses.
func TestADeathForGood(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(data string)
		data  bool
		want  string
	}{
		"no data":     {func(string) {}, false, "the cloud is gone"},
		"other files": {func(data string) { os.WriteFile(filepath.Join(data, engineDir, "thesis.doc"), nil, 0o644) }, true, "thesis.doc"},
	} {
		t.Run(name, func(t *testing.T) {
			target := New(Options{NewFaults: func(uint64, []string) (Faults, error) { return calm{}, nil }, Log: t.Output()})
			stack := bench.Stack{
				Run: "k3v9x2ab", Architecture: bench.Sync, Shards: 1, Dir: t.TempDir(), Gateway: bench.Gateway{Path: "/items"},
				Processor: bench.Processor{Timeout: time.Second, Concurrency: 1},
			}
			if c.data {
				stack.Data = filepath.Join(stack.Dir, "data")
			}
			var mu sync.Mutex
			told := map[bench.EventKind]string{}
			endpoints, err := target.Start(t.Context(), stack, func(e bench.Event) {
				mu.Lock()
				defer mu.Unlock()
				told[e.Kind] = e.Text
			})
			if err != nil {
				t.Fatal(err)
			}
			defer target.Stop()
			c.spoil(stack.Data)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := target.cloud.kill(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := target.Position(ctx); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("a call of the dead: %v, want one about %q", err, c.want)
			}
			select {
			case <-target.cloud.ended:
			case <-ctx.Done():
				t.Fatal("it is still being started")
			}
			mu.Lock()
			defer mu.Unlock()
			if text := told[bench.EventTargetDeath]; !strings.Contains(text, c.want) || told[bench.EventTargetReturn] != "" {
				t.Errorf("told of %v", maps.Clone(told))
			}
			address := strings.TrimPrefix(endpoints.DynamoDB, "http://")
			if conn, err := net.Dial("tcp", address); err == nil {
				conn.Close()
				t.Errorf("%s takes connections, and nobody will serve them", address)
			}
		})
	}
}
