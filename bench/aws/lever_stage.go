package aws

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// allMethods are the settings of a stage for all its methods.
const allMethods = "*/*"

// throttled lets no request through a stage: a rate and a burst of 0. Methods with
// settings of their own are not touched.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
type throttled struct {
	API, Stage string
	Had        bool // the stage had settings for all methods
	Rate       float64
	Burst      int32

	told *refusedByAPI // nil: of a journal
}

func (t *throttled) now(ctx context.Context, h *hand) (s types.MethodSetting, had bool, err error) {
	out, err := h.gateway.GetStage(ctx, &apigateway.GetStageInput{RestApiId: &t.API, StageName: &t.Stage})
	if err != nil {
		return s, false, h.explain(err, "look at the stage "+t.Stage+" of the API "+t.API, "apigateway:GET")
	}
	s, had = out.MethodSettings[allMethods]
	return s, had, nil
}

func (t *throttled) look(ctx context.Context, h *hand) error {
	s, had, err := t.now(ctx, h)
	if err != nil {
		return err
	}
	if t.Had, t.Rate, t.Burst = had, s.ThrottlingRateLimit, s.ThrottlingBurstLimit; had && t.Rate == 0 {
		return fmt.Errorf("the stage %s lets no request through already: nothing would be broken", t.Stage)
	}
	t.told = &refusedByAPI{api: t.API, stage: t.Stage}
	_, err = t.count(ctx, h, h.clock.Now(), h.clock.Now())
	return err
}

func (t *throttled) patch(ctx context.Context, h *hand, doing string, operations ...types.PatchOperation) error {
	return h.whileBusy(ctx, doing, func() error {
		_, err := h.gateway.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: &t.API, StageName: &t.Stage, PatchOperations: operations})
		return h.explain(err, doing, "apigateway:PATCH")
	})
}

// limits are the patches that set a rate and a burst.
func limits(rate float64, burst int32) []types.PatchOperation {
	set := func(name, value string) types.PatchOperation {
		return types.PatchOperation{Op: types.OpReplace, Path: aws.String("/" + allMethods + "/throttling/" + name), Value: &value}
	}
	return []types.PatchOperation{set("rateLimit", strconv.FormatFloat(rate, 'f', -1, 64)), set("burstLimit", strconv.Itoa(int(burst)))}
}

func (t *throttled) pull(ctx context.Context, h *hand) error {
	return t.patch(ctx, h, "let no request through the stage "+t.Stage, limits(0, 0)...)
}

func (t *throttled) undo(ctx context.Context, h *hand) error {
	doing := "restore the limits of the stage " + t.Stage
	if t.Had {
		return t.patch(ctx, h, doing, limits(t.Rate, t.Burst)...)
	}
	if _, had, err := t.now(ctx, h); err != nil || !had {
		return err
	}
	return t.patch(ctx, h, doing, types.PatchOperation{Op: types.OpRemove, Path: aws.String("/" + allMethods)})
}

func (t *throttled) undone(ctx context.Context, h *hand) (bool, string, error) {
	s, had, err := t.now(ctx, h)
	return had == t.Had && (!had || s.ThrottlingRateLimit == t.Rate && s.ThrottlingBurstLimit == t.Burst),
		fmt.Sprintf("a rate of %g and a burst of %d", s.ThrottlingRateLimit, s.ThrottlingBurstLimit), err
}

// refusedAt counts what a stage has answered with 4xx. CloudWatch does not say which
// of them were 429.
func refusedAt(api, stage string) metricCounter {
	return metricCounter{"AWS/ApiGateway", "4XXError", []string{"ApiName", api, "Stage", stage}}
}

func (t *throttled) count(ctx context.Context, h *hand, from, to time.Time) (int64, error) {
	return t.told.count(ctx, h, from, to)
}

func (t *throttled) late() time.Duration { return t.told.late() }

// refusedByAPI counts what the API has refused. Its name is found when it is first
// asked.
type refusedByAPI struct {
	api, stage string
	metricCounter
}

func (r *refusedByAPI) count(ctx context.Context, h *hand, from, to time.Time) (int64, error) {
	if r.Metric == "" {
		out, err := h.gateway.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &r.api})
		if err != nil {
			return 0, h.explain(err, "look at the API "+r.api, "apigateway:GET")
		}
		r.metricCounter = refusedAt(text(out.Name), r.stage)
	}
	return r.metricCounter.count(ctx, h, from, to)
}
