package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
)

// cloudWatchName is what an account is opened for.
const cloudWatchName = "CloudWatch"

// cloudWatchFlags are the flags of `ackproof cloudwatch`.
type cloudWatchFlags struct {
	accountFlags
	watched    aws.Watched
	publish    bool
	namesGiven bool // resources are named one by one, and not by a stack
}

func cloudWatchCommand(w world) *cobra.Command {
	var f cloudWatchFlags
	cmd := &cobra.Command{
		Use:   "cloudwatch RUN",
		Short: "Put what CloudWatch says beside a run",
		Long: `Read what CloudWatch says about the system while a run went on, and keep it in the
run directory (cloudwatch.json). report.html then draws it beside the run's own
figures and says in words where the two differ. It is an illustration: no verdict
rests on it.

Data points of a minute come minutes late. What may still come is said; the same
command reads it later. CloudWatch keeps minutes for 15 days.

Of a stack of ackproof's (--stack) all is known. Of a system of your own name what
there is: --function, --api with --stage, --mapping.

With --publish nothing is read: the run's figures are put as custom metrics in the
namespace ackproof, which CloudWatch charges for by the metric and month.`,
		Example: `  ackproof cloudwatch runs/latest
  ackproof cloudwatch runs/latest --function orders-processor --api orders --stage prod
  ackproof cloudwatch runs/latest --publish`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			fl := cmd.Flags()
			f.namesGiven = fl.Changed("function") || fl.Changed("api") || fl.Changed("mapping")
			if fl.Changed("stack") && f.namesGiven {
				return misuse{errors.New("--stack knows the function, API and mapping of the stack: name either it or them")}
			}
			if (f.watched.API == "") != (f.watched.Stage == "") {
				return misuse{errors.New("--api and --stage belong together: API Gateway tells its metrics by both")}
			}
			return f.carryOut(cmd.Context(), w, args[0])
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.watched.Function, "function", "", "name of the Lambda function that processes")
	fl.StringVar(&f.watched.API, "api", "", "name of the REST API in API Gateway")
	fl.StringVar(&f.watched.Stage, "stage", "", "its stage")
	fl.StringVar(&f.watched.Mapping, "mapping", "", "UUID of the event source mapping")
	fl.BoolVar(&f.publish, "publish", false, "put the run's figures as custom metrics, and read nothing")
	return cmd
}

func (f *cloudWatchFlags) carryOut(ctx context.Context, w world, dir string) error {
	result, series, err := run.Tell(dir)
	if err != nil {
		return misuse{err}
	}
	if f.publish {
		a, err := f.openFor(ctx, w, cloudWatchName)
		if err != nil {
			return err
		}
		return publish(ctx, w, a, result)
	}
	site, err := run.SiteOf(dir)
	if err != nil {
		return misuse{err}
	}
	start, err := time.Parse(time.RFC3339, result.Run.Started)
	if err != nil {
		return misuse{fmt.Errorf("%s: the load never began: %w", dir, err)}
	}
	a, err := f.account(ctx, w, site)
	if err != nil {
		return err
	}
	watched, err := f.resources(ctx, a, site, result)
	if err != nil {
		return misuse{err}
	}
	end := start.Add(time.Duration(series.EndMs * float64(time.Millisecond)))
	c, err := a.Metrics(ctx, result.Run.ID, watched, start, end, w.clock.Now())
	if err == nil {
		err = run.WriteCloudWatch(dir, c)
	}
	if err != nil {
		return err
	}
	series.CloudWatch = c
	return errors.Join(reports.Write(dir, result, series), reports.CloudWatchTerminal(w.stdout, result, series, reports.Options{Color: w.color, Width: w.width, Dir: display(dir)}))
}

// account opens the account that a run went to, if nobody names another.
func (f *cloudWatchFlags) account(ctx context.Context, w world, site run.Site) (*aws.Account, error) {
	if site.Target == targetLocal && !f.namesGiven && f.endpoint == "" {
		return nil, misuse{errors.New("the run was on the local target, which CloudWatch knows nothing of; 'ackproof run --target aws' runs on a stack")}
	}
	where := f.accountFlags
	if where.region == "" {
		where.region = site.Endpoints.Region
	}
	if where.profile == "" {
		where.profile = site.Endpoints.Profile
	}
	return where.openFor(ctx, w, cloudWatchName)
}

// resources says what CloudWatch is asked about.
func (f *cloudWatchFlags) resources(ctx context.Context, a *aws.Account, site run.Site, r *bench.Result) (aws.Watched, error) {
	if site.Target == targetAWS && !f.namesGiven {
		status, err := a.Status(ctx, f.stack)
		if err != nil {
			return aws.Watched{}, err
		}
		if items := status.Outputs[aws.OutItems]; items != site.Endpoints.ItemsTable {
			return aws.Watched{}, fmt.Errorf("stack %s has the table %s, and the run went to %s: name the run's stack with --stack; if it is gone, name its function and API", f.stack, items, site.Endpoints.ItemsTable)
		}
		return status.Watched(site.Timeout), nil
	}
	watched := f.watched
	watched.Architecture, watched.Stream = r.Run.Architecture, site.Endpoints.StreamARN
	watched.Items, watched.Results = site.Endpoints.ItemsTable, site.Endpoints.ResultsTable
	return watched, nil
}

// publish puts the figures of a run.
func publish(ctx context.Context, w world, a *aws.Account, r *bench.Result) error {
	p, err := a.Publish(ctx, r, w.clock.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(w.stderr, "ackproof: %d metrics published to CloudWatch in %s, namespace %s, at %s\n", p.Metrics, a.Region, aws.Namespace, p.At.UTC().Format(time.RFC3339))
	return nil
}
