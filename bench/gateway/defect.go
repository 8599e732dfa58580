package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// The defects of an API, which no setting of API Gateway's could bring about:
// they are what code in its place gets wrong. Each has a verdict of its own.
const (
	DefectLose  = "lose-nth"     // every K-th request is answered 200 and not stored: lost_write
	DefectEarly = "early-answer" // 200 before the write is made: lost_write where the table refuses it
	DefectTwice = "write-twice"  // each request is taken for two: duplicated where the template tells them apart
)

// defect is a parsed bench.Gateway.Defect.
type defect struct {
	name string
	nth  uint64 // of lose-nth
}

func parseDefect(s string) (defect, error) {
	name, arg, hasArg := strings.Cut(s, "=")
	switch {
	case s == "", !hasArg && (name == DefectEarly || name == DefectTwice):
		return defect{name: name}, nil
	case name == DefectLose:
		if n, err := strconv.ParseUint(arg, 10, 32); err == nil && n > 0 {
			return defect{name: name, nth: n}, nil
		}
	}
	return defect{}, fmt.Errorf("defect %q: want %s=K with K of 1 or more, %s or %s", s, DefectLose, DefectEarly, DefectTwice)
}

// taken is the answer of an API that has looked at nothing.
var taken = answer{status: http.StatusOK, body: []byte("{}")}

// act has the upstream act, as a planted defect has it.
func (g *gateway) act(r request) (a answer, acted bool) {
	switch g.defect.name {
	case DefectLose:
		if g.taken.Add(1)%g.defect.nth == 0 {
			return taken, true
		}
	case DefectEarly:
		go g.integrate(r) // nobody waits for it: that is the defect
		return taken, true
	case DefectTwice:
		first := r
		first.id = g.newID()
		g.integrate(first)
	}
	return g.integrate(r)
}
