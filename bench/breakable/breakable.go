package breakable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/ackproof/ackproof/bench/clock"
)

// ErrStruck is the error of an invocation that a fault made fail.
var ErrStruck = errors.New("struck by ackproof")

// Start is lambda.Start for a handler that can be broken: any that lambda.Start
// takes. It does not return.
func Start(handler any) { lambda.Start(Wrap(handler)) }

// Wrap gives the handler, with the faults around it that this process's environment
// names. A flag that cannot be read is told in the log and strikes nothing.
func Wrap(handler any) lambda.Handler {
	inner := lambda.NewHandler(handler)
	m := &middleware{
		handler: inner, clock: clock.Real{}, log: os.Stderr, marks: os.TempDir(), salt: clock.Entropy(),
		kill: func() {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until it has come
		},
	}
	m.read(os.Environ())
	if len(m.faults) == 0 {
		return inner
	}
	return m
}

// Wrote says that one more effect is written: the point after-write. Outside of a
// handler that is wrapped it does nothing.
func Wrote(ctx context.Context) {
	if m, ok := ctx.Value(key{}).(*middleware); ok {
		m.wrote()
	}
}

type key struct{}

// middleware is a handler with faults around it.
type middleware struct {
	handler lambda.Handler
	clock   clock.Clock
	log     io.Writer
	marks   string // folder
	salt    uint64 // of this process, so that two do not draw alike
	kill    func() // does not return

	faults []*armed
	writes atomic.Int64
}

// armed is a fault of this process.
type armed struct {
	Flag
	mu    sync.Mutex
	drawn uint64 // invocations
	had   int64  // number of the strike that this environment has had last
}

// read takes the flags out of an environment.
func (m *middleware) read(environ []string) {
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, Prefix) {
			continue
		}
		f, err := Decode(value)
		if err != nil {
			fmt.Fprintf(m.log, "ackproof: %s: %v\n", name, err)
			continue
		}
		m.faults = append(m.faults, &armed{Flag: f, had: -1})
	}
}

// Invoke handles one event.
func (m *middleware) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	ctx = context.WithValue(ctx, key{}, m)
	if err := m.at(ctx, Before); err != nil {
		return nil, err
	}
	answer, err := m.handler.Invoke(ctx, payload)
	if err != nil {
		return nil, err
	}
	if err := m.at(ctx, AfterEffects); err != nil {
		return nil, err
	}
	return answer, nil
}

// at strikes with what is due at a point.
func (m *middleware) at(ctx context.Context, placement string) error {
	for _, f := range m.faults {
		if f.Placement != placement || !m.due(f) {
			continue
		}
		fmt.Fprintln(m.log, f.Line())
		switch f.Kind {
		case Kill:
			m.kill()
		case Error:
			return fmt.Errorf("%w: %s %s", ErrStruck, f.Kind, f.Placement)
		case Slow:
			t := time.NewTimer(time.Duration(f.ByMs) * time.Millisecond)
			select {
			case <-t.C:
			case <-ctx.Done(): // Lambda ends it
				t.Stop()
			}
		}
	}
	return nil
}

// wrote counts a write, and strikes behind it.
func (m *middleware) wrote() {
	n := m.writes.Add(1)
	for _, f := range m.faults {
		if f.Placement == AfterWrite && n >= int64(f.Writes) && m.due(f) {
			fmt.Fprintln(m.log, f.Line())
			m.kill()
		}
	}
}

// due reports whether a fault strikes now. It is asked once at each point.
func (m *middleware) due(f *armed) bool {
	now := m.clock.Now().UnixMilli()
	if now > f.UntilMs {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.Once {
		f.drawn++
		return m.hit(f, f.drawn)
	}
	strike := int64(0)
	if f.EveryMs > 0 {
		strike = now / f.EveryMs
	}
	if strike == f.had {
		return false
	}
	f.had = strike // also where it is not one of the share, or another process has had it
	return m.hit(f, uint64(strike)) && m.mark(f, strike)
}

func (m *middleware) hit(f *armed, n uint64) bool {
	return f.Share >= 100 || clock.Draw(f.Seed^m.salt, fmt.Sprintf("fault %d", f.Fault), n)*100 < f.Share
}

// mark writes down that this environment has had a strike, and reports whether that
// is news. Where nothing can be written it is not struck: else it might die for ever.
func (m *middleware) mark(f *armed, strike int64) bool {
	name := filepath.Join(m.marks, fmt.Sprintf("ackproof-%s-%d-%d", f.Run, f.Fault, strike))
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case err == nil:
		file.Close()
	case !errors.Is(err, os.ErrExist):
		fmt.Fprintf(m.log, "ackproof: not struck, since that cannot be written down: %v\n", err)
	}
	return err == nil
}
