package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/fis"
	"github.com/aws/aws-sdk-go-v2/service/fis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// experimentTag is the tag of an experiment that says of which fault it is.
const experimentTag = "ackproof:fault"

// experiment runs an experiment of AWS Fault Injection Service, of a template of the
// user's.
type experiment struct {
	Template string
	Tag      string // RUN-FAULT
	Function string // that the scenario is about
	stateCounter
}

func (e *experiment) look(ctx context.Context, h *hand) error {
	out, err := h.fis.GetExperimentTemplate(ctx, &fis.GetExperimentTemplateInput{Id: &e.Template})
	if err != nil {
		return h.explain(err, "look at the experiment template "+e.Template, "fis:GetExperimentTemplate")
	}
	for name, action := range out.ExperimentTemplate.Actions {
		if !strings.HasPrefix(text(action.ActionId), "aws:lambda:") {
			continue
		}
		now, err := h.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &e.Function})
		if err != nil {
			return h.explain(err, "look at the settings of "+e.Function, "lambda:GetFunctionConfiguration")
		}
		if why := notHonoured(now); why != "" {
			return fmt.Errorf("experiment template %s, action %s (%s): function %s would not honour it: %s", e.Template, name, text(action.ActionId), e.Function, why)
		}
	}
	return nil
}

// notHonoured says why a function does not honour FIS's actions for Lambda; "": it
// does. They are done by an extension in a layer, which a wrapper script puts between
// Lambda and the runtime. Runtimes of the provided family have no such script.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html
func notHonoured(f *lambda.GetFunctionConfigurationOutput) string {
	vars := map[string]string{}
	if f.Environment != nil {
		vars = f.Environment.Variables
	}
	switch {
	case strings.HasPrefix(string(f.Runtime), "provided"):
		return fmt.Sprintf("its runtime %s calls no wrapper script, so that the extension of FIS stands between nothing; take processor.error, processor.slow or processor.kill, which the StreamProcessor understands, and any handler with package breakable", f.Runtime)
	case f.Runtime == "":
		return "it is a container image, which has no layers"
	case !slices.ContainsFunc(f.Layers, func(l lambdatypes.Layer) bool { return strings.Contains(text(l.Arn), "aws-fis-extension") }):
		return "it has no layer aws-fis-extension; add the one of its region and architecture"
	case vars["AWS_LAMBDA_EXEC_WRAPPER"] == "" || vars["AWS_FIS_CONFIGURATION_LOCATION"] == "":
		return "its environment lacks AWS_LAMBDA_EXEC_WRAPPER=/opt/aws-fis/bootstrap or AWS_FIS_CONFIGURATION_LOCATION, the bucket by which FIS tells it what to do"
	}
	return ""
}

func (e *experiment) pull(ctx context.Context, h *hand) error {
	out, err := h.fis.StartExperiment(ctx, &fis.StartExperimentInput{
		ExperimentTemplateId: &e.Template, ClientToken: &e.Tag, Tags: map[string]string{experimentTag: e.Tag},
	})
	if err != nil {
		return h.explain(err, "start an experiment of "+e.Template, "fis:StartExperiment")
	}
	return h.until(ctx, "start an experiment of "+e.Template, func() (bool, string, error) {
		now, err := h.fis.GetExperiment(ctx, &fis.GetExperimentInput{Id: out.Experiment.Id})
		if err != nil {
			return false, "", h.explain(err, "look at the experiment", "fis:GetExperiment")
		}
		switch s := now.Experiment.State; s.Status {
		case types.ExperimentStatusRunning, types.ExperimentStatusCompleted:
			e.Seen = 1
			return true, "", nil
		case types.ExperimentStatusFailed, types.ExperimentStatusStopped, types.ExperimentStatusStopping, types.ExperimentStatusCancelled:
			return false, "", fmt.Errorf("the experiment is %s: %s", s.Status, text(s.Reason))
		default:
			return false, string(s.Status), nil
		}
	})
}

// ended are the states that an experiment does not leave.
var ended = []types.ExperimentStatus{types.ExperimentStatusCompleted, types.ExperimentStatusStopped, types.ExperimentStatusFailed, types.ExperimentStatusCancelled}

// open lists the experiments of the fault that have not ended.
func (e *experiment) open(ctx context.Context, h *hand) (ids []string, err error) {
	pages := fis.NewListExperimentsPaginator(h.fis, &fis.ListExperimentsInput{ExperimentTemplateId: &e.Template})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, h.explain(err, "look for the experiments of "+e.Template, "fis:ListExperiments")
		}
		for _, x := range page.Experiments {
			if x.Tags[experimentTag] != e.Tag {
				continue
			}
			if x.State == nil || !slices.Contains(ended, x.State.Status) {
				ids = append(ids, text(x.Id))
			}
		}
	}
	return ids, nil
}

func (e *experiment) undo(ctx context.Context, h *hand) error {
	ids, err := e.open(ctx, h)
	errs := []error{err}
	for _, id := range ids {
		_, err := h.fis.StopExperiment(ctx, &fis.StopExperimentInput{Id: aws.String(id)})
		errs = append(errs, h.explain(err, "stop the experiment "+id, "fis:StopExperiment"))
	}
	return errors.Join(errs...)
}

func (e *experiment) undone(ctx context.Context, h *hand) (bool, string, error) {
	ids, err := e.open(ctx, h)
	if err != nil {
		return false, "", err
	}
	for _, id := range ids {
		now, err := h.fis.GetExperiment(ctx, &fis.GetExperimentInput{Id: &id})
		if err != nil {
			return false, "", h.explain(err, "look at the experiment "+id, "fis:GetExperiment")
		}
		if s := now.Experiment.State; s == nil || !slices.Contains(ended, s.Status) {
			return false, "running: " + id, nil
		}
	}
	return true, "", nil
}
