package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/standin"
	"github.com/ackproof/ackproof/bench/targettest"
)

// soundSystem is a system in which nothing goes wrong by itself.
func soundSystem(t *testing.T) standin.Options {
	return standin.Options{System: func() bench.Target { return local.New(local.Options{NewFaults: newFaults, Log: t.Output()}) }}
}

// givenUp is a system in which one record, that of request 150, cannot be processed and
// goes to a queue, and whose tables are read from exports.
const givenUp = `load: [{name: steady, for: 3s, rate: 100/s}]
workload: {poison: [150]}
processor: {work: 0ms, timeout: 3s}
mapping: {batchSize: 5, maximumRetryAttempts: 2, bisectBatchOnFunctionError: true, onFailure: metadata}
drain: {proof: sentinels}
read: {by: export, bucket: kept, timeout: 1m}
guarantee: {deadLetters: allow}
`

// onlyPoisoned gives the verdicts of a run's findings, which must all be of request 150.
func onlyPoisoned(t *testing.T, s *session) (verdicts []bench.ItemVerdict) {
	t.Helper()
	for _, f := range lines[bench.Finding](t, filepath.Join(s.latest(), "findings.jsonl")) {
		if !strings.HasSuffix(f.ID, "-00-0000000150") {
			t.Errorf("%s is %v", f.ID, f.Verdict)
		}
		verdicts = append(verdicts, f.Verdict)
	}
	return verdicts
}

// swallowing is a scenario whose processor swallows its errors.
func swallowing(scenario string) string {
	return strings.Replace(scenario, "timeout: 3s}", "timeout: 3s, env: {ACKPROOF_DEFECT: swallow}}", 1)
}

// TestConformanceAWSEvidence deploys and runs in an account that is played on this
// machine, with all that only such an account knows: the tables are exported and read in
// S3, a record that is given up is found in a queue or a bucket and stays there, an alarm
// ends the load. A processor that swallows its errors gives nothing up, and what it loses
// is named; an export that is damaged proves nothing.
func TestConformanceAWSEvidence(t *testing.T) {
	t.Parallel()
	t.Run("exports and a queue", func(t *testing.T) {
		t.Parallel()
		u := newCloudUser(t, soundSystem(t))
		u.account.Put("kept", "mine", nil)
		u.write("given-up.yaml", givenUp)
		u.policies("run", "deploy")
		u.deploys("given-up.yaml", "--recovery")
		u.policies("run")
		s := u.must(exitPass, "run", "--target", "aws", "given-up.yaml")
		r := resultOf(t, s.latest())
		if r.Items.Processed != 299 || r.Items.DeadLettered != 1 || *r.Deliveries.DeadLettered != 1 || *r.Items.Unexpected != 0 {
			t.Errorf("%+v, %+v", r.Items, r.Deliveries)
		}
		if got := onlyPoisoned(t, s); !slices.Equal(got, []bench.ItemVerdict{bench.DeadLettered}) {
			t.Errorf("found %v", got)
		}
		if waiting, all := u.account.Waiting(); waiting != 1 || all != 1 {
			t.Errorf("%d of %d letters can be received after the run", waiting, all)
		}
		if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "both final reads are exports") }) || u.account.Exporter().Made() != 4 {
			t.Errorf("%d exports; notes %q", u.account.Exporter().Made(), r.Notes)
		}
		if os.Getenv("ACKPROOF_CONFORMANCE") == "all" {
			u.damaged()
		}
		u.policies("deploy")
		u.must(exitPass, "destroy", "--yes")
		if b, refused := u.account.Buckets(), u.account.Refused(); !slices.Equal(b, []string{"kept"}) || len(refused) > 0 {
			t.Errorf("left %v, refused %v", b, refused)
		}
	})
	t.Run("exports and a queue, errors are swallowed", func(t *testing.T) {
		t.Parallel()
		u := newCloudUser(t, soundSystem(t))
		u.account.Put("kept", "mine", nil)
		u.write("swallow.yaml", swallowing(givenUp))
		u.deploys("swallow.yaml", "--recovery")
		s := u.must(exitFail, "run", "--target", "aws", "swallow.yaml")
		if got := onlyPoisoned(t, s); !slices.Equal(got, []bench.ItemVerdict{bench.LostProcessing}) || *resultOf(t, s.latest()).Deliveries.DeadLettered != 0 {
			t.Errorf("found %v", got)
		}
	})
	t.Run("a bucket", func(t *testing.T) {
		longConformance(t, "as the queue, but for where it is kept")
		t.Parallel()
		for _, tt := range []struct {
			scenario string
			want     bench.ItemVerdict
			code     int
		}{{givenUp, bench.DeadLettered, exitPass}, {swallowing(givenUp), bench.LostProcessing, exitFail}} {
			u := newCloudUser(t, soundSystem(t))
			u.write("given-up.yaml", strings.NewReplacer("metadata", "payload", "read: {by: export, bucket: kept, timeout: 1m}\n", "").Replace(tt.scenario))
			u.policies("run", "deploy")
			u.deploys("given-up.yaml")
			u.policies("run")
			s := u.must(tt.code, "run", "--target", "aws", "given-up.yaml")
			if got := onlyPoisoned(t, s); !slices.Equal(got, []bench.ItemVerdict{tt.want}) {
				t.Errorf("found %v, want %v", got, tt.want)
			}
			u.account.Put("kept", "mine", nil)
			if s := u.must(exitMisuse, "run", "--target", "aws", "given-up.yaml", "--set", "read.by=export", "--set", "read.bucket=kept"); strings.Count(s.stderr.String(), "has no point-in-time recovery") != 2 {
				t.Errorf("of tables that cannot be exported: %s", &s.stderr)
			}
			if refused := u.account.Refused(); len(refused) > 0 {
				t.Errorf("refused %v", refused)
			}
		}
	})
	t.Run("an event in a queue", func(t *testing.T) {
		longConformance(t, "silence takes a while")
		t.Parallel()
		u := newCloudUser(t, soundSystem(t))
		u.write("event.yaml", `architecture: fire-and-forget
load: [{name: steady, for: 3s, rate: 50/s}]
workload: {poison: [100]}
processor: {work: 0ms, timeout: 1s}
mapping: {retryCap: 1s}
async: {maximumRetryAttempts: 1, retryDelays: [1s], onFailure: payload}
drain: {quiet: 10s, timeout: 40s}
guarantee: {deadLetters: allow}
`)
		u.deploys("event.yaml")
		s := u.must(exitPass, "run", "--target", "aws", "event.yaml")
		f := lines[bench.Finding](t, filepath.Join(s.latest(), "findings.jsonl"))
		if waiting, all := u.account.Waiting(); len(f) != 1 || f[0].Verdict != bench.DeadLettered || !strings.HasSuffix(f[0].ID, "-00-0000000100") || waiting != 1 || all != 1 {
			t.Errorf("found %+v; %d of %d letters can be received", f, waiting, all)
		}
	})
}

// damaged runs with exports that go wrong, each in its own way: none of them proves
// anything, and behind them a sound one does.
func (u *cloudUser) damaged() {
	u.t.Helper()
	run := func(code int) *session {
		u.t.Helper()
		return u.must(code, "run", "--target", "aws", "given-up.yaml", "--rate", "50/s", "--for", "2s", "--set", "workload.poison=[]")
	}
	in := func(pattern string, change func(path string, b []byte)) func(*targettest.Exporter) {
		return func(x *targettest.Exporter) {
			x.Damage = func(dir string) {
				paths, err := filepath.Glob(filepath.Join(dir, pattern))
				if err != nil || len(paths) == 0 {
					u.t.Fatalf("an export without %s: %v", pattern, err)
				}
				b, err := os.ReadFile(paths[0])
				if err != nil {
					u.t.Fatal(err)
				}
				change(paths[0], b)
			}
		}
	}
	write := func(path string, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			u.t.Fatal(err)
		}
	}
	remove := func(path string, _ []byte) { os.Remove(path) }
	all := []struct {
		name, says string
		do         func(*targettest.Exporter)
	}{
		{"a file is cut", "PreconditionFailed", in("data/*.gz", func(path string, b []byte) { write(path, b[:len(b)/2]) })},
		{"a file is missing", "part0000.json.gz", in("data/*.gz", remove)},
		{"a file is another", "PreconditionFailed", in("data/*.gz", func(path string, b []byte) { write(path, bytes.Replace(b, b[12:13], []byte{b[12] ^ 1}, 1)) })},
		{"the manifest is cut", "manifest-files.json", in("manifest-files.json", func(path string, b []byte) { write(path, b[:len(b)/2]) })},
		{"it counts more", "DynamoDB says that it exported", func(x *targettest.Exporter) { x.Miscount = true }},
		{"it fails", "S3AccessDenied", func(x *targettest.Exporter) { x.Fails = true }},
		{"it is older", "and was asked for as of", func(x *targettest.Exporter) { x.Older = true }},
	}
	x := u.account.Exporter()
	for _, tt := range all {
		tt.do(x)
		s := run(exitHarness) // the reads could not be made
		x.Damage, x.Miscount, x.Fails, x.Older = nil, false, false, false
		if r := resultOf(u.t, s.latest()); r.Verdict != bench.VerdictUnknown || r.Items.Unread != 100 || !strings.Contains(strings.Join(r.Notes, "\n"), tt.says) {
			u.t.Errorf("%s: %v, %+v, notes %q", tt.name, r.Verdict, r.Items, r.Notes)
		}
	}
	run(exitPass)
}

const alarmed = `load: [{name: steady, for: 2s, rate: 50/s}]
processor: {work: 0ms, timeout: 3s}
mapping: {batchSize: 5}
drain: {proof: sentinels}
target: {stop: {alarm: orders-errors}}
`

// TestConformanceAWSAlarm: a load ends when the alarm goes off, with its reason; what was
// lost until then is named all the same. One that is on already, that is not there or
// that nobody may see: nothing is fired.
func TestConformanceAWSAlarm(t *testing.T) {
	longConformance(t, "two systems, in half a minute")
	for name, swallows := range map[string]bool{"errors are let out": false, "errors are swallowed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newCloudUser(t, deniedWrites(t))
			scenario, code := alarmed, exitUnknown
			if swallows {
				scenario, code = swallowing(alarmed), exitFail
			}
			u.write("alarmed.yaml", scenario)
			u.policies("run", "deploy")
			u.deploys("alarmed.yaml")
			u.policies("run")
			before := u.account.Calls()
			for _, tt := range []struct {
				set  func()
				says string
			}{
				{func() {}, "there is no alarm orders-errors in account " + standin.ID},
				{func() { u.account.HideAlarm("orders-errors") }, "it takes the permission cloudwatch:DescribeAlarms"},
				{func() { u.account.SetAlarm("orders-errors", standin.AlarmOn, "7 errors in a minute") }, "has gone off already: 7 errors in a minute"},
			} {
				tt.set()
				if s := u.must(exitMisuse, "run", "--target", "aws", "alarmed.yaml"); !strings.Contains(s.stderr.String(), tt.says) {
					t.Errorf("it says nothing of %q: %s", tt.says, &s.stderr)
				}
			}
			if after := u.account.Calls(); after != before {
				t.Errorf("%d requests were sent", after-before)
			}
			u.account.SetAlarm("orders-errors", standin.AlarmUnknown, "no data")
			if !swallows {
				u.must(exitPass, "run", "--target", "aws", "alarmed.yaml")
			}
			s := startAckproofWith(t, u.dir, u.account.Environ(), "run", "--target", "aws", "alarmed.yaml", "--rate", "50/s", "--for", "60s", "--out", "ended")
			until(t, time.Minute, "half a hundred requests have come", func() bool { return u.account.Calls() > before+250 })
			u.account.SetAlarm("orders-errors", standin.AlarmOn, "7 errors in a minute")
			got, r := s.code(), resultOf(t, filepath.Join(u.dir, "ended", "latest"))
			if got != code || r.Requests.Unsent < 1000 || !slices.ContainsFunc(r.Reasons, func(x bench.Reason) bool {
				return x.Code == bench.Code(bench.GatePlanComplete) && strings.Contains(x.Text, "the alarm orders-errors went off: 7 errors in a minute")
			}) {
				t.Errorf("exit %d, want %d; %d unsent; %v", got, code, r.Requests.Unsent, r.Reasons)
			}
			if lost := r.Items.LostProcessing; (lost > 0) != swallows || lost != int64(len(u.missed(r.Run.ID, r.Requests.Planned))) {
				t.Errorf("%d lost, another reader misses %d", lost, len(u.missed(r.Run.ID, r.Requests.Planned)))
			}
		})
	}
}
