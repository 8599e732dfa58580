package run_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/run"
)

// shared is an inProcess whose tables hold what is not of the run: something from
// before it, where early, and something that comes between load and reading.
type shared struct {
	inProcess
	run   bench.RunID
	early bool
}

func (p *shared) Start(ctx context.Context, stack bench.Stack, events func(bench.Event)) (bench.Endpoints, error) {
	p.run, p.dirty = stack.Run, p.early
	return p.inProcess.Start(ctx, stack, events)
}

func (p *shared) DeadLetters(ctx context.Context) ([]bench.DeadLetter, error) {
	never := bench.ID{Run: p.run, Seq: 5000}.String() // far behind the plan
	for _, id := range []string{"another's", never} {
		if err := p.put(ctx, p.tables[0], map[string]string{"id": id, "payload": "x"}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func TestTablesThatHoldOtherDataAreReadByGet(t *testing.T) {
	run.Long(t)
	t.Parallel()
	r := judge(t, carryOutOn(t, plan+"read: {by: get, capacity: 5000}\n", &shared{early: true}))
	if r.Verdict != bench.Pass || r.Items.Processed != planned || r.Items.Unexpected != nil {
		t.Errorf("by get: %s, %+v, %v", r.Verdict, r.Items, r.Reasons)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "nothing is said of ids that were never sent") }) {
		t.Errorf("nobody says what was not looked for: %q", r.Notes)
	}
	for _, g := range r.Gates {
		if g.Name == bench.GateCleanStart && !strings.Contains(g.Detail, "asked for this run's ids alone") {
			t.Errorf("nobody says that nothing else was looked for: %s", g.Detail)
		}
	}

	r = judge(t, carryOutOn(t, plan, &shared{}))
	if r.Verdict != bench.Fail || r.Items.Processed != planned || r.Items.Unexpected == nil || *r.Items.Unexpected != 1 {
		t.Errorf("by scan: %s, %+v, %v", r.Verdict, r.Items, r.Reasons)
	}

	early := &shared{early: true}
	x, err := run.Prepare(run.Options{Scenario: scenario(t, plan), Target: early, Seed: 11, Out: t.TempDir(), Clock: clock.Real{}})
	if err != nil {
		t.Fatal(err)
	}
	defer early.Stop()
	if _, err := x.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := judge(t, x.Dir()); r.Verdict == bench.Pass {
		t.Errorf("by scan, in tables that were not empty: %s", r.Verdict)
	}
}

func TestGetFindsWhatIsLostAsScanDoes(t *testing.T) {
	run.Long(t)
	t.Parallel()
	for _, by := range []string{"scan", "get"} {
		r := judge(t, carryOutOn(t, plan+"read: {by: "+by+"}\n", &losing{}))
		if r.Verdict != bench.Fail || r.Items.LostWrite != 6 || r.Items.LostProcessing != 6 || r.Items.Processed != planned-12 {
			t.Errorf("by %s: %s, %+v", by, r.Verdict, r.Items)
		}
	}
}

// losing is an inProcess of which one item in a hundred, and one effect in a
// hundred, are gone before the tables are read.
type losing struct {
	inProcess
	run bench.RunID
}

func (p *losing) Start(ctx context.Context, stack bench.Stack, events func(bench.Event)) (bench.Endpoints, error) {
	p.run = stack.Run
	return p.inProcess.Start(ctx, stack, events)
}

func (p *losing) DeadLetters(ctx context.Context) ([]bench.DeadLetter, error) {
	for seq := uint64(50); seq < planned; seq += 100 {
		if err := p.remove(ctx, p.tables[1], bench.ID{Run: p.run, Seq: seq}); err != nil {
			return nil, err
		}
		for _, table := range p.tables {
			if err := p.remove(ctx, table, bench.ID{Run: p.run, Seq: seq + 7}); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

func (p *inProcess) remove(ctx context.Context, table string, id bench.ID) error {
	_, err := p.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &table, Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id.String()}},
	})
	return err
}
