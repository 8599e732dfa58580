package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/standin"
)

// onStandin opens an account in which things go wrong.
func onStandin(t *testing.T, o standin.Options) (*Account, *standin.Account) {
	t.Helper()
	s := standin.Start(t, o)
	a, err := OpenAccount(t.Context(), s.URL, standin.Region, "")
	if err != nil {
		t.Fatal(err)
	}
	return a, s
}

// deployment is one of a variant.
func deployment(t *testing.T, variant string) Deployment {
	return Deployment{Name: "ackproof-" + variant, Template: variants(t)[variant], Code: packed(t), Owner: "somebody", Expires: "2030-01-01", Poll: quickly}
}

// told collects steps, and finds those that are told twice.
type told struct {
	t     *testing.T
	lines []string
}

func (l *told) step(s Step) {
	line := s.Resource + " " + s.Status
	if s.Reason != "" {
		line += " (" + s.Reason + ")"
	}
	if slices.Contains(l.lines, line) {
		l.t.Errorf("told twice: %s", line)
	}
	l.lines = append(l.lines, line)
}

// has reports whether lines that begin so were told, in this order.
func (l *told) has(begins ...string) bool {
	i := 0
	for _, line := range l.lines {
		if i < len(begins) && strings.HasPrefix(line, begins[i]) {
			i++
		}
	}
	return i == len(begins)
}

// apply plans and carries out.
func apply(ctx context.Context, t *testing.T, a *Account, d Deployment, progress func(Step)) (map[string]string, error) {
	t.Helper()
	c, err := a.Plan(t.Context(), d)
	if err != nil {
		t.Fatalf("%s: %v", d.Name, err)
	}
	return c.Apply(ctx, progress)
}

func left(t *testing.T, a *Account, s *standin.Account, name string) {
	t.Helper()
	if _, err := a.Status(t.Context(), name); !errors.Is(err, ErrNoStack) {
		t.Errorf("%s is there: %v", name, err)
	}
	if b := s.Buckets(); len(b) > 0 {
		t.Errorf("buckets are left: %v", b)
	}
	if r := s.Refused(); len(r) > 0 {
		t.Errorf("refused: %v", r)
	}
}

// TestDeployTellsEachStepOnce: of a stack that is made, changed and removed each step
// is told in its own operation, whatever was told before.
func TestDeployTellsEachStepOnce(t *testing.T) {
	a, s := onStandin(t, standin.Options{})
	d := deployment(t, "streams-bucket")
	making := &told{t: t}
	out, err := apply(t.Context(), t, a, d, making.step)
	if err != nil || out[OutArchitecture] != bench.Streams || out[OutItems] == "" || out[OutBucket] == "" || !strings.HasPrefix(out[OutURL], "http://127.0.0.1:") {
		t.Fatalf("outputs %v, %v", out, err)
	}
	if !making.has(d.Name+" CREATE_IN_PROGRESS", "Items CREATE_IN_PROGRESS", "Items CREATE_COMPLETE", "Mapping CREATE_COMPLETE", d.Name+" CREATE_COMPLETE") {
		t.Errorf("steps %q", making.lines)
	}
	d.Template = variants(t)["streams-queue"]
	changing := &told{t: t}
	if out, err = apply(t.Context(), t, a, d, changing.step); err != nil || out[OutQueue] == "" || out[OutBucket] != "" {
		t.Errorf("changed to %v, %v", out, err)
	}
	if !changing.has(d.Name+" UPDATE_IN_PROGRESS", "Mapping UPDATE_COMPLETE", d.Name+" UPDATE_COMPLETE") || changing.has("Items CREATE") {
		t.Errorf("steps %q", changing.lines)
	}
	if c, err := a.Plan(t.Context(), d); err != nil || len(c.Lines) > 0 {
		t.Errorf("a plan of what there is: %v, %v", c, err)
	}
	s.Put(a.codeBucket(), "somebody-elses", nil)
	removing := &told{t: t}
	if err := a.Destroy(t.Context(), d.Name, quickly, removing.step); err != nil || !removing.has(d.Name+" DELETE_IN_PROGRESS", "Mapping DELETE_COMPLETE", d.Name+" DELETE_COMPLETE") || removing.has("Items CREATE") {
		t.Errorf("removed by %q: %v", removing.lines, err)
	}
	if b := s.Buckets(); !slices.Equal(b, []string{a.codeBucket()}) {
		t.Errorf("buckets %v: what others have in one must stay", b)
	}
}

// TestAFailedDeploymentIsRemoved: each resource in turn cannot be made. What failed,
// and why, is told; nothing is left.
func TestAFailedDeploymentIsRemoved(t *testing.T) {
	const reason = "Resource handler returned message: \"Invalid request provided\" (HandlerErrorCode: InvalidRequest)"
	failing, _ := onStandin(t, standin.Options{})
	c, err := failing.Plan(t.Context(), deployment(t, "streams-bucket"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range c.Lines {
		id := strings.Fields(line)[1]
		a, s := onStandin(t, standin.Options{Fail: map[string]string{id: reason}})
		d, steps := deployment(t, "streams-bucket"), &told{t: t}
		out, err := apply(t.Context(), t, a, d, steps.step)
		if err == nil || out != nil {
			t.Errorf("%s: no error; outputs %v", id, out)
			continue
		}
		if text := err.Error(); !strings.Contains(text, id+": "+reason) || !strings.HasSuffix(text, "what there was of it is removed") || strings.Contains(text, "cancelled") {
			t.Errorf("%s: %v", id, err)
		}
		if !steps.has(id+" CREATE_FAILED ("+reason, d.Name+" ROLLBACK_IN_PROGRESS", d.Name+" ROLLBACK_COMPLETE", d.Name+" DELETE_COMPLETE") {
			t.Errorf("%s: steps %q", id, steps.lines)
		}
		left(t, a, s, d.Name)
	}
}

// TestWhatCannotBeRemovedIsSaid: a bucket into which something came meanwhile is
// emptied again, and what stays is named, with what to do.
func TestWhatCannotBeRemovedIsSaid(t *testing.T) {
	a, s := onStandin(t, standin.Options{Letter: "Destination"})
	d, steps := deployment(t, "streams-bucket"), &told{t: t}
	if _, err := apply(t.Context(), t, a, d, func(Step) {}); err != nil {
		t.Fatal(err)
	}
	if err := a.Destroy(t.Context(), d.Name, quickly, func(s Step) { steps.lines = append(steps.lines, s.Resource+" "+s.Status) }); err != nil || !steps.has("Destination DELETE_FAILED", "Destination DELETE_COMPLETE") {
		t.Errorf("a letter that came late: %v, %q", err, steps.lines)
	}
	left(t, a, s, d.Name)

	stuck := map[string]string{"Items": "somebody protects it", "Results": "so is this"}
	a, _ = onStandin(t, standin.Options{Fail: map[string]string{"Stage": "no"}, Stuck: stuck})
	if _, err := apply(t.Context(), t, a, d, func(Step) {}); err == nil || !strings.Contains(err.Error(), "ROLLBACK_FAILED") || !strings.Contains(err.Error(), "is removed") {
		t.Errorf("stuck once, and removed at the second time: %v", err)
	}
	a, _ = onStandin(t, standin.Options{Fail: map[string]string{"Stage": "no"}, Stuck: stuck, ForGood: true})
	_, err := apply(t.Context(), t, a, d, func(Step) {})
	if err == nil || !strings.Contains(err.Error(), "Items: somebody protects it") || !strings.Contains(err.Error(), "'ackproof destroy --stack "+d.Name+"' tries again") || strings.Contains(err.Error(), "is removed") {
		t.Errorf("stuck for good: %v", err)
	}
	if status, err := a.Status(t.Context(), d.Name); err != nil || status.Status != "DELETE_FAILED" {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := a.Plan(t.Context(), d); err == nil || !strings.Contains(err.Error(), "ackproof destroy --stack") {
		t.Errorf("a plan for what cannot be changed: %v", err)
	}
}

// TestAnInterruptedDeploymentIsRemoved, wherever the interrupt comes.
func TestAnInterruptedDeploymentIsRemoved(t *testing.T) {
	for _, at := range []string{"Items", "Mapping", "Stage"} {
		a, s := onStandin(t, standin.Options{})
		d := deployment(t, "streams-bucket")
		ctx, interrupt := context.WithCancel(t.Context())
		_, err := apply(ctx, t, a, d, func(s Step) {
			if s.Resource == at {
				interrupt()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", at, err)
		}
		left(t, a, s, d.Name)
	}
}

// TestWhatOthersHaveMadeIsLeftAlone: a stack without ackproof's tag is neither changed
// nor removed, and a plan that a killed call has left is in nobody's way.
func TestWhatOthersHaveMadeIsLeftAlone(t *testing.T) {
	a, s := onStandin(t, standin.Options{})
	d := deployment(t, "streams")
	s.Put(a.codeBucket(), codeKey(d.Name, d.Code), d.Code)
	set := func(tags []types.Tag) string {
		out, err := a.formation.CreateChangeSet(t.Context(), &cloudformation.CreateChangeSetInput{
			StackName: &d.Name, ChangeSetName: aws.String("ackproof"), ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: aws.String(string(d.Template)),
			Parameters:   []types.Parameter{{ParameterKey: aws.String("CodeBucket"), ParameterValue: aws.String(a.codeBucket())}, {ParameterKey: aws.String("CodeKey"), ParameterValue: aws.String(codeKey(d.Name, d.Code))}},
			Capabilities: []types.Capability{types.CapabilityCapabilityIam}, Tags: tags,
		})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.Id)
	}
	set(nil)
	c, err := a.Plan(t.Context(), d)
	if err == nil {
		err = c.Discard(t.Context())
	}
	if err != nil {
		t.Errorf("a plan beside one that was left: %v", err)
	}
	id := set(nil)
	for range 2 {
		if _, err := a.formation.DescribeChangeSet(t.Context(), &cloudformation.DescribeChangeSetInput{ChangeSetName: &id, StackName: &d.Name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.formation.ExecuteChangeSet(t.Context(), &cloudformation.ExecuteChangeSetInput{ChangeSetName: &id, StackName: &d.Name}); err != nil {
		t.Fatal(err)
	}
	for status := ""; status != "CREATE_COMPLETE"; {
		st, err := a.Status(t.Context(), d.Name)
		if err != nil {
			t.Fatal(err)
		}
		status = st.Status
	}
	_, planErr := a.Plan(t.Context(), d)
	for what, err := range map[string]error{"planned": planErr, "destroyed": a.Destroy(t.Context(), d.Name, quickly, func(Step) {})} {
		if err == nil || !strings.Contains(err.Error(), "is left alone") {
			t.Errorf("somebody else's stack is %s: %v", what, err)
		}
	}
	if st, err := a.Status(t.Context(), d.Name); err != nil || st.Status != "CREATE_COMPLETE" {
		t.Errorf("somebody else's stack: %+v, %v", st, err)
	}
}

// TestOpenAccountWithAWrongSecret: the front is no front that takes anything.
func TestOpenAccountWithAWrongSecret(t *testing.T) {
	s := standin.Start(t, standin.Options{})
	for _, kv := range s.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	a, err := OpenAccount(t.Context(), "", "", "")
	if err != nil || a.ID != standin.ID || a.Region != standin.Region {
		t.Fatalf("%+v, %v", a, err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	if _, err := OpenAccount(t.Context(), "", "", ""); err == nil || !strings.Contains(fmt.Sprint(err), "SignatureDoesNotMatch") {
		t.Errorf("opened with a wrong secret: %v", err)
	}
}
