package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// agentFlags are those of a run whose plan several agents send, each on a machine
// of its own. They agree beforehand on the run's id and on the start of load; the
// seed follows from the id.
type agentFlags struct {
	text, id, startAt string

	share bench.Share
	run   bench.RunID
	start time.Time
}

func (a *agentFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&a.text, "agent", "", "I/N: send share I of N of the plan, such as 1/3; the others run with the same\nscenario, --run-id and --start-at (see docs/large-loads.md)")
	fl.StringVar(&a.id, "run-id", "", "with --agent: the run's id, the same for all agents")
	fl.StringVar(&a.startAt, "start-at", "", "with --agent: when the load begins, the same for all agents, such as 2026-03-01T14:05:00Z")
}

// agreed is how long an agreed start lies ahead where we propose one: time to type,
// and for targets to come up.
const agreed = 2 * time.Minute

// check reads the flags. All that is wrong is said at once, with what to type: the
// call of a scenario with the other flags, as they are given to all agents.
func (a *agentFlags) check(w world, scenario string, others []string) error {
	if a.text == "" {
		if a.id != "" || a.startAt != "" {
			return errors.New("--run-id and --start-at are what several agents agree upon: they go with --agent")
		}
		return nil
	}
	var errs []error
	var err error
	if a.share, err = bench.ParseShare(a.text); err != nil {
		return fmt.Errorf("--agent: %w", err)
	}
	a.run = bench.RunID(a.id)
	if a.id != "" && !a.run.Valid() {
		errs = append(errs, fmt.Errorf("--run-id %.40q: want eight characters as run ids have, such as %s", a.id, bench.NewRunID(clock.Entropy())))
	}
	if a.startAt != "" {
		if a.start, err = time.Parse(time.RFC3339, a.startAt); err != nil {
			errs = append(errs, fmt.Errorf("--start-at %.40q: want a date and a time with its zone, such as %s", a.startAt, w.clock.Now().Add(agreed).UTC().Format(time.RFC3339)))
		} else if !a.start.After(w.clock.Now()) {
			errs = append(errs, fmt.Errorf("--start-at %s has passed", a.startAt))
		}
	}
	if a.id == "" || a.startAt == "" {
		errs = append(errs, errors.New(a.propose(w, append([]string{scenario}, others...))))
	}
	return errors.Join(errs...)
}

// alone makes sure that an agent is asked for one run.
func (a *agentFlags) alone(runs int) error {
	if a.share.Of > 0 && runs > 1 {
		return errors.New("--agent sends a share of one run: call it once for each run")
	}
	return nil
}

// propose gives the commands of all agents.
func (a *agentFlags) propose(w world, call []string) string {
	id, at := a.id, a.startAt
	if id == "" {
		id = string(bench.NewRunID(clock.Entropy()))
	}
	if at == "" {
		at = w.clock.Now().Add(agreed).UTC().Format(time.RFC3339)
	}
	same := strings.Join(call, " ")
	var b strings.Builder
	fmt.Fprintf(&b, "--agent %s: all agents need one --run-id and one --start-at; such as", a.text)
	for i := 1; i <= min(a.share.Of, 3); i++ {
		fmt.Fprintf(&b, "\n  ackproof run %s --agent %d/%d --run-id %s --start-at %s", same, i, a.share.Of, id, at)
	}
	if a.share.Of > 3 {
		b.WriteString("\n  ...")
	}
	return b.String()
}

// sayHow says how the whole run is judged of which one agent has sent its share.
func (a *agentFlags) sayHow(w world) {
	if a.share.Of > 1 {
		fmt.Fprintf(w.stderr, "ackproof: this was share %s of run %s; 'ackproof reconcile' with the directories of all %d agents judges the run\n", a.share, a.run, a.share.Of)
	}
}

// others are the flags of a call that all agents must be given, as a shell takes
// them.
func (a *agentFlags) others(set *pflag.FlagSet) []string {
	var all []string
	set.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "agent", "run-id", "start-at":
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			switch f.NoOptDefVal {
			case "":
				all = append(all, "--"+f.Name, shellWord(v))
			case v: // a switch
				all = append(all, "--"+f.Name)
			default:
				all = append(all, "--"+f.Name+"="+shellWord(v))
			}
		}
	})
	return all
}

// shellWord writes a text so that a shell takes it as one word.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,%+@", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// seed is that of a run whose agents were given none: they all come to the same.
func (a *agentFlags) seed() uint64 { return clock.Bits(0, "agents of run "+string(a.run), 0) >> 12 }
