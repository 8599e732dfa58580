package suite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// The letters of a fingerprint. Each stands for what was found in one run.
const (
	Lost       = 'L' // stored, and never processed
	Neighbour  = 'N' // lost although it was not the record that failed: it stood beside one
	LostWrite  = 'W' // acknowledged, and never stored
	Duplicated = 'D' // its effect was applied more than once
	Wrong      = 'S' // its effect is that of an older version, or of other data
	Dead       = 'Q' // handed to the on-failure destination
	Phantom    = 'P' // refused, and stored all the same
	Foreign    = 'U' // ids in the tables that nobody sent
	Blocked    = 'B' // not processed, and a shard still stands at a record that fails
)

// letters are all of them in the order in which they are written, with the words
// for one and for several.
var letters = []struct {
	letter rune
	words  string
}{
	{LostWrite, "acknowledged and not stored"}, {Lost, "lost"}, {Neighbour, "lost beside a bad record"},
	{Duplicated, "applied twice"}, {Wrong, "with a wrong or outdated effect"}, {Phantom, "refused and stored"},
	{Foreign, "that nobody sent"}, {Blocked, "behind a record that blocks its shard"}, {Dead, "dead-lettered"},
}

// harmless are the letters that a sound system can show.
const harmless = string(Dead)

// Observation is what one probe brought to light.
type Observation struct {
	Probe   string        `json:"probe"`
	Letters string        `json:"letters"` // sorted as reports show them; empty: nothing
	Unknown string        `json:"unknown"` // why the probe decides nothing; empty: it does
	Counts  []Count       `json:"counts"`
	Struck  int64         `json:"struck"` // how often the faults have struck
	Verdict bench.Verdict `json:"verdict"`
	Dir     string        `json:"dir,omitempty"` // run directory, where it is kept
}

// Count says how many items a letter stands for.
type Count struct {
	Letter string `json:"letter"`
	Items  int64  `json:"items"`
}

// Has reports whether a letter was observed.
func (o *Observation) Has(letter rune) bool { return strings.ContainsRune(o.Letters, letter) }

// String says what was observed in words.
func (o *Observation) String() string {
	if o.Unknown != "" {
		return "unknown: " + o.Unknown
	}
	var parts []string
	for _, c := range o.Counts {
		parts = append(parts, fmt.Sprintf("%d %s", c.Items, wordsOf(rune(c.Letter[0]))))
	}
	if len(parts) == 0 {
		parts = []string{"nothing"}
	}
	if o.Struck > 0 {
		parts = append(parts, fmt.Sprintf("%d strikes", o.Struck))
	}
	return strings.Join(parts, ", ")
}

func wordsOf(letter rune) string {
	for _, l := range letters {
		if l.letter == letter {
			return l.words
		}
	}
	return string(letter)
}

// Observe reads the result of a probe's run. A run whose fault did not strike, or
// whose evidence is not complete, decides nothing and says why: no letter is no
// proof then.
func Observe(p Probe, r *bench.Result) Observation {
	o := Observation{Probe: p.Name, Verdict: r.Verdict, Unknown: undecided(p, r)}
	for _, f := range r.Faults {
		o.Struck += f.Bitten
	}
	if len(p.Poison) > 0 {
		o.Struck = int64(len(p.Poison))
	}
	n := counts(p, r)
	for _, l := range letters {
		if n[l.letter] > 0 {
			o.Letters += string(l.letter)
			o.Counts = append(o.Counts, Count{string(l.letter), n[l.letter]})
		}
	}
	return o
}

// counts gives the number of items of each letter.
func counts(p Probe, r *bench.Result) map[rune]int64 {
	i := r.Items
	observed := func(n *int64) int64 {
		if n == nil {
			return 0
		}
		return *n
	}
	n := map[rune]int64{
		LostWrite: i.LostWrite, Lost: i.LostProcessing, Duplicated: observed(i.Duplicated), Wrong: observed(i.WrongEffect),
		Dead: i.DeadLettered, Phantom: i.Phantom, Foreign: observed(i.Unexpected) + i.OrphanEffect,
	}
	if len(p.Poison) > 0 {
		for _, f := range r.Findings {
			if f.Verdict == bench.LostProcessing && !slices.Contains(p.Poison, f.Seq) {
				n[Lost]--
				n[Neighbour]++
			}
		}
	}
	if blocked(r) {
		n[Blocked] = i.Pending
	}
	if gate(r, bench.GateCleanStart) != nil {
		n[Foreign]++ // keys that are no id of this run cannot be counted by id
	}
	return n
}

// blocked reports whether a shard still stood at a record that fails.
func blocked(r *bench.Result) bool {
	return r.Items.Pending > 0 && slices.ContainsFunc(r.Reasons, func(reason bench.Reason) bool { return reason.Code == bench.CodeBlockedShard })
}

// gate gives an account gate that is down, or nil.
func gate(r *bench.Result, name bench.Gate) *bench.GateResult {
	for i, g := range r.Gates {
		if g.Name == name && !g.OK {
			return &r.Gates[i]
		}
	}
	return nil
}

// undecided says why a run decides nothing; empty: it does. A shard that is
// blocked, and foreign ids, are findings and not lacks.
func undecided(p Probe, r *bench.Result) string {
	for _, name := range bench.AccountGates() {
		g := gate(r, name)
		switch {
		case g == nil, name == bench.GateCleanStart, name == bench.GateDrained && blocked(r):
		default:
			return g.Detail
		}
	}
	i := r.Items
	if p.Name == "late" && i.WrongEffect == nil {
		return "the effects do not tell of which version they are (sequence, or digest)"
	}
	if len(p.Poison) > 0 && i.LostProcessing+i.DeadLettered+i.Pending+i.LostWrite == 0 {
		return "the records that should have been bad were processed: this processor does not refuse them"
	}
	return ""
}
