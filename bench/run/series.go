package run

import (
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// series gives what the pictures are drawn from.
func (f *files) series(g *figures) *bench.Series {
	s := &bench.Series{Response: g.response.CDF(), Completion: g.completion.CDF(), Deaths: f.story.deaths, Seconds: g.seconds}
	if f.manifest.Architecture != bench.Sync {
		s.Lag = g.lag.CDF()
	}
	return s
}

// notes says what a reader must know to read the figures right.
func (f *files) notes(r *bench.Result) {
	if url := f.manifest.Endpoints.Outside; url != "" {
		r.Notes = append(r.Notes, "the tables were not in the embedded DynamoDB but at "+url+", whose stream has the shards that it chose itself; times include a hop through ackproof's proxy")
	}
	r.Notes = append(r.Notes, f.scenario.Notes()...)
	if c := f.story.canary; c != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("%d canary request(s) went ahead of the load, until one was seen where it should come, %.1f s after the first; they are counted nowhere", c.Sent, c.Ms/1000))
	}
	if why := f.story.stopped; why != "" {
		r.Notes = append(r.Notes, "the load was ended early: "+why)
	}
	if f.story.targetDeath != "" {
		r.Notes = append(r.Notes, "the run ended early: "+f.story.targetDeath)
	}
	for i, d := range f.damage {
		if i == maxDamage {
			r.Notes = append(r.Notes, fmt.Sprintf("and %d more places where files of the run are damaged", len(f.damage)-i))
			break
		}
		r.Notes = append(r.Notes, d)
	}
	if why := f.story.drain.Why; why != "" {
		r.Notes = append(r.Notes, "that the pipeline is empty could not be shown: "+why)
	}
	if lanes := f.scenario.Mapping.ParallelizationFactor; r.Drain.Proof == bench.DrainSentinels && lanes > 1 {
		r.Notes = append(r.Notes, fmt.Sprintf("the drain was proven by %d sentinels, enough that the chance of having left out a lane of a shard is below one in a million", f.story.drain.Sentinels))
	}
	for i, fault := range f.faults {
		if f.late(i) {
			r.Notes = append(r.Notes, fmt.Sprintf("the fault %q began %.1f s late: the harness itself was held up", fault, (f.story.beganAt[i]-fault.At).Seconds()))
		}
	}
	if gaps := f.story.gaps; gaps > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("the event source mapping fell behind the stream's retention %d time(s): what was trimmed and not read yet can never be delivered", gaps))
	}
	if n := f.story.disorder; n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d stream record(s) came with a sequence number not above the last, as none may: readers pass over them, so nothing is proven; --set request.connections=1 gives such an engine one write at a time", n))
	}
	if sent := f.story.sent; sent > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("Lambda gave up %d event(s) of its asynchronous queue and handed them to the on-failure destination", sent))
	}
	if dropped := f.story.dropped; dropped > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("Lambda dropped %d event(s) of its asynchronous queue: no on-failure destination has taken them", dropped))
	}
}

// lateFault is how late a fault may begin without a word.
const lateFault = 500 * time.Millisecond

// maxDamage is how many damaged places are told one by one.
const maxDamage = 3
