package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/outside"
	"github.com/ackproof/ackproof/bench/sdk"
	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/scenarios"
)

// Values of --target.
const (
	targetLocal = "local"
	targetHTTP  = "http"
	targetAWS   = "aws"
)

// onTarget is the target of a scenario: what --target says, or http where the
// scenario names a system, or local.
func (f *runFlags) onTarget(s *scenarios.Scenario) string {
	switch {
	case f.target != "":
		return f.target
	case s.Named():
		return targetHTTP
	}
	return targetLocal
}

// checkTarget says what of the call does not fit to the target.
func (f *runFlags) checkTarget(s *scenarios.Scenario) error {
	var errs []error
	refuse := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	switch target := f.onTarget(s); target {
	case targetLocal:
		refuse(s.Named(), "--target local: the scenario names a system of its own under `target`; say --target http, or leave it out")
	case targetHTTP:
		refuse(!s.Named(), "--target http: the scenario names no system; say target: {url: ..., items: {table: ...}, results: {table: ...}}, or --set target.url=URL with --set guarantee.effects=none for a plain load test")
		refuse(f.dynamodb.URL != "", "--dynamodb makes tables for the local stack; with --target http say target.dynamodb.endpoint")
		refuse(f.architecture != "", "--architecture: the system has one already; say in the scenario which")
		refuse(f.hold, "--hold: nothing was started that could be kept up")
	case targetAWS:
		refuse(f.dynamodb.URL != "", "--dynamodb makes tables for the local stack; with --target aws they are the stack's")
		refuse(f.hold, "--hold: the stack stays up anyway; 'ackproof destroy' removes it")
	default:
		near := faults.Nearest(target, []string{targetLocal, targetHTTP, targetAWS})
		if near != "" {
			near = "; did you mean " + near + "?"
		}
		errs = append(errs, fmt.Errorf("--target %s: want local, http or aws%s", target, near))
	}
	return errors.Join(errs...)
}

// findStack gives what the scenario must say to be run on a deployed stack, as
// --set does.
func (f *runFlags) findStack(ctx context.Context, w world) ([]string, error) {
	if f.target != targetAWS {
		return nil, nil
	}
	a, err := f.account.open(ctx, w)
	if err != nil {
		return nil, err
	}
	status, err := a.Status(ctx, f.account.stack)
	if err != nil {
		return nil, misuse{err}
	}
	if f.architecture != "" && f.architecture != status.Outputs[aws.OutArchitecture] {
		return nil, misuse{fmt.Errorf("--architecture %s: the stack %s is of the architecture %s", f.architecture, f.account.stack, status.Outputs[aws.OutArchitecture])}
	}
	f.onAWS = &aws.LeverOptions{Account: a, Parts: status.Parts(), Undoing: f.account.undoing(a), Clock: w.clock}
	set := []string{
		"architecture=" + status.Outputs[aws.OutArchitecture], "request.sign=" + scenarios.SignSigV4,
		"target.url=" + status.Outputs[aws.OutURL], "target.dynamodb.region=" + a.Region,
		"target.items.table=" + status.Outputs[aws.OutItems], "target.items.payload=payload",
		"target.results.table=" + status.Outputs[aws.OutResults], "target.results.processedAt=processedAt",
		"target.results.count=count", "target.results.digest=digest", "target.results.sequence=sequence",
		"target.canary=5m", // a new mapping may take minutes to poll
	}
	if queue := status.Outputs[aws.OutQueue]; queue != "" {
		set = append(set, "target.deadLetters.queue="+queue)
	}
	if bucket := status.Outputs[aws.OutBucket]; bucket != "" {
		set = append(set, "target.deadLetters.bucket="+bucket)
	}
	if f.account.profile != "" {
		set = append(set, "target.dynamodb.profile="+f.account.profile)
	}
	if f.account.endpoint != "" {
		set = append(set, "target.dynamodb.endpoint="+f.account.endpoint)
	}
	return set, nil
}

// newTarget makes the target of one run.
func (f *runFlags) newTarget(w world, s *scenarios.Scenario) bench.Target {
	if target := f.onTarget(s); target != targetLocal {
		options := outside.Options{Name: target, Clock: w.clock, NewFaults: func(seed uint64, texts []string) (outside.Faults, error) { return faults.ParseSet(seed, texts) }}
		if f.onAWS != nil {
			options.Levers = aws.NewLevers(*f.onAWS)
		}
		if f.cloud != nil {
			options.Letters = f.cloud.Letters
		}
		return outside.New(options)
	}
	return local.New(local.Options{NewFaults: newFaults, DynamoDB: f.dynamodb, Log: w.stderr})
}

// openCloud opens the account of AWS, if a scenario has something to do with it beside
// its API and tables: that in which the tables are.
func (f *runFlags) openCloud(ctx context.Context, w world, sides []configuration) error {
	for _, c := range sides {
		s := c.Scenario
		var what []string
		if s.Read.By == scenarios.ReadExport {
			what = append(what, "exports in bucket "+s.Read.Bucket)
		}
		if l := s.Target.DeadLetters; l.Queue+l.Bucket != "" {
			what = append(what, "dead letters in "+l.Queue+l.Bucket)
		}
		if s.Target.Stop.Alarm != "" {
			what = append(what, "alarm "+s.Target.Stop.Alarm)
		}
		if len(what) == 0 {
			continue
		}
		where := f.account
		where.region, where.profile = cmp.Or(where.region, s.Target.DynamoDB.Region), cmp.Or(where.profile, s.Target.DynamoDB.Profile)
		var err error
		f.cloud, err = where.openFor(ctx, w, strings.Join(what, ", "))
		return err
	}
	return nil
}

// confirm asks before anything is fired at a host that is not this one. Nobody is
// asked where --yes has said so, and nothing is fired where nobody can be.
func (f *runFlags) confirm(w world, sides []configuration) error {
	var confirmed []string
	for _, c := range sides {
		if f.onTarget(c.Scenario) == targetLocal || f.dynamodb.Yes {
			continue
		}
		hosts := foreignHosts(c.Scenario)
		if !slices.ContainsFunc(hosts, func(host string) bool { return !slices.Contains(confirmed, host) }) {
			continue
		}
		if err := confirmHosts(w, c.Scenario, hosts); err != nil {
			return err
		}
		confirmed = append(confirmed, hosts...)
	}
	return nil
}

// confirmHosts asks about the hosts of one scenario.
func confirmHosts(w world, s *scenarios.Scenario, hosts []string) error {
	plan := scenarios.NewPlan(s, "", 0, 0)
	what := fmt.Sprintf("%d requests in %s to %s%s, and canaries before them", plan.Len(), plan.Duration(), s.Target.URL, s.Request.Path)
	if s.Target.Items.Table != "" || s.Target.Results.Table != "" {
		what += fmt.Sprintf("; tables read (%s) at %s", s.Read.By, endpointName(s))
	}
	return ask(w, false, fmt.Sprintf("%s is not this machine (%s), which may cost money and hurt others", strings.Join(hosts, " and "), what))
}

// foreignHosts lists the hosts that a scenario would call and that are not this
// one.
func foreignHosts(s *scenarios.Scenario) []string {
	var hosts []string
	add := func(host string) {
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	for _, address := range []string{s.Target.URL, s.Target.DynamoDB.Endpoint} {
		if u, err := url.Parse(address); err == nil && address != "" && !sdk.OnThisHost(u) {
			add(u.Hostname())
		}
	}
	if (s.Target.Items.Table != "" || s.Target.Results.Table != "") && s.Target.DynamoDB.Endpoint == "" {
		add(endpointName(s))
	}
	return hosts
}

// endpointName says where the tables are.
func endpointName(s *scenarios.Scenario) string {
	switch d := s.Target.DynamoDB; {
	case d.Endpoint != "":
		return d.Endpoint
	case d.Region != "":
		return "DynamoDB in " + d.Region
	}
	return "DynamoDB in the region of the AWS configuration"
}
