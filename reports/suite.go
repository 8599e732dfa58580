package reports

import (
	"bytes"
	"fmt"

	"github.com/ackproof/ackproof/bench"
)

// SuitePage is what suite.html shows. Its texts may come from outside.
type SuitePage struct {
	Verdict     bench.Verdict
	About       string // what was tested
	Headline    string // the diagnosis, and how sure it is
	Fingerprint string
	Probes      []SuiteProbe
	Candidates  []SuiteCandidate
	Undecided   []string
	Settings    []string
	Legend      string
}

// SuiteProbe is a line of the table of probes.
type SuiteProbe struct {
	Name, About, Shows, Words string
	Run                       string // folder of its run, beside the page; empty: it has none
	Bad                       bool   // it shows what a sound system does not
}

// SuiteCandidate is what may be the matter.
type SuiteCandidate struct {
	Rank         int
	Title, Fits  string
	For, Against []string
	Change       string
}

// SuiteHTML gives suite.html, one file that needs nothing outside itself; the runs
// it links to lie beside it.
func SuiteHTML(p SuitePage) ([]byte, error) {
	all := func(texts []string) {
		for i := range texts {
			texts[i] = clean(texts[i], lineLimit)
		}
	}
	for _, text := range []*string{&p.About, &p.Headline, &p.Fingerprint} {
		*text = clean(*text, lineLimit)
	}
	all(p.Undecided)
	all(p.Settings)
	for i := range p.Probes {
		o := &p.Probes[i]
		o.Words = clean(o.Words, lineLimit)
	}
	for i := range p.Candidates {
		all(p.Candidates[i].For)
		all(p.Candidates[i].Against)
	}
	page := struct {
		SuitePage
		Verdict, Tone, Title string
	}{p, upper(p.Verdict), tone(p.Verdict), upper(p.Verdict) + ": suite"}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "suite.tmpl", page); err != nil {
		return nil, fmt.Errorf("make suite.html: %w", err)
	}
	return b.Bytes(), nil
}
