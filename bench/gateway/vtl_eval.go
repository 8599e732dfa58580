package gateway

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
)

// literal is a value that is written in the template.
type literal struct{ v any }

func (l literal) eval(*renderer) (any, error) { return l.v, nil }

// interpolated is a text between double quotes with references in it.
type interpolated []node

func (s interpolated) eval(r *renderer) (any, error) {
	outer := r.out
	r.out = &bytes.Buffer{}
	err := r.nodes(s)
	v := r.out.String()
	r.out = outer
	return v, err
}

// listExpr is [a, b].
type listExpr []expression

func (e listExpr) eval(r *renderer) (any, error) {
	l := &list{items: make([]any, len(e))}
	for i, item := range e {
		var err error
		if l.items[i], err = item.eval(r); err != nil {
			return nil, err
		}
	}
	return l, r.did(len(e))
}

// rangeExpr is [from..to], which counts down where to is the less.
type rangeExpr struct{ from, to expression }

// maxRange bounds a range, which is made whole before a loop goes through it.
const maxRange = 10_000

func (e rangeExpr) eval(r *renderer) (any, error) {
	from, err := e.from.eval(r)
	if err != nil {
		return nil, err
	}
	to, err := e.to.eval(r)
	if err != nil {
		return nil, err
	}
	a, _, wholeA, okA := numeric(from)
	b, _, wholeB, okB := numeric(to)
	if !okA || !okB || !wholeA || !wholeB {
		return nil, nil
	}
	step, size := int64(1), uint64(b)-uint64(a)
	if a > b {
		step, size = -1, uint64(a)-uint64(b)
	}
	if size >= maxRange {
		return nil, fmt.Errorf("the range [%d..%d] has more than %d numbers", a, b, maxRange)
	}
	l := &list{items: make([]any, 0, size+1)}
	for n := a; ; n += step {
		l.items = append(l.items, n)
		if n == b {
			return l, r.did(len(l.items) * 8)
		}
	}
}

// mapExpr is {"a": 1}.
type mapExpr [][2]expression

func (e mapExpr) eval(r *renderer) (any, error) {
	o := newObject()
	for _, pair := range e {
		key, err := pair[0].eval(r)
		if err != nil {
			return nil, err
		}
		k, err := r.text(key)
		if err != nil {
			return nil, err
		}
		v, err := pair[1].eval(r)
		if err != nil {
			return nil, err
		}
		o.put(k, v)
	}
	return o, r.did(len(e))
}

// notExpr is one ! or several.
type notExpr struct {
	e       expression
	negated bool // an odd number of them
}

func (e notExpr) eval(r *renderer) (any, error) {
	v, err := e.e.eval(r)
	return truth(v) != e.negated, err
}

// binaryExpr is two values with an operator between them.
type binaryExpr struct {
	sign        string
	left, right expression
}

func (e *binaryExpr) eval(r *renderer) (any, error) {
	left, err := e.left.eval(r)
	if err != nil {
		return nil, err
	}
	if e.sign == "&&" && !truth(left) || e.sign == "||" && truth(left) {
		return e.sign == "||", nil
	}
	right, err := e.right.eval(r)
	if err != nil {
		return nil, err
	}
	if err := r.did(digits(left) + digits(right)); err != nil {
		return nil, err
	}
	switch e.sign {
	case "&&", "||":
		return truth(right), nil
	case "==", "!=":
		same, err := r.equal(left, right)
		return same == (e.sign == "=="), err
	case "<", "<=", ">", ">=":
		return ordered(e.sign, left, right), nil
	}
	_, isText := left.(string)
	_, andText := right.(string)
	if e.sign == "+" && (isText || andText) {
		return r.join(left, right)
	}
	return arithmetic(e.sign, left, right), nil
}

// digits is how long a number of the body is: reading it costs as much.
func digits(v any) int {
	n, _ := v.(json.Number)
	return len(n)
}

// equal compares numbers as numbers and everything else as text.
func (r *renderer) equal(a, b any) (bool, error) {
	if a == nil || b == nil {
		return a == nil && b == nil, nil
	}
	if order, ok := compareNumbers(a, b); ok {
		return order == 0, nil
	}
	left, err := r.text(a)
	if err != nil {
		return false, err
	}
	right, err := r.text(b)
	if err != nil {
		return false, err
	}
	return left == right, r.did(len(left))
}

// compareNumbers compares two numbers; false where one of them is none.
func compareNumbers(a, b any) (order int, ok bool) {
	n, f, whole, ok := numeric(a)
	m, g, alsoWhole, alsoOK := numeric(b)
	if !ok || !alsoOK {
		return 0, false
	}
	if whole && alsoWhole {
		return cmp.Compare(n, m), true
	}
	return cmp.Compare(f, g), true
}

// ordered compares numbers. What is not a number is in no order: false.
func ordered(sign string, a, b any) bool {
	order, ok := compareNumbers(a, b)
	if !ok {
		return false
	}
	switch sign {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func (r *renderer) join(a, b any) (any, error) {
	left, err := r.text(a)
	if err != nil {
		return nil, err
	}
	right, err := r.text(b)
	if err != nil {
		return nil, err
	}
	if len(left)+len(right) > maxOutput {
		return nil, errTooLarge
	}
	return left + right, r.did(len(left) + len(right))
}

// arithmetic computes; nil where a value is no number, or for a division by
// zero. Whole numbers stay whole, and one that leaves 64 bits goes on as a
// floating point number.
func arithmetic(sign string, a, b any) any {
	n, f, whole, ok := numeric(a)
	m, g, alsoWhole, alsoOK := numeric(b)
	switch {
	case !ok || !alsoOK:
		return nil
	case (sign == "/" || sign == "%") && g == 0:
		return nil
	}
	if whole && alsoWhole {
		if v, fits := wholeArithmetic(sign, n, m); fits {
			return v
		}
	}
	var v float64
	switch sign {
	case "+":
		v = f + g
	case "-":
		v = f - g
	case "*":
		v = f * g
	case "/":
		v = f / g
	case "%":
		v = math.Mod(f, g)
	}
	return v
}

func wholeArithmetic(sign string, n, m int64) (int64, bool) {
	switch sign {
	case "+":
		v := n + m
		return v, (v > n) == (m > 0)
	case "-":
		v := n - m
		return v, (v < n) == (m > 0)
	case "*":
		if n == 0 || m == 0 {
			return 0, true
		}
		v := n * m
		return v, v/m == n && !(n == -1 && m == math.MinInt64) && !(m == -1 && n == math.MinInt64)
	case "/":
		return n / m, !(n == math.MinInt64 && m == -1)
	}
	return n % m, true
}
