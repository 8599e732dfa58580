package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/standin"
)

// typed are the commands of docs/aws.md, as it has them on lines of their own.
var typed = regexp.MustCompile(`(?m)^ {4,}ackproof ([a-z].*?)(?:  .*)?$`)

// takesPolicies are those that the page gives to whoever types a command.
var takesPolicies = map[string][]string{"deploy": {"run", "deploy"}, "destroy": {"deploy"}, "faults": {"run", "faults"}}

// TestConformanceThePageOfAWS types the commands of docs/aws.md, in the order in which it
// has them, with the permissions that it names for each and no others. Scenarios and price
// list are those of the page. What is asked for a system of somebody's own, which is not
// there, is left out.
func TestConformanceThePageOfAWS(t *testing.T) {
	longConformance(t, "it types the page")
	t.Parallel()
	text, err := os.ReadFile("../../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	u := newCloudUser(t, standin.Options{System: func() bench.Target { return local.New(local.Options{NewFaults: newFaults, Log: t.Output()}) }})
	_, prices, _ := strings.Cut(page, "```yaml\ndate:")
	prices, _, _ = strings.Cut(prices, "```")
	u.write("prices.yaml", "date:"+prices)
	deploying := []string{"--yes", "--arch", hostArch, "--processor", built(t, "cmd/streamprocessor")}
	var done []string
	there, ran := false, false // the stack; a run on it
	types := func(args ...string) {
		switch command := args[0]; {
		case command == "deploy" && !slices.Contains(args, "--print"):
			args, there, ran = append(args, deploying...), true, false
		case command == "run":
			args, ran = append(args, "--yes", "--rate", "50/s", "--for", "2s"), true
		case command == "destroy":
			args, there = append(args, "--yes"), false
		}
		u.policies(append(takesPolicies[args[0]], "run")...)
		u.must(exitPass, args...)
		done = append(done, args[0])
	}
	theirs := []string{"ours.yaml", "orders.yaml", "mine.yaml", "orders-processor"} // of systems of their own, or minutes of faults
	for _, m := range typed.FindAllStringSubmatch(page, -1) {
		args := strings.Fields(m[1])
		if slices.ContainsFunc(args, func(a string) bool { return slices.Contains(theirs, a) }) {
			continue
		}
		if !there && args[0] != "deploy" { // the page removed it further up
			types("deploy")
		}
		if args[0] == "cloudwatch" && !ran {
			types("run", "baseline", "--target", "aws")
		}
		types(args...)
	}
	if there {
		types("destroy")
	}
	t.Logf("typed %v; permissions that were taken: %v", done, u.account.Used())
	for _, want := range []string{"deploy", "run", "cloudwatch", "status", "destroy", "faults"} {
		if !slices.Contains(done, want) {
			t.Errorf("the page has no command %s", want)
		}
	}
	if refused := u.account.Refused(); len(refused) > 0 {
		t.Errorf("refused %v", refused)
	}
	if read, err := filepath.Glob(filepath.Join(u.dir, "runs", "2*", "cloudwatch.json")); err != nil || len(read) != 2 {
		t.Errorf("CloudWatch was read of %d runs, and typed twice: %v", len(read), err)
	}
}
