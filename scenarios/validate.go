package scenarios

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/faults"
)

// Values of mapping.onFailure and, but for the last, of async.onFailure.
const (
	onFailureNone     = "none"
	onFailurePayload  = "payload"
	onFailureMetadata = "metadata"
)

const (
	maxPayload  = 390 << 10 // an item ends at 400 KB, attribute names and id included
	maxRequests = bench.MaxSeq
	// busiest is the share of its time that a processor may be planned to work.
	// Above it a queue's length is mostly chance, and a backlog takes longer to
	// go than it took to come, so recovery would measure the plan.
	busiest = 0.80
)

// Validate checks every value and that they fit together. Its error joins all
// problems; each is a Problem.
func (s *Scenario) Validate() error {
	return joinProblems(s.check(&decoder{file: s.Name, where: map[string]string{}}))
}

func joinProblems(problems []Problem) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// checker collects what is wrong with a scenario's values.
type checker struct {
	*Scenario
	d   *decoder
	bad []string // paths that could not be read: their values mean nothing
}

// check adds to the problems of the decoding those of the values.
func (s *Scenario) check(d *decoder) []Problem {
	c := &checker{Scenario: s, d: d}
	for _, p := range d.problems {
		c.bad = append(c.bad, p.Path)
	}
	c.checkUnbuilt()
	c.checkNames()
	c.checkLoad()
	c.checkWorkload()
	c.checkRequest()
	c.checkGateway()
	c.checkProcessor()
	c.checkMapping()
	c.checkAsync()
	c.checkPromise()
	c.checkFaults()
	c.checkCommands()
	c.checkExpectations()
	c.checkCapacity()
	c.checkTarget()
	return d.problems
}

// failf reports a problem at a path, unless its value could not be read or
// something is wrong there already.
func (c *checker) failf(path, format string, args ...any) {
	if !c.readable(path) {
		return
	}
	where := c.d.file
	for p := path; ; {
		if w, ok := c.d.where[p]; ok {
			where = w
			break
		}
		i := strings.LastIndexAny(p, ".[")
		if i < 0 {
			break
		}
		p = p[:i]
	}
	c.d.problems = append(c.d.problems, Problem{Where: where, Path: path, Text: fmt.Sprintf(format, args...)})
	c.bad = append(c.bad, path)
}

// readable reports whether nothing is wrong at, under or above the paths.
func (c *checker) readable(paths ...string) bool {
	for _, bad := range c.bad {
		for _, p := range paths {
			if bad == "" || under(bad, p) || under(p, bad) {
				return false
			}
		}
	}
	return true
}

func (c *checker) oneOf(path, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	if near := faults.Nearest(value, allowed); near != "" {
		c.failf(path, "%q is not known; did you mean %s?", value, near)
		return
	}
	c.failf(path, "%q is not known; want %s", value, strings.Join(allowed, " or "))
}

// between checks the limits that AWS or the stand-in sets.
func (c *checker) between(path string, value, low, high int) {
	if value < low || value > high {
		c.failf(path, "%d is out of range: want %d to %d", value, low, high)
	}
}

func (c *checker) within(path string, value, low, high time.Duration) {
	if value < low || value > high {
		c.failf(path, "%s is out of range: want %s to %s", value, low, high)
	}
}

// checkUnbuilt refuses what is known and has no effect yet. To ignore it would
// be to test something else than what was asked for.
func (c *checker) checkUnbuilt() {
	for _, u := range []struct {
		path    string
		asked   bool
		instead string
	}{
		{"table.streamViewType", slices.Contains([]string{"KEYS_ONLY", "OLD_IMAGE"}, c.Table.StreamViewType), "use NEW_IMAGE or NEW_AND_OLD_IMAGES: the processor reads the payload from the record"},
	} {
		if u.asked {
			c.failf(u.path, "not supported yet; %s", u.instead)
		}
	}
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (c *checker) checkNames() {
	if !nameForm.MatchString(c.Name) {
		c.failf("name", "%q is no name: 1 to 64 letters, digits, dots, dashes and underscores, since run directories carry it", c.Name)
	}
	c.oneOf("architecture", c.Architecture, bench.Architectures()...)
}

// payload checks the size of payloads.
func (c *checker) payload(path string, z Size) {
	if z < 1 || z > maxPayload {
		c.failf(path, "%s is out of range: want 1B to %s, since a DynamoDB item ends at 400 KB", z, Size(maxPayload))
	}
	if len(c.Workload.Poison) > 0 && z < Size(len(PoisonPrefix)) {
		c.failf(path, "%s is too small for the prefix %q of a poisoned record", z, PoisonPrefix)
	}
}

func (c *checker) checkWorkload() {
	c.oneOf("workload.kind", c.Workload.Kind, Unique, Versions)
	c.checkVersions()
	c.payload("workload.payload", c.Workload.Payload)
	if !c.readable("load", "workload.poison") || len(c.Workload.Poison) == 0 {
		return
	}
	planned := NewPlan(c.Scenario, "", 0, 0).Len()
	seen := map[uint64]bool{}
	for i, seq := range c.Workload.Poison {
		path := fmt.Sprintf("workload.poison[%d]", i)
		switch {
		case seq >= uint64(planned):
			c.failf(path, "%d is beyond the plan: the load sends requests 0 to %d", seq, planned-1)
		case seen[seq]:
			c.failf(path, "%d is given twice", seq)
		}
		seen[seq] = true
	}
}
