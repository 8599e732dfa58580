package reconcile

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// phrases say what a verdict means, after "N items". They are written for the
// plural; one item reads well enough with them changed by fit.
var phrases = map[bench.ItemVerdict]string{
	bench.LostWrite:      "were acknowledged and never stored",
	bench.LostProcessing: "were stored and never processed",
	bench.Duplicated:     "were processed more often than promised",
	bench.WrongEffect:    "have an effect of wrong or outdated content",
	bench.Phantom:        "were refused, and are stored or have an effect all the same",
	bench.OrphanEffect:   "have an effect, and were never stored",
	bench.Unexpected:     "are in the tables, and were never sent",
	bench.DeadLettered:   "were given up and handed to the dead-letter destination",
	bench.Pending:        "were not done yet when the wait for them ended",
	bench.Unread:         "cannot be judged: evidence is missing",
}

// reasons gives the run its verdict, and says why.
func (j *judge) reasons() {
	a := &j.account
	var fails, unknowns []bench.Reason
	for _, v := range bench.ItemVerdicts() {
		n, _ := a.Items.Of(v)
		effect := j.consequence(v)
		if n == 0 || effect == bench.Pass {
			continue
		}
		r := bench.Reason{Code: bench.Code(v.String()), Text: itemsText(v, n, j.counts.Acked[v], j.firstOf(v))}
		if effect == bench.Fail {
			fails = append(fails, r)
		} else {
			unknowns = append(unknowns, r)
		}
	}
	if len(fails) > 0 {
		fails = append(fails, j.lossReasons()...)
		if r, ok := j.controlReason(); ok {
			fails = append(fails, r)
		}
	}
	unknowns = append(unknowns, j.unknownReasons()...)

	a.Verdict = bench.Pass
	if len(unknowns) > 0 {
		a.Verdict = a.Verdict.Worse(bench.VerdictUnknown)
	}
	if len(fails) > 0 {
		a.Verdict = a.Verdict.Worse(bench.Fail)
	}
	a.Reasons = append(fails, unknowns...)
}

// firstOf names the first finding of a verdict; "": there is none.
func (j *judge) firstOf(v bench.ItemVerdict) string {
	if seq, ok := j.counts.Firsts[v]; ok {
		return j.id(seq)
	}
	if v == bench.Unexpected && len(j.account.extra) > 0 {
		return j.id(j.account.extra[0].seq)
	}
	return ""
}

// consequence says what one item of a verdict makes of the run.
func (j *judge) consequence(v bench.ItemVerdict) bench.Verdict {
	none := j.e.Guarantee.Effects == NoGuarantee
	switch {
	case none && (v == bench.LostProcessing || v == bench.DeadLettered || v.Undecided()):
		return bench.Pass // nobody was promised an effect
	case v == bench.DeadLettered && !j.e.Guarantee.DeadLettersAllowed:
		return bench.Fail
	case v == bench.Unexpected && len(j.e.LedgerProblems) > 0:
		return bench.VerdictUnknown // it may have been sent by a part of the ledger that is lost
	case v.Fails():
		return bench.Fail
	case v.Undecided():
		return bench.VerdictUnknown
	}
	return bench.Pass
}

func itemsText(v bench.ItemVerdict, n, acked int64, first string) string {
	var b strings.Builder
	switch {
	case acked == n && v != bench.LostWrite: // which says so itself
		b.WriteString(plural(n, "acknowledged item"))
	default:
		b.WriteString(plural(n, "item"))
	}
	b.WriteByte(' ')
	b.WriteString(fit(n, phrases[v]))
	if acked > 0 && acked < n {
		fmt.Fprintf(&b, ", %s of them acknowledged", num(acked))
	}
	if first != "" {
		b.WriteString(": first " + first)
	}
	return b.String()
}

// lossReasons says how losses were established, where that is not beyond doubt.
func (j *judge) lossReasons() []bench.Reason {
	lost := j.account.Items.Lost()
	if lost == 0 {
		return nil
	}
	var out []bench.Reason
	if j.e.Drain.Proof == bench.DrainQuiet {
		out = append(out, bench.Reason{Code: bench.CodeDrainedBySilence, Text: fmt.Sprintf(
			"that %s lost rests on silence: nothing new was seen for longer than any retry could wait", plural(lost, "item")+wasWere(lost))})
	}
	if !j.e.ItemsObserved {
		out = append(out, bench.Reason{Code: bench.CodeItemsNotObserved, Text: fmt.Sprintf(
			"no items table is named: an acknowledgement was taken for stored, so %s lost before or after the table", plural(lost, "item")+wasWere(lost))})
	}
	return out
}

// unknownReasons lists what keeps the run from a pass beside its items.
func (j *judge) unknownReasons() []bench.Reason {
	var out []bench.Reason
	for _, s := range j.e.Blocked {
		if s.Behind == 0 && s.Head == nil {
			continue
		}
		text := fmt.Sprintf("shard %s still had %s to settle", s.Shard, plural(int64(s.Behind), "record"))
		if h := s.Head; h != nil {
			behind := int64(max(s.Behind-1, 0))
			text = fmt.Sprintf("shard %s is held up by %s (sequence number %s), which has failed %s", s.Shard, h.ID, h.Sequence, plural(int64(h.Attempts), "time"))
			if h.Error != "" {
				text += fmt.Sprintf(" (%s)", h.Error)
			}
			text += fmt.Sprintf("; %s wait behind it", plural(behind, "record"))
			if behind == 1 {
				text = strings.Replace(text, "record wait", "record waits", 1)
			}
		}
		out = append(out, bench.Reason{Code: bench.CodeBlockedShard, Text: text})
	}
	for _, g := range j.account.Gates[:len(bench.AccountGates())] {
		if !g.OK {
			out = append(out, bench.Reason{Code: bench.Code(g.Name), Text: g.Detail})
		}
	}
	if j.e.WorkerCapHit {
		out = append(out, bench.Reason{Code: bench.CodeWorkerCap,
			Text: "the generator ran into its cap of workers: from then on a slow answer delayed the next request"})
	}
	if j.e.Interrupted {
		out = append(out, bench.Reason{Code: bench.CodeInterrupted, Text: "the run was interrupted"})
	}
	return out
}

// num prints a count with commas: 1,234,567.
func num(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// plural prints a count and its noun.
func plural(n int64, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		noun = strings.TrimSuffix(noun, "y") + "ie"
	}
	return num(n) + " " + noun + "s"
}

// fit turns a phrase for many into one for one.
func fit(n int64, phrase string) string {
	if n != 1 {
		return phrase
	}
	words := strings.Split(phrase, " ")
	for i, w := range words {
		switch w {
		case "were":
			words[i] = "was"
		case "are":
			words[i] = "is"
		case "have":
			words[i] = "has"
		case "them":
			words[i] = "it"
		}
	}
	return strings.Join(words, " ")
}

func wasWere(n int64) string { return " " + fit(n, "were") }
func isAre(n int64) string   { return fit(n, "are") }

func doDoes(n int64) string {
	if n == 1 {
		return " does"
	}
	return " do"
}

// percent prints a share with one decimal, rounded down: 94.96 % must not read
// as the 95 % that it missed.
func percent(share float64) string {
	return strconv.FormatFloat(math.Floor(share*1000+1e-9)/10, 'f', -1, 64) + " %"
}
