package faults

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxTime bounds every duration of a fault, so that sums cannot overflow.
	maxTime = 30 * 24 * time.Hour
	// maxStrikes bounds what one line can ask for: a typing error such as
	// `every 1ns` must not fill the memory.
	maxStrikes = 100_000
	// maxRange bounds M - N of `on OP N to M`.
	maxRange = 1_000_000
)

// Parse reads one line. Its error joins everything that is wrong with the line;
// each part names the column, counted from 1, and where a word is unknown the
// nearest known one.
func Parse(text string) (Fault, error) {
	p := &parser{text: text, f: Fault{Share: 100}}
	head, body, ok := strings.Cut(text, ":")
	if !ok {
		p.errorf(len(text), `no colon between when and what: write "at 5s: processor.kill"`)
		return Fault{}, errors.Join(p.errs...)
	}
	what := words(body, len(head)+1)
	p.kind(what, len(text)) // before the rest: it decides which words are known
	p.when(words(head, 0))
	if p.f.Kind != nil {
		p.how(what[1:])
	}
	if len(p.errs) > 0 {
		return Fault{}, errors.Join(p.errs...)
	}
	return p.f, nil
}

// word is one word of the line and where it stands.
type word struct {
	text string
	at   int // byte offset
}

func words(s string, offset int) []word {
	var all []word
	for i := 0; i < len(s); {
		if s[i] == ' ' || s[i] == '\t' {
			i++
			continue
		}
		j := i
		for j < len(s) && s[j] != ' ' && s[j] != '\t' {
			j++
		}
		all = append(all, word{s[i:j], offset + i})
		i = j
	}
	return all
}

type parser struct {
	text string
	f    Fault
	errs []error
}

func (p *parser) errorf(at int, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("parse fault %q, column %d: %s", p.text, at+1, fmt.Sprintf(format, args...)))
}

// unknown reports a word that is none of the known ones.
func (p *parser) unknown(w word, what string, known []string) {
	hint := "known: " + strings.Join(known, ", ")
	if near := Nearest(w.text, known); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(known) == 0 {
		hint = "none is known here"
	}
	p.errorf(w.at, "unknown %s %q; %s", what, w.text, hint)
}

func (p *parser) kind(what []word, end int) {
	if len(what) == 0 {
		p.errorf(end, "nothing after the colon: name a fault, such as processor.kill")
		return
	}
	kind, ok := Lookup(what[0].text)
	if !ok {
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = k.Name
		}
		p.unknown(what[0], "fault", names)
		return
	}
	p.f.Kind = kind
	if len(kind.Placements) > 0 {
		p.f.Placement = kind.Placements[0]
	}
}

// when reads what stands before the colon.
func (p *parser) when(head []word) {
	if len(head) == 0 {
		p.errorf(0, `nothing before the colon: start with "at TIME" or "on OPERATION NUMBER"`)
		return
	}
	switch head[0].text {
	case "at":
		p.times(head)
	case "on":
		p.numbers(head)
	default:
		p.errorf(head[0].at, `%q is no start of a fault: start with "at TIME" or "on OPERATION NUMBER"`, head[0].text)
	}
}

func (p *parser) times(head []word) {
	seen := map[string]word{}
	for i := 0; i < len(head); i += 2 {
		key := head[i]
		var into *time.Duration
		switch key.text {
		case "at":
			into = &p.f.At
		case "for":
			into = &p.f.For
		case "every":
			into = &p.f.Every
		default:
			p.unknown(key, "word", []string{"at", "for", "every"})
			return
		}
		if _, twice := seen[key.text]; twice {
			p.errorf(key.at, "%q is given twice", key.text)
		}
		seen[key.text] = key
		if i+1 == len(head) {
			p.errorf(key.at+len(key.text), "%q wants a duration after it, such as 5s", key.text)
			return
		}
		d, ok := p.duration(head[i+1], key.text != "at")
		if !ok {
			delete(seen, key.text) // the checks below would only repeat it
			continue
		}
		*into = d
	}
	every, hasEvery := seen["every"]
	if !hasEvery {
		return
	}
	switch _, hasFor := seen["for"]; {
	case !hasFor && !slices.ContainsFunc(head, func(w word) bool { return w.text == "for" }):
		p.errorf(every.at, `"every" wants a "for" that says when to stop`)
	case hasFor && p.f.Every > p.f.For:
		p.errorf(every.at, "every %s is longer than for %s: it would strike once; leave it out, or make it shorter", p.f.Every, p.f.For)
	case hasFor && p.f.For/p.f.Every >= maxStrikes:
		p.errorf(every.at, "every %s for %s makes more than %d strikes; make it longer", p.f.Every, p.f.For, maxStrikes)
	}
}

// duration reads a time. Only `at` may be zero.
func (p *parser) duration(w word, positive bool) (time.Duration, bool) {
	d, err := time.ParseDuration(w.text)
	switch {
	case err != nil:
		if _, err := strconv.ParseFloat(w.text, 64); err == nil {
			p.errorf(w.at, "%q has no unit: write %ss or %sms", w.text, w.text, w.text)
		} else {
			p.errorf(w.at, "%q is no duration: write one such as 5s or 250ms", w.text)
		}
	case d < 0:
		p.errorf(w.at, "%q is negative", w.text)
	case positive && d == 0:
		p.errorf(w.at, "%q is zero, and must be more", w.text)
	case d > maxTime:
		p.errorf(w.at, "%q is longer than %s", w.text, shortDuration(maxTime))
	default:
		return d, true
	}
	return 0, false
}

// numbers reads `on OP N [to M]`.
func (p *parser) numbers(head []word) {
	end := head[len(head)-1].at + len(head[len(head)-1].text)
	if len(head) != 3 && (len(head) != 5 || head[3].text != "to") {
		p.errorf(end, `want "on OPERATION NUMBER" or "on OPERATION NUMBER to NUMBER"`)
		return
	}
	p.f.On = head[1].text
	if p.f.Kind != nil && p.f.atProcessor() {
		p.f.Placement = "" // the operation is the point
	}
	if k := p.f.Kind; k != nil && k.Lever {
		p.errorf(head[0].at, "%s waits for no operation: say when, with \"at TIME\"", k.Name)
	} else if k != nil && !slices.Contains(k.Ops, p.f.On) {
		p.unknown(head[1], "operation of "+k.Name, k.Ops)
	}
	first, ok := p.count(head[2])
	last := first
	if len(head) == 5 {
		var ok2 bool
		last, ok2 = p.count(head[4])
		ok = ok && ok2
	}
	switch {
	case !ok:
		return
	case last < first:
		p.errorf(head[4].at, "%d is below %d", last, first)
	case last-first >= maxRange:
		p.errorf(head[4].at, "%d to %d are more than %d operations", first, last, maxRange)
	}
	p.f.First, p.f.Last = first, last
}

// count reads a whole number of at least 1.
func (p *parser) count(w word) (uint64, bool) {
	n, err := strconv.ParseUint(w.text, 10, 53)
	if err != nil || n == 0 {
		p.errorf(w.at, "%q is no number: write a whole one from 1 up", w.text)
		return 0, false
	}
	return n, true
}

// how reads what follows the kind: share, placement and keys, each at most
// once, in any order.
func (p *parser) how(rest []word) {
	seen := map[string]bool{}
	once := func(w word, what string) {
		if seen[what] {
			p.errorf(w.at, "%s is given twice", what)
		}
		seen[what] = true
	}
	for i := 0; i < len(rest); i++ {
		w := rest[i]
		key, value, isKey := strings.Cut(w.text, "=")
		switch {
		case isKey:
			once(w, key+"=")
			p.key(word{key, w.at}, word{value, w.at + len(key) + 1})
		case strings.HasSuffix(w.text, "%"):
			once(w, "the share")
			p.share(w)
		default:
			once(w, "the placement")
			if p.placement(w) && w.text == string(AfterWrite) {
				i++
				p.writes(w, rest, i)
			}
		}
	}
	for _, key := range p.f.Kind.Keys {
		if key.Required && !seen[key.Name+"="] {
			value := "DURATION"
			if key.Word {
				value = "NAME"
			}
			p.errorf(len(p.text), "%s wants %s=%s: %s", p.f.Kind.Name, key.Name, value, key.About)
		}
	}
	if k := p.f.Kind; k.Whole && p.f.On == "" {
		switch {
		case p.f.Every != 0 || seen["the share"]:
			p.errorf(len(p.text), "%s is in force or it is not: it takes neither \"every\" nor a share", k.Name)
		case p.f.For == 0 && len(p.errs) == 0:
			p.errorf(len(p.text), "%s wants a \"for\" that says when it is undone", k.Name)
		}
	}
}

// nameForm is what a key that is a word takes.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (p *parser) key(name, value word) {
	key, ok := p.f.Kind.key(name.text)
	if !ok {
		var known []string
		for _, k := range p.f.Kind.Keys {
			known = append(known, k.Name)
		}
		p.unknown(name, "key of "+p.f.Kind.Name, known)
		return
	}
	if key.Word {
		if !nameForm.MatchString(value.text) {
			p.errorf(value.at, "%q is no name: 1 to 64 letters, digits, dots, dashes and underscores", value.text)
		}
		p.f.Named = value.text
	} else if d, ok := p.duration(value, true); ok {
		p.f.By = d
	}
}

func (p *parser) share(w word) {
	digits := strings.TrimSuffix(w.text, "%")
	share, err := strconv.ParseFloat(digits, 64)
	if err != nil || strings.Trim(digits, "0123456789.") != "" {
		p.errorf(w.at, "%q is no share: write one such as 30%%", w.text)
		return
	}
	if share <= 0 || share > 100 {
		p.errorf(w.at, "%q is no share: it must lie above 0%% and not above 100%%", w.text)
		return
	}
	p.f.Share = share
}

func (p *parser) placement(w word) bool {
	known := make([]string, len(p.f.Kind.Placements))
	for i, k := range p.f.Kind.Placements {
		known[i] = string(k)
	}
	switch {
	case len(known) == 0:
		p.errorf(w.at, "unknown word %q: %s has no placement", w.text, p.f.Kind.Name)
	case !slices.Contains(known, w.text):
		p.unknown(w, "placement of "+p.f.Kind.Name, known)
	case p.f.On != "" && p.f.atProcessor():
		p.errorf(w.at, `"on %s" says already where it strikes: leave %q out`, p.f.On, w.text)
		return true // so that the K of after-write is not complained about too
	default:
		p.f.Placement = Placement(w.text)
		return true
	}
	return false
}

func (p *parser) writes(after word, rest []word, i int) {
	if i == len(rest) {
		p.errorf(after.at+len(after.text), "after-write wants a number of writes after it, such as after-write 10")
		return
	}
	if n, ok := p.count(rest[i]); ok {
		if n > 1_000_000_000 {
			p.errorf(rest[i].at, "%d writes are more than a process will make", n)
			return
		}
		p.f.Writes = int(n)
	}
}
