package local

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// tokenHeader carries the token of the run: only the parent may break things.
const tokenHeader = "X-Ackproof-Token"

// stopDelay lets the answer to a stop leave before the listeners are closed.
const stopDelay = 10 * time.Millisecond

const readHeaderTimeout = 10 * time.Second

// control is the parent's end of a child's control channel.
type control struct {
	url, token string
	http       *http.Client
}

func newControl(url, token string) *control {
	return newControlOver(&http.Transport{}, url, token)
}

func newControlOver(transport *http.Transport, url, token string) *control {
	transport.MaxIdleConnsPerHost = 4
	return &control{url: url, token: token, http: &http.Client{Transport: transport}}
}

// callTimeout bounds every call: a child that is frozen must not freeze its
// parent. Only the end of a fault, which waits for its undoing, has a bound of
// its own, that of the caller.
const callTimeout = 5 * time.Second

// call makes one call and decodes its answer into out, unless that is nil.
func (c *control) call(ctx context.Context, method, path string, out any) error {
	if !strings.HasSuffix(path, "/end") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, nil)
	if err != nil {
		return fmt.Errorf("control %s: %w", path, err)
	}
	req.Header.Set(tokenHeader, c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("control %s: %w", path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("control %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return answered{fmt.Errorf("control %s: %s: %s", path, resp.Status, bytes.TrimSpace(body))}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}

// answered is an error that a child has answered with: it is alive.
type answered struct{ error }

// Faults is the set of faults of a run as the processes of the target see it:
// the machines ask it, the parent moves it.
type Faults interface {
	bench.Injector
	Begin(fault int)
	End(fault int)
	Bites() []bench.Bites
	Place(fault int) bench.Place

	// A set whose process has died is followed by one that goes on with the states
	// of a third, which was told of each strike.
	Told(fault int)
	States() []bench.FaultState
	Resume([]bench.FaultState)
}

// NewFaults makes the set from the texts of the faults. It is handed in so that
// the target need not know the language of the faults.
type NewFaults func(seed uint64, texts []string) (Faults, error)

// controlServer is the child's end.
type controlServer struct {
	mux   *http.ServeMux
	token string
}

// newControlServer serves the calls that every child has. begun is told of each
// begin; settled waits until what fault i has broken works again.
func newControlServer(token string, faults Faults, begun func(fault int), settled func(ctx context.Context, fault int) error, stop func()) *controlServer {
	s := &controlServer{mux: http.NewServeMux(), token: token}
	s.mux.HandleFunc("POST /faults/{fault}/begin", func(w http.ResponseWriter, r *http.Request) {
		s.fault(w, r, faults, func(i int) error { faults.Begin(i); begun(i); return nil })
	})
	s.mux.HandleFunc("POST /faults/{fault}/end", func(w http.ResponseWriter, r *http.Request) {
		s.fault(w, r, faults, func(i int) error { faults.End(i); return settled(r.Context(), i) })
	})
	s.answer("GET /bites", func() (any, error) { return faults.Bites(), nil })
	s.answer("POST /stop", func() (any, error) {
		time.AfterFunc(stopDelay, stop)
		return nil, nil
	})
	return s
}

// answer serves a call without arguments.
func (s *controlServer) answer(pattern string, f func() (any, error)) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		v, err := f()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	})
}

func (s *controlServer) fault(w http.ResponseWriter, r *http.Request, faults Faults, do func(int) error) {
	i, err := strconv.Atoi(r.PathValue("fault"))
	if err != nil || i < 0 || i >= len(faults.Bites()) {
		http.Error(w, "no such fault", http.StatusNotFound)
		return
	}
	if err := do(i); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// ServeHTTP lets only the parent in.
func (s *controlServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(s.token)) != 1 {
		http.Error(w, "this channel belongs to the run that made it", http.StatusForbidden)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// serve listens on a loopback port (0: a free one), or in memory, and serves
// until closed.
func (s site) serve(port int, h http.Handler) (*http.Server, string, error) {
	l, err := s.listen(port)
	if err != nil {
		return nil, "", fmt.Errorf("listen on port %d: %w", port, trimListen(err))
	}
	return serve(l, h), "http://" + l.Addr().String(), nil
}

// trimListen drops net's own preamble, which repeats what is said already.
func trimListen(err error) error {
	if i := strings.LastIndex(err.Error(), "bind: "); i >= 0 {
		return fmt.Errorf("%s; choose another with --port", err.Error()[i+len("bind: "):])
	}
	return err
}
