package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/stats"
)

// series gives what is told beside the result. Lives of findings come later.
func (f *files) series(g *figures) *bench.Series {
	t := g.timeline
	s := &bench.Series{
		Schema: bench.SeriesSchema, WidthMs: ms(t.width), LoadMs: ms(f.plan.Duration()), EndMs: ms(g.end), Rows: t.rows,
		Response: curve(&g.response), Completion: curve(&g.completion), Lag: []bench.CDFPoint{},
		Died: int64(len(f.story.deaths)), Deaths: f.story.deaths[:min(len(f.story.deaths), bench.MaxMarks):min(len(f.story.deaths), bench.MaxMarks)],
		Traces: []bench.Trace{}, Scenario: string(f.scenario.YAML()), Environment: f.environment(),
	}
	if s.Deaths == nil {
		s.Deaths = []bench.Mark{}
	}
	if f.manifest.Architecture != bench.Sync {
		s.Lag = curve(&g.lag)
	}
	if t.watched && f.handing() {
		s.Invocations, s.Failed = &t.invocations, &t.failed
	}
	return s
}

// curve is a distribution function, never null.
func curve(h *stats.Histogram) []bench.CDFPoint { return append([]bench.CDFPoint{}, h.CDF()...) }

// environment is what a figure may depend on and no other file of a report says.
func (f *files) environment() []bench.Fact {
	m := f.manifest
	facts := []bench.Fact{
		{Name: "processor", Value: m.Processor}, {Name: "Go", Value: m.Go}, {Name: "retries of the AWS SDK", Value: m.SDKRetries},
		{Name: "API", Value: m.Endpoints.API},
	}
	for _, name := range slices.Sorted(maps.Keys(m.Libraries)) {
		facts = append(facts, bench.Fact{Name: name, Value: m.Libraries[name]})
	}
	if m.Deployed != nil {
		for _, f := range m.Deployed.Settings {
			facts = append(facts, bench.Fact{Name: bench.DeployedFact + f.Name, Value: f.Value})
		}
	}
	return slices.DeleteFunc(facts, func(f bench.Fact) bool { return f.Value == "" })
}

// writeSeries writes series.json for a result that was written as these bytes.
func writeSeries(dir string, s *bench.Series, result []byte) error {
	s.Result = ledger.Sum(result)
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write series as JSON: %w", err)
	}
	return writeFile(filepath.Join(dir, seriesFile), append(ledger.AppendSum(b), '\n'))
}

// errNoSeries says that there is no series.json of a judgement; it can be made
// from the run's other files.
var errNoSeries = errors.New("no series of this judgement")

// readSeries reads series.json, if it belongs to a result of these bytes.
func readSeries(dir string, result []byte) (*bench.Series, error) {
	b, err := os.ReadFile(filepath.Join(dir, seriesFile))
	if err != nil {
		return nil, errors.Join(errNoSeries, err)
	}
	s := new(bench.Series)
	found, err := ledger.CheckSum(bytes.TrimSuffix(b, []byte("\n")))
	if err := errors.Join(err, json.Unmarshal(b, s)); err != nil || !found {
		return nil, errors.Join(errNoSeries, err)
	}
	if s.Schema != bench.SeriesSchema || s.Result != ledger.Sum(result) {
		return nil, errNoSeries
	}
	return s, nil
}

// chosen are the findings whose lives a series may tell: the first of each verdict.
type chosen struct {
	of  map[bench.ItemVerdict]int
	all []bench.Finding
}

func (c *chosen) finding(f bench.Finding) {
	if c.of == nil {
		c.of = map[bench.ItemVerdict]int{}
	}
	if c.of[f.Verdict] < bench.MaxTracesOfKind {
		c.of[f.Verdict]++
		c.all = append(c.all, f)
	}
}

// told are those whose lives are told: no verdict that is often leaves another one out.
func (c *chosen) told() []bench.Finding {
	most := bench.MaxTracesOfKind
	for together := len(c.all); together > bench.MaxTraces; {
		most--
		together = 0
		for _, n := range c.of {
			together += min(n, most)
		}
	}
	n := map[bench.ItemVerdict]int{}
	return slices.DeleteFunc(c.all, func(f bench.Finding) bool {
		n[f.Verdict]++
		return n[f.Verdict] > most
	})
}

// notes says what a reader must know to read the figures right.
func (f *files) notes(r *bench.Result) {
	if url := f.manifest.Endpoints.Outside; url != "" {
		r.Notes = append(r.Notes, "the tables were not in the embedded DynamoDB but at "+url+", whose stream has the shards that it chose itself; times include a hop through ackproof's proxy")
	}
	r.Notes = append(r.Notes, f.scenario.Notes()...)
	r.Notes = append(r.Notes, f.clocks.notes()...)
	if d := f.manifest.Deployed; d != nil {
		for _, why := range d.Unread {
			r.Notes = append(r.Notes, "how the system is set was not read in part, and is taken to be as the scenario says: "+why)
		}
	}
	if c := f.story.canary; c != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("%d canary request(s) went ahead of the load, until one was seen where it should come, %.1f s after the first; they are counted nowhere", c.Sent, c.Ms/1000))
	}
	if e := f.story.exports; e != nil {
		r.Notes = append(r.Notes, e.note())
	}
	if why := f.story.stopped; why != "" {
		r.Notes = append(r.Notes, "the load was ended early: "+why)
	}
	if f.story.targetDeath != "" {
		r.Notes = append(r.Notes, "the run ended early: "+f.story.targetDeath)
	} else if end := f.story.finished; end != nil && end.Error != "" {
		r.Notes = append(r.Notes, "the harness failed: "+end.Error)
	}
	for i, d := range f.damage {
		if i == maxDamage {
			r.Notes = append(r.Notes, fmt.Sprintf("and %d more places where files of the run are damaged", len(f.damage)-i))
			break
		}
		r.Notes = append(r.Notes, d)
	}
	if note := f.story.skews.note(); note != "" {
		r.Notes = append(r.Notes, note)
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
