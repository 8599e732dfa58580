package reports

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// The elements of JUnit XML that CI systems agree on. There is no schema by its
// inventor; https://github.com/testmoapp/junitxml describes what is understood, and
// Jenkins refuses what is not as its own schema says:
// https://github.com/jenkinsci/xunit-plugin, junit-10.xsd.
type (
	junitRoot struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Suites   []junitSuite
	}
	junitSuite struct {
		XMLName   xml.Name `xml:"testsuite"`
		Name      string   `xml:"name,attr"`
		Timestamp string   `xml:"timestamp,attr,omitempty"`
		Tests     int      `xml:"tests,attr"`
		Failures  int      `xml:"failures,attr"`
		Errors    int      `xml:"errors,attr"`
		Skipped   int      `xml:"skipped,attr"`
		Cases     []junitCase
	}
	junitCase struct {
		XMLName   xml.Name      `xml:"testcase"`
		Name      string        `xml:"name,attr"`
		Classname string        `xml:"classname,attr"`
		Failure   *junitMessage `xml:"failure"`
		Error     *junitMessage `xml:"error"`
		Skipped   *junitMessage `xml:"skipped"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit gives junit.xml: one case for the verdict, one for each expectation and
// one for each gate. A fail is a failure. An unknown is an error and not a skip,
// since CI systems take a skipped case for a good one; only a timing gate that
// is down is a skip: by itself it makes nothing unknown.
func JUnit(r *bench.Result) ([]byte, error) {
	class := "ackproof." + clean(r.Run.Scenario, nameLimit)
	root := junitRoot{Name: "ackproof " + headline(r)}
	root.add(r, "verdict", []junitCase{verdictCase(r, class+".verdict")})
	var cases []junitCase
	for _, e := range r.Expectations {
		c := junitCase{Name: clean(e.Expect, lineLimit), Classname: class + ".expect"}
		message := &junitMessage{Message: "actual: " + actualText(&e), Type: expectationResult(e), Text: clean(e.Why, lineLimit)}
		switch {
		case e.OK == nil:
			c.Error = message
		case !*e.OK:
			c.Failure = message
		}
		cases = append(cases, c)
	}
	root.add(r, "expectations", cases)
	cases = nil
	for _, g := range r.Gates {
		c := junitCase{Name: clean(string(g.Name), nameLimit), Classname: class + ".gate"}
		switch detail := clean(g.Detail, lineLimit); {
		case g.OK:
		case slices.Contains(bench.TimingGates(), g.Name):
			c.Skipped = &junitMessage{Message: detail}
		default:
			c.Error = &junitMessage{Message: detail, Type: "gate"}
		}
		cases = append(cases, c)
	}
	root.add(r, "gates", cases)

	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("write result as JUnit XML: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// verdictCase carries the verdict itself: a loss fails the run without any
// expectation having been missed.
func verdictCase(r *bench.Result, class string) junitCase {
	c := junitCase{Name: "every request is accounted for", Classname: class}
	var text string
	for _, reason := range r.Reasons {
		text += clean(string(reason.Code), nameLimit) + ": " + clean(reason.Text, lineLimit) + "\n"
	}
	message := &junitMessage{Message: promise(r), Type: string(r.Verdict.Worse(bench.Pass)), Text: text}
	switch r.Verdict {
	case bench.Pass:
	case bench.Fail:
		c.Failure = message
	default:
		message.Type = string(bench.VerdictUnknown)
		c.Error = message
	}
	return c
}

func (root *junitRoot) add(r *bench.Result, name string, cases []junitCase) {
	if len(cases) == 0 {
		return
	}
	s := junitSuite{Name: name, Timestamp: clean(r.Run.Started, nameLimit), Tests: len(cases), Cases: cases}
	for _, c := range cases {
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
	root.Tests += s.Tests
	root.Failures += s.Failures
	root.Errors += s.Errors
	root.Suites = append(root.Suites, s)
}
