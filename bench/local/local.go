// Package local runs the system under test on one machine, as real processes.
//
//	ackproof (load, run, judge)
//	   ├─ gateway                 HTTP in; PutItem or Invoke
//	   └─ cloud                   DynamoDB with its stream, event source mapping,
//	        ├─ StreamProcessor    Lambda host
//	        └─ StreamProcessor …  real children that speak the Lambda Runtime API
//
// The stack is not inside the load generator: a crash is a real SIGKILL, and
// the generator's garbage collector is not in the measured path. ackproof runs
// copies of its own executable in the roles named by [RoleEnv]; whoever embeds
// the package must call [Main] at the start of its main function.
//
// With an [Outside] DynamoDB the cloud holds a proxy before that in the place of
// the engine, and everything else stays as it is. The run's tables are made
// there under names with its id and deleted when the target stops, also after an
// interrupt or the death of a child; a kill -9 of ackproof itself leaves them.
// No other table is ever touched. Shards, retention and capacity are the
// outside engine's own.
//
// A cloud or gateway that dies within a run whose data are on disk is started
// again, at the same addresses (see part, socket), and goes on where it was: the
// tables, the stream, the checkpoints, the dead letters, the asynchronous events and
// the control plane are on disk (see again.go), and what the faults have done
// is what the parent was told. What was under way is unknown to its client; what
// the checkpoint is not behind is delivered again, as AWS would. Without data such
// a death ends the run.
//
// Every listener is on 127.0.0.1. A control channel, guarded by a token made for
// the run, moves the faults and tells how far the pipeline has come. No process
// outlives its parent, however the parent ends; on Linux not even one that a
// function has put into a session of its own, unless ackproof and the cloud get
// SIGKILL at the same moment: then nobody is left who knows of it.
//
// [Inside] is the same target without processes, for tests of Go code.
package local

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/lambda"
	"github.com/ackproof/ackproof/bench/processor"
)

// Region is the AWS region that the local target pretends to be in.
const Region = "us-east-1"

// account is the number of the AWS account that it pretends to be.
const account = "000000000000"

const functionARN = "arn:aws:lambda:" + Region + ":" + account + ":function:" + functionName

// ItemsTable is the name of a run's items table.
func ItemsTable(run bench.RunID) string { return "ackproof-" + string(run) + "-items" }

// ResultsTable is the name of a run's results table.
func ResultsTable(run bench.RunID) string { return "ackproof-" + string(run) + "-results" }

// resultsTable is where effects are written: a table of their own, or the items.
func resultsTable(stack bench.Stack) string {
	if stack.OneTable {
		return ItemsTable(stack.Run)
	}
	return ResultsTable(stack.Run)
}

// Main plays the role that the environment names and returns the exit code. It
// reports false, at once, in a process that has no role.
func Main(newFaults NewFaults) (code int, played bool) {
	role := os.Getenv(RoleEnv)
	switch role {
	case "":
		return 0, false
	case RoleProcessor:
		os.Unsetenv(RoleEnv)
		processor.Main()
		return 0, true
	}
	if err := play(role, newFaults); err != nil {
		fmt.Fprintf(os.Stderr, "ackproof %s: %v\n", role, err)
		return 1, true
	}
	return 0, true
}

func play(role string, newFaults NewFaults) error {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	os.Unsetenv(RoleEnv)
	go watchLifeline(in)
	switch role {
	case RoleCloud:
		// Of a process of its own: inside a test it would kill what is the test's.
		if err := lambda.AdoptOrphans(); err != nil {
			return err
		}
		defer lambda.KillDescendants()
		return playRole(line, newFaults, func(c cloudConfig) bench.Stack { return c.Stack }, runCloud)
	case RoleGateway:
		return playRole(line, newFaults, func(c gatewayConfig) bench.Stack { return c.Stack }, runGateway)
	}
	return fmt.Errorf("no such role: %q", role)
}

func playRole[C any](line []byte, newFaults NewFaults, stack func(C) bench.Stack, run func(context.Context, C, Faults, io.Writer) error) error {
	var cfg C
	if err := json.Unmarshal(line, &cfg); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	faults, err := newFaults(stack(cfg).Seed, stack(cfg).Faults)
	if err != nil {
		return err
	}
	return run(context.Background(), cfg, faults, os.Stdout)
}
