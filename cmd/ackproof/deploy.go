package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/bench/cost"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
	"github.com/ackproof/ackproof/scenarios"
)

// defaultStack is the name of a stack that is given none.
const defaultStack = "ackproof"

// accountFlags say where a stack on AWS is.
type accountFlags struct{ stack, region, profile, endpoint string }

func (f *accountFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.stack, "stack", defaultStack, "name of the CloudFormation stack")
	fl.StringVar(&f.region, "region", "", "AWS region (default: that of the AWS configuration)")
	fl.StringVar(&f.profile, "profile", "", "profile of the AWS configuration")
	fl.StringVar(&f.endpoint, "endpoint", "", "URL of a stand-in for AWS on this machine")
}

func (f *accountFlags) open(ctx context.Context, w world) (*aws.Account, error) {
	return f.openFor(ctx, w, "stack "+f.stack)
}

// openFor opens the account for something that it has.
func (f *accountFlags) openFor(ctx context.Context, w world, what string) (*aws.Account, error) {
	a, err := aws.OpenAccount(ctx, f.endpoint, f.region, f.profile)
	if err != nil {
		return nil, misuse{err}
	}
	fmt.Fprintf(w.stderr, "ackproof: %s in %s\n", what, a.Asked())
	return a, nil
}

// deployFlags are the flags of `ackproof deploy`.
type deployFlags struct {
	accountFlags
	architecture, processor, arch, owner string
	expires                              time.Duration
	memory, retention                    int
	readyWithin                          time.Duration
	priceFile                            string
	set                                  []string
	print, public, recovery, yes         bool
}

func deployCommand(w world) *cobra.Command {
	var f deployFlags
	cmd := &cobra.Command{
		Use:   "deploy [SCENARIO]",
		Short: "Set the system of a scenario up on AWS",
		Long: `Set the system of a scenario up on AWS with CloudFormation: a REST API that writes
into DynamoDB, the table's stream, the StreamProcessor and a results table. What
would change is shown, with what it will cost, and nothing is made before it is
confirmed. A stack that cannot be made is removed again. It is ready when a canary,
a request through its API, was stored and processed; exit code 3 says that none was
seen. 'ackproof destroy' removes the stack with all its data.

docs/aws.md says what permissions it takes and what it costs.`,
		Example: `  ackproof deploy --print                       the template, to look at
  ackproof deploy                               the system of the built-in crash
  ackproof deploy poison --stack poison --architecture sync
  ackproof status
  ackproof destroy`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := scenarios.Default
			if len(args) == 1 {
				name = args[0]
			}
			return f.deploy(cmd.Context(), w, name)
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.architecture, "architecture", "", "streams, sync or fire-and-forget (default: the scenario's own)")
	fl.StringVar(&f.processor, "processor", "", "a Lambda binary or zip for Linux instead of the built-in StreamProcessor")
	fl.StringVar(&f.arch, "arch", aws.ARM64, "of the processor: arm64 or x86_64")
	fl.IntVar(&f.memory, "memory", 0, "MB of the function (default: processor.memory, or 256)")
	fl.IntVar(&f.retention, "retention", 7, "days that its log is kept")
	fl.BoolVar(&f.recovery, "recovery", false, "point-in-time recovery on both tables, for read: {by: export}")
	fl.BoolVar(&f.public, "public", false, "anybody may call the API; else requests must be signed")
	fl.StringVar(&f.owner, "owner", "", "tag: who answers for the stack (default: the user's name)")
	fl.DurationVar(&f.expires, "expires", 24*time.Hour, "tag: when nobody needs it any more, from now")
	fl.StringArrayVar(&f.set, "set", nil, "path=value: override one value of the scenario; may be repeated")
	fl.DurationVar(&f.readyWithin, "ready", 5*time.Minute, "how long to wait for a canary to be processed; 0: not at all")
	fl.StringVar(&f.priceFile, "prices", "", "a price file to estimate the cost by, instead of the list in docs/aws.md")
	fl.BoolVar(&f.print, "print", false, "print the template and do nothing")
	fl.BoolVar(&f.yes, "yes", false, "do it unasked")
	return cmd
}

// deploy plans, asks and carries out.
func (f *deployFlags) deploy(ctx context.Context, w world, name string) error {
	s, err := scenarios.Load(name, f.set)
	if err == nil && f.architecture != "" {
		s, err = s.WithArchitecture(f.architecture)
	}
	if err != nil {
		return misuse{err}
	}
	text, err := aws.Template(s.Stack(0), aws.Settings{Arch: f.arch, Memory: f.memory, Public: f.public, Retention: f.retention, Recovery: f.recovery})
	if err != nil {
		return misuse{err}
	}
	if f.print {
		_, err := fmt.Fprintf(w.stdout, "%s\n", text)
		return err
	}
	ahead, err := f.ahead(s)
	if err != nil {
		return misuse{err}
	}
	code, err := f.code(ctx)
	if err != nil {
		return misuse{err}
	}
	a, err := f.open(ctx, w)
	if err != nil {
		return err
	}
	change, err := a.Plan(ctx, aws.Deployment{
		Name: f.stack, Template: text, Code: code, Owner: f.who(), Expires: w.clock.Now().Add(f.expires).UTC().Format("2006-01-02T15:04Z"),
	})
	if err != nil {
		return misuse{err}
	}
	var out map[string]string
	if len(change.Lines) == 0 {
		fmt.Fprintf(w.stdout, "stack %s is as it should be\n", f.stack)
		out, err = a.Outputs(ctx, f.stack)
	} else {
		out, err = f.apply(ctx, w, a, change, ahead)
	}
	if err != nil {
		return err
	}
	return f.ready(ctx, w, a, s, out)
}

// apply shows what would be done and what it costs, asks, and does it.
func (f *deployFlags) apply(ctx context.Context, w world, a *aws.Account, change *aws.Change, ahead *bench.Cost) (map[string]string, error) {
	for _, line := range change.Lines {
		fmt.Fprintln(w.stdout, line)
	}
	if err := reports.CostAhead(w.stdout, ahead); err != nil {
		return nil, err
	}
	if err := ask(w, f.yes, fmt.Sprintf("%d resources as above, in %s; they cost money while they are used", len(change.Lines), a)); err != nil {
		return nil, misuse{errors.Join(err, change.Discard(context.WithoutCancel(ctx)))}
	}
	out, err := change.Apply(ctx, w.step)
	if err == nil {
		printOutputs(w, out)
	}
	return out, err
}

// ahead estimates what a million requests will cost.
func (f *deployFlags) ahead(s *scenarios.Scenario) (*bench.Cost, error) {
	prices, _ := cost.List()
	if f.priceFile != "" {
		text, err := os.ReadFile(f.priceFile)
		if err == nil {
			prices, err = cost.ParsePrices(text)
		}
		if err != nil {
			return nil, fmt.Errorf("--prices %s: %w", f.priceFile, err)
		}
	}
	return run.Ahead(s, 1_000_000, f.processor == "", f.memory, prices), nil
}

func (f *deployFlags) code(ctx context.Context) ([]byte, error) {
	if f.processor != "" {
		return aws.PackCode(f.processor)
	}
	return aws.BuildCode(ctx, f.arch)
}

func (f *deployFlags) who() string {
	if f.owner == "" {
		if u, err := user.Current(); err == nil {
			return u.Username
		}
		return "unknown"
	}
	return f.owner
}

// step tells of one step of a stack.
func (w world) step(s aws.Step) {
	if s.Reason == "Resource creation Initiated" { // that it is under way was told when it was asked for
		return
	}
	text := fmt.Sprintf("%s  %-22s %-16s %s", s.At.UTC().Format("15:04:05"), strings.ToLower(s.Status), s.Resource, s.Type)
	if s.Reason != "" && strings.Contains(s.Status, "FAILED") {
		text += ": " + s.Reason
	}
	fmt.Fprintln(w.stderr, text)
}

func printOutputs(w world, out map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(out)) {
		fmt.Fprintf(w.stdout, "%-20s %s\n", name, out[name])
	}
}

// ask asks before something is done that costs money or destroys data. Where nobody
// can be asked it is not done without --yes.
func ask(w world, yes bool, what string) error {
	if yes {
		return nil
	}
	if w.stdin == nil {
		return fmt.Errorf("%s: say --yes if that is meant", what)
	}
	fmt.Fprintf(w.stderr, "ackproof: %s. Go on? [y/N] ", what)
	answer, err := bufio.NewReader(w.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("not confirmed; nothing was done")
	}
	return nil
}

func statusCommand(w world) *cobra.Command {
	var f accountFlags
	cmd := &cobra.Command{
		Use: "status", Short: "Say how a stack on AWS is",
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := f.open(cmd.Context(), w)
			if err != nil {
				return err
			}
			s, err := a.Status(cmd.Context(), f.stack)
			if err != nil {
				return misuse{err}
			}
			fmt.Fprintf(w.stdout, "%s is %s, made %s by %s, needed until %s\n", s.Name, s.Status, s.Created.UTC().Format(time.RFC3339), s.Owner, s.Expires)
			printOutputs(w, s.Outputs)
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

func destroyCommand(w world) *cobra.Command {
	var f accountFlags
	var yes bool
	cmd := &cobra.Command{
		Use: "destroy", Short: "Remove a stack on AWS with all its data",
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := f.open(cmd.Context(), w)
			if err != nil {
				return err
			}
			if err := ask(w, yes, fmt.Sprintf("stack %s in %s is removed with its tables, dead letters and logs", f.stack, a)); err != nil {
				return misuse{err}
			}
			if err := a.Destroy(cmd.Context(), f.stack, 0, w.step); err != nil {
				return err
			}
			fmt.Fprintf(w.stdout, "nothing of stack %s is left\n", f.stack)
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do it unasked")
	return cmd
}
