// Command ackproof load-tests an asynchronous API, breaks its processor on
// purpose, and accounts for every single request: was it acknowledged, was it
// stored, was it processed, how often, how late, and if it was lost, where.
//
// One file per verb. main makes the world and exits once; nothing below it
// exits or touches a global stream.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/breakage"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/suite"
	"github.com/ackproof/ackproof/faults"
)

// Exit codes: the exit code is the answer.
const (
	exitPass        = 0
	exitFail        = 1   // loss proven, or an expectation missed
	exitMisuse      = 2   // anything wrong that was found before the first request
	exitUnknown     = 3   // evidence is missing
	exitHarness     = 4   // ackproof itself failed after the first request
	exitInterrupted = 130 // SIGINT or SIGTERM
)

// world is everything that a verb shares with the outside.
type world struct {
	args           []string
	getenv         func(string) string
	stdin          io.Reader // somebody who can be asked; nil: nobody is there
	stdout, stderr io.Writer
	clock          clock.Clock
	tty            bool       // stderr is a terminal that understands control sequences
	color          bool       // stdout may be coloured
	width          int        // of the terminal
	widthNow       func() int // the same, asked anew: a window is made smaller; nil: width

	// breakages holds the journals of faults that would outlive a killed run; nil:
	// this user has no folder for them.
	breakages *breakage.Folder
}

func main() {
	suite.Main()
	if code, played := local.Main(newFaults); played {
		os.Exit(code)
	}
	w := world{
		args: os.Args[1:], getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr, clock: clock.Real{}, width: 80,
	}
	plain := os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	w.color = term.IsTerminal(int(os.Stdout.Fd())) && !plain
	w.tty = term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb"
	if w.tty && term.IsTerminal(int(os.Stdin.Fd())) {
		w.stdin = os.Stdin
	}
	if width := terminalWidth(); width > 0 {
		w.width, w.widthNow = width, terminalWidth
	}
	w.breakages, _ = breakage.NewFolder(os.Getenv) // what needs it says so
	ctx, cancel := context.WithCancel(context.Background())
	go interrupts(w, cancel)
	os.Exit(execute(ctx, w))
}

// interrupts ends what runs gracefully at the first signal, and at once at the
// second: then only what is broken outside our own processes is put right first,
// and our children follow us. A third signal does not wait for that either; the
// next start will.
func interrupts(w world, cancel func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
	cancel()
	<-signals
	signal.Stop(signals)
	if w.breakages != nil {
		if err := w.breakages.UndoMine(context.Background()); err != nil {
			fmt.Fprintf(w.stderr, "ackproof: %v\nackproof: it stays open; 'ackproof faults undo' tries again\n", err)
		}
	}
	os.Exit(exitInterrupted)
}

// misuse is an error of the user's, found before anything was done.
type misuse struct{ err error }

func (m misuse) Error() string { return m.err.Error() }
func (m misuse) Unwrap() error { return m.err }

// execute carries out the command line and returns the exit code.
func execute(ctx context.Context, w world) int {
	code := exitPass
	root := &cobra.Command{
		Use: "ackproof", Version: version(),
		Short: "Proves that an asynchronous API keeps its promise",
		Long: `ackproof fires load at an asynchronous API, breaks its processor on purpose, and
accounts for every single request: was it acknowledged, was it stored, was it
processed, how often, how late, and if it was lost, where.

Start with 'ackproof run'. Exit codes: 0 pass, 1 fail, 2 misuse, 3 unknown,
4 ackproof itself failed, 130 interrupted.`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return lookForLeft(cmd, w) }
	root.SetArgs(w.args)
	root.SetOut(w.stdout)
	root.SetErr(w.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misuse{err} })
	root.AddCommand(
		runCommand(w, &code), compareCommand(w, &code), reportCommand(w, &code), reconcileCommand(w, &code),
		exportCommand(w, &code), traceCommand(w, &code), plotCommand(w), serveCommand(w, &code),
		suiteCommand(w, &code), selftestCommand(w, &code), capacityCommand(w, &code),
		scenariosCommand(w), faultsCommand(w), upCommand(w), deployCommand(w), statusCommand(w), cloudWatchCommand(w), destroyCommand(w), versionCommand(w),
	)
	if err := root.ExecuteContext(ctx); err != nil {
		return fail(w, err)
	}
	return code
}

// fail tells an error and gives its exit code. Several errors are a list.
func fail(w world, err error) int {
	code := exitHarness
	var m misuse
	switch {
	case errors.Is(err, errInterrupted), errors.Is(err, errExportInterrupted), errors.Is(err, errJudgingInterrupted):
		code = exitInterrupted
	case errors.As(err, new(notReady)):
		code = exitUnknown
	case errors.As(err, &m), strings.HasPrefix(err.Error(), "unknown command"):
		code = exitMisuse
	}
	for line := range strings.Lines(strings.TrimSpace(err.Error())) {
		if line = strings.TrimRight(line, "\n"); !strings.HasPrefix(line, "  ") { // a command to type stands by itself
			line = "ackproof: " + line
		}
		fmt.Fprintln(w.stderr, line)
	}
	if n := countErrors(err); n > 1 && code == exitMisuse {
		fmt.Fprintf(w.stderr, "ackproof: %d errors, nothing was started\n", n)
	}
	return code
}

// countErrors counts the errors that were joined into one.
func countErrors(err error) int {
	switch e := err.(type) {
	case misuse:
		return countErrors(e.err)
	case interface{ Unwrap() []error }:
		n := 0
		for _, one := range e.Unwrap() {
			n += countErrors(one)
		}
		return n
	}
	return 1
}

// exitOf gives the exit code of a verdict.
func exitOf(v bench.Verdict) int {
	switch v {
	case bench.Pass:
		return exitPass
	case bench.Fail:
		return exitFail
	}
	return exitUnknown
}

// arguments makes wrong numbers of arguments a misuse.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return misuse{fmt.Errorf("%w; see 'ackproof %s --help'", err, cmd.Name())}
		}
		return nil
	}
}

// newFaults hands the language of the faults to the local target.
func newFaults(seed uint64, texts []string) (local.Faults, error) {
	return faults.ParseSet(seed, texts)
}

// terminalWidth is how wide the terminal is now; 0: there is none.
func terminalWidth() int {
	width, _, err := term.GetSize(int(os.Stderr.Fd()))
	if err != nil {
		return 0
	}
	return width
}
