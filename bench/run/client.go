package run

import (
	"fmt"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/load"
	"github.com/ackproof/ackproof/bench/stats"
)

// clientFigures are what only the client saw: which status it read, of which kind
// the request was, and when the answer began. Warm-up is left out.
type clientFigures struct {
	firstByte stats.Histogram
	byStatus  [6]stats.Histogram // by hundreds; 0: none was read
	kinds     []kindFigures
}

type kindFigures struct {
	outcomes          [4]int64
	response, service stats.Histogram
}

// kind gives the figures of a kind, however many there are.
func (c *clientFigures) kind(i int) *kindFigures {
	for len(c.kinds) <= i {
		c.kinds = append(c.kinds, kindFigures{})
	}
	return &c.kinds[i]
}

// request enters one request.
func (c *clientFigures) request(a *bench.Attempt, due, observed time.Duration) {
	if a.Outcome == bench.Unsent {
		return
	}
	end := ended(a)
	status := a.Status / 100
	if status < 2 || status > 5 {
		status = 0
	}
	between(&c.byStatus[status], due, end, observed)
	switch {
	case a.Sent < due: // a damaged row has no time of sending
	case a.FirstByte >= a.Sent && a.FirstByte > 0:
		c.firstByte.Record(a.FirstByte - a.Sent)
	case end == stats.Never:
		c.firstByte.RecordCensored(max(0, observed-a.Sent))
	default:
		c.firstByte.RecordCensored(end - a.Sent)
	}
}

// request enters one request of the kind.
func (k *kindFigures) request(a *bench.Attempt, due, observed time.Duration) {
	if a.Outcome == bench.Unsent {
		if due <= observed {
			k.response.RecordCensored(observed - due)
		}
		return
	}
	k.outcomes[a.Outcome]++
	between(&k.response, due, ended(a), observed)
	if a.Sent >= due {
		between(&k.service, a.Sent, ended(a), observed)
	}
}

// ended is when a request was over: never, if it was on the wire when ackproof was
// killed.
func ended(a *bench.Attempt) time.Duration {
	if a.Class == bench.ClassNone {
		return stats.Never
	}
	return a.End
}

func (c *clientFigures) merge(o *clientFigures) {
	c.firstByte.Merge(&o.firstByte)
	for i := range c.byStatus {
		c.byStatus[i].Merge(&o.byStatus[i])
	}
	for i := range o.kinds {
		k := c.kind(i)
		k.response.Merge(&o.kinds[i].response)
		k.service.Merge(&o.kinds[i].service)
		for outcome, n := range o.kinds[i].outcomes {
			k.outcomes[outcome] += n
		}
	}
}

// fillClient writes them into the result.
func (f *files) fillClient(r *bench.Result, c *clientFigures) {
	by := &r.ResponseBy
	for status, into := range []*bench.Latency{0: &by.StatusNone, 2: &by.Status2xx, 3: &by.Status3xx, 4: &by.Status4xx, 5: &by.Status5xx} {
		if into != nil {
			*into = c.byStatus[status].Latency()
		}
	}
	r.FirstByte = c.firstByte.Latency()
	if g := f.story.generator; g != nil {
		r.Connection, r.TLS = distribution(g.Setup), distribution(g.TLS)
	}
	kinds := f.scenario.RequestKinds()
	if len(kinds) < 2 {
		return
	}
	for i, kind := range kinds {
		k := c.kind(i)
		r.Kinds = append(r.Kinds, bench.KindFigures{
			Name: kind.Name, Method: kind.Method, Path: kind.Path,
			Sent:         k.outcomes[bench.Acknowledged] + k.outcomes[bench.Refused] + k.outcomes[bench.Unknown],
			Acknowledged: k.outcomes[bench.Acknowledged], Refused: k.outcomes[bench.Refused], Unknown: k.outcomes[bench.Unknown],
			ResponseTime: k.response.Latency(), ServiceTime: k.service.Latency(),
		})
	}
}

// distribution makes figures of the buckets that the generator kept; nil: there
// are none.
func distribution(buckets []load.Bucket) *bench.Latency {
	if len(buckets) == 0 {
		return nil
	}
	var h stats.Histogram
	for _, b := range buckets {
		for range b.Count {
			h.Record(time.Duration(b.Micros) * time.Microsecond)
		}
	}
	l := h.Latency()
	return &l
}

// figures is what the result says of the generator; nil: nothing is known.
func (g *generator) figures() *bench.Generator {
	if g == nil {
		return nil
	}
	out := &bench.Generator{
		GCPauseMs: g.GCPauseMs, GCPauseMaxMs: g.GCPauseMaxMs, SchedulingP99Ms: g.SchedulingP99Ms, InFlightMax: g.InFlightMax,
		ConnectionsOpened: g.Opened, ConnectionsFailed: g.Failed, ConnectionsOpenMax: g.OpenMax,
	}
	if g.CPUShare >= 0 {
		out.CPUShare = &g.CPUShare
	}
	return out
}

// starved is from when on goroutines that wait for a processor explain a delay: the
// least send delay that a gate objects to.
const starved = 5 // ms

// generatorReason says why the load was not what it should have been, as far as that
// was the generator's doing; "": it was.
func (f *files) generatorReason(gates []bench.GateResult) string {
	var why []string
	for _, gate := range gates {
		if (gate.Name == bench.GateSendDelay || gate.Name == bench.GateGeneratorCPU) && !gate.OK {
			why = append(why, gate.Detail)
		}
	}
	g := f.story.generator
	if g != nil && g.WorkerCapHit {
		why = append(why, fmt.Sprintf("it ran into its cap of %d requests under way", load.WorkerCap))
	}
	switch {
	case len(why) == 0 || g == nil:
	case g.SchedulingP99Ms >= starved:
		why = append(why, fmt.Sprintf("its goroutines waited up to %.3g ms for a processor: the machine had other work, or too few processors", g.SchedulingP99Ms))
	case g.GCPauseMaxMs >= starved:
		why = append(why, fmt.Sprintf("it stood still for up to %.3g ms for its garbage collector", g.GCPauseMaxMs))
	case g.OpenMax >= int64(f.scenario.Request.Connections):
		why = append(why, fmt.Sprintf("all %d connections were in use: requests waited for one to become free, which a slow API does too", f.scenario.Request.Connections))
	}
	return strings.Join(why, "; ")
}
