package aws

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/ackproof/ackproof/bench"
)

// Namespace is that of the custom metrics which runs publish.
const Namespace = "ackproof"

// The limits of PutMetricData.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
const (
	maxData     = 1000     // metrics in one call; each of ours has one value, of 150 that are allowed
	oldestDatum = 14 * day // a time that lies further back is refused
	maxValue    = 0x1p360  // so is a value beyond this, in either direction
	maxText     = 1024     // characters of a dimension's value, which are of ASCII; of 30 dimensions we use 3
)

// Published says what was published.
type Published struct {
	Metrics int
	Calls   int
	At      time.Time // the time that the values bear: the end of the run
}

// Publish puts the figures of a run as custom metrics, each one value at the time at
// which the run ended. They are of the dimensions Scenario, Architecture and Target:
// a run's id would be a new metric for each run, which is what CloudWatch is paid
// for. What was not observed, or has no bound, is not put.
func (a *Account) Publish(ctx context.Context, r *bench.Result, now time.Time) (Published, error) {
	return publish(ctx, a.watch, r, now)
}

// putter is the part of the client that publishing takes.
type putter interface {
	PutMetricData(context.Context, *cloudwatch.PutMetricDataInput, ...func(*cloudwatch.Options)) (*cloudwatch.PutMetricDataOutput, error)
}

func publish(ctx context.Context, client putter, r *bench.Result, now time.Time) (Published, error) {
	if r.Run.Finished == nil {
		return Published{}, errors.New("publish: the run was cut off, and nobody knows when it ended")
	}
	at, err := time.Parse(time.RFC3339, *r.Run.Finished)
	if err != nil {
		return Published{}, fmt.Errorf("publish: the end of the run: %w", err)
	}
	if age := now.Sub(at); age > oldestDatum {
		return Published{}, fmt.Errorf("publish: the run ended %d days ago, and CloudWatch takes no values from before 14 days", int(age/day))
	}
	p := Published{At: at}
	data := figures(r, at)
	for len(data) > 0 {
		n := min(maxData, len(data))
		if _, err := client.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String(Namespace), MetricData: data[:n]}); err != nil {
			return p, fmt.Errorf("publish to CloudWatch: %w; it takes the permission cloudwatch:PutMetricData", err)
		}
		p.Metrics, p.Calls, data = p.Metrics+n, p.Calls+1, data[n:]
	}
	return p, nil
}

// data collects figures of a run.
type data struct {
	at  time.Time
	of  []types.Dimension
	all []types.MetricDatum
}

func (d *data) add(name string, unit types.StandardUnit, v *float64) {
	if v == nil || math.IsNaN(*v) || math.Abs(*v) > maxValue {
		return
	}
	d.all = append(d.all, types.MetricDatum{MetricName: &name, Dimensions: d.of, Timestamp: &d.at, Unit: unit, Value: v})
}

func (d *data) count(name string, n int64) {
	v := float64(n)
	d.add(name, types.StandardUnitCount, &v)
}

// latency adds the figures of a distribution as result.json has them. A percentile
// that has no bound is not put: a lossy system must not look fast.
func (d *data) latency(name string, l *bench.Latency) {
	if l == nil || l.Count == 0 {
		return
	}
	for _, f := range []struct {
		name string
		ms   *float64
	}{{"P50", l.P50}, {"P90", l.P90}, {"P95", l.P95}, {"P99", l.P99}, {"P999", l.P999}, {"Max", l.Max}} {
		d.add(name+f.name, types.StandardUnitMilliseconds, f.ms)
	}
	d.count(name+"Censored", l.Censored)
}

// figures lists what is published of a result.
func figures(r *bench.Result, at time.Time) []types.MetricDatum {
	d := &data{at: at}
	for _, kv := range [][2]string{{"Scenario", r.Run.Scenario}, {"Architecture", r.Run.Architecture}, {"Target", r.Run.Target}} {
		d.of = append(d.of, types.Dimension{Name: aws.String(kv[0]), Value: aws.String(plain(kv[1]))})
	}
	for _, v := range []struct {
		name string
		is   bench.Verdict
	}{{"VerdictPass", bench.Pass}, {"VerdictFail", bench.Fail}, {"VerdictUnknown", bench.VerdictUnknown}} {
		n := int64(0)
		if r.Verdict == v.is {
			n = 1
		}
		d.count(v.name, n) // the Average over runs is a share
	}
	q := &r.Requests
	for _, f := range []struct {
		name string
		n    int64
	}{{"Planned", q.Planned}, {"Unsent", q.Unsent}, {"Sent", q.Sent}, {"Acknowledged", q.Acknowledged}, {"Refused", q.Refused}, {"Unknown", q.Unknown}} {
		d.count("Requests"+f.name, f.n)
	}
	for _, v := range bench.ItemVerdicts() {
		if n, observed := r.Items.Of(v); observed {
			d.count("Items"+camel(v.String()), n)
		}
	}
	d.count("ItemsLost", r.Items.Lost())
	d.add("AchievedRate", types.StandardUnitCountSecond, &r.Load.AchievedRPS)
	if s := r.Availability.Share; s != nil {
		percent := *s * 100
		d.add("Availability", types.StandardUnitPercent, &percent)
	}
	d.latency("ResponseTime", &r.ResponseTime)
	d.latency("ProcessingLag", r.Lag)
	d.latency("CompletionTime", r.Completion)
	d.faults(r.Faults)
	return d.all
}

// faults adds how often all faults bit, and the longest recovery, unless one of them
// was followed by none.
func (d *data) faults(all []bench.FaultResult) {
	var bitten int64
	longest, never := 0.0, len(all) == 0
	for i := range all {
		bitten += all[i].Bitten
		if ms := all[i].RecoveryMs; ms != nil {
			longest = max(longest, *ms)
		} else {
			never = true
		}
	}
	d.count("FaultBites", bitten)
	if !never {
		d.add("RecoveryMax", types.StandardUnitMilliseconds, &longest)
	}
}

// plain makes a text what a dimension's value may be.
func plain(text string) string {
	b := []byte{}
	for _, c := range text {
		switch {
		case len(b) == maxText:
			return string(b)
		case c < ' ' || c > '~' || c == ':' && len(b) == 0:
			b = append(b, '?')
		default:
			b = append(b, byte(c))
		}
	}
	if strings.TrimSpace(string(b)) == "" {
		return "?"
	}
	return string(b)
}

// camel makes lost_write LostWrite, as CloudWatch names things.
func camel(name string) string {
	var b []byte
	up := true
	for _, c := range []byte(name) {
		switch {
		case c == '_':
			up = true
		case up && c >= 'a' && c <= 'z':
			b, up = append(b, c-'a'+'A'), false
		default:
			b, up = append(b, c), false
		}
	}
	return string(b)
}
