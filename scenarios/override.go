package scenarios

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// override applies one path=value of --set. The value is YAML, except where one
// word or text is wanted: there it is taken as it is, so that nobody has to
// quote a colon.
func (d *decoder) override(s *Scenario, assignment string) {
	path, value, ok := strings.Cut(assignment, "=")
	path = strings.TrimSpace(path)
	d.source = "--set " + assignment
	defer func() { d.source = "" }()
	if !ok || path == "" {
		d.report(d.source, "", errors.New("want path=value, such as processor.work=5ms"))
		return
	}
	if path == loadScale {
		d.scaling = assignment
		return
	}
	v, err := lookup(reflect.ValueOf(s).Elem(), path)
	if err != nil {
		d.report(d.source, path, err)
		return
	}
	d.forget(path)
	if v.isMapEntry {
		v.holder.SetMapIndex(reflect.ValueOf(v.key), reflect.ValueOf(value))
		d.where[path] = d.source
		return
	}
	target := v.value
	if target.Kind() == reflect.Pointer {
		fresh := reflect.New(target.Type().Elem())
		target.Set(fresh)
		target = fresh.Elem()
	}
	if _, isText := textUnmarshaler(target); isText || !isComposite(target) {
		d.where[path] = d.source
		if err := setScalar(target, value); err != nil {
			d.report(d.source, path, err)
		}
		return
	}
	if node := d.parse([]byte(value)); node != nil {
		d.value(node, target, path)
	}
}

// loadScale is a path that only --set knows: it is no value of a scenario but
// multiplies all rates of its load. The scenario that is run and kept has the
// products. Faults keep their times and sizes: what is fired at them shrinks.
const loadScale = "load.scale"

// scale carries out the scaling that was asked for, the last one if there were
// several, when all other values are set: the order of --set does not matter.
func (d *decoder) scale(s *Scenario) {
	if d.scaling == "" {
		return
	}
	_, value, _ := strings.Cut(d.scaling, "=")
	where := "--set " + d.scaling
	factor, err := parseNumber(value)
	if err != nil || factor == 0 {
		d.report(where, loadScale, fmt.Errorf("%q is no factor: want a number above 0, such as 0.1", value))
		return
	}
	for i := range s.Load {
		stage := &s.Load[i]
		if stage.Replay != nil {
			stage.Replay.Scale = Factor(stage.Replay.factor() * factor)
		}
		for _, rate := range stage.rates() {
			if rate == nil {
				continue
			}
			// Twelve digits: 0.1 is no binary number, and 30.000000000000004/s
			// is not what was meant.
			product, err := strconv.ParseFloat(strconv.FormatFloat(float64(*rate)*factor, 'g', 12, 64), 64)
			if err != nil || product > maxRate {
				d.report(where, fmt.Sprintf("load[%d]", i), fmt.Errorf("%s times %s is more than %d/s", rate, value, int(maxRate)))
				continue
			}
			*rate = Rate(product)
		}
	}
}

// forget drops problems of what is replaced.
func (d *decoder) forget(path string) {
	kept := d.problems[:0]
	for _, p := range d.problems {
		if p.Path == "" || !under(p.Path, path) {
			kept = append(kept, p)
		}
	}
	d.problems = kept
}

// under reports whether path is root or lies inside it.
func under(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func isComposite(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice:
		return true
	}
	return false
}

// place is where a path leads: a value that can be set, or an entry of a map.
type place struct {
	value      reflect.Value
	isMapEntry bool
	holder     reflect.Value
	key        string
}

// lookup follows a path such as load[1].rate or request.headers.X-Tenant.
func lookup(v reflect.Value, path string) (place, error) {
	for rest := path; rest != ""; {
		if v.Kind() == reflect.Map {
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			}
			return place{isMapEntry: true, holder: v, key: rest}, nil
		}
		if v.Kind() != reflect.Struct || isText(v) {
			return place{}, fmt.Errorf("nothing lies under it: %q is too much", rest)
		}
		key := rest
		if i := strings.IndexAny(rest, ".["); i >= 0 {
			key = rest[:i]
		}
		field, ok := fieldByKey(v, key)
		if !ok {
			return place{}, unknownKey(key, fieldKeys(v.Type()))
		}
		v, rest = field, rest[len(key):]
		if v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		for strings.HasPrefix(rest, "[") {
			number, after, ok := strings.Cut(rest[1:], "]")
			i, err := strconv.Atoi(number)
			if !ok || err != nil || v.Kind() != reflect.Slice {
				return place{}, fmt.Errorf("%q is no index of a list", rest)
			}
			if i < 0 || i >= v.Len() {
				return place{}, fmt.Errorf("the list has %d elements, counted from 0: there is no [%d]", v.Len(), i)
			}
			v, rest = v.Index(i), after
		}
		if rest != "" {
			if rest[0] != '.' || rest == "." {
				return place{}, fmt.Errorf("%q does not continue a path", rest)
			}
			rest = rest[1:]
		}
	}
	return place{value: v}, nil
}

func isText(v reflect.Value) bool {
	_, ok := textUnmarshaler(v)
	return ok
}
