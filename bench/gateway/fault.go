package gateway

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/ackproof/ackproof/bench"
)

// The kinds of strikes that the gateway knows. A cut resets the connection after
// the upstream has acted, without a byte of the answer: the client cannot tell it
// from a request that never arrived; the item is stored. A repeat stands for a
// client that has given up on the answer and sends again: the same bytes are
// taken for another request, with an id of its own, and its answer is sent.
//
// A client's cut resets the connection before anything has been done, though half
// of the request may have come.
const (
	StrikeCut       = "gateway.cut"
	StrikeRepeat    = "gateway.repeat"
	StrikeClientCut = "client.cut"
)

// arrives asks whether a request comes to the API at all, and reports false when
// it does not. A strike that cannot be done has not bitten.
func (g *gateway) arrives(w http.ResponseWriter, hr *http.Request) bool {
	s := g.injector.Ask(bench.Op{Place: bench.PlaceClient, Name: "Request"})
	if s.Kind != StrikeClientCut {
		return true
	}
	if s.When == bench.MidBody {
		io.CopyN(io.Discard, hr.Body, max(hr.ContentLength/2, 1)) // what does not come is cut all the same
	}
	if err := Cut(w); err != nil {
		return true
	}
	g.injector.Struck(s)
	return false
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
	err := fmt.Errorf("strike %q: the gateway knows only %s and %s", s.Kind, StrikeCut, StrikeRepeat)
	switch s.Kind {
	case StrikeCut:
		err = Cut(w)
	case StrikeRepeat:
		r.id = g.newID()
		a, _ := g.integrate(r)
		g.injector.Struck(s)
		return false, &a
	}
	if err != nil {
		a := configurationError(err.Error()).answer()
		return false, &a
	}
	g.injector.Struck(s)
	return true, nil
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
