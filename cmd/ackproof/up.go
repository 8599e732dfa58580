package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/scenarios"
)

func upCommand(w world) *cobra.Command {
	var port int
	var data string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Keep the local stack up, until interrupted",
		Long: `Start the local stack and keep it up until interrupted: the API, its table with
stream, and the StreamProcessor. Nothing is loaded and nothing is broken.

With --data the stack can be stopped, or killed, and started again on the same
folder: it finds its tables, items and streams, and the processor goes on behind
the last record that it has settled. What was acknowledged survives kill -9 of
every process; after a power failure the last moments may be missing. While
ackproof itself lives, it starts what was killed again, at the same addresses.`,
		Example: `  ackproof up --port 8080
  ackproof up --port 8080 --data ./stack        the same stack again, whatever became of it
  ackproof up --json | jq -r .api`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if data == "" && cmd.Flags().Changed("data") {
				return misuse{errors.New("--data: name a folder, such as --data ./stack")}
			}
			clearAbandoned()
			dir, release, err := workFolder()
			if err != nil {
				return misuse{err}
			}
			defer release()
			s, err := scenarios.Load("baseline", nil)
			if err != nil {
				return err
			}
			stack := s.Stack(clock.Entropy() >> 12)
			stack.Run, stack.Dir, stack.Data = bench.NewRunID(clock.Entropy()), dir, data
			target := local.New(local.Options{NewFaults: newFaults, Port: port, Log: w.stderr})
			ctx, fell := context.WithCancelCause(cmd.Context())
			defer fell(nil)
			endpoints, err := target.Start(ctx, stack, func(e bench.Event) {
				switch e.Kind {
				case bench.EventTargetDeath:
					fell(errors.New(e.Text))
				case bench.EventTargetReturn:
					fmt.Fprintf(w.stderr, "ackproof: %s\n", e.Text)
				}
			})
			if err != nil {
				return misuse{err}
			}
			endpoints.API += s.Request.Path
			printStack(w, endpoints, asJSON)
			<-ctx.Done()
			if cmd.Context().Err() == nil {
				return errors.Join(context.Cause(ctx), target.Stop())
			}
			return target.Stop()
		},
	}
	cmd.Flags().IntVar(&port, "port", 0, "port of the API (default: a free one)")
	cmd.Flags().StringVar(&data, "data", "", "folder that keeps the stack's data; made where it does not exist (default: in memory)")
	cmd.Flags().BoolVar(&asJSON, "json", false, `print one line {"api","dynamodb","tables","region"}`)
	return cmd
}

// workPrefix begins the names of the folders for what a stack logs while it is up.
const workPrefix = "ackproof-up-"

// workFolder makes a temporary folder and holds the lock on it, which ends with
// the process however that ends. Who finds it without its lock may remove it.
func workFolder() (dir string, release func(), err error) {
	for range 10 { // clearAbandoned of another call may come between making and locking
		if dir, err = os.MkdirTemp("", workPrefix); err != nil {
			return "", nil, err
		}
		var held *os.File
		if held, err = lockFolder(dir); err != nil {
			continue
		}
		if _, err = os.Stat(dir); err == nil {
			return dir, func() { os.RemoveAll(dir); held.Close() }, nil
		}
		held.Close()
	}
	return "", nil, fmt.Errorf("hold a temporary folder: %w", err)
}

// clearAbandoned removes the folders of calls that were killed. What cannot be
// removed is another user's, and stays.
func clearAbandoned() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), workPrefix+"*"))
	for _, dir := range dirs {
		if held, err := lockFolder(dir); err == nil {
			os.RemoveAll(dir)
			held.Close()
		}
	}
}

// lockFolder takes the lock on a folder, or fails at once where it is held.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// printStack says where a stack can be reached.
func printStack(w world, e bench.Endpoints, asJSON bool) {
	if asJSON {
		json.NewEncoder(w.stdout).Encode(map[string]any{
			"api": e.API, "dynamodb": e.DynamoDB, "region": e.Region,
			"tables": map[string]string{"items": e.ItemsTable, "results": e.ResultsTable},
		})
		return
	}
	fmt.Fprintf(w.stdout, "api       %s\ndynamodb  %s (region %s, any credentials)\ntables    %s, %s\n",
		e.API, e.DynamoDB, e.Region, e.ItemsTable, e.ResultsTable)
	fmt.Fprintf(w.stdout, "try       curl -H 'content-type: application/json' -d '{\"id\":\"a1\",\"payload\":\"hello\"}' %s\n", e.API)
}
