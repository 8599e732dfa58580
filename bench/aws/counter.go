package aws

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

// How late the counters are that say whether a fault has bitten.
const (
	logsLate    = 2 * time.Minute
	metricsLate = arrives
)

// metricCounter counts by a metric of CloudWatch, in whole minutes: the first and the
// last hold what came shortly before and behind.
type metricCounter struct {
	Namespace, Metric string
	Dimensions        []string // name and value in turn
}

func (m metricCounter) late() time.Duration { return metricsLate }

func (m metricCounter) count(ctx context.Context, h *hand, from, to time.Time) (int64, error) {
	var of []types.Dimension
	for i := 0; i < len(m.Dimensions); i += 2 {
		of = append(of, types.Dimension{Name: &m.Dimensions[i], Value: &m.Dimensions[i+1]})
	}
	begin, end := from.Truncate(time.Minute), to.Truncate(time.Minute).Add(time.Minute)
	pages := cloudwatch.NewGetMetricDataPaginator(h.watch, &cloudwatch.GetMetricDataInput{
		StartTime: &begin, EndTime: &end, MetricDataQueries: []types.MetricDataQuery{{Id: aws.String("bites"), MetricStat: &types.MetricStat{
			Metric: &types.Metric{Namespace: &m.Namespace, MetricName: &m.Metric, Dimensions: of}, Period: aws.Int32(60), Stat: aws.String("Sum"),
		}}},
	})
	var sum float64
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, h.explain(err, "count bites by metric "+m.Metric, "cloudwatch:GetMetricData")
		}
		for _, r := range page.MetricDataResults {
			for _, v := range r.Values {
				sum += v
			}
		}
	}
	return int64(sum), nil
}

// logCounter counts lines of a log that hold a text.
type logCounter struct{ Group, Pattern string }

func (l logCounter) late() time.Duration { return logsLate }

func (l logCounter) count(ctx context.Context, h *hand, from, to time.Time) (n int64, err error) {
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(h.logs, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: &l.Group, FilterPattern: &l.Pattern,
		StartTime: aws.Int64(from.UnixMilli()), EndTime: aws.Int64(to.Add(logsLate).UnixMilli()), // a line bears the time at which it was written
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, h.explain(err, "count bites in log "+l.Group, "logs:FilterLogEvents")
		}
		n += int64(len(page.Events))
	}
	return n, nil
}

// stateCounter counts what was seen with the control plane's own eyes: a state.
type stateCounter struct{ Seen int64 }

func (s *stateCounter) late() time.Duration { return 0 }

func (s *stateCounter) count(context.Context, *hand, time.Time, time.Time) (int64, error) {
	return s.Seen, nil
}
