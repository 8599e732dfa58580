package run_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/scenarios"
)

// inProcess is a target without any processes: an API that stores an item and
// applies its effect before it answers.
type inProcess struct {
	t       *testing.T
	db      *dynamodb.Client
	servers []*httptest.Server
	tables  [2]string
	lacks   []string
	dirty   bool   // the items table holds something before the load
	secret  bool   // it does not show its position
	key     string // of both tables; empty: id
	mu      sync.Mutex
	begun   []int
	ended   []int
}

func (p *inProcess) Name() string { return "local" }

func (p *inProcess) Lacks(bench.Stack) []string { return p.lacks }

func (p *inProcess) Start(ctx context.Context, stack bench.Stack, _ func(bench.Event)) (bench.Endpoints, error) {
	store := httptest.NewServer(dynamo.NewServer(dynamo.ServerOptions{Engine: dynamo.New(dynamo.Options{}), Clock: clock.Real{}}))
	p.db = dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: aws.String(store.URL), Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	p.tables = [2]string{"items-" + string(stack.Run), "results-" + string(stack.Run)}
	for _, name := range p.tables {
		_, err := p.db.CreateTable(ctx, &dynamodb.CreateTableInput{
			TableName: aws.String(name), BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(cmp.Or(p.key, "id")), AttributeType: types.ScalarAttributeTypeS}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(cmp.Or(p.key, "id")), KeyType: types.KeyTypeHash}},
		})
		if err != nil {
			return bench.Endpoints{}, err
		}
	}
	if p.dirty {
		p.put(ctx, p.tables[0], map[string]string{"id": "somebody else's"})
	}
	api := httptest.NewServer(http.HandlerFunc(p.serve))
	p.servers = []*httptest.Server{store, api}
	return bench.Endpoints{API: api.URL, DynamoDB: store.URL, Region: "us-east-1", ItemsTable: p.tables[0], ResultsTable: p.tables[1]}, nil
}

func (p *inProcess) serve(w http.ResponseWriter, r *http.Request) {
	var in struct{ ID, Payload string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx := context.WithoutCancel(r.Context()) // a client that gives up leaves no item without its effect
	err := errors.Join(
		p.put(ctx, p.tables[0], map[string]string{"id": in.ID, "payload": in.Payload}),
		p.put(ctx, p.tables[1], map[string]string{
			"id": in.ID, "digest": bench.DigestOf([]byte(in.Payload)).String(),
			"#count": "1", "#sequence": "1", "#processedAt": fmt.Sprint(time.Now().UnixMilli()),
		}),
	)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// put writes a row; a name with # is a number.
func (p *inProcess) put(ctx context.Context, table string, row map[string]string) error {
	item := map[string]types.AttributeValue{}
	for name, value := range row {
		if number, ok := strings.CutPrefix(name, "#"); ok {
			item[number] = &types.AttributeValueMemberN{Value: value}
			continue
		}
		item[name] = &types.AttributeValueMemberS{Value: value}
	}
	_, err := p.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: item})
	return err
}

func (p *inProcess) Begin(_ context.Context, i int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = append(p.begun, i)
	return nil
}

func (p *inProcess) End(_ context.Context, i int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = append(p.ended, i)
	return nil
}

func (p *inProcess) Bites(context.Context) ([]bench.Bites, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bites := make([]bench.Bites, 0)
	for _, i := range p.begun {
		for len(bites) <= i {
			bites = append(bites, bench.Bites{})
		}
		bites[i].Planned++
		bites[i].Bitten++
	}
	return bites, nil
}

func (p *inProcess) Position(context.Context) (bench.Position, error) {
	if p.secret {
		return bench.Position{}, bench.ErrPositionWithheld
	}
	return bench.Position{}, nil
}

func (p *inProcess) DeadLetters(context.Context) ([]bench.DeadLetter, error) { return nil, nil }

func (p *inProcess) Stop() error {
	for _, s := range p.servers {
		s.Close()
	}
	return nil
}

// Enough requests for a hundred losses anywhere, in little time.
const plan = `
name: files
load: [{name: steady, for: 800ms, rate: 750/s}]
`

const planned = 600

func scenario(t testing.TB, text string) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.Parse("files.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// carryOut runs a scenario and gives its directory.
func carryOut(t *testing.T, text string, target *inProcess) string {
	t.Helper()
	target.t = t
	return carryOutOn(t, text, target)
}

func carryOutOn(t testing.TB, text string, target bench.Target) string {
	t.Helper()
	r, err := run.Prepare(run.Options{Scenario: scenario(t, text), Target: target, Seed: 11, Out: t.TempDir(), Clock: clock.Real{}})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Stop()
	if _, err := r.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.Dir()
}

func judge(t *testing.T, dir string) *bench.Result {
	t.Helper()
	r, _, err := run.Judge(dir, run.JudgeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// copyRun copies a run directory, so that each case can damage its own.
func copyRun(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// rewrite makes both final reads again with other items and effects.
func rewrite(t *testing.T, dir string, items func(bench.Item) []bench.Item, effects func(bench.Effect) []bench.Effect) {
	t.Helper()
	for n := 1; n <= 2; n++ {
		path := filepath.Join(dir, "reads", fmt.Sprint(n))
		old, err := ledger.OpenRead(path)
		if err != nil {
			t.Fatal(err)
		}
		fresh := t.TempDir()
		w, err := ledger.CreateRead(fresh, old.Header())
		if err != nil {
			t.Fatal(err)
		}
		for item := range old.Items() {
			for _, i := range items(item) {
				err = errors.Join(err, w.Item(i))
			}
		}
		for effect := range old.Effects() {
			for _, e := range effects(effect) {
				err = errors.Join(err, w.Effect(e))
			}
		}
		if err := errors.Join(err, w.Finish(), os.RemoveAll(path), os.CopyFS(path, os.DirFS(fresh))); err != nil {
			t.Fatal(err)
		}
	}
}

func same[T any](v T) []T { return []T{v} }

// planted lists k sequence numbers at the head, in the middle or at the tail.
func planted(k uint64, where string) []uint64 {
	first := uint64(0)
	switch where {
	case "middle":
		first = (planned - k) / 2
	case "tail":
		first = planned - k
	}
	var seqs []uint64
	for i := range k {
		seqs = append(seqs, first+i)
	}
	return seqs
}

func TestWhatIsPlantedInTheFilesIsFoundExactly(t *testing.T) {
	run.Long(t)
	clean := carryOut(t, plan, &inProcess{})
	if r := judge(t, clean); r.Verdict != bench.Pass || r.Items.Processed != planned || len(r.Findings) != 0 {
		t.Fatalf("the clean run: verdict %s, %d processed, findings %v, reasons %v", r.Verdict, r.Items.Processed, r.Findings, r.Reasons)
	}
	for _, k := range []uint64{1, 7, 100} {
		for _, where := range []string{"head", "middle", "tail"} {
			seqs := planted(k, where)
			hit := func(seq uint64) bool { return slices.Contains(seqs, seq) }
			drop := func(e bench.Effect) []bench.Effect {
				if hit(e.Seq) {
					return nil
				}
				return same(e)
			}
			twice := func(e bench.Effect) []bench.Effect {
				if hit(e.Seq) {
					e.Count++
				}
				return same(e)
			}
			gone := func(i bench.Item) []bench.Item {
				if hit(i.Seq) {
					return nil
				}
				return same(i)
			}
			for _, plant := range []struct {
				verdict bench.ItemVerdict
				items   func(bench.Item) []bench.Item
				effects func(bench.Effect) []bench.Effect
			}{
				{bench.LostProcessing, same[bench.Item], drop},
				{bench.LostWrite, gone, drop},
				{bench.OrphanEffect, gone, same[bench.Effect]},
				{bench.Duplicated, same[bench.Item], twice},
			} {
				t.Run(fmt.Sprintf("%d %s at the %s", k, plant.verdict, where), func(t *testing.T) {
					dir := copyRun(t, clean)
					rewrite(t, dir, plant.items, plant.effects)
					expectFindings(t, judge(t, dir), plant.verdict, seqs, where)
				})
			}
		}
	}
}

// expectFindings wants a fail with exactly these findings and no other.
func expectFindings(t *testing.T, r *bench.Result, verdict bench.ItemVerdict, seqs []uint64, where string) {
	t.Helper()
	if n, _ := r.Items.Of(verdict); n != int64(len(seqs)) || r.Verdict != bench.Fail {
		t.Errorf("%d %s counted, verdict %s; want %d and fail", n, verdict, r.Verdict, len(seqs))
	}
	var got []uint64
	for _, f := range r.Findings {
		if f.Verdict != verdict || f.ID != (bench.ID{Run: r.Run.ID, Seq: f.Seq}).String() {
			t.Errorf("finding %+v, want %s", f, verdict)
		}
		if lost := verdict == bench.LostProcessing || verdict == bench.LostWrite; lost && f.Position != where {
			t.Errorf("%s lies at the %s, want %s", f.ID, f.Position, where)
		}
		got = append(got, f.Seq)
	}
	if !slices.Equal(got, seqs) {
		t.Errorf("found %v, planted %v", got, seqs)
	}
}
