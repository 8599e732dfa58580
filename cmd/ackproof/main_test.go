package main

import (
	"flag"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/suite"
)

// TestMain lets the test binary play every role: that of ackproof in scripts,
// and those of the local target's processes.
func TestMain(m *testing.M) {
	suite.Main()
	if code, played := local.Main(newFaults); played {
		os.Exit(code)
	}
	var err error
	if buildDir, err = os.MkdirTemp("", "ackproof-test-"); err != nil {
		panic(err)
	}
	testscript.Main(cleaned{m}, map[string]func(){"ackproof": main})
}

// buildDir holds the commands that tests build.
var buildDir string

type cleaned struct{ *testing.M }

// Run runs the tests and removes what they have built. Runs of ackproof mostly wait,
// so that there may be more of them at once than there are cores.
func (m cleaned) Run() int {
	defer os.RemoveAll(buildDir)
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if !said {
		flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
	return m.M.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			cat, err := exec.LookPath("cat") // some executable file
			env.Setenv("CAT", cat)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command and checks its exit code: exits 2 ackproof run nosuch
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
