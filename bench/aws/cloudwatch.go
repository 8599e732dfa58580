package aws

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/ackproof/ackproof/bench"
)

// CloudWatch keeps data points of a minute for 15 days, of 5 minutes for 63 days,
// of an hour for 455 days.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
var kept = []struct{ period, age time.Duration }{
	{time.Minute, 15 * day}, {5 * time.Minute, 63 * day}, {time.Hour, 455 * day},
}

const day = 24 * time.Hour

// arrives is how long after its period a data point may still come or change. AWS
// promises no figure; it asks to wait for some minutes. Metrics of Lambda bear the
// time at which an invocation began and come when it has ended, so that the time-out
// of the function comes on top.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
const arrives = 5 * time.Minute

// longestInvocation is the highest time-out that a function of Lambda can have.
const longestInvocation = 15 * time.Minute

// Watched is what CloudWatch is asked about. What has no name is not asked about.
type Watched struct {
	Architecture   string
	API, Stage     string // name of the REST API and of its stage
	Items, Results string // tables
	Stream         string // ARN of the items table's stream
	Function       string
	Mapping        string        // UUID of the event source mapping
	Timeout        time.Duration // of the function; 0: unknown
}

// Watched is what there is to be asked about a stack of ours, whose function has a
// time-out.
func (s *Status) Watched(timeout time.Duration) Watched {
	return Watched{
		Architecture: s.Outputs[OutArchitecture], API: s.Name, Stage: stageName,
		Items: s.Outputs[OutItems], Results: s.Outputs[OutResults], Stream: s.Outputs[outStream],
		Function: s.Outputs[outFunction], Mapping: s.Outputs[outMapping], Timeout: timeout,
	}
}

// metricsOf collects metrics to ask for.
type metricsOf struct {
	all     []bench.CloudWatchMetric
	arrives time.Duration
	read    float64 // when CloudWatch is asked, in ms from the start of load
}

func (q *metricsOf) add(namespace string, dimensions []bench.CloudWatchDimension, name, unit string, statistics ...string) {
	for _, s := range statistics {
		q.all = append(q.all, bench.CloudWatchMetric{
			Namespace: namespace, Name: name, Dimensions: dimensions, Statistic: s, Unit: unit,
			Points: []bench.CloudWatchPoint{}, SettledMs: q.read - toMs(q.arrives),
		})
	}
}

// Units, and statistics that are asked for together.
const (
	unitCount = "Count"
	unitMs    = "Milliseconds"
	unitBytes = "Bytes"
)

var latency = []string{"p50", "p99", "Maximum"}

// metrics lists what is asked for: what AWS documents for the services of the
// architecture, at a period of a minute.
func (w Watched) metrics(readMs float64) []bench.CloudWatchMetric {
	q := &metricsOf{arrives: arrives, read: readMs}
	w.gateway(q)
	w.tables(q)
	q.arrives += longestInvocation
	if w.Timeout > 0 {
		q.arrives = arrives + w.Timeout
	}
	w.lambda(q)
	return q.all
}

// pairs makes dimensions of names and values in turn; nil where a value is not known.
func pairs(texts ...string) []bench.CloudWatchDimension {
	d := []bench.CloudWatchDimension{}
	for i := 0; i < len(texts); i += 2 {
		if texts[i+1] == "" {
			return nil
		}
		d = append(d, bench.CloudWatchDimension{Name: texts[i], Value: texts[i+1]})
	}
	return d
}

// gateway asks for what API Gateway tells of a stage.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
func (w Watched) gateway(q *metricsOf) {
	const namespace = "AWS/ApiGateway"
	if of := pairs("ApiName", w.API, "Stage", w.Stage); of != nil {
		q.add(namespace, of, "Count", unitCount, "SampleCount")
		q.add(namespace, of, "4XXError", unitCount, "Sum")
		q.add(namespace, of, "5XXError", unitCount, "Sum")
		q.add(namespace, of, "Latency", unitMs, latency...)
		q.add(namespace, of, "IntegrationLatency", unitMs, latency...)
	}
}

// tables asks for what DynamoDB tells of the tables and of the reading of the stream.
// It documents no percentiles of its latency.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
func (w Watched) tables(q *metricsOf) {
	const namespace = "AWS/DynamoDB"
	put, apply := "PutItem", "UpdateItem"
	if w.Architecture != bench.Streams {
		put, apply = "TransactWriteItems", "TransactWriteItems" // item and result in one step
	}
	for _, t := range []struct{ table, operation string }{{w.Items, put}, {w.Results, apply}} {
		of := pairs("TableName", t.table)
		if of == nil {
			continue
		}
		operation := pairs("TableName", t.table, "Operation", t.operation)
		q.add(namespace, operation, "SuccessfulRequestLatency", unitMs, "SampleCount", "Average", "Maximum")
		q.add(namespace, operation, "ThrottledRequests", unitCount, "Sum")
		q.add(namespace, operation, "SystemErrors", unitCount, "Sum")
		q.add(namespace, of, "WriteThrottleEvents", unitCount, "Sum")
		q.add(namespace, of, "ConsumedWriteCapacityUnits", unitCount, "Sum")
		q.add(namespace, of, "ConditionalCheckFailedRequests", unitCount, "Sum")
		if w.Architecture != bench.Streams {
			q.add(namespace, of, "TransactionConflict", unitCount, "Sum")
		}
	}
	if w.Items != "" || w.Results != "" {
		q.add(namespace, []bench.CloudWatchDimension{}, "UserErrors", unitCount, "Sum") // of the account: there is none of a table
	}
	_, label, _ := strings.Cut(w.Stream, "/stream/")
	if of := pairs("TableName", w.Items, "Operation", "GetRecords", "StreamLabel", label); of != nil {
		q.add(namespace, of, "SuccessfulRequestLatency", unitMs, "SampleCount", "Average", "Maximum")
		q.add(namespace, of, "ReturnedRecordsCount", unitCount, "Sum")
		q.add(namespace, of, "ReturnedBytes", unitBytes, "Sum")
		q.add(namespace, of, "ThrottledRequests", unitCount, "Sum")
	}
}

// lambda asks for what Lambda tells of the function and of what feeds it.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
func (w Watched) lambda(q *metricsOf) {
	const namespace = "AWS/Lambda"
	counts := func(of []bench.CloudWatchDimension, names ...string) {
		for _, name := range names {
			q.add(namespace, of, name, unitCount, "Sum")
		}
	}
	if of := pairs("FunctionName", w.Function); of != nil {
		counts(of, "Invocations", "Errors", "Throttles")
		q.add(namespace, of, "Duration", unitMs, latency...)
		q.add(namespace, of, "ConcurrentExecutions", unitCount, "Maximum")
		switch w.Architecture {
		case bench.Streams:
			q.add(namespace, of, "IteratorAge", unitMs, "Maximum")
			counts(of, "DestinationDeliveryFailures", "RecursiveInvocationsDropped")
		case bench.FireAndForget:
			counts(of, "AsyncEventsReceived", "AsyncEventsDropped", "DeadLetterErrors", "DestinationDeliveryFailures", "RecursiveInvocationsDropped")
			q.add(namespace, of, "AsyncEventAge", unitMs, "Maximum")
		}
	}
	if of := pairs("EventSourceMappingUUID", w.Mapping); of != nil {
		counts(of, "PolledEventCount", "FilteredOutEventCount", "InvokedEventCount", "FailedInvokeEventCount", "DroppedEventCount", "OnFailureDestinationDeliveredEventCount")
	}
}

// window gives the whole periods that hold a time, and how long they are: as short
// as CloudWatch still has them, and no more than fit into one call.
func window(from, to, now time.Time, metrics int) (first, end time.Time, period time.Duration, err error) {
	age := now.Sub(from)
	for _, k := range kept {
		if period == 0 && age < k.age {
			period = k.period
		}
	}
	if period == 0 {
		return first, end, 0, fmt.Errorf("the run was %d days ago, and CloudWatch keeps data for %d days", int(age/day), int(kept[len(kept)-1].age/day))
	}
	for _, p := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, day} { // a day is whole periods
		first, end = from.UTC().Truncate(p), to.UTC().Truncate(p).Add(p)
		if p >= period && end.Sub(first)/p*time.Duration(metrics) <= bench.MaxCloudWatchPoints {
			return first, end, p, nil
		}
	}
	return first, end, 0, fmt.Errorf("the run lasted %d days, which is more than can be asked for", int(to.Sub(from)/day))
}

// Metrics reads what CloudWatch says of a run that lasted from its start of load to
// its end. What has not come yet when it is asked comes with a later read.
func (a *Account) Metrics(ctx context.Context, run bench.RunID, w Watched, start, end, now time.Time) (*bench.CloudWatch, error) {
	c := &bench.CloudWatch{
		Schema: bench.CloudWatchSchema, Run: run, Account: a.ID, Region: a.Region, Read: now.UTC().Format(time.RFC3339),
		Metrics: w.metrics(toMs(now.Sub(start))),
	}
	if len(c.Metrics) == 0 {
		return nil, errors.New("nothing is named that CloudWatch could be asked about")
	}
	first, last, period, err := window(start, end, now, len(c.Metrics))
	if err != nil {
		return nil, err
	}
	c.FromMs, c.ToMs, c.PeriodMs = toMs(first.Sub(start)), toMs(last.Sub(start)), toMs(period)
	if err := readMetrics(ctx, a.watch, c, first, last, start); err != nil {
		return nil, fmt.Errorf("ask CloudWatch in %s: %w; it takes the permission cloudwatch:GetMetricData", a, err)
	}
	return c, nil
}

// readMetrics fills in the data points, page by page. The end is exclusive.
func readMetrics(ctx context.Context, client cloudwatch.GetMetricDataAPIClient, c *bench.CloudWatch, first, last, start time.Time) error {
	in := &cloudwatch.GetMetricDataInput{
		StartTime: &first, EndTime: &last, ScanBy: types.ScanByTimestampAscending, MaxDatapoints: aws.Int32(bench.MaxCloudWatchPoints),
	}
	for i := range c.Metrics {
		m := &c.Metrics[i]
		metric := &types.Metric{Namespace: &m.Namespace, MetricName: &m.Name}
		for _, d := range m.Dimensions {
			metric.Dimensions = append(metric.Dimensions, types.Dimension{Name: aws.String(d.Name), Value: aws.String(d.Value)})
		}
		in.MetricDataQueries = append(in.MetricDataQueries, types.MetricDataQuery{
			Id:         aws.String("m" + strconv.Itoa(i)),
			MetricStat: &types.MetricStat{Metric: metric, Period: aws.Int32(int32(c.PeriodMs / 1000)), Stat: &m.Statistic},
		})
	}
	answered := make([]bool, len(c.Metrics))
	for {
		out, err := client.GetMetricData(ctx, in)
		if err != nil {
			return err
		}
		for _, r := range out.MetricDataResults {
			i, err := strconv.Atoi(strings.TrimPrefix(aws.ToString(r.Id), "m"))
			if err != nil || i < 0 || i >= len(c.Metrics) {
				return fmt.Errorf("it answered %q, which was not asked", aws.ToString(r.Id))
			}
			answered[i] = true
			if err := take(&c.Metrics[i], r, start); err != nil {
				return err
			}
		}
		if aws.ToString(out.NextToken) == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	for i := range c.Metrics {
		m := &c.Metrics[i]
		if !answered[i] {
			m.Lacking = "no answer"
		}
		slices.SortFunc(m.Points, func(a, b bench.CloudWatchPoint) int { return int(math.Copysign(1, a.TMs-b.TMs)) })
	}
	return c.Check()
}

// take takes in what a page has of a metric. That it is not all (PartialData) is the
// rule of every page but the last.
func take(m *bench.CloudWatchMetric, r types.MetricDataResult, start time.Time) error {
	if len(r.Timestamps) != len(r.Values) {
		return fmt.Errorf("%s: %d times and %d values", m.Name, len(r.Timestamps), len(r.Values))
	}
	for i, at := range r.Timestamps {
		m.Points = append(m.Points, bench.CloudWatchPoint{TMs: toMs(at.Sub(start)), Value: r.Values[i]})
	}
	m.Lacking = ""
	if r.StatusCode != types.StatusCodeComplete && r.StatusCode != "" {
		m.Lacking = string(r.StatusCode)
		for _, text := range r.Messages {
			m.Lacking += "; " + aws.ToString(text.Value)
		}
	}
	return nil
}

func toMs(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
