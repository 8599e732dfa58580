package processor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// The names of the planted defects.
const (
	DefectSwallow       = "swallow"        // errors are logged and success is reported: lost_processing
	DefectNonIdempotent = "non-idempotent" // effects are applied without a condition: duplicated on redelivery
	DefectCorrupt       = "corrupt"        // the digest is that of other bytes: wrong_effect
	DefectSkip          = "skip-nth"       // every K-th record is silently left out: lost_processing
	DefectDouble        = "double-nth"     // every K-th effect is applied twice: duplicated
	DefectInsertOnly    = "insert-only"    // MODIFY records are left out: wrong_effect in the versions workload
	DefectDropTail      = "drop-tail"      // the last record of a batch of several is left out: lost_processing
	DefectMarkFirst     = "mark-first"     // the request id is marked as done before the work, and a retry carries the same id: lost_processing
	DefectEarlyAnswer   = "early-answer"   // success is reported before the work is done: lost_processing when the process dies
	DefectUnconditional = "unconditional"  // the newest write wins, whatever its version: wrong_effect when an older one comes late

	DefectAllAtOnce = "all-at-once" // the records of a batch are worked on at once, and the last to finish wins: wrong_effect in the versions workload

	// What is wrong with the answer that names failed records. All go on behind a
	// failure, and answer so whether the mapping listens or not.
	DefectContinue      = "unconditional-continue" // the first failure is named, and what is behind it is done already, without a condition: wrong_effect
	DefectEmptyFailures = "empty-failures"         // the list is there and empty: lost_processing
	DefectReportLast    = "report-last"            // the last failure is named, and those before it count as done: lost_processing
	DefectBadIdentifier = "bad-identifier"         // what is named is no record of the batch, so all of it comes again, and is applied without a condition: duplicated
)

// Defect describes a defect that can be planted.
type Defect struct {
	Name  string // how Config.Defect spells it
	Form  string // the same with its argument, such as skip-nth=K
	About string // one sentence
}

// Defects lists what can be planted. Each has an observable consequence of its
// own, given in the comment of its name, and some need a fault to show: a
// defect that no fault brings out would prove nothing about the harness.
func Defects() []Defect {
	return []Defect{
		{DefectSwallow, DefectSwallow, "An error is logged and success is reported, so nothing is tried again."},
		{DefectNonIdempotent, DefectNonIdempotent, "An effect is applied without a condition, so a redelivery applies it again."},
		{DefectCorrupt, DefectCorrupt, "The digest is computed over other bytes than the payload's."},
		{DefectSkip, DefectSkip + "=K", "Every K-th record that a process sees is silently left out."},
		{DefectDouble, DefectDouble + "=K", "Every K-th effect that a process applies is applied twice."},
		{DefectInsertOnly, DefectInsertOnly, "MODIFY records are left out, so an item written again keeps its first effect."},
		{DefectDropTail, DefectDropTail, "The last record of a batch of two or more is silently left out."},
		{DefectMarkFirst, DefectMarkFirst, "The request id is marked as done before the work, so the retry of a batch, which has the same id, does nothing."},
		{DefectEarlyAnswer, DefectEarlyAnswer, "Success is reported at once and the work goes on behind it, to be lost in a crash."},
		{DefectUnconditional, DefectUnconditional, "An effect replaces whatever is there, so an older version that comes late replaces the newer one."},
		{DefectAllAtOnce, DefectAllAtOnce, "The records of a batch are worked on all at once, and an effect replaces whatever is there, so of two versions of an item the last to finish stays."},
		{DefectContinue, DefectContinue, "As unconditional, and records behind a failed one are done before it; the first failed one is named."},
		{DefectEmptyFailures, DefectEmptyFailures, "Failed records are logged, and the batchItemFailures that are answered are empty."},
		{DefectReportLast, DefectReportLast, "Of several failed records the last is named, so those before it count as done."},
		{DefectBadIdentifier, DefectBadIdentifier, "The failed record is named by something that is no sequence number, so the whole batch comes again; effects are applied without a condition."},
	}
}

// defect is a parsed Config.Defect.
type defect struct {
	name string // empty: none
	nth  uint64 // of skip-nth and double-nth
}

// parseDefect reads NAME or NAME=K. Its error names all forms, since the text
// comes from a scenario's processor.env, which nothing else can check.
func parseDefect(s string) (defect, error) {
	if s == "" {
		return defect{}, nil
	}
	name, arg, hasArg := strings.Cut(s, "=")
	var forms []string
	for _, d := range Defects() {
		forms = append(forms, d.Form)
		if d.Name != name {
			continue
		}
		if takesArg := d.Form != d.Name; takesArg != hasArg {
			return defect{}, fmt.Errorf("defect %q: write %s", s, d.Form)
		}
		if !hasArg {
			return defect{name: name}, nil
		}
		n, err := strconv.ParseUint(arg, 10, 32)
		if err != nil || n == 0 {
			return defect{}, fmt.Errorf("defect %q: write %s with a whole number K of 1 or more", s, d.Form)
		}
		return defect{name: name, nth: n}, nil
	}
	return defect{}, fmt.Errorf("defect %q is unknown; known are %s", s, strings.Join(forms, ", "))
}

// conditional reports whether effects are written under their condition.
func (d defect) conditional() bool {
	return d.name != DefectNonIdempotent && d.name != DefectBadIdentifier && !d.replaces()
}

// replaces reports whether an effect replaces the row that is there, and with it
// the count of the effects before.
func (d defect) replaces() bool {
	return d.name == DefectUnconditional || d.name == DefectContinue || d.name == DefectAllAtOnce
}

// continues reports whether a batch goes on behind a record that has failed,
// and is answered with batchItemFailures whatever Config.Partial says.
func (d defect) continues() bool {
	switch d.name {
	case DefectContinue, DefectEmptyFailures, DefectReportLast, DefectBadIdentifier:
		return true
	}
	return false
}

// named gives what the answer names of the records that have failed, of which
// there is at least one. The first is right: the mapping goes back to it.
func (d defect) named(failed []string) []itemFailure {
	switch d.name {
	case DefectEmptyFailures:
		return []itemFailure{}
	case DefectReportLast:
		return []itemFailure{{failed[len(failed)-1]}}
	case DefectBadIdentifier:
		return []itemFailure{{"the record " + failed[0]}}
	}
	return []itemFailure{{failed[0]}}
}

// marks are the request ids that a process has seen, for the defect that takes
// them for idempotency keys. Lambda hands an unchanged batch over under the same
// id again.
type marks struct {
	mu   sync.Mutex
	seen map[string]bool
}

// first marks the request of a context and reports whether it was not marked.
func (m *marks) first(ctx context.Context) bool {
	lc, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen[lc.AwsRequestID] {
		return false
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	m.seen[lc.AwsRequestID] = true
	return true
}

// counter counts up to every n-th call. The count is one process's own and
// starts again with it.
type counter struct{ n atomic.Uint64 }

func (c *counter) hit(nth uint64) bool { return c.n.Add(1)%nth == 0 }
