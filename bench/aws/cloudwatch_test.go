package aws

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/ackproof/ackproof/bench"
)

var (
	loadBegan = time.Date(2026, 3, 1, 14, 5, 20, 0, time.UTC)
	runEnded  = loadBegan.Add(50 * time.Second)
)

// everything is a stack of which all is named.
func everything(architecture string) Watched {
	return Watched{
		Architecture: architecture, API: "ackproof", Stage: "run", Items: "items", Results: "results", Function: "ackproof-processor",
		Stream: "arn:aws:dynamodb:eu-west-1:123456789012:table/items/stream/2026-03-01T13:00:00.000", Mapping: "a-b-c", Timeout: 3 * time.Second,
	}
}

// TestMetricsOfArchitectures holds what is asked for to what AWS documents: a wrong
// dimension or statistic gets no error, but no data for ever.
func TestMetricsOfArchitectures(t *testing.T) {
	tests := []struct {
		architecture, has, hasNot string
	}{
		{bench.Streams, "IteratorAge Maximum; PolledEventCount Sum; DroppedEventCount Sum; ReturnedRecordsCount Sum; Errors Sum; Throttles Sum; Duration p99; Duration p50; Count SampleCount; Latency p99", "AsyncEventsDropped Sum; TransactionConflict Sum; OffsetLag Maximum; DeletedEventCount Sum"},
		{bench.FireAndForget, "AsyncEventsDropped Sum; AsyncEventAge Maximum; DeadLetterErrors Sum; DestinationDeliveryFailures Sum; TransactionConflict Sum", "IteratorAge Maximum; PolledEventCount Sum"},
		{bench.Sync, "TransactionConflict Sum; Errors Sum; UserErrors Sum", "IteratorAge Maximum; AsyncEventsDropped Sum; DeadLetterErrors Sum"},
	}
	for _, tt := range tests {
		w := everything(tt.architecture)
		if tt.architecture != bench.Streams {
			w.Stream, w.Mapping = "", ""
		}
		c := &bench.CloudWatch{Metrics: w.metrics(0)}
		find := func(text string) *bench.CloudWatchMetric {
			name, statistic, _ := strings.Cut(text, " ")
			return c.Find(name, statistic)
		}
		for _, text := range strings.Split(tt.has, "; ") {
			if find(text) == nil {
				t.Errorf("%s: %s is not asked for", tt.architecture, text)
			}
		}
		for _, text := range strings.Split(tt.hasNot, "; ") {
			if find(text) != nil {
				t.Errorf("%s: %s is asked for", tt.architecture, text)
			}
		}
		seen := map[string]bool{}
		for _, m := range c.Metrics {
			id := m.Namespace + m.Name + m.Statistic
			for _, d := range m.Dimensions {
				id += d.Name + d.Value
			}
			if seen[id] {
				t.Errorf("%s: %s is asked for twice", tt.architecture, id)
			}
			seen[id] = true
		}
		if m := c.Find("IteratorAge", "Maximum"); m != nil && m.SettledMs != -(5*time.Minute+3*time.Second).Seconds()*1000 {
			t.Errorf("IteratorAge settled %v", m.SettledMs)
		}
	}
	c := &bench.CloudWatch{Metrics: everything(bench.Streams).metrics(0)}
	if m := c.Find("SuccessfulRequestLatency", "SampleCount", "GetRecords", "2026-03-01T13:00:00.000"); m == nil {
		t.Error("the polls of the mapping are not asked for by the stream's label")
	}
	if n := len((Watched{Architecture: bench.Streams}).metrics(0)); n != 0 {
		t.Errorf("%d metrics of nothing", n)
	}
}

// TestWatchedOfAStack finds everything by the outputs that the template has.
func TestWatchedOfAStack(t *testing.T) {
	s := &Status{Name: "ackproof", Outputs: map[string]string{}}
	var template struct{ Outputs map[string]any }
	if err := json.Unmarshal(variants(t)["streams"], &template); err != nil {
		t.Fatal(err)
	}
	for name := range template.Outputs {
		s.Outputs[name] = "the " + name
	}
	w := s.Watched(time.Second)
	want := Watched{
		Architecture: "the Architecture", API: "ackproof", Stage: "run", Items: "the ItemsTable", Results: "the ResultsTable",
		Stream: "the StreamArn", Function: "the FunctionName", Mapping: "the MappingUuid", Timeout: time.Second,
	}
	if w != want {
		t.Errorf("watched %+v, want %+v", w, want)
	}
}

// TestWindow holds periods to what CloudWatch still has, and to whole ones.
func TestWindow(t *testing.T) {
	tests := []struct {
		ago     time.Duration
		lasted  time.Duration
		metrics int
		period  time.Duration
		points  int
	}{
		{time.Hour, 50 * time.Second, 50, time.Minute, 2}, // 14:05:20 to 14:06:10
		{15*day - time.Second, 50 * time.Second, 50, time.Minute, 2},
		{15 * day, 50 * time.Second, 50, 5 * time.Minute, 1},
		{63 * day, 50 * time.Second, 50, time.Hour, 1},
		{455*day - time.Second, time.Hour, 50, time.Hour, 2},
		{455 * day, time.Hour, 50, 0, 0},
		{8 * day, 7 * day, 50, 15 * time.Minute, 673}, // of minutes there were 10,081 for each of 50
	}
	for _, tt := range tests {
		first, end, period, err := window(loadBegan, loadBegan.Add(tt.lasted), loadBegan.Add(tt.ago), tt.metrics)
		if (err != nil) != (tt.period == 0) {
			t.Errorf("%v ago: %v", tt.ago, err)
			continue
		}
		if err != nil {
			continue
		}
		if period != tt.period || int(end.Sub(first)/period) != tt.points || first.After(loadBegan) || !end.After(loadBegan.Add(tt.lasted)) || !first.Equal(first.Truncate(period)) {
			t.Errorf("%v ago, for %v: %v to %v by %v", tt.ago, tt.lasted, first, end, period)
		}
	}
}

// recorded answers as CloudWatch does: in pages, in an order of its own.
type recorded struct {
	pages []*cloudwatch.GetMetricDataOutput
	asked []*cloudwatch.GetMetricDataInput
}

func (r *recorded) GetMetricData(_ context.Context, in *cloudwatch.GetMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error) {
	asked := *in
	r.asked = append(r.asked, &asked)
	if len(r.asked) > len(r.pages) {
		return nil, errors.New("asked for a page too many")
	}
	return r.pages[len(r.asked)-1], nil
}

func answer(id string, code types.StatusCode, at []time.Time, values ...float64) types.MetricDataResult {
	return types.MetricDataResult{Id: &id, StatusCode: code, Timestamps: at, Values: values}
}

// TestReadMetrics joins pages, keeps what CloudWatch said of what it did not give,
// and puts points on the axis of the run.
func TestReadMetrics(t *testing.T) {
	first := loadBegan.Truncate(time.Minute)
	minute := func(n int) time.Time { return first.Add(time.Duration(n) * time.Minute) }
	page := func(token string, r ...types.MetricDataResult) *cloudwatch.GetMetricDataOutput {
		return &cloudwatch.GetMetricDataOutput{MetricDataResults: r, NextToken: aws.String(token)}
	}
	ask := func(pages ...*cloudwatch.GetMetricDataOutput) (*bench.CloudWatch, *recorded, error) {
		c := &bench.CloudWatch{Schema: bench.CloudWatchSchema, Read: "2026-03-01T14:10:00Z", FromMs: -20_000, ToMs: 160_000, PeriodMs: 60_000, Metrics: everything(bench.Streams).metrics(0)[:3]}
		client := &recorded{pages: pages}
		return c, client, readMetrics(t.Context(), client, c, first, minute(3), loadBegan)
	}
	c, client, err := ask(
		page("more", answer("m0", types.StatusCodePartialData, []time.Time{minute(1)}, 20), answer("m1", types.StatusCodeComplete, nil)),
		page("", answer("m0", types.StatusCodeComplete, []time.Time{minute(0)}, 10),
			types.MetricDataResult{Id: aws.String("m2"), StatusCode: types.StatusCodeInternalError, Messages: []types.MessageData{{Value: aws.String("try later")}}}),
	)
	if err != nil {
		t.Fatal(err)
	}
	m := c.Metrics[0]
	if len(m.Points) != 2 || m.Points[0] != (bench.CloudWatchPoint{TMs: -20_000, Value: 10}) || m.Points[1] != (bench.CloudWatchPoint{TMs: 40_000, Value: 20}) || *m.Whole() != 30 || m.Lacking != "" {
		t.Errorf("first metric %+v", m)
	}
	if v := c.Metrics[1].Whole(); v != nil {
		t.Errorf("no data is %v", *v)
	}
	if got := c.Metrics[2].Lacking; got != "InternalError; try later" {
		t.Errorf("lacking %q", got)
	}
	if in := client.asked[1]; aws.ToString(in.NextToken) != "more" || *in.MetricDataQueries[0].MetricStat.Period != 60 || *in.MetricDataQueries[0].MetricStat.Stat != "SampleCount" {
		t.Errorf("second page asked by %+v", in)
	}
	if c.Settled() || c.Unsettled() != 160_000+300_000 {
		t.Errorf("unsettled for %v ms", c.Unsettled())
	}
	for name, pages := range map[string][]*cloudwatch.GetMetricDataOutput{
		"not asked":    {page("", answer("m9", types.StatusCodeComplete, nil))},
		"no number":    {page("", answer("x", types.StatusCodeComplete, nil))},
		"uneven":       {page("", answer("m0", types.StatusCodeComplete, []time.Time{minute(0)}))},
		"outside":      {page("", answer("m0", types.StatusCodeComplete, []time.Time{minute(3)}, 1))},
		"twice":        {page("", answer("m0", types.StatusCodeComplete, []time.Time{minute(0), minute(0)}, 1, 1))},
		"a page fails": {page("more")},
	} {
		if _, _, err := ask(pages...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// put remembers what was put.
type put struct {
	calls []*cloudwatch.PutMetricDataInput
}

func (p *put) PutMetricData(_ context.Context, in *cloudwatch.PutMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.PutMetricDataOutput, error) {
	p.calls = append(p.calls, in)
	return &cloudwatch.PutMetricDataOutput{}, nil
}

func ptr[T any](v T) *T { return &v }

// lossyResult is one of a run that lost items, so that its p99 has no bound.
func lossyResult(scenario string) *bench.Result {
	return &bench.Result{
		Verdict: bench.Fail, Run: bench.RunInfo{ID: "k3v9x2ab", Scenario: scenario, Architecture: bench.Streams, Target: "aws", Started: loadBegan.Format(time.RFC3339Nano), Finished: ptr(runEnded.Format(time.RFC3339Nano))},
		Requests:     bench.Requests{Planned: 1000, Sent: 1000, Acknowledged: 1000},
		Items:        bench.Items{Attempted: 1000, Processed: 980, LostProcessing: 20},
		ResponseTime: bench.Latency{Count: 1000, P50: ptr(12.5), P99: ptr(80.0), Max: ptr(90.0)},
		Lag:          &bench.Latency{Count: 1000, Censored: 20, P50: ptr(300.0)},
		Availability: bench.Availability{Share: ptr(1.0)},
		Faults:       []bench.FaultResult{{Bitten: 4, RecoveryMs: ptr(1500.0)}, {Bitten: 2}},
	}
}

// TestPublish holds values, units and dimensions to the result, and leaves out what
// has no bound or was not observed.
func TestPublish(t *testing.T) {
	client := new(put)
	p, err := publish(t.Context(), client, lossyResult("kräsh:\n"), runEnded.Add(time.Minute))
	if err != nil || p.Calls != 1 || len(client.calls) != 1 || p.Metrics != len(client.calls[0].MetricData) || !p.At.Equal(runEnded) {
		t.Fatalf("%+v %v, %d calls", p, err, len(client.calls))
	}
	got := map[string]types.MetricDatum{}
	for _, d := range client.calls[0].MetricData {
		if _, twice := got[*d.MetricName]; twice {
			t.Errorf("%s twice", *d.MetricName)
		}
		got[*d.MetricName] = d
		if !d.Timestamp.Equal(runEnded) || len(d.Dimensions) != 3 || *d.Dimensions[0].Value != "kr?sh:?" || len(d.Values) != 0 {
			t.Errorf("%s: %+v", *d.MetricName, d)
		}
	}
	for name, want := range map[string]struct {
		value float64
		unit  types.StandardUnit
	}{
		"VerdictFail": {1, types.StandardUnitCount}, "VerdictPass": {0, types.StandardUnitCount}, "RequestsAcknowledged": {1000, types.StandardUnitCount},
		"ItemsLostProcessing": {20, types.StandardUnitCount}, "ItemsLost": {20, types.StandardUnitCount}, "ResponseTimeP99": {80, types.StandardUnitMilliseconds},
		"ProcessingLagP50": {300, types.StandardUnitMilliseconds}, "ProcessingLagCensored": {20, types.StandardUnitCount}, "Availability": {100, types.StandardUnitPercent},
		"FaultBites": {6, types.StandardUnitCount}, "AchievedRate": {0, types.StandardUnitCountSecond},
	} {
		if d, ok := got[name]; !ok || *d.Value != want.value || d.Unit != want.unit {
			t.Errorf("%s is %+v, want %+v", name, d, want)
		}
	}
	for _, name := range []string{"ProcessingLagP99", "ItemsDuplicated", "RecoveryMax", "CompletionTimeP50"} {
		if _, ok := got[name]; ok {
			t.Errorf("%s was put, and has no value", name)
		}
	}
	if _, err := publish(t.Context(), client, lossyResult("x"), runEnded.Add(15*day)); err == nil {
		t.Error("a value of 15 days ago was put")
	}
	cut := lossyResult("x")
	cut.Run.Finished = nil
	if _, err := publish(t.Context(), client, cut, runEnded); err == nil || len(client.calls) != 1 {
		t.Errorf("a run without an end was put: %v", err)
	}
}

// TestConformanceCloudWatch reads metrics of Lambda that were put as if Lambda had,
// and publishes a run: what is put is read back. Moto plays CloudWatch; it falls over
// where a percentile is asked for of what it has data of.
func TestConformanceCloudWatch(t *testing.T) {
	a := onMoto(t)
	now := time.Now().UTC().Truncate(time.Minute) // moto keeps no rule of time; a real one would
	start := now.Add(-10 * time.Minute).Add(20 * time.Second)
	function := []types.Dimension{{Name: aws.String("FunctionName"), Value: aws.String("ackproof-processor")}}
	for i, errs := range []float64{3, 4} {
		at := start.Truncate(time.Minute).Add(time.Duration(i)*time.Minute + 5*time.Second)
		_, err := a.watch.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/Lambda"), MetricData: []types.MetricDatum{
			{MetricName: aws.String("Errors"), Dimensions: function, Timestamp: &at, Unit: types.StandardUnitCount, Value: &errs},
			{MetricName: aws.String("IteratorAge"), Dimensions: function, Timestamp: &at, Unit: types.StandardUnitMilliseconds, Value: aws.Float64(40 + errs)},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := a.Metrics(t.Context(), "k3v9x2ab", everything(bench.Streams), start, start.Add(50*time.Second), now)
	if err != nil {
		t.Fatal(err)
	}
	m := c.Find("Errors", "Sum")
	if len(m.Points) != 2 || *m.Whole() != 7 || m.Points[0].TMs != -20_000 || c.PeriodMs != 60_000 || c.Account != "123456789012" {
		t.Errorf("errors %+v of %+v", m, c)
	}
	if v := c.Find("IteratorAge", "Maximum").Whole(); v == nil || *v != 44 {
		t.Errorf("age %v", v)
	}
	if m := c.Find("Duration", "p99"); len(m.Points) != 0 {
		t.Errorf("the duration is %+v, and nobody has put one", m.Points)
	}

	r := lossyResult("crash")
	r.Run.Finished = ptr(now.Add(-5 * time.Minute).Format(time.RFC3339))
	p, err := a.Publish(t.Context(), r, now)
	if err != nil || p.Metrics < 30 {
		t.Fatalf("published %+v: %v", p, err)
	}
	out, err := a.watch.GetMetricStatistics(t.Context(), &cloudwatch.GetMetricStatisticsInput{
		Namespace: aws.String(Namespace), MetricName: aws.String("ItemsLost"), StartTime: ptr(now.Add(-6 * time.Minute)), EndTime: &now, Period: aws.Int32(60),
		Statistics: []types.Statistic{types.StatisticSum},
		Dimensions: []types.Dimension{{Name: aws.String("Scenario"), Value: aws.String("crash")}, {Name: aws.String("Architecture"), Value: aws.String("streams")}, {Name: aws.String("Target"), Value: aws.String("aws")}},
	})
	if err != nil || len(out.Datapoints) != 1 || *out.Datapoints[0].Sum != 20 || out.Datapoints[0].Unit != types.StandardUnitCount {
		t.Errorf("read back %+v: %v", out, err)
	}
}
