package local

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// oneFault is a set of one fault that notes what is done with it.
type oneFault struct {
	bench.NoFaults
	begun, ended int
}

func (f *oneFault) Begin(int)             { f.begun++ }
func (f *oneFault) End(int)               { f.ended++ }
func (f *oneFault) Bites() []bench.Bites  { return []bench.Bites{{Planned: 2, Bitten: 1}} }
func (f *oneFault) Place(int) bench.Place { return bench.PlaceTable }

func (f *oneFault) Told(int)                   {}
func (f *oneFault) States() []bench.FaultState { return make([]bench.FaultState, 1) }
func (f *oneFault) Resume([]bench.FaultState)  {}

// serveControl serves a control channel on loopback.
func serveControl(t *testing.T, f Faults) string {
	t.Helper()
	srv, address, err := site{}.serve(0, newControlServer("secret", f, func(int) {}, func(context.Context, int) error { return nil }, func() {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return address
}

func TestOnlyTheParentMovesTheFaults(t *testing.T) {
	f := &oneFault{}
	address := serveControl(t, f)
	for _, token := range []string{"", "secre", "secretx"} {
		err := newControl(address, token).call(t.Context(), "POST", "/faults/0/begin", nil)
		if err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("with the token %q: %v, want 403", token, err)
		}
	}
	if f.begun != 0 {
		t.Fatalf("a stranger began the fault %d times", f.begun)
	}
	parent := newControl(address, "secret")
	for _, path := range []string{"/faults/0/begin", "/faults/0/end"} {
		if err := parent.call(t.Context(), "POST", path, nil); err != nil {
			t.Error(err)
		}
	}
	if f.begun != 1 || f.ended != 1 {
		t.Errorf("begun %d times, ended %d times, want once each", f.begun, f.ended)
	}
	var bites []bench.Bites
	if err := parent.call(t.Context(), "GET", "/bites", &bites); err != nil || len(bites) != 1 || bites[0].Bitten != 1 {
		t.Errorf("bites %v, %v", bites, err)
	}
	for _, path := range []string{"/faults/1/begin", "/faults/-1/begin", "/faults/x/begin"} {
		if err := parent.call(t.Context(), "POST", path, nil); err == nil {
			t.Errorf("%s: want an error", path)
		}
	}
}

func TestListenersAreOnLoopback(t *testing.T) {
	u, err := url.Parse(serveControl(t, &oneFault{}))
	if err != nil {
		t.Fatal(err)
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
		t.Errorf("listens on %s", u.Host)
	}
}

// A child that is frozen must not freeze its parent.
func TestACallToAFrozenChildEnds(t *testing.T) {
	frozen := make(chan struct{})
	srv, address, err := site{}.serve(0, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-frozen }))
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	defer close(frozen)
	began := time.Now()
	if err := newControl(address, "secret").call(context.Background(), "GET", "/bites", nil); err == nil {
		t.Error("a frozen child has answered")
	}
	if took := time.Since(began); took > callTimeout+5*time.Second {
		t.Errorf("it took %v, want about %v", took, callTimeout)
	}
}
