package gateway

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// The kinds of strikes that the gateway knows. A cut resets the connection after
// the upstream has acted, without a byte of the answer: the client cannot tell it
// from a request that never arrived; the item is stored. A repeat stands for a
// client that has given up on the answer and sends again: the same bytes are
// taken for another request, with an id of its own, and its answer is sent. Those
// between client and API are [bench.StrikeClientCut] and its like.
const (
	StrikeCut    = "gateway.cut"
	StrikeRepeat = "gateway.repeat"
)

// arrives lets a strike on the way to the API happen, and reports whether the
// request comes there. A strike that cannot be done has not bitten.
func (g *gateway) arrives(w http.ResponseWriter, hr *http.Request, s bench.Strike) bool {
	switch s.Kind {
	case "":
		return true
	case bench.StrikeClientCut:
		if s.When == bench.MidBody {
			io.CopyN(io.Discard, hr.Body, max(hr.ContentLength/2, 1)) // what does not come is cut all the same
		}
		if err := Cut(w); err != nil {
			return true
		}
		g.injector.Struck(s)
		return false
	case bench.StrikeClientDelay:
		whole(hr)
		return g.hold(w, hr, s)
	case bench.StrikeClientError, bench.StrikeClientThrottle:
		g.turnBack(w, s)
	default:
		send(w, request{id: g.newID()}, unknownStrike(s))
	}
	return false
}

// returns lets a strike on the way back to the client happen, when the API has
// acted, and reports whether its answer comes there. Who has given up before was
// not struck.
func (g *gateway) returns(w http.ResponseWriter, hr *http.Request, s bench.Strike) bool {
	if hr.Context().Err() != nil {
		return false
	}
	switch s.Kind {
	case bench.StrikeClientDelay:
		return g.hold(w, hr, s)
	case bench.StrikeClientError:
		g.turnBack(w, s)
	default:
		send(w, request{id: g.newID()}, unknownStrike(s))
	}
	return false
}

// unknownStrike is the answer where a strike cannot be done.
func unknownStrike(s bench.Strike) answer {
	return configurationError("strike \"" + s.Kind + " " + string(s.When) + "\": the gateway does not know it").answer()
}

// turnBack answers in the place of the API.
func (g *gateway) turnBack(w http.ResponseWriter, s bench.Strike) {
	g.injector.Struck(s)
	http.Error(w, http.StatusText(s.Answer()), s.Answer())
}

// hold waits, and reports whether the client still does. Who has given up takes
// what was held along: it never arrives.
func (g *gateway) hold(w http.ResponseWriter, hr *http.Request, s bench.Strike) bool {
	g.injector.Struck(s)
	if clock.Wait(s.Delay, hr.Context().Done()) {
		return true
	}
	_ = Cut(w) // it is gone already
	return false
}

// whole reads a request to its end: only then does net/http see a client leave.
func whole(hr *http.Request) {
	var b bytes.Buffer
	_, _ = b.ReadFrom(io.LimitReader(hr.Body, MaxBody+1)) // its error comes again
	hr.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&b, hr.Body), hr.Body}
}

// strike asks whether this request is struck, and lets it happen. It returns
// true when the client's connection is gone, and an answer to be sent instead
// where there is another, or when the strike cannot be done: a fault that did
// not bite must be seen. A client that had gone before was not bitten, so that
// it is not counted.
func (g *gateway) strike(w http.ResponseWriter, hr *http.Request, r request) (bool, *answer) {
	s := g.injector.Ask(bench.Op{Place: bench.PlaceGateway, Name: "Request"})
	if s.Kind == "" {
		return false, nil
	}
	if s.Kind == StrikeCut && hr.Context().Err() != nil {
		return true, nil
	}
	switch s.Kind {
	case StrikeCut:
		if err := Cut(w); err != nil {
			a := configurationError(err.Error()).answer()
			return false, &a
		}
		g.injector.Struck(s)
		return true, nil
	case StrikeRepeat:
		r.id = g.newID()
		a, _ := g.integrate(r)
		g.injector.Struck(s)
		return false, &a
	}
	a := unknownStrike(s)
	return false, &a
}

// Cut resets the connection of a request that a server of net/http serves.
// Lingering is set to zero so that the
// kernel sends RST and not FIN: to the client it looks like a crash, and not
// like a server that has closed an idle connection.
func Cut(w http.ResponseWriter) error {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("cut connection: %w", err)
	}
	raw := conn
	if t, ok := conn.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		// It fails only on a connection that is gone already.
		_ = t.SetLinger(0)
	}
	// Closing below TLS: a close_notify would be a polite good-bye.
	_ = raw.Close()
	return nil
}
