package reports

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/ackproof/ackproof/bench"
)

// differingSettings lists the settings of the scenarios, of the environment and of
// the host in which runs differ. What a run has not found on AWS is no difference; of
// what all have found the scenario's own word adds nothing.
func differingSettings(runs []Run) []bench.ComparedSetting {
	all := make([]map[string]string, len(runs))
	names := map[string]bool{}
	for i, run := range runs {
		all[i] = settingsOf(run)
		for name := range all[i] {
			names[name] = true
		}
	}
	differing := []bench.ComparedSetting{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		s := bench.ComparedSetting{Name: name}
		for i := range runs {
			s.Values = append(s.Values, all[i][name])
		}
		is := strings.HasPrefix(name, ofTheDeployed)
		if slices.ContainsFunc(s.Values, func(v string) bool { return v != s.Values[0] }) && !(is && slices.Contains(s.Values, "")) {
			differing = append(differing, s)
		}
	}
	found := deployedOtherwise(differing)
	return slices.DeleteFunc(differing, func(s bench.ComparedSetting) bool { return slices.Contains(found, s.Name) })
}

// ofTheRun begins the names of settings that are none of the scenario's.
const ofTheRun = "run: "

// ofTheDeployed begins the names of those that the run found on AWS.
const ofTheDeployed = ofTheRun + bench.DeployedFact

// deployedOtherwise names the settings in which the systems differ that the runs found on
// AWS.
func deployedOtherwise(settings []bench.ComparedSetting) []string {
	var names []string
	for _, s := range settings {
		if name, is := strings.CutPrefix(s.Name, ofTheDeployed); is {
			names = append(names, clean(name, nameLimit))
		}
	}
	return names
}

// settingsOf lists the settings of a run. What no two runs share, such as its
// address and its seed, is none.
func settingsOf(run Run) map[string]string {
	r := run.Result.Run
	out := map[string]string{
		ofTheRun + "target": r.Target, ofTheRun + "version": r.Version, ofTheRun + "host": fmt.Sprintf("%s/%s, %d CPUs", r.Host.OS, r.Host.Arch, r.Host.CPUs), ofTheRun + "dynamodb": r.DynamoDB,
	}
	if run.Series == nil {
		return out
	}
	for _, f := range run.Series.Environment {
		if f.Name != "API" {
			out[ofTheRun+f.Name] = f.Value
		}
	}
	var scenario any
	if yaml.Unmarshal([]byte(run.Series.Scenario), &scenario) == nil {
		flatten(out, "", scenario)
	}
	return out
}

// flatten writes a tree of settings as dotted keys.
func flatten(out map[string]string, key string, v any) {
	under := func(name string) string {
		if key == "" {
			return name
		}
		return key + "." + name
	}
	switch v := v.(type) {
	case map[string]any:
		for name, one := range v {
			flatten(out, under(name), one)
		}
	case []any:
		for i, one := range v {
			flatten(out, under(fmt.Sprint(i)), one)
		}
	default:
		out[key] = fmt.Sprint(v)
	}
}

// settingRows are the settings that differ as cells, a column for each side.
func settingRows(c *bench.Comparison) [][]string {
	var rows [][]string
	for _, s := range c.Settings {
		row := []string{clean(s.Name, nameLimit)}
		for _, side := range comparedSides(c) {
			value := ""
			for k, i := range side.runs {
				switch {
				case i >= len(s.Values):
				case k == 0:
					value = s.Values[i]
				case value != s.Values[i]:
					value = "differs"
				}
			}
			if value == "" {
				value = "–"
			}
			row = append(row, clean(value, nameLimit))
		}
		rows = append(rows, row)
	}
	return rows
}
