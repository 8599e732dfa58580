package suite

import (
	"fmt"
	"slices"
	"strings"
)

// Sureness says how far a diagnosis can be relied on.
type Sureness string

// The degrees of sureness.
const (
	Sure    Sureness = "sure"    // it explains everything, and nothing else that is known comes near
	Likely  Sureness = "likely"  // nothing else that is known explains it better
	Open    Sureness = "open"    // the evidence does not decide
	Nothing Sureness = "nothing" // no bug was seen
	Unknown Sureness = "unknown" // no probe has decided anything
)

// Known is what is known of the mapping beforehand, so that it need not be
// inferred: the name of the sound configuration or of one whose Part is Mapping,
// or one of the two below.
type Known string

// What else can be known of the mapping.
const (
	MappingUnknown Known = ""      // nobody has told
	MappingOther   Known = "other" // it is known, and none of the configurations'
)

// Candidate is a configuration that a fingerprint may be of.
type Candidate struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Part     Part     `json:"part"`
	Setting  bool     `json:"setting"`  // it is not inferred: the run was set so
	Distance int      `json:"distance"` // letters that are too many or too few
	For      []string `json:"for"`      // what it explains, by probe
	Against  []string `json:"against"`  // what it does not
	Change   string   `json:"change"`   // what to do

	expects string // in the probes that have decided: what looks alike has the same
}

// Diagnosis says what is likely to be the matter.
type Diagnosis struct {
	Sureness    Sureness    `json:"sureness"`
	Text        string      `json:"text"`        // one sentence
	Fingerprint string      `json:"fingerprint"` // such as poison=Q deny=L
	Candidates  []Candidate `json:"candidates"`  // the nearest first, at most three
	Alike       int         `json:"alike"`       // so many of the first candidates look the same from outside
	Undecided   []string    `json:"undecided"`   // probes, with why
}

// maxCandidates is how many are told: more are no diagnosis.
const maxCandidates = 3

// Diagnose finds the configurations whose fingerprints are nearest. A distance is
// the number of letters by which they differ, over the probes that have decided.
func Diagnose(observations []Observation, known Known) Diagnosis {
	var decided []Observation
	d := Diagnosis{Candidates: []Candidate{}, Undecided: []string{}}
	for _, o := range observations {
		if o.Unknown != "" {
			d.Undecided = append(d.Undecided, o.Probe+": "+o.Unknown)
			continue
		}
		decided = append(decided, o)
	}
	d.Fingerprint = fingerprint(decided)
	base := configurations[0]
	if c, ok := Lookup(string(known)); ok {
		base = c
	}
	var all []Candidate
	for _, c := range configurations[1:] {
		if c.Part == Mapping && known != MappingUnknown && known != MappingOther && c.Name != base.Name {
			continue
		}
		if one := weigh(c, base, decided); len(one.For) > 0 {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b Candidate) int { return a.Distance - b.Distance })
	for d.Alike < len(all) && all[d.Alike].Distance == all[0].Distance && all[d.Alike].expects == all[0].expects {
		d.Alike++
	}
	nothing := weigh(configurations[0], configurations[0], decided)
	d.conclude(decided, all, nothing.Distance == 0)
	return d
}

// conclude words the diagnosis.
func (d *Diagnosis) conclude(decided []Observation, all []Candidate, clean bool) {
	switch {
	case len(decided) == 0:
		d.Sureness, d.Text = Unknown, "no probe has decided anything, so nothing is known"
	case clean && len(d.Undecided) == 0:
		d.Sureness, d.Text = Nothing, "no bug was seen: every probe showed what a sound system shows"
	case clean:
		d.Sureness, d.Text = Nothing, fmt.Sprintf("no bug was seen in the %d probes that decided; %d decided nothing", len(decided), len(d.Undecided))
	case len(all) == 0:
		d.Sureness, d.Text = Open, "something is wrong, and no configuration that is known explains any of it"
	default:
		d.name(all)
	}
	d.Alike = min(d.Alike, len(d.Candidates))
}

// name names the nearest candidates.
func (d *Diagnosis) name(all []Candidate) {
	best, gap := all[0], 1<<30
	if d.Alike < len(all) {
		gap = all[d.Alike].Distance - best.Distance
	}
	d.Candidates = slices.DeleteFunc(all[:min(len(all), maxCandidates)], func(c Candidate) bool { return c.Distance > best.Distance+maxCandidates })
	switch {
	case gap == 0 || best.Distance > 2:
		d.Sureness, d.Text = Open, "the evidence does not decide; nearest is: "+best.Title
		return
	case best.Distance == 0 && gap >= 2:
		d.Sureness = Sure
	default:
		d.Sureness = Likely
	}
	d.Text = best.Title
	if best.Setting {
		d.Text = "a setting of this run, not inferred: " + best.Title
	}
	for i := 1; i < min(d.Alike, len(d.Candidates)); i++ {
		d.Text += "; or, which looks the same from outside, " + d.Candidates[i].Title
	}
}

// fingerprint writes the letters of the probes that showed any.
func fingerprint(decided []Observation) string {
	var parts []string
	for _, o := range decided {
		if o.Letters != "" {
			parts = append(parts, o.Probe+"="+o.Letters)
		}
	}
	return strings.Join(parts, " ")
}

// weigh holds a configuration, over a mapping that is known to be base's, against
// what was observed.
func weigh(c, base Configuration, decided []Observation) Candidate {
	one := Candidate{
		Name: c.Name, Title: c.Title, Part: c.Part, Change: c.Change, For: []string{}, Against: []string{},
		Setting: c.Part == Mapping && c.Name == base.Name,
	}
	if base.Part == Mapping && c.Name != base.Name {
		one.Distance++
		one.Against = append(one.Against, "it would be a second bug, beside that of the mapping's settings")
	}
	for i := range decided {
		o := &decided[i]
		must, may := expected(c, base, o.Probe)
		one.expects += o.Probe + "=" + sorted(must) + "/" + sorted(may) + " "
		soundMust, soundMay := configurations[0].Shows(o.Probe)
		for _, l := range must {
			switch {
			case !o.Has(l):
				one.Distance++
				one.Against = append(one.Against, fmt.Sprintf("%s: would show items %s, and shows none", o.Probe, wordsOf(l)))
			case !strings.ContainsRune(soundMust+soundMay, l):
				one.For = append(one.For, o.Probe+": "+o.told(l))
			}
		}
		for _, l := range o.Letters {
			if !strings.ContainsRune(must+may, l) {
				one.Distance++
				one.Against = append(one.Against, fmt.Sprintf("%s: %s, which it does not explain", o.Probe, o.told(l)))
			}
		}
	}
	return one
}

// expected gives what a probe must and may show of a configuration over the
// mapping of another. Over the sound mapping it is what the table says; over one
// with a bug of its own, that bug may show as well.
func expected(c, base Configuration, probe string) (must, may string) {
	must, may = c.Shows(probe)
	if base.Part == Sound || base.Name == c.Name {
		return must, may
	}
	baseMust, baseMay := base.Shows(probe)
	if _, own := c.Signature[probe]; !own {
		return baseMust, baseMay
	}
	soundMust, soundMay := configurations[0].Shows(probe)
	may += baseMust + baseMay + must
	must = strings.Map(func(l rune) rune {
		if strings.ContainsRune(soundMust+soundMay, l) {
			return -1
		}
		return l
	}, must)
	return must, may
}

// told says one letter in words, and how often the faults struck.
func (o *Observation) told(letter rune) string {
	for _, c := range o.Counts {
		if c.Letter == string(letter) {
			text := fmt.Sprintf("%d %s", c.Items, wordsOf(letter))
			if o.Struck > 0 {
				text += fmt.Sprintf(" after %d strikes", o.Struck)
			}
			return text
		}
	}
	return wordsOf(letter)
}

func sorted(letters string) string {
	r := []rune(letters)
	slices.Sort(r)
	return string(slices.Compact(r))
}
