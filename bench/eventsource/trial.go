package eventsource

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// Keeper keeps texts under keys where they survive the mapping's process; the
// empty text takes what is there away. A text is safe when Keep has returned.
type Keeper interface {
	Keep(key, text string) error
	Kept(prefix string) map[string]string
}

// keptPrefix begins the keys of trials; the id of their shard follows.
const keptPrefix = "trial/"

// Trial is a batch that has failed and is to be tried again, with what a machine in
// the place of another must know so that MaximumRetryAttempts N stays N+1
// invocations
// (https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html).
// Number and request id will be new. An invocation that was under way when the
// process died has failed for nobody, and spends no retry.
type Trial struct {
	First     string `json:"first"` // sequence numbers of its records
	Last      string `json:"last"`
	Failed    int    `json:"failed"` // attempts, at least 1
	Error     string `json:"error,omitempty"`
	Unhandled bool   `json:"unhandled,omitempty"`
}

// bounds gives the sequence numbers. They were some when the trial was read.
func (t *Trial) bounds() (first, last bench.Sequence) {
	first, _ = bench.ParseSequence(t.First)
	last, _ = bench.ParseSequence(t.Last)
	return first, last
}

// inherited gives the trial of a machine before this one that the gathered
// records of a lane begin with; nil: they begin with none.
func (m *Machine) inherited(l *lane) *Trial {
	for i := range m.trials {
		if first, _ := m.trials[i].bounds(); len(l.pending) > 0 && first == l.pending[0].seq {
			return &m.trials[i]
		}
	}
	return nil
}

// whole reports whether all records of an inherited trial are gathered, or no more
// of them will be: what a power failure has taken from the stream, and what is over
// a batch that has become smaller since.
func (m *Machine) whole(t *Trial) bool {
	_, last := t.bounds()
	return m.closed || m.last.Compare(last) >= 0 || !m.polledAt.IsZero() || m.room() <= 0
}

// ofOneTrial counts the gathered records that may go into one batch: an inherited
// trial goes alone.
func (m *Machine) ofOneTrial(l *lane) int {
	end := len(l.pending)
	for i := range m.trials {
		first, last := m.trials[i].bounds()
		for n := range end {
			at := l.pending[n].seq
			if own := l.pending[0].seq == first; own && at.Compare(last) > 0 || !own && at == first {
				end = n
				break
			}
		}
	}
	return end
}

// tryOn makes a batch of the inherited trial what it was.
func (m *Machine) tryOn(b *batch, t *Trial) {
	b.failed, b.lastError, b.unhandled = t.Failed, t.Error, t.Unhandled
	m.exhaust(b)
	first := t.First
	m.trials = slices.DeleteFunc(m.trials, func(t Trial) bool { return t.First == first })
}

// Trials gives the batches that wait for their next attempt or are in it, and
// those inherited that were not come to yet.
func (m *Machine) Trials() []Trial {
	var list []Trial
	for i := range m.lanes {
		if queue := m.lanes[i].queue; len(queue) > 0 && queue[0].failed > 0 && len(queue[0].records) > 0 {
			b := queue[0]
			list = append(list, Trial{b.records[0].Sequence, b.records[len(b.records)-1].Sequence, b.failed, b.lastError, b.unhandled})
		}
	}
	// Of those whose records the stream has forgotten, nobody will come to any.
	settled, _ := bench.ParseSequence(m.progress.checkpoint)
	m.trials = slices.DeleteFunc(m.trials, func(t Trial) bool {
		first, _ := t.bounds()
		return first.Compare(settled) <= 0
	})
	return append(list, m.trials...)
}

// readTrials reads what was kept of all shards.
func readTrials(k Keeper) (map[string][]Trial, error) {
	all := map[string][]Trial{}
	if k == nil {
		return all, nil
	}
	for key, text := range k.Kept(keptPrefix) {
		list, err := decodeTrials(text)
		if err != nil {
			return nil, fmt.Errorf("read the batches on trial of shard %s: %w", key[len(keptPrefix):], err)
		}
		all[key[len(keptPrefix):]] = list
	}
	return all, nil
}

func decodeTrials(text string) ([]Trial, error) {
	var list []Trial
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	for _, t := range list {
		first, err := bench.ParseSequence(t.First)
		if err != nil {
			return nil, err
		}
		last, err := bench.ParseSequence(t.Last)
		switch {
		case err != nil:
			return nil, err
		case last.Compare(first) < 0, t.Failed < 1:
			return nil, fmt.Errorf("records %s to %s have failed %d times: no such batch is kept", t.First, t.Last, t.Failed)
		}
	}
	return list, nil
}

func encodeTrials(list []Trial) string {
	if len(list) == 0 {
		return ""
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic("eventsource: a trial that cannot be encoded: " + err.Error()) // texts and numbers always can
	}
	return string(b)
}

// keepTrials writes down what has changed. The caller holds s.mu, so that what is
// kept is in the order of what has happened.
func (s *shard) keepTrials() {
	k := s.mapping.config.Keeper
	if k == nil {
		return
	}
	text := encodeTrials(s.machine.Trials())
	if text == s.kept {
		return
	}
	if err := k.Keep(keptPrefix+s.id, text); err != nil {
		s.mapping.config.Observer.Event(bench.Event{At: s.now(), Kind: bench.EventEvidence, Text: "spent retries are not kept: " + err.Error()})
		return
	}
	s.kept = text
}
