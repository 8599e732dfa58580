package targettest

import (
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/sdk"
)

// RunOutside runs what is asked of a target that is somebody else's system, which
// was there before and is there after it. newTarget gives a target and the system
// that it is told of; signed says that its API wants requests that are. Accepted
// differences from [Run]:
//
//   - the system has one architecture, and its tables hold other runs' items;
//   - no fault strikes inside it, and the target must say of each that it lacks it;
//   - its position is withheld, and so are its processes: none is seen to start;
//   - it still answers when the target was stopped.
func RunOutside(t *testing.T, newTarget func(t *testing.T) (bench.Target, bench.System), signed bool) {
	t.Run("keeps every item, and is left as it was", func(t *testing.T) {
		target, theirs := newTarget(t)
		s := start(t, target, func(stack *bench.Stack) { stack.System = theirs })
		if signed {
			if got := s.post(0); got != http.StatusForbidden {
				t.Errorf("status %d of a request that is not signed", got)
			}
			var err error
			if s.sign, err = sdk.SignAPI(t.Context(), s.endpoints.API, s.endpoints.Region, s.endpoints.Profile); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.postAll(); got[http.StatusOK] != requests {
			t.Errorf("statuses %v, want %d times 200", got, requests)
		}
		s.until("every item is processed", func() bool { return s.ours(s.endpoints.ResultsTable) == requests })
		s.expectOnce()
		if _, err := target.Position(t.Context()); !errors.Is(err, bench.ErrPositionWithheld) {
			t.Errorf("the position is told (%v), and cannot be known", err)
		}
		if bites, err := target.Bites(t.Context()); err != nil || len(bites) != 0 {
			t.Errorf("bites %v of no fault (%v)", bites, err)
		}
		if err := errors.Join(target.Stop(), target.Stop()); err != nil {
			t.Errorf("stop: %v", err)
		}
		if s.post(requests) != http.StatusOK || s.ours(s.endpoints.ItemsTable) != requests+1 {
			t.Error("the system is not as it was after the target was stopped")
		}
	})
	t.Run("versions of one item are told apart in its stream", func(t *testing.T) { tellsVersions(t, newTarget) })
	t.Run("faults inside are lacking", func(t *testing.T) {
		target, theirs := newTarget(t)
		for _, text := range []string{
			"at 0s for 10s: processor.kill", "at 0s for 10s: invoke.fail", "at 0s for 10s: gateway.cut 50%", "at 0s for 10s: table.throttle",
			"at 0s for 10s: mapping.disable", example[clockSkip], example[streamRestart], example[cloudKill], "at 1s : moon.fall",
		} {
			stack := bench.Stack{Architecture: bench.Streams, Faults: []string{text}, System: theirs}
			_, kind, _ := strings.Cut(text, ": ")
			kind, _, _ = strings.Cut(kind, " ")
			if lacks := target.Lacks(stack); !slices.ContainsFunc(lacks, func(l string) bool { return strings.Contains(l, kind) }) {
				t.Errorf("the target lacks %q, and nothing for want of %s", lacks, kind)
			}
		}
		if lacks := target.Lacks(bench.Stack{Architecture: bench.Streams, Faults: []string{"at 1s for 5s: exec.run command=stop"}, System: theirs}); len(lacks) > 0 {
			t.Errorf("the target lacks %q for a fault made of commands", lacks)
		}
	})
	t.Run("a system that is not there", func(t *testing.T) {
		target, theirs := newTarget(t)
		theirs.Items = "no-such-table"
		stack := Stack(t)
		stack.System = theirs
		if _, err := target.Start(t.Context(), stack, func(bench.Event) {}); err == nil || !strings.Contains(err.Error(), "no-such-table") {
			t.Errorf("started on a table that is not there: %v", err)
		}
		if err := target.Stop(); err != nil {
			t.Error(err)
		}
	})
}

func tellsVersions(t *testing.T, newTarget func(t *testing.T) (bench.Target, bench.System)) {
	target, theirs := newTarget(t)
	var dir string
	s := start(t, target, func(stack *bench.Stack) { stack.System, stack.System.PerKey, dir = theirs, true, stack.Dir })
	const keys, versions = 2, 3
	var want []string
	for seq := range uint64(keys * versions) {
		want = append(want, s.id(seq))
		s.putVersion(bench.SharedKey{Run: s.run, Number: seq % keys}, seq)
	}
	s.until("every version is processed", func() bool { return s.ours(s.endpoints.ResultsTable) >= keys+len(want) })
	if err := target.Stop(); err != nil {
		t.Fatal(err)
	}
	log, err := ledger.ReadDeliveries(filepath.Join(dir, "deliveries"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for c := range log.Commits() {
		got = append(got, c.ID)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the stream showed %v, want each version under its own id: %v", got, want)
	}
}

// putVersion writes a version of an item, as an API would.
func (s *system) putVersion(key bench.SharedKey, seq uint64) {
	s.t.Helper()
	item := map[string]types.AttributeValue{}
	for name, value := range map[string]string{"id": key.String(), "version": s.id(seq), "payload": payload(seq)} {
		item[name] = &types.AttributeValueMemberS{Value: value}
	}
	if _, err := s.db.PutItem(s.t.Context(), &dynamodb.PutItemInput{TableName: &s.endpoints.ItemsTable, Item: item}); err != nil {
		s.t.Fatal(err)
	}
}

// ours counts the rows of a table that are the run's.
func (s *system) ours(table string) int {
	n := 0
	for id := range s.rows(table) {
		if strings.HasPrefix(id, string(s.run)) {
			n++
		}
	}
	return n
}
