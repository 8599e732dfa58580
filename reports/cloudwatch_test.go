package reports

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// said is what CloudWatch may say of the run that simulate makes: from 20 s before
// the load in minutes.
func said() *bench.CloudWatch {
	c := &bench.CloudWatch{
		Schema: bench.CloudWatchSchema, Run: "k3v9x2ab", Account: "123456789012", Region: "eu-west-1", Read: "2026-11-23T18:30:00Z",
		FromMs: -20_000, ToMs: 100_000, PeriodMs: 60_000,
	}
	add := func(namespace, name, statistic, unit string, values ...float64) {
		m := bench.CloudWatchMetric{Namespace: namespace, Name: name, Statistic: statistic, Unit: unit, SettledMs: 1_000_000}
		for i, v := range values {
			m.Points = append(m.Points, bench.CloudWatchPoint{TMs: -20_000 + float64(i)*60_000, Value: v})
		}
		c.Metrics = append(c.Metrics, m)
	}
	add("AWS/ApiGateway", "Count", "SampleCount", "Count", 9_000, 1_005)
	add("AWS/ApiGateway", "Latency", "p99", "Milliseconds", 3, 2)
	add("AWS/Lambda", "Errors", "Sum", "Count", 0)
	add("AWS/Lambda", "IteratorAge", "Maximum", "Milliseconds", 0, 0)
	add("AWS/Lambda", "DroppedEventCount", "Sum", "Count")
	return c
}

// wordsOn gives the words of the row of a figure of CloudWatch.
func wordsOn(t *testing.T, r *bench.Result, s *bench.Series, theirs string) string {
	t.Helper()
	for _, row := range cloudWatchRows(r, s) {
		if strings.HasPrefix(row.Theirs, theirs) {
			return row.Words
		}
	}
	t.Fatalf("no row of %s", theirs)
	return ""
}

// TestCloudWatchWords says where the figures differ, and nothing where they do not.
func TestCloudWatchWords(t *testing.T) {
	r, s := simulate(40)
	s.CloudWatch = said()
	r.Items.Processed, r.Items.LostProcessing = r.Items.Processed-40, 40
	for theirs, want := range map[string]string{
		"API Gateway: Count":        "5 more: canaries",
		"Lambda: IteratorAge":       "it stayed at 0 ms, and 40 items are lost: what is gone does not wait",
		"Lambda: Errors":            "no error is counted, though 6 invocations failed and 40 items are lost",
		"Lambda: DroppedEventCount": "40 items are lost: it does not count all",
	} {
		if got := wordsOn(t, r, s, theirs); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", theirs, got, want)
		}
	}
	s.Failed = ptr(int64(0))
	if got := wordsOn(t, r, s, "Lambda: Errors"); !strings.Contains(got, "40 items are lost: a function that swallows its errors succeeds") {
		t.Errorf("nothing failed, 40 are lost: %q", got)
	}
	r.Items.LostProcessing = 0
	for _, theirs := range []string{"Lambda: IteratorAge", "Lambda: DroppedEventCount"} {
		if got := wordsOn(t, r, s, theirs); got != "" {
			t.Errorf("nothing is lost, and %s: %q", theirs, got)
		}
	}
	s.CloudWatch.Find("Errors", "Sum").Points[0].Value = 6
	if got := wordsOn(t, r, s, "Lambda: Errors"); !strings.Contains(got, "errors are no losses") {
		t.Errorf("errors and no loss: %q", got)
	}
	if text := cloudWatchRead(s.CloudWatch); !strings.Contains(text, "has come") {
		t.Errorf("settled: %q", text)
	}
	s.CloudWatch.Metrics[0].SettledMs = 40_000
	if text := cloudWatchRead(s.CloudWatch); !strings.Contains(text, "until about 18:32 UTC: read it again") {
		t.Errorf("unsettled: %q", text)
	}
	if row := cloudWatchRows(r, s)[0]; row.Says != "10005 so far" && row.Says != "10,005 so far" {
		t.Errorf("unsettled count %q", row.Says)
	}
}

// TestCloudWatchPage draws what there is, and nothing without the file; hostile text
// stays text.
func TestCloudWatchPage(t *testing.T) {
	r, s := simulate(40)
	bare, err := HTML(r, s)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(bare, []byte("CloudWatch")) {
		t.Error("CloudWatch is on a page of a run that nobody asked it about")
	}
	s.CloudWatch = said()
	page, err := HTML(r, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`id="cloudwatch"`, `id="lane-watch-rate"`, `id="lane-watch-time"`, `id="lane-watch-errors"`, `id="lane-watch-age"`, "never evidence", "no data"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page has no %s", want)
		}
	}
	evilSaid := said()
	evilSaid.Account, evilSaid.Region, evilSaid.Metrics[4].Name = evil, evil, evil
	evilSaid.Metrics[0].Lacking, evilSaid.Metrics[0].Dimensions = evil, []bench.CloudWatchDimension{{Name: evil, Value: evil}}
	s.CloudWatch = evilSaid
	page, err = HTML(r, s)
	if err != nil || bytes.Contains(page, []byte("<script>alert")) {
		t.Errorf("hostile text on the page: %v", err)
	}
	var b bytes.Buffer
	if err := CloudWatchTerminal(&b, r, s, Options{Width: 80}); err != nil || strings.ContainsAny(b.String(), "\x1b\x07\r") || !strings.Contains(b.String(), "never evidence") {
		t.Errorf("terminal, %v:\n%q", err, b.String())
	}
	empty := said()
	empty.Metrics = nil
	s.CloudWatch = empty
	if _, err := HTML(r, s); err != nil {
		t.Error(err)
	}
}
