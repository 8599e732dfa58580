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
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/sdk"
	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/reports"
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
	case s.Target.Stack != "":
		return targetAWS
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
		refuse(s.Read.By == scenarios.ReadExport, "read.by: DynamoDB on AWS exports tables, and the embedded one does not: run it with --target aws, name a system under target, or say scan")
		refuse(s.Named(), "--target local: the scenario names a system of its own under `target`; say --target http, or leave it out")
	case targetHTTP:
		refuse(!s.Named(), "--target http: the scenario names no system; say target: {url: ..., items: {table: ...}, results: {table: ...}}, or --set target.url=URL with --set guarantee.effects=none for a plain load test")
		refuse(f.dynamodb.URL != "", "--dynamodb makes tables for the local stack; with --target http say target.dynamodb.endpoint")
		refuse(f.architecture != "", "--architecture: the system has one already; say in the scenario which")
		refuse(s.Target.Stack != "" || len(s.Outputs()) > 0, "--target http: the scenario names a stack of CloudFormation or its outputs, which only --target aws looks for")
		refuse(f.hold, "--hold: nothing was started that could be kept up")
	case targetAWS:
		refuse(f.dynamodb.URL != "", "--dynamodb makes tables for the local stack; with --target aws they are the stack's")
		refuse(f.hold, "--hold: the stack stays up anyway; 'ackproof destroy' removes it")
		refuse(f.architecture != "" && !f.deployed, "--architecture: the system has one already; say in the scenario which")
	default:
		near := faults.Nearest(target, []string{targetLocal, targetHTTP, targetAWS})
		if near != "" {
			near = "; did you mean " + near + "?"
		}
		errs = append(errs, fmt.Errorf("--target %s: want local, http or aws%s", target, near))
	}
	return errors.Join(errs...)
}

// outsideFaults is the language of the faults for a system that is not ours.
func outsideFaults(seed uint64, texts []string) (outside.Faults, error) {
	return faults.ParseSet(seed, texts)
}

// newTarget makes the target of one run.
func (f *runFlags) newTarget(w world, s *scenarios.Scenario) bench.Target {
	if target := f.onTarget(s); target != targetLocal {
		options := outside.Options{Name: target, Clock: w.clock, NewFaults: outsideFaults}
		if levers := f.levers(s); levers != nil {
			options.Levers = levers
		}
		if f.cloud != nil {
			options.Letters = f.cloud.Letters
		}
		return outside.New(options)
	}
	return local.New(local.Options{NewFaults: newFaults, DynamoDB: f.dynamodb, Log: w.stderr})
}

// levers makes those of one run; nil: the system is none on AWS, or does not name the
// function that they are pulled at.
func (f *runFlags) levers(s *scenarios.Scenario) *aws.Levers {
	if f.onAWS == nil || !f.deployed && s.Target.Function == "" {
		return nil
	}
	o := *f.onAWS
	if !f.deployed {
		o.Parts = aws.PartsOf(o.Parts.Stack, s.Target.URL, s.Target.Function, s.Target.Items.Table, s.Target.Results.Table, s.Target.Stream)
	}
	return aws.NewLevers(o)
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

// confirm tells what all runs of a call will fire, at whom and at what cost, and asks
// before anything is fired at a host that is not this one. Nobody is asked where --yes
// has said so, and nothing is fired where nobody can be.
func (f *runFlags) confirm(w world, all []configuration) error {
	var there []*scenarios.Scenario
	var hosts []string
	for _, c := range all {
		if f.onTarget(c.Scenario) == targetLocal {
			continue
		}
		there = append(there, c.Scenario)
		for _, host := range foreignHosts(c.Scenario) {
			if !slices.Contains(hosts, host) {
				hosts = append(hosts, host)
			}
		}
	}
	if len(there) == 0 {
		return nil
	}
	asked := len(hosts) > 0 && !f.dynamodb.Yes
	if asked || !f.quiet {
		ahead, err := f.ahead(there)
		if err == nil {
			err = ahead.Tell(w.stderr)
		}
		if err != nil {
			return err
		}
	}
	if !asked {
		return nil
	}
	is := "is not this machine"
	if len(hosts) > 1 {
		is = "are not this machine"
	}
	return ask(w, false, fmt.Sprintf("%s %s: that may cost money and hurt others", strings.Join(hosts, " and "), is))
}

// ahead is what runs of scenarios will fire, and what that costs on AWS. Of an API that
// is somebody else's nobody knows the cost, unless he says that it is to be estimated.
func (f *runFlags) ahead(all []*scenarios.Scenario) (*reports.Ahead, error) {
	a := &reports.Ahead{Runs: len(all)}
	var apis, tables []string
	priced := true
	for _, s := range all {
		plan := scenarios.NewPlan(s, "", 0, 0)
		a.Requests += plan.Len()
		a.Lasts += plan.Duration()
		if share := plan.Share(f.agents.share); share.Len() != plan.Len() {
			a.Share = fmt.Sprintf("share %s, %d", f.agents.share, share.Len())
		}
		if api := s.Target.URL + s.Request.Path; !slices.Contains(apis, api) {
			apis = append(apis, api)
		}
		if s.Target.Items.Table != "" || s.Target.Results.Table != "" {
			if read := fmt.Sprintf("read by %s, %s", s.Read.By, endpointName(s)); !slices.Contains(tables, read) {
				tables = append(tables, read)
			}
		}
		priced = priced && (f.onTarget(s) == targetAWS || f.prices != nil || s.Target.Limits.Cost > 0)
	}
	a.API, a.Tables = strings.Join(apis, ", "), strings.Join(tables, ", ")
	switch {
	case f.onAWS != nil:
		a.Account = f.onAWS.Account.Asked()
	case f.cloud != nil:
		a.Account = f.cloud.Asked()
	}
	var err error
	if priced {
		a.Cost, err = run.Foresee(all, f.prices)
	}
	return a, err
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
	addresses := []string{s.Target.URL}
	if s.Target.Items.Table != "" || s.Target.Results.Table != "" {
		if tables := endpoint(s); tables != "" {
			addresses = append(addresses, tables)
		} else {
			add(endpointName(s))
		}
	}
	for _, address := range addresses {
		if u, err := url.Parse(address); err == nil && address != "" && !sdk.OnThisHost(u) {
			add(u.Hostname())
		}
	}
	return hosts
}

// endpoint is where the tables are, as the scenario or the AWS configuration says; "":
// AWS's own endpoint.
func endpoint(s *scenarios.Scenario) string {
	t := s.Target.DynamoDB
	if d, err := sdk.OpenDynamoDB(context.Background(), t.Endpoint, t.Region, t.Profile, nil); err == nil {
		return d.Tables // of an error the run tells
	}
	return t.Endpoint
}

// endpointName says where the tables are.
func endpointName(s *scenarios.Scenario) string {
	switch d := endpoint(s); {
	case d != "":
		return d
	case s.Target.DynamoDB.Region != "":
		return "DynamoDB in " + s.Target.DynamoDB.Region
	}
	return "DynamoDB in the region of the AWS configuration"
}
