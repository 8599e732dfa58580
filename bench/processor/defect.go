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
