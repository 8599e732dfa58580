package reports

import (
	"fmt"
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// htmlFindings is the section "Findings": a table to sort and filter, and the
// lives of some of them.
type htmlFindings struct {
	Rows     []findingRow
	Verdicts []string // that occur, to filter by
	Lives    []life
	Left     string // how many are told elsewhere, and where
}

// findingRow is a finding as cells.
type findingRow struct {
	Verdict, ID, Last, During, Position string
	Seq                                 uint64
	Told                                bool // its life is on the page
}

// life is the traced life of one finding.
type life struct {
	Seq                uint64
	ID, Verdict, Fate  string
	Request, Last      string
	Faults, Unknown    []string
	Steps              []lifeStep
	TimeColumn, Hidden string
}

// lifeStep is one thing that happened in a life.
type lifeStep struct{ At, Kind, Text, Class string }

// newFindings takes the findings of the result, and those whose lives are told.
func newFindings(r *bench.Result, s *bench.Series) htmlFindings {
	told := map[uint64]bool{}
	for i := range s.Traces {
		told[s.Traces[i].Seq] = true
	}
	var h htmlFindings
	listed := map[uint64]bool{}
	add := func(f *bench.Finding) {
		if listed[f.Seq] {
			return
		}
		listed[f.Seq] = true
		cells := findingCells(f)
		h.Rows = append(h.Rows, findingRow{cells[0], cells[1], cells[2], cells[3], cells[4], f.Seq, told[f.Seq]})
		if !slices.Contains(h.Verdicts, cells[0]) {
			h.Verdicts = append(h.Verdicts, cells[0])
		}
	}
	for i := range r.Findings {
		add(&r.Findings[i])
	}
	for i := range s.Traces {
		if f := s.Traces[i].Finding; f != nil {
			add(f)
		}
		h.Lives = append(h.Lives, newLife(&s.Traces[i]))
	}
	all := int64(0)
	for _, v := range bench.ItemVerdicts() {
		if n, _ := r.Items.Of(v); v.Fails() || v.Undecided() || v == bench.DeadLettered || v == bench.Partial {
			all += n
		}
	}
	if shown := int64(len(h.Rows)); all > shown {
		h.Left = fmt.Sprintf("The table has %s of %s; findings.jsonl has all. ", count(shown), count(all))
	}
	if n := int64(len(h.Lives)); n > 0 {
		h.Left += fmt.Sprintf("The whole known lives of %s are told here, the first of each verdict; of any other request, the command ackproof trace tells it.", plural(n, "finding"))
	}
	return h
}

func newLife(t *bench.Trace) life {
	verdict := traceVerdict(t)
	l := life{Seq: t.Seq, ID: clean(t.ID, nameLimit), Verdict: words(verdict.String()), Fate: fates[verdict], Request: traceRequest(t), TimeColumn: "from due"}
	if t.DueMs == nil {
		l.TimeColumn = "at"
	}
	for i := range t.Faults {
		l.Faults = append(l.Faults, traceFault(&t.Faults[i]))
	}
	if f := t.Finding; f != nil {
		l.Last = joinNonEmpty(", ", clean(string(f.LastStation), nameLimit), position(f.Position))
	}
	for _, u := range t.Unknown {
		l.Unknown = append(l.Unknown, clean(u, lineLimit))
	}
	hidden := folds(t.Steps)
	for i := 0; i < len(t.Steps); i++ {
		if n := hidden[i]; n > 0 {
			l.Steps = append(l.Steps, lifeStep{"…", "", "and " + count(int64(n)) + " more like these", "faint"})
			i += n - 1
			continue
		}
		s := &t.Steps[i]
		class := ""
		if stepColor(s) != "" {
			class = "bad"
		}
		l.Steps = append(l.Steps, lifeStep{stepTime(t, s), words(clean(string(s.Kind), nameLimit)), joinNonEmpty("; ", clean(s.Text, lineLimit), stepDetail(s)), class})
	}
	return l
}
