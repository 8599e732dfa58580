package harness_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/harness"
)

// An event that is given up ends at the on-failure destination, exactly once;
// where there is none, or while it refuses, the same ids are lost. Every event
// either runs or is given up.
func TestEventsGivenUp(t *testing.T) {
	long(t)
	const payload = "async.onFailure=payload"
	for _, test := range []struct {
		name       string
		set        []string
		poison     bool // every tenth event fails
		dead, lost bool // some are
		early      bool // some are given up before their third attempt
	}{
		{"clean", []string{"faults=[]", payload}, false, false, false, false},
		{"taken", []string{"faults=[]", payload}, true, true, false, false},
		{"no destination", []string{"faults=[]"}, true, false, true, false},
		{"refused", []string{`faults=["at 1s for 5s: destination.refuse"]`, payload}, true, true, true, false},
		{"disabled", []string{`faults=["at 3s for 3s: invoke.disable"]`, payload}, false, true, false, true},
		{"disabled, no destination", []string{`faults=["at 3s for 3s: invoke.disable"]`}, false, false, true, true},
		{"too old", []string{`faults=["at 5s: clock.skip by=2m"]`, payload, "async.maximumEventAgeInSeconds=60"}, true, true, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var poison, good set
			r := play(t, func(env harness.Env) harness.Handler[events.APIGatewayProxyRequest, any] {
				h := builtIn(env)
				return func(ctx context.Context, e events.APIGatewayProxyRequest) (any, error) {
					var item struct{ ID string }
					if err := json.Unmarshal([]byte(e.Body), &item); err != nil {
						t.Error(err)
					}
					if test.poison && strings.HasSuffix(item.ID, "5") {
						poison.add(item.ID)
						return nil, errors.New("poison")
					}
					good.add(item.ID)
					b, err := json.Marshal(e)
					if err != nil {
						return nil, err
					}
					return h(ctx, b)
				}
			}, harness.Options{Scenario: kill, Architecture: bench.FireAndForget, Set: append(test.set, "async.retryDelays=[1s, 2s]")})
			dead, lost := r.Items.DeadLettered, r.Items.Lost()
			if (dead > 0) != test.dead || (lost > 0) != test.lost || dead+lost != 540-int64(len(good.ids)) || r.Items.Processed != int64(len(good.ids)) {
				t.Errorf("%d ran well, %d poison: %+v", len(good.ids), len(poison.ids), r.Items)
			}
			if test.poison && int64(len(poison.ids)) != dead+lost {
				t.Errorf("%d poison, %d dead and %d lost", len(poison.ids), dead, lost)
			}
			early := int64(len(poison.ids)) < dead+lost
			for id, attempts := range poison.ids {
				early = early || attempts < 3
				if attempts > 3 {
					t.Errorf("%s was tried %d times, want 3 at most", id, attempts)
				}
			}
			if early != test.early {
				t.Errorf("given up before the third attempt: %v, want %v", early, test.early)
			}
			givenUp := map[string]bool{}
			for _, f := range r.Findings {
				givenUp[f.ID] = f.Verdict == bench.LostWrite || f.Verdict == bench.DeadLettered
				if good.ids[f.ID] > 0 {
					t.Errorf("%s ran well and is %s", f.ID, f.Verdict)
				}
			}
			for seq := range uint64(540) {
				id := bench.ID{Run: r.Run.ID, Seq: seq}.String()
				if ended := good.ids[id] > 0; givenUp[id] == ended {
					t.Errorf("%s: ran well %v, given up %v", id, ended, givenUp[id])
				}
			}
			expectNote(t, r, "Lambda gave up %d event(s)", dead)
			expectNote(t, r, "Lambda dropped %d event(s)", lost)
		})
	}
}

// expectNote checks that a note with the count is there, or none where it is 0.
func expectNote(t *testing.T, r *bench.Result, format string, n int64) {
	t.Helper()
	text, want := strings.Join(r.Notes, "\n"), fmt.Sprintf(format, n)
	if prefix, _, _ := strings.Cut(format, "%"); n == 0 && strings.Contains(text, prefix) || n > 0 && !strings.Contains(text, want) {
		t.Errorf("notes %q; want %q", r.Notes, want)
	}
}
