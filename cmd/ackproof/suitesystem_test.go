package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/suite"
)

// held is a stack that a run of ackproof's has left up, with a processor as it is
// wanted: a system of somebody else's to whoever runs on it.
func held(t *testing.T, defect string) *theirs {
	t.Helper()
	s := &theirs{session: startAckproof(t, "run", "baseline", "--rate", "20/s", "--for", "1s", "--quiet", "--hold",
		"--set", "processor.work=5ms", "--set", "mapping.retryCap=500ms", "--env", "ACKPROOF_DEFECT="+defect)}
	form := regexp.MustCompile(`api +(\S+)/items\ndynamodb +(\S+) .*\ntables +(\S+), (\S+)\n`)
	until(t, time.Minute, "the stack stays up", func() bool {
		m := form.FindStringSubmatch(s.stdout.String())
		if m != nil {
			s.API, s.DynamoDB, s.Tables.Items, s.Tables.Results = m[1], m[2], m[3], m[4]
		}
		return m != nil
	})
	return s
}

// cloud gives the process whose children are the processors.
func (s *theirs) cloud(t *testing.T) int {
	t.Helper()
	for _, pid := range family(t, s.cmd.Process.Pid) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if slices.Contains(strings.Split(string(b), "\x00"), local.RoleEnv+"="+local.RoleCloud) {
			return pid
		}
	}
	t.Fatal("the stack has no process of that role")
	return 0
}

// The suite breaks a system that is not ours by commands of its owner and by strikes
// between client and API, and names what it has found by what the probes show.
// Probes that nobody can make are unknown.
func TestConformanceSuiteOfASystemOfSomebodyElse(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("half a minute for each of two systems: set ACKPROOF_CONFORMANCE=1")
	}
	for _, tt := range []struct{ defect, named string }{{"", ""}, {"non-idempotent", "B3"}} {
		t.Run("defect "+tt.defect, func(t *testing.T) {
			t.Parallel()
			stack := held(t, tt.defect)
			dir := stack.scenario(t, fmt.Sprintf(`workload: {payload: 100B}
faults: ["at 1500ms for 1500ms: exec.run command=murder"]
commands:
  - name: murder
    do: {run: [sh, -c, "for i in 1 2 3 4 5 6 7 8; do for p in $(cat /proc/%[1]d/task/*/children); do kill -KILL $p && echo $p >> killed; done; sleep 0.15; done; true"], timeout: 20s}
    undo: {run: ["true"]}
    confirm: {run: ["true"]}
    count: {run: [sh, -c, "cat killed 2>/dev/null | wc -l"]}
`, stack.cloud(t)))
			args := []string{"suite", "theirs.yaml", "--probe", "kill=murder", "--only", "control,kill,late,cut", "--json", "--quiet", "--set", "load.scale=2"}
			s := startAckproofIn(t, dir, args...)
			code := s.code()
			var report suite.Report
			if err := json.Unmarshal([]byte(s.stdout.String()), &report); err != nil {
				t.Fatal(err)
			}
			d := report.Diagnosis
			t.Logf("exit %d, %s: %s; %s; undecided %q", code, d.Sureness, d.Text, d.Fingerprint, d.Undecided)
			if report.Target != "http" || len(report.Observations) != 4 || len(d.Undecided) != 1 || !strings.Contains(d.Undecided[0], "late: "+notBroken) {
				t.Errorf("target %s, %d observations, undecided %q", report.Target, len(report.Observations), d.Undecided)
			}
			for _, o := range report.Observations[1:] {
				if o.Unknown == "" && o.Struck == 0 {
					t.Errorf("%s struck nobody", o.Probe)
				}
			}
			switch {
			case tt.named == "" && (code != exitUnknown || d.Sureness != suite.Nothing || report.Verdict != bench.VerdictUnknown):
				t.Errorf("exit %d, %s of a sound system of which one probe is unknown", code, d.Sureness)
			case tt.named != "" && (code != exitFail || len(d.Candidates) == 0 || d.Candidates[0].Name != tt.named):
				t.Errorf("exit %d, %+v", code, d.Candidates)
			}
			if _, err := os.Stat(filepath.Join(s.latest(), "suite.html")); err != nil {
				t.Error(err)
			}
		})
	}
}
