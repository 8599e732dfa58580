package main

import (
	"bytes"
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
	"github.com/ackproof/ackproof/bench/clock"
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

// A fault for a probe that is not to be played is an error, as is one that nobody knows.
func TestProbesOfASystemOfSomebodyElse(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("theirs.yaml", []byte(`load: [{name: steady, for: 6s, rate: 20/s}]
guarantee: {effects: none}
faults: ["at 2s for 2s: client.delay by=1s"]
target: {url: "http://127.0.0.1:1"}
`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--only", "control", "--probe", "late=client.delay"}, "--only and --skip leave the probe late out"},
		{[]string{"--skip", "late,cut", "--probe", "late=client.delay"}, "--only and --skip leave the probe late out"},
		{[]string{"--probe", "late=client.cut"}, `no fault of theirs.yaml has the kind, the commands or the text "client.cut"`},
	} {
		var out bytes.Buffer
		w := world{args: append([]string{"suite", "theirs.yaml"}, tt.args...), getenv: os.Getenv, stdout: &out, stderr: &out, clock: clock.Real{}, width: 80}
		if code := execute(t.Context(), w); code != exitMisuse || !strings.Contains(out.String(), tt.says) {
			t.Errorf("%q: exit %d, %s", tt.args, code, &out)
		}
	}
}

// TestConformanceSuiteOfAStack breaks a stack in an account that is played on this
// machine, whose mapping gives up what it cannot process to a queue: a dead letter is no
// loss, and what is swallowed is named. What nobody can break is told before.
func TestConformanceSuiteOfAStack(t *testing.T) {
	longConformance(t, "two systems with five probes each, in a minute")
	for defect, exposed := range map[string]string{"": "", "swallow": "B2"} {
		t.Run("defect "+defect, func(t *testing.T) {
			t.Parallel()
			u := newCloudUser(t, soundSystem(t))
			u.write("ours.yaml", fmt.Sprintf(`load: [{name: steady, for: 6s, rate: 50/s}]
workload: {poison: [150]}
processor: {work: 0ms, timeout: 3s, env: {ACKPROOF_DEFECT: %q}}
mapping: {batchSize: 5, maximumRetryAttempts: 2, bisectBatchOnFunctionError: true, onFailure: metadata}
drain: {proof: sentinels}
faults: ["at 2s for 2s: invoke.disable"]
`, defect))
			u.deploys("ours.yaml")
			args := []string{"suite", "ours.yaml", "--target", "aws", "--probe", "outage=invoke.disable", "--only", "control,poison,outage,late,cut", "--json"}
			s := u.types(nil, args...)
			code := s.cmd.ProcessState.ExitCode()
			var report suite.Report
			if err := json.Unmarshal([]byte(s.stdout.String()), &report); err != nil {
				t.Fatalf("%v: %s", err, &s.stderr)
			}
			d := report.Diagnosis
			t.Logf("exit %d, %s: %s; %s; undecided %q", code, d.Sureness, d.Text, d.Fingerprint, d.Undecided)
			if report.Target != "aws" || !strings.Contains(s.stderr.String(), "late: is not played: "+notBroken) || len(d.Undecided) != 1 {
				t.Errorf("target %s, undecided %q, told %s", report.Target, d.Undecided, &s.stderr)
			}
			for _, o := range report.Observations {
				if o.Probe == suite.Poison && o.Has(suite.Dead) != (defect == "") {
					t.Errorf("of the poisoned record: %s", &o)
				}
				if o.Probe != "late" && o.Unknown != "" {
					t.Errorf("%s decides nothing: %s", o.Probe, o.Unknown)
				}
			}
			switch {
			case exposed == "" && (code != exitUnknown || d.Sureness != suite.Nothing):
				t.Errorf("exit %d, %s of a sound system of which one probe is unknown", code, d.Sureness)
			case exposed != "" && (code != exitFail || len(d.Candidates) == 0 || d.Candidates[0].Name != exposed):
				t.Errorf("exit %d, %+v", code, d.Candidates)
			}
			if waiting, all := u.account.Waiting(); waiting != all || (all > 0) != (defect == "") {
				t.Errorf("%d of %d letters can be received", waiting, all)
			}
		})
	}
}
