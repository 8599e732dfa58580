package scenarios

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// maxKeys bounds the keys of a workload: the plan keeps a number for each, and
// the judge some dozens of bytes.
const maxKeys = 1_000_000

// Skew says how unevenly the keys of a workload are written: as Zipf's law has it,
// the k-th key with a weight of 1/k to the power of Skew. 0: all alike. Its text is
// uniform, zipf (which is zipf 1), or zipf with another exponent, as in "zipf 0.8".
type Skew float64

const (
	skewUniform = "uniform"
	skewZipf    = "zipf"
	maxSkew     = 10 // beyond it there is one key
)

// UnmarshalText reads a skew.
func (s *Skew) UnmarshalText(b []byte) error {
	name, exponent, given := strings.Cut(string(b), " ")
	switch {
	case name == skewUniform && !given:
		*s = 0
		return nil
	case name == skewZipf && !given:
		*s = 1
		return nil
	case name == skewZipf:
		v, err := strconv.ParseFloat(exponent, 64)
		if err == nil && v > 0 && v <= maxSkew {
			*s = Skew(v)
			return nil
		}
	}
	return fmt.Errorf("%q is no skew: write uniform, zipf, or zipf with an exponent above 0 and at most %d, such as \"zipf 0.8\"", b, maxSkew)
}

// MarshalText prints the skew as it is read.
func (s Skew) MarshalText() ([]byte, error) {
	switch s {
	case 0:
		return []byte(skewUniform), nil
	case 1:
		return []byte(skewZipf), nil
	}
	return []byte(skewZipf + " " + strconv.FormatFloat(float64(s), 'f', -1, 64)), nil
}

// What a request and its item look like where the scenario does not say. The
// gateway's own template is that of unique items.
const (
	uniqueBody       = `{"id":"{{.ID}}","payload":"{{.Payload}}"}`
	versionsBody     = `{"id":"{{.Key}}","version":"{{.ID}}","payload":"{{.Payload}}"}`
	versionsTemplate = `{"TableName":"$stageVariables.itemsTable","Item":{"id":{"S":$input.json('$.id')},` +
		`"version":{"S":$input.json('$.version')},"payload":{"S":$input.json('$.payload')}}}`
	defaultKeys = 1000
)

// completeVersions fills in what is another default where requests share keys.
func (s *Scenario) completeVersions() {
	if s.Workload.Kind != Versions {
		return
	}
	if s.Workload.Keys == 0 {
		s.Workload.Keys = defaultKeys
	}
	if s.Request.Body == uniqueBody {
		s.Request.Body = versionsBody
	}
	if s.Gateway.Template == "" {
		s.Gateway.Template = versionsTemplate
	}
}

// keys draws the key that a request writes, from seed and number alone.
type keys struct {
	seed uint64
	n    uint64
	skew float64
	made sync.Once
	upTo []float64 // share of the requests that write one of the keys up to this one; nil: all keys alike
}

func newKeys(w Workload, seed uint64) *keys {
	return &keys{seed: seed, n: uint64(max(w.Keys, 1)), skew: float64(w.Skew)}
}

func (k *keys) of(seq uint64) uint64 {
	draw := clock.Draw(k.seed, "key", seq)
	if k.skew == 0 {
		return uint64(draw * float64(k.n))
	}
	k.made.Do(k.add)
	return uint64(sort.Search(len(k.upTo)-1, func(i int) bool { return draw < k.upTo[i] }))
}

// add adds the weights up.
func (k *keys) add() {
	k.upTo = make([]float64, k.n)
	sum := 0.0
	for i := range k.upTo {
		sum += math.Pow(float64(i+1), -k.skew)
		k.upTo[i] = sum
	}
	for i := range k.upTo {
		k.upTo[i] /= sum
	}
}

// hottest is the share of the requests that write key 0.
func (k *keys) hottest() float64 {
	if k.skew == 0 {
		return 1 / float64(k.n)
	}
	k.made.Do(k.add)
	return k.upTo[0]
}

// Keys is how many keys the requests share; 0: each has an item of its own.
func (p *Plan) Keys() uint64 {
	if p.keys == nil {
		return 0
	}
	return p.keys.n
}

// KeyNumber is the number of the shared key that a request writes; of a skewed
// workload 0 is written most often. A plan without shared keys has none.
func (p *Plan) KeyNumber(seq uint64) uint64 { return p.keys.of(seq) }

func (p *Plan) shares(seq uint64) bool {
	return p.keys != nil && seq < uint64(p.count) && p.ids.First != bench.CanaryAgent
}

// SharedKey is a key that requests share, by its number.
func (p *Plan) SharedKey(number uint64) string {
	return bench.SharedKey{Run: p.ids.Run, Number: number}.String()
}

// Key is the key of the item that a request writes: its id, or a key that it
// shares. What is sent beyond the plan shares none, and neither do canaries.
func (p *Plan) Key(seq uint64) string {
	if !p.shares(seq) {
		return p.ID(seq).String()
	}
	return p.SharedKey(p.KeyNumber(seq))
}

// checkVersions checks what belongs to requests that share keys.
func (c *checker) checkVersions() {
	w := c.Workload
	if w.Kind != Versions {
		for path, given := range map[string]bool{"workload.keys": w.Keys != 0, "workload.skew": w.Skew != 0} {
			if given {
				c.failf(path, "it belongs to the kind versions; leave it out, or say kind: versions")
			}
		}
		return
	}
	c.between("workload.keys", w.Keys, 1, maxKeys)
	// An effect on the item would be a version that no request has written, and an
	// item that has expired is the version of none.
	if c.Table.OneTable {
		c.failf("table.oneTable", "with versions the effects need a table of their own: each version has one, beside the latest of its key")
	}
	if c.Table.TimeToLive != "" {
		c.failf("table.timeToLive", "an item of several versions that expires has no final one to compare with; leave it out")
	}
}

// checkPerKey checks what names the tables of a system that is not ours, where
// requests share keys.
func (c *checker) checkPerKey() {
	items, r, versions := c.Target.Items, c.Target.Results, c.Workload.Kind == Versions
	for path, given := range map[string]bool{"target.items.version": items.Version != "", "target.results.version": r.Version != "", "target.results.perKey": r.PerKey} {
		if given && !versions {
			c.failf(path, "it belongs to requests that share keys; leave it out, or say workload: {kind: versions}")
		}
	}
	switch {
	case !versions || r.Table == "":
		return
	case !r.PerKey && r.Version == "":
		c.failf("target.results.perKey", "how the results table shows versions nobody has told: say perKey: true if it has one row for all versions of an item; or name version if it has a row for each, under its {{.ID}}, beside one under {{.Key}} that shows the latest")
		return
	case !r.PerKey:
		return
	case items.Table == "":
		c.failf("target.items.table", "it is missing: with perKey it tells which version of an item is the newest")
	}
	switch fromStream := c.Target.Stream != streamNone && c.Architecture == bench.Streams; {
	case r.Version == "" && r.Digest == "" && r.Sequence == "":
		c.failf("target.results.version", "it is missing: with perKey a row must say which version it shows, by version (the {{.ID}} of the request), by sequence (of its stream record) or by digest (of its payload)")
	case r.Version == "" && r.Digest == "" && !fromStream:
		c.failf("target.results.sequence", "a sequence number tells which version a row shows only where the stream is read: say target: {stream: auto}, or name version or digest")
	}
	if r.Count != "" {
		c.failf("target.results.count", "with perKey it counts all versions of an item together, and nobody can tell of which; leave it out")
	}
	if c.Guarantee.Effects == ExactlyOnce {
		c.failf("guarantee.effects", "exactly-once cannot be seen with target.results.perKey: how often each version was applied no row tells; say at-least-once, which asks that each item shows its newest version")
	}
	if c.Guarantee.Deadline != 0 {
		c.failf("guarantee.deadline", "with target.results.perKey nobody can tell when a version was processed that a newer one has replaced; leave it out, and expect something of completion_time, which is that of the versions that rows show")
	}
}

// checkSeen checks that what an expectation speaks of can be observed.
func (c *checker) checkSeen(path string, e Expectation) {
	if c.Target.Results.PerKey && slices.Contains([]string{aliasDuplicated, "items.duplicated", aliasRecovery, "recovery_ms"}, e.Path) {
		c.failf(path, "%s cannot be observed with target.results.perKey: no row tells of versions that newer ones have replaced; leave it out", e.Path)
	}
}
