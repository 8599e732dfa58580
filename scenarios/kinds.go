package scenarios

import (
	"cmp"
	"fmt"
	"maps"

	"github.com/ackproof/ackproof/bench/clock"
)

// RequestKind is one of several kinds of requests that make up a load. What it does
// not say is as in the request.
type RequestKind struct {
	Name    string            `yaml:"name"`
	Weight  Factor            `yaml:"weight,omitempty"` // its share is this over the sum of all; 0: 1
	Method  string            `yaml:"method,omitempty"`
	Path    string            `yaml:"path,omitempty"`
	Headers map[string]string `yaml:"headers,omitempty"` // beside the request's
	Body    string            `yaml:"body,omitempty"`
	Payload Size              `yaml:"payload,omitempty"` // in the place of workload.payload
}

// RequestKinds are the kinds of requests with everything filled in: at least one,
// which has no name where the scenario tells none apart.
func (s *Scenario) RequestKinds() []RequestKind {
	r := s.Request
	whole := RequestKind{Weight: 1, Method: r.Method, Path: r.Path, Headers: r.Headers, Body: r.Body, Payload: s.Workload.Payload}
	if len(r.Kinds) == 0 {
		return []RequestKind{whole}
	}
	all := make([]RequestKind, len(r.Kinds))
	for i, k := range r.Kinds {
		headers := maps.Clone(whole.Headers)
		if headers == nil {
			headers = map[string]string{}
		}
		maps.Copy(headers, k.Headers)
		all[i] = RequestKind{
			Name: k.Name, Weight: cmp.Or(k.Weight, 1), Method: cmp.Or(k.Method, whole.Method), Path: cmp.Or(k.Path, whole.Path),
			Headers: headers, Body: cmp.Or(k.Body, whole.Body), Payload: cmp.Or(k.Payload, whole.Payload),
		}
	}
	return all
}

// kinds draws the kind of a request from seed and number alone.
type kinds struct {
	random clock.Numbers
	upTo   []float64 // share of the requests that are of one of the kinds up to this one
	bodies []*body
	sizes  []int // of payloads
}

func newKinds(all []RequestKind, seed uint64) *kinds {
	k := &kinds{random: clock.NumbersOf(seed, "kind")}
	sum := 0.0
	for _, kind := range all {
		sum += float64(kind.Weight)
		k.upTo = append(k.upTo, sum)
		b, _ := parseBody(kind.Body) // a valid scenario's parses
		k.bodies = append(k.bodies, b)
		k.sizes = append(k.sizes, int(kind.Payload))
	}
	for i := range k.upTo {
		k.upTo[i] /= sum
	}
	return k
}

func (k *kinds) of(seq uint64) int {
	if len(k.upTo) == 1 {
		return 0
	}
	draw := float64(k.random.At(seq)>>11) / (1 << 53)
	for i, share := range k.upTo {
		if draw < share {
			return i
		}
	}
	return len(k.upTo) - 1
}

// Kind is the number of a request's kind, as in [Scenario.RequestKinds].
func (p *Plan) Kind(seq uint64) int { return p.kinds.of(seq*p.every + p.offset) }

func (c *checker) checkKinds() {
	names := map[string]bool{}
	for i, k := range c.Request.Kinds {
		path := fmt.Sprintf("request.kinds[%d]", i)
		switch {
		case !nameForm.MatchString(k.Name):
			c.failf(path+".name", "%q is no name: give the kind one, of letters, digits, dots, dashes and underscores, so that figures can speak of it", k.Name)
		case names[k.Name]:
			c.failf(path+".name", "%q is the name of an earlier kind", k.Name)
		}
		names[k.Name] = true
		if k.Payload != 0 {
			c.payload(path+".payload", k.Payload)
		}
		if k.Body != "" {
			c.body(path+".body", k.Body)
		}
		c.headers(path+".headers", k.Headers)
		if k.Path != "" && c.path(path+".path", k.Path) && k.Path != c.Gateway.Path && !c.Target.named() {
			c.failf(path+".path", "%q is not gateway.path %q: every such request would miss it", k.Path, c.Gateway.Path)
		}
		if k.Method != "" {
			c.method(path+".method", k.Method)
		}
	}
	if len(c.Request.Kinds) > maxKinds {
		c.failf("request.kinds", "%d kinds; there can be %d", len(c.Request.Kinds), maxKinds)
	}
}

// maxKinds bounds the kinds: each has distributions of its own.
const maxKinds = 100
