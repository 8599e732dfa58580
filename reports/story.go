package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// Limits on texts from outside, in characters.
const (
	nameLimit = 60
	lineLimit = 300
)

// headline names the run: "crash on local, streams".
func headline(r *bench.Result) string {
	if plain(r) {
		return fmt.Sprintf("plain load test, %s on %s", clean(r.Run.Scenario, nameLimit), clean(r.Run.Target, nameLimit))
	}
	return fmt.Sprintf("%s on %s, %s", clean(r.Run.Scenario, nameLimit), clean(r.Run.Target, nameLimit), clean(r.Run.Architecture, nameLimit))
}

// plain reports that the run is a load test alone: no effect was promised, and
// nobody looked what became of the requests.
func plain(r *bench.Result) bool {
	n, _ := lost(&r.Items)
	return r.Run.Guarantee == "none" && n == nil && r.Items.Pending == 0 && r.Items.Attempted > 0
}

// lost is how many acknowledged or stored items are gone; nil where nobody
// looked. A run in which only some items could be read has a lower bound, and
// atLeast says so.
func lost(i *bench.Items) (n *int64, atLeast bool) {
	open := i.Unread + i.Pending
	if i.Attempted == 0 || open >= i.Attempted {
		return nil, false
	}
	v := i.Lost()
	return &v, open > 0
}

// lostText is "none", "37", "37 or more" or "not observed".
func lostText(i *bench.Items) string {
	n, atLeast := lost(i)
	switch {
	case n == nil:
		return notObserved
	case *n == 0 && atLeast:
		return "none seen, not all known"
	case *n == 0:
		return "none"
	case atLeast:
		return count(*n) + " or more"
	}
	return count(*n)
}

// lostWhere says at which step items were lost.
func lostWhere(i *bench.Items) string {
	const write, processing = "acknowledged but never stored", "stored but never processed"
	switch {
	case i.LostWrite > 0 && i.LostProcessing > 0:
		return count(i.LostWrite) + " " + write + ", " + count(i.LostProcessing) + " " + processing
	case i.LostWrite > 0:
		return write
	case i.LostProcessing > 0:
		return processing
	}
	return ""
}

// promise is the one sentence that the run is about: what the client was told,
// and whether it came true.
func promise(r *bench.Result) string {
	i := &r.Items
	if r.Requests.Sent == 0 {
		return "No request was sent, so nothing was proven."
	}
	said := plural(r.Requests.Acknowledged, "request") + " acknowledged"
	n, _ := lost(i)
	if n == nil && i.Pending == 0 {
		return said + "; what became of them was not observed."
	}
	parts := []string{said}
	once := " processed exactly once"
	if i.Duplicated == nil || r.Run.Guarantee != "" && r.Run.Guarantee != "exactly-once" {
		once = " processed" // applications could not be counted, or may be several
	}
	parts = append(parts, count(i.Processed+i.ProcessedLate)+once)
	if i.Recovered > 0 {
		parts = append(parts, count(i.Recovered)+" more processed though the client was never told")
	}
	if i.Superseded > 0 {
		parts = append(parts, count(i.Superseded)+" replaced by newer versions, unseen")
	}
	if i.DeadLettered > 0 {
		parts = append(parts, count(i.DeadLettered)+" dead-lettered")
	}
	if d := i.Duplicated; d != nil && *d > 0 {
		parts = append(parts, count(*d)+" processed more than once")
	}
	if d := i.WrongEffect; d != nil && *d > 0 {
		parts = append(parts, count(*d)+" processed wrongly")
	}
	if i.Pending > 0 {
		parts = append(parts, count(i.Pending)+" still waiting")
	}
	if i.Unread > 0 {
		parts = append(parts, count(i.Unread)+" not observed")
	}
	switch where := lostWhere(i); {
	case where != "":
		parts = append(parts, count(i.Lost())+" lost ("+where+")")
	case i.Pending+i.Unread > 0:
		parts = append(parts, "none seen lost")
	default:
		parts = append(parts, "none lost")
	}
	return strings.Join(parts, "; ") + "."
}

// slowest is the largest recovery time. never is true where some fault was
// followed by no recovery, which is worse than every time.
func slowest(faults []bench.FaultResult) (ms *float64, afterLoad, never bool) {
	for i := range faults {
		f := &faults[i]
		switch {
		case f.Bitten == 0: // nothing to recover from
		case f.RecoveryMs == nil:
			never = true
		case ms == nil || *f.RecoveryMs > *ms:
			ms, afterLoad = f.RecoveryMs, f.RecoveredAfterLoad
		}
	}
	return ms, afterLoad, never
}

// recoveryText tells the slowest recovery of a run.
func recoveryText(r *bench.Result) string {
	ms, afterLoad, never := slowest(r.Faults)
	switch {
	case len(r.Faults) == 0:
		return "no fault"
	case never:
		return recovery(r, nil, false)
	}
	return recovery(r, ms, afterLoad)
}

// recovery tells one recovery time. Null has two reasons: where the backlog was
// seen, it never came back; where it was not, nobody knows.
func recovery(r *bench.Result, ms *float64, afterLoad bool) string {
	switch {
	case ms == nil && len(r.Backlog) > 0:
		return "never"
	case ms == nil:
		return notObserved
	case *ms == 0:
		return "at once" // the backlog was normal when the fault ended
	case afterLoad:
		return duration(*ms) + ", after the load"
	}
	return duration(*ms)
}

// lagOf gives processing lag or an empty distribution.
func lagOf(r *bench.Result) *bench.Latency {
	if r.Lag == nil {
		return new(bench.Latency)
	}
	return r.Lag
}

// controlText tells how it was before anything was broken; "": that is not known.
func controlText(c *bench.Control) string {
	switch {
	case c == nil:
		return ""
	case c.Sent == 0:
		return "nothing had been sent"
	}
	text := plural(c.Sent, "request") + " in " + duration(c.ToMs)
	switch {
	case c.Failed > 0:
		return text + ", NOT clean: " + plural(c.Failed, "item") + " failed before anything was broken"
	case c.Clean == nil:
		return text + ", and nobody can tell what became of all of them"
	}
	return text + ", clean"
}

// predictedText tells what a fault was predicted to cost, and by which model.
func predictedText(f *bench.FaultResult) string {
	if f.PredictedLoss == nil {
		return "no model"
	}
	return lossRange(*f.PredictedLoss, f.PredictedRange) + " (" + clean(f.PredictedBy, nameLimit) + ")" + outside(f)
}

// outside says that what was lost is not what was predicted.
func outside(f *bench.FaultResult) string {
	if f.ObservedLoss == nil || f.PredictedRange == nil || f.PredictedRange.Holds(*f.ObservedLoss) {
		return ""
	}
	return ", NOT what was lost"
}

func lossRange(n int64, in *bench.Range) string {
	if in == nil || in.Low == in.High {
		return count(n)
	}
	return count(n) + " (" + count(in.Low) + " to " + count(in.High) + ")"
}

// againstPrediction holds what all faults cost against what was predicted, where
// that is not nothing on both sides; ok is false where one fault is out of range.
func againstPrediction(faults []bench.FaultResult) (text string, ok bool) {
	var predicted, lost int64
	var in bench.Range
	without, out := int64(0), int64(0)
	for i := range faults {
		f := &faults[i]
		if f.PredictedLoss == nil || f.PredictedRange == nil || f.ObservedLoss == nil {
			without++
			continue
		}
		predicted += *f.PredictedLoss
		lost += *f.ObservedLoss
		in.Low += f.PredictedRange.Low
		in.High += f.PredictedRange.High
		if outside(f) != "" {
			out++
		}
	}
	switch {
	case without == int64(len(faults)), predicted == 0 && in.High == 0 && lost == 0:
		return "", true
	}
	text = "a loss of " + lossRange(predicted, &in) + ", observed " + count(lost)
	if without > 0 {
		text += "; no model for " + plural(without, "fault")
	}
	if out > 0 {
		text += "; out of range for " + plural(out, "fault")
	}
	return text, out == 0
}

// bites tells how often a fault struck, of how often it was to. A share of the
// operations is a mean, which chance keeps to neither side of.
func bites(f *bench.FaultResult) string {
	switch {
	case f.Planned == nil:
		return count(f.Bitten)
	case !ofShare(f.Text) && f.Bitten <= *f.Planned:
		return count(f.Bitten) + " of " + count(*f.Planned)
	case f.Bitten == *f.Planned:
		return count(f.Bitten) + ", as expected"
	}
	return count(f.Bitten) + ", " + count(*f.Planned) + " expected"
}

// ofShare reports whether a fault, by its text, strikes a share of the operations.
func ofShare(text string) bool {
	return slices.ContainsFunc(strings.Fields(faultLabel(text)), func(word string) bool { return strings.HasSuffix(word, "%") })
}

// station is a place that requests pass on their way.
type station struct {
	Name  string
	Count *int64 // nil: not observed
	Left  []fallen
}

// fallen are requests that did not get from the station before to this one.
type fallen struct {
	N    int64
	What string
	Bad  bool // a promise was broken, or nobody knows
}

func (f fallen) String() string { return count(f.N) + " " + f.What }

// left says what became of those that did not get to the station.
func (s *station) left() string {
	var parts []string
	for _, f := range s.Left {
		parts = append(parts, f.String())
	}
	return strings.Join(parts, ", ")
}

// flow follows the requests from the plan to the effect.
func flow(r *bench.Result) []station {
	q, i := &r.Requests, &r.Items
	left := func(all ...fallen) []fallen {
		return slices.DeleteFunc(all, func(f fallen) bool { return f.N <= 0 })
	}
	stations := []station{
		{Name: "planned", Count: &q.Planned},
		{Name: "sent", Count: &q.Sent, Left: left(fallen{q.Unsent, "unsent", true})},
		{Name: "acknowledged", Count: &q.Acknowledged, Left: left(fallen{q.Refused, "refused", false}, fallen{q.Unknown, "unknown to the client", false})},
	}
	var dup, wrong int64
	if i.Duplicated != nil {
		dup = *i.Duplicated
	}
	if i.WrongEffect != nil {
		wrong = *i.WrongEffect
	}
	processed := i.Processed + i.ProcessedLate + i.Recovered + dup + wrong
	// Not read, pending and dead-lettered items may be stored; the last row of
	// the backlog then knows better than the verdicts.
	stored := processed + i.Partial + i.Superseded + i.LostProcessing
	if n := len(r.Backlog); n > 0 {
		stored = max(stored, r.Backlog[n-1].Stored)
	}
	seen := i.Attempted > 0 && i.Unread < i.Attempted
	observed := func(n int64) *int64 {
		if !seen {
			return nil
		}
		return &n
	}
	return append(stations,
		station{Name: "stored", Count: observed(stored), Left: left(fallen{i.LostWrite, "lost before they were stored", true})},
		station{Name: "processed", Count: observed(processed), Left: left(fallen{i.LostProcessing, "stored and never processed", true}, fallen{i.Superseded, "replaced by newer versions, unseen", false},
			fallen{i.DeadLettered, "dead-lettered", false}, fallen{i.Pending, "still waiting", true}, fallen{i.Unread, "not observed", true})},
	)
}

// sentAgain tells how often the modelled client sent again; "": it did not.
func sentAgain(q *bench.Requests) string {
	if q.Retries == 0 {
		return ""
	}
	return plural(q.Retries, "time") + ", as request.retries says"
}

// figureRow is a named figure, for tables.
type figureRow struct{ Name, Value string }

// keyFigures are the four that matter most.
func keyFigures(r *bench.Result) []figureRow {
	lag := lagOf(r)
	return []figureRow{
		{"lost", lostText(&r.Items)},
		{"response time p50 / p99", figureOf(&r.ResponseTime, r.ResponseTime.P50) + " / " + figureOf(&r.ResponseTime, r.ResponseTime.P99)},
		{"processing lag p50 / p99", pair(figureOf(lag, lag.P50), figureOf(lag, lag.P99))},
		{"recovery", recoveryText(r)},
	}
}

// pair joins two figures, saying once what is true of both.
func pair(a, b string) string {
	if a == b && (a == notObserved || a == unbounded) {
		return a
	}
	return a + " / " + b
}

// meaning explains an item verdict in a few words.
func meaning(v bench.ItemVerdict) string {
	switch v {
	case bench.Processed:
		return "the effect is there and right"
	case bench.ProcessedLate:
		return "right, but after the deadline"
	case bench.Recovered:
		return "processed, though the client never learned that it was accepted"
	case bench.NotApplied:
		return "the client never learned its fate, and it was not stored"
	case bench.Rejected:
		return "the client was told no, and nothing was stored"
	case bench.Partial:
		return "stored without an effect; the client was told that it is not sure"
	case bench.Superseded:
		return "a newer version of its item has taken its place, and no table tells of this one"
	case bench.LostWrite:
		return "acknowledged, and never stored"
	case bench.LostProcessing:
		return "stored, and never processed"
	case bench.Duplicated:
		return "processed more often than the guarantee allows"
	case bench.WrongEffect:
		return "processed with the wrong data, or of an older version"
	case bench.Phantom:
		return "refused, and stored or processed all the same"
	case bench.OrphanEffect:
		return "an effect without a stored item"
	case bench.Unexpected:
		return "stored or processed, and never sent"
	case bench.DeadLettered:
		return "given up, and readable at the on-failure destination"
	case bench.Pending:
		return "not decided: the pipeline was not drained"
	case bench.Unread:
		return "not decided: the evidence could not be read"
	}
	return ""
}
