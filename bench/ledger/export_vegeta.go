package ledger

import (
	"bufio"
	"cmp"
	"fmt"
	"net/http"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/ackproof/ackproof/bench"
)

// vegetaSink writes what `vegeta attack` writes, a stream of gobs.
type vegetaSink struct {
	encode  vegeta.Encoder
	request Request
}

func newVegetaSink(out *bufio.Writer, r Request) *vegetaSink {
	return &vegetaSink{encode: vegeta.NewEncoder(out), request: r}
}

func (s *vegetaSink) write(r *Row) (bool, error) {
	latency := r.Waited
	if r.Done != Absent {
		latency = r.Done - r.Due
	}
	if r.Warmup || latency == Absent {
		return false, nil // warm-up, or the run was cut off before it was due
	}
	v := vegeta.Result{
		Attack: s.request.Scenario + " " + r.Phase, // plots draw one line each
		Seq:    r.ID.Seq, Timestamp: r.Start.Add(r.Due), Latency: latency,
		BytesOut: uint64(r.BodySize), Method: s.request.Method, URL: s.request.URL,
	}
	// As vegeta has it: a code is that of an answer that was read to its end,
	// and what is neither 2xx nor 3xx is an error by its status line.
	switch {
	case r.Class == bench.ClassStatus:
		v.Code = uint16(r.Status)
		if r.Status < 200 || r.Status >= 400 {
			v.Error = fmt.Sprint(r.Status, " ", http.StatusText(r.Status))
		}
	case r.Outcome == bench.Unsent:
		v.Error = "unsent"
	case r.Class == bench.ClassNone:
		v.Error = "never seen to end"
	default:
		v.Error = cmp.Or(r.Error, r.Class.String())
	}
	return true, s.encode(&v)
}

func (s *vegetaSink) close() error { return nil }
