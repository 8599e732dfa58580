package dynamo

import "slices"

// difference is a known difference between the embedded engine and others.
type difference struct {
	name    string // what they do
	engines []string
	right   string // who is right, and why
	page    string // of AWS, that says so
	match   func(disagreement) bool
}

// explain finds the rule that explains a difference.
func explain(d disagreement) string {
	for _, k := range known {
		if slices.Contains(k.engines, d.engine) && k.match(d) {
			return k.name
		}
	}
	return ""
}

var known = []difference{}
