package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/peer"
)

// TestConformanceOfSomebodyElsesLocalStack runs against a stack of which nothing is
// ackproof's: an API and a stream handler of a few lines of Node.js, started by
// serverless-offline, whose plug-in serverless-offline-dynamodb-streams plays the
// event source mapping, and dynoxide for DynamoDB; once the embedded engine, whose
// streams somebody else reads then. For six seconds a quarter of the orders fail when
// they are first tried. Each handler keeps a diary of what it did, and the verdict must
// name exactly the orders that the diary does.
//
// What is theirs, as the plug-in's source has it:
//   - With LATEST it delivers nothing that was written before its readers have their
//     place in the stream. The service says TRIM_HORIZON, and canaries show that the
//     handler is reached before the load begins.
//   - After maximumRetryAttempts it drops a batch and tells nobody. The service says
//     a thousand.
//   - It looks for shards once, when it starts; those of the streams here stay.
//   - It never heeds batchItemFailures: the handler that reports them loses what is
//     left of its batch, and the verdict says so.
//
// The rest is the handlers' own.
func TestConformanceOfSomebodyElsesLocalStack(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: this installs Node packages and takes a minute")
	}
	for _, c := range []struct {
		handler string
		db      func(*testing.T) *peer.Server
		code    int
		verdict bench.ItemVerdict // of the orders that the page of the diary names
		page    func(*shop) []string
	}{
		{"correct", dynoxide, exitPass, bench.Processed, func(*shop) []string { return nil }},
		{"swallowing", embedded, exitFail, bench.LostProcessing, func(s *shop) []string { return s.diary("swallowed") }},
		{"reporting", dynoxide, exitFail, bench.LostProcessing, func(s *shop) []string { return s.diary("left") }},
		{"repeating", dynoxide, exitFail, bench.Duplicated, func(s *shop) []string { return twice(s.diary("done")) }},
	} {
		t.Run(c.handler, func(t *testing.T) {
			shop := openShop(t, c.handler, c.db(t))
			s := startAckproofIn(t, shop.dir, "run", "shop.yaml", "--quiet")
			code := s.code()
			r := resultOf(t, s.latest())
			t.Logf("seed %d: %s, %d acknowledged, %d failures, drained by %s; %v", r.Run.Seed, r.Verdict, r.Requests.Acknowledged, r.Faults[0].Bitten, r.Drain.Proof, r.Reasons)
			if code != c.code || r.Requests.Acknowledged == 0 || r.Drain.Proof != bench.DrainSentinels {
				t.Errorf("exit %d, want %d; %d acknowledged; drained by %s", code, c.code, r.Requests.Acknowledged, r.Drain.Proof)
			}
			var got []string
			for _, f := range lines[bench.Finding](t, filepath.Join(s.latest(), "findings.jsonl")) {
				if got = append(got, f.ID); f.Verdict != c.verdict {
					t.Fatalf("finding %+v, want %s alone", f, c.verdict)
				}
			}
			want := slices.DeleteFunc(c.page(shop), func(id string) bool { return !planned(id, r) })
			if slices.Sort(got); !slices.Equal(got, want) || c.code == exitFail && len(want) == 0 {
				t.Errorf("the handler has failed %d orders, %d are found: %q, want %q", len(want), len(got), got, want)
			}
			// Strikes are counted before the undoing, so one may come between.
			if failed := int64(len(shop.diary("failed"))); r.Faults[0].Bitten == 0 || r.Faults[0].Bitten > failed || !r.Faults[0].Undone {
				t.Errorf("%d failures in the diary; %+v", failed, r.Faults[0])
			}
		})
	}
}

func dynoxide(t *testing.T) *peer.Server { return peer.Start(t, peer.Dynoxide) }

// embedded is the engine of ackproof itself.
func embedded(t *testing.T) *peer.Server {
	return &peer.Server{Name: "embedded", URL: startTheirs(t).DynamoDB}
}

// planned reports whether an id is of the load, and no canary or sentinel.
func planned(id string, r bench.Result) bool {
	k, err := bench.ParseKey(id)
	return err == nil && k.Agent != bench.CanaryAgent && int64(k.Seq) < r.Requests.Planned
}

// twice gives what stands more than once in a sorted list, once each.
func twice(sorted []string) (again []string) {
	for i, id := range sorted {
		if i > 0 && sorted[i-1] == id && !slices.Contains(again, id) {
			again = append(again, id)
		}
	}
	return again
}

// shop is the service, up.
type shop struct {
	t   *testing.T
	dir string // of the service; the diary is there too
}

// diary gives the lines of a page, sorted.
func (s *shop) diary(page string) []string {
	b, err := os.ReadFile(filepath.Join(s.dir, page))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	all := strings.Fields(string(b))
	slices.Sort(all)
	return all
}

// openShop makes the tables of the service of testdata/offline, starts it with a
// handler, and writes the scenario that names it.
func openShop(t *testing.T, handler string, db *peer.Server) *shop {
	t.Helper()
	tools, err := peer.Install(peer.Offline)
	if err != nil {
		t.Fatal(err)
	}
	const orders, done = "orders", "done"
	for table, stream := range map[string]string{orders: `,"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"}`, done: ""} {
		made := fmt.Sprintf(`{"TableName":%q,"BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]%s}`, table, stream)
		if status, answer, err := db.Call(t.Context(), "CreateTable", []byte(made)); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, answer, err)
		}
		if err := db.AwaitTable(t.Context(), table); err != nil {
			t.Fatal(err)
		}
	}
	s := &shop{t: t, dir: t.TempDir()}
	if err := os.CopyFS(s.dir, os.DirFS(filepath.Join("testdata", "offline"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(tools, "node_modules"), filepath.Join(s.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	service := peer.StartService(t, s.dir, "WORKER="+handler, "ORDERS="+orders, "DONE="+done, "AWS_ENDPOINT_URL_DYNAMODB="+db.URL)
	scenario := fmt.Sprintf(`about: Somebody else's shop, in which a quarter of the orders fail for six seconds.
load:
  - {name: warm-up, for: 2s, rate: 10/s, warmup: true}
  - {name: steady, for: 12s, rate: 25/s}
request: {path: /orders}
gates: {evidence: 50}
faults: ["at 4s for 6s: exec.run command=outage"]
commands:
  - name: outage
    do: {run: [touch, outage]}
    undo: {run: [rm, -f, outage]}
    confirm: {run: [sh, -c, "! test -e outage"]}
    count: {run: [sh, -c, "cat failed 2>/dev/null | wc -l"]}
target:
  url: %s
  dynamodb: {endpoint: %q, region: us-east-1}
  items: {table: %s, payload: payload}
  results: {table: %s, processedAt: processedAt, count: count, digest: digest}
`, service.URL, db.URL, orders, done)
	if err := os.WriteFile(filepath.Join(s.dir, "shop.yaml"), []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}
