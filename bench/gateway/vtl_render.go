package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Bounds of one rendering. API Gateway documents the first alone, and what it
// does beyond it is not said; Velocity's own setting of that kind ends the loop
// quietly, and so do we: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const (
	maxTurns  = 1000      // of one #foreach
	maxWork   = 2_000_000 // steps of a rendering, and one more for every 64 bytes that a step handles
	maxOutput = MaxBody   // bytes
)

// Errors that end a rendering. Both are told as an error of the API itself,
// since the client cannot know what its template does.
var (
	errTooMuchWork = errors.New("the template takes too much work")
	errTooLarge    = errors.New("the template renders more than 10 MB")
)

// node is a piece of a template that renders.
type node interface{ render(r *renderer) error }

// expression is a piece of a template that has a value. The values are nil,
// bool, int64, float64, json.Number, string, *list, *object, *entry and *turn.
type expression interface {
	eval(r *renderer) (any, error)
}

// renderer is one rendering: the state of a template while it runs.
type renderer struct {
	*values
	doc      *document // the body, read when it is first looked into
	vars     map[string]any
	out      *bytes.Buffer
	work     int
	turns    *turn // of the loop that is running
	patterns map[string]*regexp.Regexp
	status   int // set by $context.responseOverride.status; 0: not
	header   map[string]string
}

// did accounts for a step that handled n bytes.
func (r *renderer) did(n int) error {
	if r.work += 1 + n/64; r.work > maxWork {
		return errTooMuchWork
	}
	return nil
}

func (r *renderer) write(s string) error {
	if r.out.Len()+len(s) > maxOutput {
		return errTooLarge
	}
	r.out.WriteString(s)
	return r.did(len(s))
}

func (r *renderer) nodes(all []node) error {
	for _, n := range all {
		if err := n.render(r); err != nil {
			return err
		}
	}
	return nil
}

// text is a piece of the template that stays what it is.
type text string

func (t text) render(r *renderer) error { return r.write(string(t)) }

// reference is a name with the members and methods that follow it.
type reference struct {
	src   string // as it is written
	root  expression
	steps []access
}

// access goes from a value to another one.
type access struct {
	kind accessKind
	name string       // of a member or a method
	args []expression // of a method; of an index, one
}

type accessKind uint8

const (
	isMember accessKind = iota
	isMethod
	isIndex
)

// value gives the shortest expression for the reference.
func (f *reference) value() expression {
	if len(f.steps) == 0 {
		return f.root
	}
	return f
}

// eval follows the reference. Whatever has no value ends in nil.
func (f *reference) eval(r *renderer) (any, error) {
	v, err := f.root.eval(r)
	for _, s := range f.steps {
		if err != nil || v == nil {
			return nil, err
		}
		if v, err = r.follow(v, s); err == nil {
			err = r.did(0)
		}
	}
	return v, err
}

// render writes the value as text. What has no value leaves nothing, with $! or
// without: Velocity would show the plain reference itself, but API Gateway is
// seen to leave out a missing member of $input.path.
func (f *reference) render(r *renderer) error {
	v, err := f.eval(r)
	if err != nil {
		return err
	}
	if s, ok := v.(string); ok {
		return r.write(s)
	}
	if v == nil {
		return r.did(0)
	}
	s, err := r.text(v)
	if err != nil {
		return err
	}
	return r.write(s)
}

// follow takes one step from a value that is not nil.
func (r *renderer) follow(v any, s access) (any, error) {
	switch s.kind {
	case isMember:
		return member(v, s.name), nil
	case isIndex:
		key, err := s.args[0].eval(r)
		if err != nil {
			return nil, err
		}
		return at(v, key), nil
	}
	args := make([]any, len(s.args))
	for i, e := range s.args {
		var err error
		if args[i], err = e.eval(r); err != nil {
			return nil, err
		}
	}
	return r.call(v, s.name, args)
}

// setNode is #set. A value that is nil leaves the variable as it was, which is
// Velocity's rule and a well-known trap in loops.
type setNode struct {
	target *reference
	value  expression
}

func (s *setNode) render(r *renderer) error {
	v, err := s.value.eval(r)
	if err != nil || v == nil {
		return err
	}
	if err := r.did(0); err != nil {
		return err
	}
	t := s.target
	if o, ok := t.root.(override); ok {
		return o.set(r, v)
	}
	if len(t.steps) == 0 {
		r.vars[string(t.root.(variable))] = v
		return nil
	}
	holder := reference{root: t.root, steps: t.steps[:len(t.steps)-1]}
	h, err := holder.eval(r)
	if err != nil {
		return err
	}
	last := t.steps[len(t.steps)-1]
	var key any = last.name
	if last.kind == isIndex {
		if key, err = last.args[0].eval(r); err != nil {
			return err
		}
	}
	return r.put(h, key, v)
}

// condNode is #if with its #elseif and #else.
type condNode struct{ branches []branch }

type branch struct {
	test expression // nil: #else
	body []node
}

func (c *condNode) render(r *renderer) error {
	for _, b := range c.branches {
		if b.test != nil {
			v, err := b.test.eval(r)
			if err != nil {
				return err
			}
			if err := r.did(0); err != nil {
				return err
			}
			if !truth(v) {
				continue
			}
		}
		return r.nodes(b.body)
	}
	return nil
}

// loopNode is #foreach.
type loopNode struct {
	name string
	list expression
	body []node
}

// turn is $foreach: where the loop stands.
type turn struct {
	index, size int
	parent      *turn
}

func (l *loopNode) render(r *renderer) error {
	v, err := l.list.eval(r)
	if err != nil {
		return err
	}
	all := elements(v)
	if len(all) > maxTurns {
		all = all[:maxTurns]
	}
	outer, had := r.vars[l.name]
	t := &turn{size: len(all), parent: r.turns}
	r.turns = t
	defer func() { r.turns = t.parent }()
	for i, e := range all {
		t.index = i
		r.vars[l.name] = e
		if err := r.did(0); err != nil {
			return err
		}
		if err := r.nodes(l.body); err != nil {
			return err
		}
	}
	// The loop's variable ends with the loop, and what it hid is back.
	delete(r.vars, l.name)
	if had {
		r.vars[l.name] = outer
	}
	return nil
}

// variable is a name that #set or #foreach gave a value.
type variable string

func (v variable) eval(r *renderer) (any, error) {
	switch v {
	case "foreach":
		if r.turns == nil {
			return nil, nil
		}
		return r.turns, nil
	case "velocityCount":
		return member(r.turns, "count"), nil
	case "velocityHasNext":
		return member(r.turns, "hasNext"), nil
	}
	return r.vars[string(v)], nil
}

// override is $context.responseOverride: what a template sets of the answer.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-override-request-response-parameters.html
type override struct{ header string } // empty: the status

func (o override) eval(r *renderer) (any, error) {
	switch {
	case o.header != "":
		if h, ok := r.header[o.header]; ok {
			return h, nil
		}
	case r.status != 0:
		return int64(r.status), nil
	}
	return nil, nil
}

func (o override) set(r *renderer, v any) error {
	if o.header != "" {
		s, err := r.text(v)
		if err != nil {
			return err
		}
		if !validHeaderName(o.header) || strings.ContainsAny(s, "\r\n\x00") {
			return fmt.Errorf("set header %q: neither name nor value may leave their line", o.header)
		}
		if r.header == nil {
			r.header = map[string]string{}
		}
		r.header[o.header] = s
		return nil
	}
	n, _, whole, ok := numeric(v)
	if s, isText := v.(string); isText {
		n, ok = parseStatus(s)
		whole = ok
	}
	if !ok || !whole || n < 200 || n > 599 {
		return fmt.Errorf("set the answer's status: %v is none", v)
	}
	r.status = int(n)
	return nil
}
