package aws

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/ackproof/ackproof/bench"
)

// Alarm tells how an alarm of CloudWatch stands, be it of a metric or of other alarms.
func (a *Account) Alarm(ctx context.Context, name string) (bench.Alarm, error) {
	out, err := a.watch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: []string{name}, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm},
	})
	if err != nil {
		return bench.Alarm{}, fmt.Errorf("read the alarm %s: %w; it takes the permission cloudwatch:DescribeAlarms", name, err)
	}
	state := func(s types.StateValue, reason *string) (bench.Alarm, error) {
		return bench.Alarm{On: s == types.StateValueAlarm, State: string(s), Reason: aws.ToString(reason)}, nil
	}
	switch {
	case len(out.MetricAlarms) > 0:
		return state(out.MetricAlarms[0].StateValue, out.MetricAlarms[0].StateReason)
	case len(out.CompositeAlarms) > 0:
		return state(out.CompositeAlarms[0].StateValue, out.CompositeAlarms[0].StateReason)
	}
	return bench.Alarm{}, fmt.Errorf("there is no alarm %s in %s; 'aws cloudwatch describe-alarms' lists those that there are", name, a)
}
