package dynamo

import (
	"encoding/base64"
	"slices"
	"strings"
)

// maxDepth is how deep attribute values may nest.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const maxDepth = 32

// item reads a map of attribute values.
func (r *reader) item(depth int) item {
	it := item(r.attrs[:0])
	if !r.borrow || depth > 1 {
		it = make(item, 0, 4)
	}
	for name := range r.members() {
		if !r.borrow {
			name = names.of(name)
		}
		it = append(it, attr{name, r.value(depth)})
	}
	if !slices.IsSortedFunc(it, compareNames) {
		slices.SortFunc(it, compareNames)
	}
	for i := 1; i < len(it); i++ {
		if it[i].name == it[i-1].name {
			r.fail(refuse(codeSerialization, "attribute %q is given twice", it[i].name))
		}
	}
	for i := range it {
		if err := checkAttribute(it[i].name); err != nil {
			r.doubt(err)
		}
	}
	return it
}

// maxAttribute is how long the name of an attribute may be, in bytes; that of a key
// may have 255.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const maxAttribute = 64<<10 - 1

func checkAttribute(name string) *Error {
	switch {
	case name == "":
		return badParameter("Empty attribute name")
	case len(name) > maxAttribute:
		return badParameter("Attribute name is too large, must be less than %d bytes", maxAttribute+1)
	}
	return nil
}

func compareNames(a, b attr) int { return strings.Compare(a.name, b.name) }

// value reads one attribute value, an object with a single member that names
// its type. Members of other names are passed over, as the service does.
func (r *reader) value(depth int) value {
	if depth > maxDepth {
		r.fail(invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"))
		return value{}
	}
	var v value
	for name := range r.members() {
		switch k := kindOf(name); {
		case k == kindNone:
			r.skip(0)
		case v.kind == kindNone:
			v = r.typed(k, depth)
		default:
			r.typed(k, depth)
			r.doubt(invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"))
		}
	}
	if v.kind == kindNone {
		r.doubt(invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"))
	}
	return v
}

func (r *reader) typed(k kind, depth int) value {
	v := value{kind: k}
	switch k {
	case kindBOOL:
		v.text = "false"
		if r.bool() {
			v.text = "true"
		}
	case kindNULL:
		if !r.bool() {
			r.doubt(frameable(badParameter("Null attribute value types must have the value of true")))
		}
	case kindM:
		return mapOf(r.item(depth + 1))
	case kindL:
		var list []value
		for range r.elements() {
			list = append(list, r.value(depth+1))
		}
		return listOf(kindL, list)
	case kindSS, kindNS, kindBS:
		return r.set(k)
	default:
		return r.scalar(k)
	}
	return v
}

func (r *reader) scalar(k kind) value {
	v := value{kind: k, text: r.borrowed()}
	if !r.borrow {
		v.text = strings.Clone(v.text)
	}
	switch k {
	case kindN:
		text, err := canonicalNumber(v.text)
		if err != nil {
			r.doubt(err)
		}
		v.text = text
	case kindB:
		raw, err := base64.StdEncoding.DecodeString(v.text)
		if err != nil {
			r.fail(refuse(codeSerialization, "request body at byte %d: want Base64", r.i))
		}
		v.text = string(raw)
	}
	return v
}

func (r *reader) set(k kind) value {
	var members []value
	for range r.elements() {
		members = append(members, r.scalar(k.member()))
	}
	if r.err != nil || r.fault != nil {
		return value{} // a member may be no number, and has no order
	}
	if len(members) == 0 {
		switch k {
		case kindBS:
			r.doubt(frameable(badParameter("Binary sets should not be empty")))
		case kindNS:
			r.doubt(frameable(badParameter("An number set  may not be empty"))) // the two spaces are the service's
		default:
			r.doubt(frameable(badParameter("An string set  may not be empty")))
		}
		return value{}
	}
	given := slices.Clone(members)
	v := newSet(k, members)
	if len(v.list()) != len(given) {
		r.doubt(frameable(errDuplicates(k, given)))
	}
	return v
}

// errDuplicates has words of its own for each kind of set, as the service has.
func errDuplicates(k kind, given []value) *Error {
	if k == kindNS {
		return invalid("Input collection contains duplicates")
	}
	var texts []string
	for _, m := range given {
		_, text, _ := strings.Cut(quote(m), ":")
		texts = append(texts, text)
	}
	of := " "
	if k == kindBS {
		of = "of type BS "
	}
	return badParameter("Input collection [%s]%scontains duplicates.", strings.Join(texts, ", "), of)
}
