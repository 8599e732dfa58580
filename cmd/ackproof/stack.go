package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/outside"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/scenarios"
)

// onStack is a stack of the user's own that a scenario runs on.
type onStack struct {
	name    string
	outputs map[string]string
}

// findStack finds what a run on AWS runs on: a stack of ackproof's, unless the
// scenario names a system of the user's own. It says whose account that is, before
// anything else is done there. What the scenario must say besides goes to f.set, as
// from --set; what is wrong with the scenario itself is found again, and told, when
// it is loaded with that.
func (f *runFlags) findStack(ctx context.Context, w world, name string) error {
	s, err := scenarios.Load(name, f.set)
	if err != nil || f.onTarget(s) != targetAWS {
		return nil
	}
	if s.Named() {
		return f.findTheirs(ctx, w, name, s)
	}
	a, err := f.account.open(ctx, w)
	if err != nil {
		return err
	}
	status, err := a.Status(ctx, f.account.stack)
	if err == nil && f.architecture != "" && f.architecture != status.Outputs[aws.OutArchitecture] {
		err = fmt.Errorf("--architecture %s: the stack %s is of the architecture %s", f.architecture, f.account.stack, status.Outputs[aws.OutArchitecture])
	}
	if err == nil {
		err = ofAckproof(status)
	}
	if err != nil {
		return misuse{err}
	}
	f.onAWS = &aws.LeverOptions{Account: a, Parts: status.Parts(), Undoing: f.account.undoing(a), Clock: w.clock}
	f.deployed, f.stackArchitecture = true, status.Outputs[aws.OutArchitecture]
	if err := f.seeSettings(ctx, w, name, s, "stack "+f.account.stack, f.onAWS.Parts, f.redeploy(name)); err != nil {
		return err
	}
	f.architecture = f.stackArchitecture
	f.set = append(f.set, f.account.settings(a, status.Outputs, s)...)
	return nil
}

// redeploy says how a stack becomes what a scenario describes.
func (f *runFlags) redeploy(name string) string {
	command := "ackproof deploy " + shellWord(name)
	if f.account.stack != defaultStack {
		command += " --stack " + shellWord(f.account.stack)
	}
	for _, set := range f.set {
		command += " --set " + shellWord(set)
	}
	return "'" + command + "' makes the stack so, unless somebody has changed it by hand, which CloudFormation does not see: then put it back by hand, or 'ackproof destroy' it first; " +
		"what the scenario does not state is taken as the stack has it"
}

// ofAckproof says what a stack lacks that every stack of ackproof's has.
func ofAckproof(s *aws.Status) error {
	var missing []string
	for _, name := range []string{aws.OutURL, aws.OutItems, aws.OutResults, aws.OutArchitecture} {
		if s.Outputs[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("stack %s (%s) has no output %s: it is none of 'ackproof deploy', or not made to its end; on a stack of your own, name what it has in the scenario: target: {stack: %s, url: \"${output:...}\", ...}",
		s.Name, s.Status, strings.Join(missing, ", "), s.Name)
}

// settings are what a scenario must say to be run on a stack of ackproof's.
func (f *accountFlags) settings(a *aws.Account, outputs map[string]string, s *scenarios.Scenario) []string {
	set := []string{
		"request.sign=" + scenarios.SignSigV4,
		"target.url=" + outputs[aws.OutURL], "target.dynamodb.region=" + a.Region,
		"target.items.table=" + outputs[aws.OutItems], "target.items.payload=payload",
		"target.results.table=" + outputs[aws.OutResults], "target.results.processedAt=processedAt",
		"target.results.count=count", "target.results.digest=digest", "target.results.sequence=sequence",
	}
	if s.Workload.Kind == scenarios.Versions { // each has a row, and so has each item
		set = append(set, "target.items.version=version", "target.results.version=version")
	}
	if s.Target.Canary == 0 {
		set = append(set, "target.canary=5m") // a new mapping may take minutes to poll
	}
	if queue := outputs[aws.OutQueue]; queue != "" {
		set = append(set, "target.deadLetters.queue="+queue)
	}
	if bucket := outputs[aws.OutBucket]; bucket != "" {
		set = append(set, "target.deadLetters.bucket="+bucket)
	}
	if f.profile != "" {
		set = append(set, "target.dynamodb.profile="+f.profile)
	}
	if f.endpoint != "" {
		set = append(set, "target.dynamodb.endpoint="+f.endpoint)
	}
	return set
}

// findTheirs finds the account of a system of the user's own, and the outputs of its
// stack, where there is one. Region and profile are the scenario's where no flag
// names others.
func (f *runFlags) findTheirs(ctx context.Context, w world, name string, s *scenarios.Scenario) error {
	where, d, t := f.account, s.Target.DynamoDB, s.Target.Stack
	var errs []error
	for _, both := range []struct{ flag, path, said, says string }{
		{"--region", "target.dynamodb.region", where.region, d.Region}, {"--profile", "target.dynamodb.profile", where.profile, d.Profile},
	} {
		if both.said != "" && both.says != "" && both.said != both.says {
			errs = append(errs, fmt.Errorf("%s %s: the scenario says %s: %s; leave one of the two out", both.flag, both.said, both.path, both.says))
		}
	}
	if f.stackGiven {
		t = where.stack
	}
	if outputs := s.Outputs(); t == "" && len(outputs) > 0 {
		errs = append(errs, fmt.Errorf("the scenario names outputs (%s) and no stack that has them: say target: {stack: NAME}, or --stack NAME", strings.Join(outputs, ", ")))
	}
	if err := errors.Join(errs...); err != nil {
		return misuse{err}
	}
	where.region, where.profile = cmp.Or(where.region, d.Region), cmp.Or(where.profile, d.Profile)
	what := "the system of " + s.Name
	if t != "" {
		what = "stack " + t
	}
	a, err := where.openFor(ctx, w, what)
	if err != nil {
		return err
	}
	where.stack = cmp.Or(t, s.Target.Function)
	f.onAWS = &aws.LeverOptions{Account: a, Parts: aws.Parts{Stack: where.stack}, Undoing: where.undoing(a), Clock: w.clock}
	if t != "" {
		status, err := a.Status(ctx, t)
		if err != nil {
			return misuse{err}
		}
		f.theirs = &onStack{t, status.Outputs}
	}
	if err := f.seeTheirs(ctx, w, name, s, where.stack); err != nil {
		return err
	}
	for path, value := range map[string]string{"target.dynamodb.region": a.Region, "target.dynamodb.profile": where.profile} {
		if value != "" && !slices.ContainsFunc(f.set, func(a string) bool { return strings.HasPrefix(a, path+"=") }) {
			f.set = append(f.set, path+"="+value)
		}
	}
	return nil
}

// seeTheirs reads how a system of the user's own is set, where it names its function.
func (f *runFlags) seeTheirs(ctx context.Context, w world, name string, s *scenarios.Scenario, stack string) error {
	if f.theirs != nil {
		with, err := s.WithOutputs(f.theirs.name, f.theirs.outputs)
		if err != nil {
			return nil // it is told with all else that is wrong
		}
		s = with
	}
	t := s.Target
	if t.Function == "" {
		return nil
	}
	parts := aws.PartsOf(stack, t.URL, t.Function, t.Items.Table, t.Results.Table, t.Stream)
	return f.seeSettings(ctx, w, name, s, "the system of "+s.Name, parts, "correct the scenario, or leave out what it need not state: that is taken as the system has it")
}

// readyLoad is what a scenario is given in the place of its load while its stack is
// waited for: nothing of it is sent.
func readyLoad() []scenarios.Stage {
	rate := scenarios.Rate(1)
	return []scenarios.Stage{{Name: "canary", For: time.Second, Rate: &rate}}
}

// ready waits until a canary was stored in a stack, and processed: that it is made does
// not mean that it delivers.
func (f *deployFlags) ready(ctx context.Context, w world, a *aws.Account, s *scenarios.Scenario, outputs map[string]string) error {
	if f.readyWithin == 0 {
		return nil
	}
	s, err := s.ForCapacity(readyLoad(), nil, s.Drain.Timeout) // no faults, no poison, no load
	if err != nil {
		return misuse{err}
	}
	set := append(f.accountFlags.settings(a, outputs, s), "target.canary="+f.readyWithin.String(), "target.stream=none", "target.deadLetters.queue=", "target.deadLetters.bucket=")
	s, err = scenarios.Parse(s.Name, s.YAML(), set)
	if err != nil {
		return misuse{err}
	}
	target := outside.New(outside.Options{Name: targetAWS, Clock: w.clock, NewFaults: outsideFaults})
	options := run.Options{Scenario: s, Target: target, Seed: clock.Entropy() >> 12, Clock: w.clock, Cloud: a}
	if err := run.Check(options); err != nil {
		return misuse{err}
	}
	fmt.Fprintf(w.stderr, "ackproof: sending canaries until one is processed; a new mapping may take minutes to poll\n")
	sent, after, err := run.Ready(ctx, options)
	if err != nil {
		return notReady{fmt.Errorf("stack %s is made, and no canary was seen to come through: %w\nthe function's log is /aws/lambda/%s-processor; 'ackproof deploy' with the same arguments tries again, 'ackproof destroy --stack %s' removes the stack", f.stack, err, f.stack, f.stack)}
	}
	fmt.Fprintf(w.stdout, "ready: a canary was processed after %s (%d sent)\n", after.Round(10*time.Millisecond), sent)
	return nil
}

// notReady says that a stack that was made has not shown that it works.
type notReady struct{ error }

// Unwrap gives the cause.
func (n notReady) Unwrap() error { return n.error }
