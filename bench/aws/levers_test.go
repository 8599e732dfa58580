package aws

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/faults"
)

const disabled = "at 3s for 20s: invoke.disable"

// leversOn makes the levers of some faults on a function called processor.
func leversOn(t *testing.T, a *Account, texts ...string) (*Levers, bench.Stack) {
	t.Helper()
	l := NewLevers(LeverOptions{Account: a, Parts: Parts{Stack: "ackproof", Function: "processor", API: "a1b2c3", Stage: "run", Items: "items", Results: "results", Stream: "arn:aws:dynamodb:::stream"}, Clock: clock.Real{}})
	l.hand.poll = quickly
	return l, bench.Stack{Run: "01234567", Architecture: bench.Streams, Faults: texts}
}

// pulled opens the levers and pulls the first one.
func pulled(t *testing.T, a *Account) *Levers {
	t.Helper()
	l, stack := leversOn(t, a, disabled)
	if err := l.Open(t.Context(), stack); err != nil {
		t.Fatal(err)
	}
	if err := l.Begin(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	return l
}

// How to undo it is in the journal before it is done, and is not there any more when
// it is undone; the counter, not the API's answer, says that it has bitten.
func TestALeverIsWrittenDownPulledCountedAndPutBack(t *testing.T) {
	for _, before := range []*int32{nil, aws.Int32(7)} {
		f, a := onFake(t)
		f.has(before)
		l := pulled(t, a)
		put, done := slices.Index(f.called(), "PUT object"), slices.Index(f.called(), "PUT concurrency")
		if put < 0 || done < put || aws.ToInt32(f.now()) != 0 || f.now() == nil {
			t.Errorf("calls %q, reserved %v", f.called(), f.now())
		}
		f.counts(12)
		if err := l.End(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if (f.now() == nil) != (before == nil) || aws.ToInt32(f.now()) != aws.ToInt32(before) || len(f.journal()) != 0 {
			t.Errorf("reserved %v, want %v; the journal has %q", f.now(), before, f.journal())
		}
		bites, err := l.Bites(t.Context())
		if err != nil || len(bites) != 1 || bites[0] != (bench.Bites{Planned: -1, Bitten: 12}) {
			t.Errorf("bites %v, %v", bites, err)
		}
		if err := l.End(t.Context(), 0); err != nil { // twice
			t.Error(err)
		}
	}
}

// What was not done is told with the next step; what is not confirmed stays in the
// journal, and the next one who comes undoes it.
func TestFailuresInTheMiddle(t *testing.T) {
	t.Run("pulling is denied", func(t *testing.T) {
		f, a := onFake(t)
		l, stack := leversOn(t, a, disabled)
		if err := l.Open(t.Context(), stack); err != nil {
			t.Fatal(err)
		}
		f.fail("PUT concurrency", "AccessDeniedException")
		err := l.Begin(t.Context(), 0)
		if err == nil || !strings.Contains(err.Error(), "user/tester lacks the permission lambda:PutFunctionConcurrency") {
			t.Errorf("it says %v", err)
		}
		if err := l.End(t.Context(), 0); err != nil || len(f.journal()) != 0 {
			t.Errorf("undone with %v, the journal has %q", err, f.journal())
		}
		if bites, err := l.Bites(t.Context()); err != nil || bites[0].Bitten != 0 {
			t.Errorf("bites %v, %v", bites, err)
		}
	})
	t.Run("looking is denied", func(t *testing.T) {
		f, a := onFake(t)
		l, stack := leversOn(t, a, disabled, "at 30s for 5s: invoke.throttle")
		f.fail("GET concurrency", "AccessDeniedException")
		err := l.Open(t.Context(), stack)
		if err == nil || strings.Count(err.Error(), "lacks the permission lambda:GetFunctionConcurrency") != 2 {
			t.Errorf("it says %v", err)
		}
		f.fail("GET concurrency")
		f.fail("GetMetricData", "AccessDenied")
		if err := l.Open(t.Context(), stack); err == nil || !strings.Contains(err.Error(), "cloudwatch:GetMetricData") {
			t.Errorf("it says %v", err)
		}
	})
	t.Run("the journal is denied", func(t *testing.T) {
		f, a := onFake(t)
		l, stack := leversOn(t, a, disabled)
		if err := l.Open(t.Context(), stack); err != nil {
			t.Fatal(err)
		}
		f.fail("PUT object", "AccessDenied")
		if err := l.Begin(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "s3:PutObject") {
			t.Errorf("it says %v", err)
		}
		if slices.Contains(f.called(), "PUT concurrency") {
			t.Error("it was pulled though nobody could undo it")
		}
	})
	t.Run("undoing is throttled, and then done", func(t *testing.T) {
		f, a := onFake(t)
		l := pulled(t, a)
		f.fail("DELETE concurrency", "TooManyRequestsException", "")
		if err := l.End(t.Context(), 0); err != nil || f.now() != nil || len(f.journal()) != 0 {
			t.Errorf("undone with %v: reserved %v, journal %q", err, f.now(), f.journal())
		}
	})
	t.Run("undoing meets another change, and then is done", func(t *testing.T) {
		f, a := onFake(t)
		l := pulled(t, a)
		f.fail("DELETE concurrency", "ResourceConflictException", "ResourceConflictException", "")
		if err := l.End(t.Context(), 0); err != nil || f.now() != nil {
			t.Errorf("undone with %v: reserved %v", err, f.now())
		}
	})
	t.Run("undoing is denied", func(t *testing.T) {
		f, a := onFake(t)
		l := pulled(t, a)
		f.fail("DELETE concurrency", "AccessDeniedException")
		err := l.End(t.Context(), 0)
		if err == nil || !strings.Contains(err.Error(), "lambda:DeleteFunctionConcurrency") || len(f.journal()) != 1 {
			t.Errorf("it says %v, the journal has %q", err, f.journal())
		}
		another, stack := leversOn(t, a, disabled)
		if err := another.Open(t.Context(), stack); err == nil || !strings.Contains(err.Error(), "'ackproof faults undo --stack ackproof' undoes it") {
			t.Errorf("the next run: %v", err)
		}
		told := 0
		if err := a.UndoFaults(t.Context(), "ackproof", func(OpenFault) { told++ }); err == nil || told != 0 || len(f.journal()) != 1 {
			t.Errorf("undone by another with %v, %d told", err, told)
		}
		f.fail("DELETE concurrency")
		if err := a.UndoFaults(t.Context(), "ackproof", func(o OpenFault) { told++ }); err != nil || told != 1 || f.now() != nil || len(f.journal()) != 0 {
			t.Errorf("undone by another with %v: %d told, reserved %v, journal %q", err, told, f.now(), f.journal())
		}
	})
	t.Run("the undoing is not seen", func(t *testing.T) {
		f, a := onFake(t)
		l := pulled(t, a)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		l.pulls[0].lever = deaf{l.pulls[0].lever.(*concurrency)}
		if err := l.End(ctx, 0); err == nil || !strings.Contains(err.Error(), "undone, and not confirmed: it is still a reserved concurrency of 0") || len(f.journal()) != 1 {
			t.Errorf("it says %v, the journal has %q", err, f.journal())
		}
	})
	t.Run("an object that is none of ours", func(t *testing.T) {
		f, a := onFake(t)
		pulled(t, a)
		f.put("ackproof-123456789012-eu-west-1/ackproof/open-faults/x.json", "{}")
		told := 0
		err := a.UndoFaults(t.Context(), "ackproof", func(OpenFault) { told++ })
		if err == nil || !strings.Contains(err.Error(), "open-faults/x.json") || told != 1 || f.now() != nil {
			t.Errorf("it says %v; %d told, reserved %v", err, told, f.now())
		}
	})
}

// deaf is a lever whose undoing is answered, and not done.
type deaf struct{ *concurrency }

func (deaf) undo(context.Context, *hand) error { return nil }

// A counter that says 0 is asked again until it could know better, and no longer.
func TestLateCountersAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ after, want time.Duration }{{90 * time.Second, 90 * time.Second}, {time.Hour, metricsLate}} {
			c := &slowCounter{at: time.Now().Add(tt.after)}
			l := &Levers{hand: &hand{clock: clock.Real{}, poll: lookAgain}, stack: bench.Stack{Faults: []string{disabled}}}
			l.pulls = []*pull{{lever: c, in: true, from: time.Now(), to: time.Now()}}
			began := time.Now()
			bites, err := l.Bites(t.Context())
			if got := time.Since(began); err != nil || got < tt.want || got > tt.want+lookAgain || (bites[0].Bitten > 0) != (tt.after < metricsLate) {
				t.Errorf("a counter that is %s late: %v after %s, %v", tt.after, bites, got, err)
			}
		}
	})
}

type slowCounter struct {
	concurrency
	at time.Time
}

func (s *slowCounter) count(context.Context, *hand, time.Time, time.Time) (int64, error) {
	if time.Now().Before(s.at) {
		return 0, nil
	}
	return 5, nil
}

// TestLacks: what AWS cannot do is refused, with every reason.
func TestLacks(t *testing.T) {
	for _, tt := range []struct {
		architecture string
		faults       []string
		want         []string // each part of one sentence; none: AWS can
	}{
		{bench.Streams, []string{disabled, "at 40s for 20s: mapping.disable", "at 2s: processor.kill", "at 5s for 6s every 1s: processor.kill after-write 10"}, nil},
		{bench.Streams, []string{"at 5s for 9s: processor.error 20% after-effects", "at 5s for 9s: processor.slow 10% by=500ms", "at 5s: mapping.recreate"}, nil},
		{bench.Sync, []string{"at 5s for 9s: function.timeout to=2s", "at 5s for 9s: function.memory to=128MB", "at 20s for 9s: exec.run command=x"}, nil},
		{bench.Streams, []string{"at 4s for 3s: client.throttle 30%", "at 4s for 3s: client.throttle", "on Request 4: client.throttle", "at 4s for 3s: client.cut 10%"}, nil},
		{bench.Streams, []string{"at 4s for 3s: client.throttle", "at 5s for 3s: client.throttle"}, []string{"pull one lever, client.throttle"}},
		{bench.Streams, []string{"at 4s for 3s: invoke.throttle 50%"}, []string{"all or nothing"}},
		{bench.Streams, []string{"at 4s: invoke.disable"}, []string{"say for how long"}},
		{bench.Streams, []string{"on Invoke 4: invoke.disable"}, []string{"counts no operations"}},
		{bench.Streams, []string{"at 4s for 9s every 3s: mapping.disable"}, []string{`leave "every" out`}},
		{bench.Streams, []string{"at 4s: mapping.update by=2s"}, []string{"leave by= out"}},
		{bench.FireAndForget, []string{"at 4s for 9s: invoke.throttle", "at 20s for 5s: mapping.disable", "at 20s for 5s: stream.deny"}, []string{"say invoke.disable", "needs an event source mapping", "needs a stream"}},
		{bench.Streams, []string{"at 4s for 3s: gateway.cut 10%", "at 9s: clock.skip by=25h"}, []string{"no lever for gateway.cut", "no lever for clock.skip"}},
		{bench.Streams, []string{"at 4s for 9s: function.timeout to=1500ms", "at 20s for 9s: function.memory to=12MB"}, []string{"whole seconds", "want 128MB"}},
		{bench.Streams, []string{"at 4s for 9s: invoke.disable", "at 8s for 9s: invoke.throttle", "at 17s for 3s: results.deny"}, []string{"pull one lever, reserved concurrency"}},
		{bench.Streams, []string{"at 4s for 3s every 1s: invoke.throttle 50%"}, []string{"all or nothing", `leave "every" out`}},
	} {
		l, stack := leversOn(t, &Account{}, tt.faults...)
		stack.Architecture = tt.architecture
		lacks := l.Lacks(stack)
		if len(lacks) != len(tt.want) {
			t.Errorf("%q lacks %q, want %q", tt.faults, lacks, tt.want)
			continue
		}
		for i, want := range tt.want {
			if !strings.Contains(lacks[i], want) {
				t.Errorf("%q lacks %q, want %q", tt.faults, lacks[i], want)
			}
		}
	}
}

// TestEachKindOnAWSHasALever: what faults tells of AWS is what is pulled here.
func TestEachKindOnAWSHasALever(t *testing.T) {
	l, stack := leversOn(t, &Account{})
	l.stack = stack
	for _, k := range faults.Kinds() {
		f, err := faults.Parse(k.Example)
		if err != nil {
			t.Fatal(err)
		}
		_, told := k.OnAWS()
		f.Share = 100
		pulled := l.lever(0, f)
		stack.Faults = []string{f.String()}
		if told != (pulled != nil) || told != l.Pulls(stack, 0) {
			t.Errorf("%s: told of AWS: %v, pulled there: %v, and before it is opened: %v", k.Name, told, pulled != nil, l.Pulls(stack, 0))
		}
		if pulled == nil {
			continue
		}
		name, state, err := encode(pulled)
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		again, err := decode(name, state)
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		if _, same, _ := encode(again); string(same) != string(state) {
			t.Errorf("%s: kept as %s, read as %s", k.Name, state, same)
		}
	}
}

func TestAPIOf(t *testing.T) {
	for address, want := range map[string]string{
		"https://a1b2c3.execute-api.eu-west-1.amazonaws.com/run":     "a1b2c3",
		"https://a1b2c3.execute-api.cn-north-1.amazonaws.com.cn/run": "a1b2c3",
		"http://127.0.0.1:8080/run":                                  "",
		"https://api.example.com/run":                                "",
		"":                                                           "",
	} {
		if got := apiOf(address); got != want {
			t.Errorf("%s: API %q, want %q", address, got, want)
		}
	}
}

// TestPartsOf: what a system of somebody's own does not tell is said.
func TestPartsOf(t *testing.T) {
	p := PartsOf("orders", "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/prod/v1", "f", "i", "r", "auto")
	if p != (Parts{Stack: "orders", API: "a1b2c3", Stage: "prod", Function: "f", Items: "i", Results: "r"}) {
		t.Errorf("parts %+v", p)
	}
	l, stack := leversOn(t, &Account{}, "at 1s for 9s: client.throttle", "at 1s for 9s: table.deny", "at 1s for 9s: results.deny", disabled)
	l.opts.Parts = PartsOf("orders", "https://orders.example.com", "f", "i", "", "none")
	lacks := l.Lacks(stack)
	if len(lacks) != 3 || !strings.Contains(lacks[0], "execute-api") || !strings.Contains(lacks[1], "execute-api") || !strings.Contains(lacks[2], "target: {results: {table: NAME}}") {
		t.Errorf("it lacks %q", lacks)
	}
}

func FuzzOpenFault(f *testing.F) {
	f.Add([]byte(`{"schema":"ackproof.open-fault/v1","stack":"s","run":"01234567","fault":0,"text":"at 3s for 20s: invoke.disable","since":"2026-11-30T12:00:00Z","lever":"concurrency","state":{"Function":"f","Before":7}}`))
	f.Add([]byte(`{"schema":"ackproof.open-fault/v1","stack":"s","run":"01234567","lever":"recreate","state":{"Create":{"BatchSize":1}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseOpen(b)
		if err == nil && (o.Stack == "" || !o.Run.Valid() || leverTypes[o.Lever] == nil) {
			t.Errorf("taken without its parts: %q", b)
		}
	})
}
