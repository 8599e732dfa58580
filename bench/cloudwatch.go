package bench

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// CloudWatchSchema is the value of CloudWatch.Schema.
const CloudWatchSchema = "ackproof.cloudwatch/v1"

// The bounds of what is asked of CloudWatch at once. They are those of one call of
// GetMetricData, which need not be larger for any run.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
const (
	MaxCloudWatchMetrics = 500
	MaxCloudWatchPoints  = 100_800 // of all metrics together
)

// CloudWatch is cloudwatch.json: what Amazon CloudWatch says about the system while
// the run went on. It is an illustration and never evidence: nothing is judged by it.
// Times are milliseconds; positions count from the start of load.
type CloudWatch struct {
	Schema   string             `json:"schema"`
	Run      RunID              `json:"run"`
	Account  string             `json:"account"`
	Region   string             `json:"region"`
	Read     string             `json:"read"`      // RFC 3339, UTC: when CloudWatch was asked
	FromMs   float64            `json:"from_ms"`   // the periods that hold the run, whole: the first begins here, mostly before the load,
	ToMs     float64            `json:"to_ms"`     // and the last ends here, mostly after the run
	PeriodMs float64            `json:"period_ms"` // of a data point
	Metrics  []CloudWatchMetric `json:"metrics"`
}

// CloudWatchMetric is one statistic of one metric.
type CloudWatchMetric struct {
	Namespace  string                `json:"namespace"`
	Name       string                `json:"name"`
	Dimensions []CloudWatchDimension `json:"dimensions"` // none: of the whole account
	Statistic  string                `json:"statistic"`  // Sum, Average, Maximum, SampleCount, p50, p99
	Unit       string                `json:"unit"`       // as AWS documents it
	Points     []CloudWatchPoint     `json:"points"`     // in order; none: CloudWatch has no data, which is not 0
	SettledMs  float64               `json:"settled_ms"` // periods that end later could still change when it was read
	Lacking    string                `json:"lacking"`    // what CloudWatch said of data that it did not give; "": it gave all it had
}

// CloudWatchDimension is what a metric is of.
type CloudWatchDimension struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CloudWatchPoint is the value of the period that begins at TMs.
type CloudWatchPoint struct {
	TMs   float64 `json:"t_ms"`
	Value float64 `json:"value"`
}

// Check says what cannot be in a cloudwatch.json.
func (c *CloudWatch) Check() error {
	periods := (c.ToMs - c.FromMs) / c.PeriodMs
	switch _, err := time.Parse(time.RFC3339, c.Read); {
	case c.Schema != CloudWatchSchema:
		return fmt.Errorf("schema %.60q, this version of ackproof reads %q", c.Schema, CloudWatchSchema)
	case err != nil:
		return fmt.Errorf("read %.60q: want a time such as 2026-03-01T14:05:00Z", c.Read)
	case !(c.PeriodMs >= 1000) || !(periods >= 1) || periods > MaxCloudWatchPoints || math.Abs(periods-math.Round(periods)) > 1e-6:
		return fmt.Errorf("from_ms %v to to_ms %v is not a whole number of periods of %v ms", c.FromMs, c.ToMs, c.PeriodMs)
	case len(c.Metrics) > MaxCloudWatchMetrics:
		return fmt.Errorf("%d metrics, want at most %d", len(c.Metrics), MaxCloudWatchMetrics)
	}
	var errs []error
	for i := range c.Metrics {
		m := &c.Metrics[i]
		last := c.FromMs - c.PeriodMs
		for _, p := range m.Points {
			if !(p.TMs >= last+c.PeriodMs*0.999) || p.TMs > c.ToMs-c.PeriodMs*0.999 {
				errs = append(errs, fmt.Errorf("metrics[%d] (%.60s): the point at %v ms is not in its place", i, m.Name, p.TMs))
				break
			}
			last = p.TMs
		}
	}
	return errors.Join(errs...)
}

// Find gives a statistic of a metric. Of several with that name, such as one for each
// table, it is the first whose dimensions have all these values; nil: there is none.
func (c *CloudWatch) Find(name, statistic string, values ...string) *CloudWatchMetric {
	for i := range c.Metrics {
		m := &c.Metrics[i]
		has := map[string]bool{}
		for _, d := range m.Dimensions {
			has[d.Value] = true
		}
		all := m.Name == name && m.Statistic == statistic
		for _, v := range values {
			all = all && has[v]
		}
		if all {
			return m
		}
	}
	return nil
}

// Whole gives what the points of a metric come to: their sum for Sum and
// SampleCount, else the largest, since percentiles and averages of minutes cannot be
// put together. Null without a point.
func (m *CloudWatchMetric) Whole() *float64 {
	if m == nil || len(m.Points) == 0 {
		return nil
	}
	v := m.Points[0].Value
	for _, p := range m.Points[1:] {
		if m.Counts() {
			v += p.Value
		} else {
			v = max(v, p.Value)
		}
	}
	return &v
}

// Counts reports whether a point counts what happened in its period.
func (m *CloudWatchMetric) Counts() bool { return m.Statistic == "Sum" || m.Statistic == "SampleCount" }

// Settled reports whether no point could change any more when CloudWatch was asked.
func (c *CloudWatch) Settled() bool { return c.Unsettled() <= 0 }

// Unsettled is how long after it was read the last point can still have come, in
// milliseconds; 0 or less: no longer.
func (c *CloudWatch) Unsettled() float64 {
	left := 0.0
	for i := range c.Metrics {
		left = max(left, c.ToMs-c.Metrics[i].SettledMs)
	}
	return left
}
