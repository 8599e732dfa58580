package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/scenarios"
)

// shown reads a table as its owner would: by key, what it says of which version.
func (s *theirs) shown(t *testing.T, table string) map[string]string {
	t.Helper()
	db := dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: &s.DynamoDB, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	all := map[string]string{}
	for pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Items {
			key := row["id"].(*types.AttributeValueMemberS).Value
			if _, shared := bench.ParseSharedKey(key); shared {
				all[key] = row["version"].(*types.AttributeValueMemberS).Value
			}
		}
	}
	return all
}

// versions is a scenario of several versions of items, for a stack whose results table
// shows them by some attributes.
func (s *theirs) versions(t *testing.T, names string) string {
	t.Helper()
	dir, guarantee := t.TempDir(), "exactly-once"
	if strings.Contains(names, "perKey") {
		guarantee = "at-least-once"
	}
	text := fmt.Sprintf(`load: [{name: steady, for: 3s, rate: 100/s}]
workload: {kind: versions, keys: 60, skew: zipf}
guarantee: {effects: %s}
target:
  url: %s
  dynamodb: {endpoint: %q}
  items: {table: %s, payload: payload}
  results: {table: %s, processedAt: processedAt, %s}
`, guarantee, s.API, s.DynamoDB, s.Tables.Items, s.Tables.Results, names)
	if err := os.WriteFile(filepath.Join(dir, "theirs.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// oneRow are processors that keep one row for all versions of an item, and how the rows
// say which version they show.
var oneRow = []struct {
	defect, names string
	long          bool
}{
	{"", "sequence: sequence, perKey: true", true},
	{"insert-only", "version: version, digest: digest, perKey: true", false}, // each item keeps its first effect
	{"", "digest: digest, perKey: true", true},
	{"", "version: version, count: count, digest: digest", true},              // a row for each version too
	{"skip-nth=3", "version: version, perKey: true", true},                    // swallows, also the last version of an item, and all of it
	{"all-at-once", "sequence: sequence, digest: digest, perKey: true", true}, // puts older versions over newer ones
	{"corrupt", "version: version, digest: digest, perKey: true", true},
}

// A stack of somebody else's keeps one row for all versions of an item. A sound one
// passes; of others those versions are found, by their ids, that another reader of the
// tables does not find in the rows of their items.
func TestRunOnASystemWithOneRowForAllVersions(t *testing.T) { runOneRow(t, false) }

func TestConformanceOneRowForAllVersions(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("ten seconds, side by side: set ACKPROOF_CONFORMANCE=1")
	}
	runOneRow(t, true)
}

func runOneRow(t *testing.T, long bool) {
	for _, c := range oneRow {
		if c.long != long {
			continue
		}
		t.Run(c.defect+" "+c.names, func(t *testing.T) {
			t.Parallel()
			perKey := strings.Contains(c.names, "perKey")
			held := []string{"--set", "workload.kind=versions", "--env", fmt.Sprintf("ACKPROOF_PER_KEY=%v", perKey), "--env", "ACKPROOF_DEFECT=" + c.defect}
			if c.defect == "all-at-once" {
				held = append(held, "--set", "mapping.maximumBatchingWindowInSeconds=1")
			}
			stack := holdTheirs(t, held...)
			s := startAckproofIn(t, stack.versions(t, c.names), "run", "theirs.yaml", "--quiet")
			code := s.code()
			r := resultOf(t, s.latest())
			rows, want, got := stack.shown(t, stack.Tables.Results), map[string]bench.ItemVerdict{}, map[string]bench.ItemVerdict{}
			for key, version := range stack.shown(t, stack.Tables.Items) {
				k, _ := bench.ParseSharedKey(key)
				switch shows, there := rows[key]; {
				case k.Run != r.Run.ID: // of the run that has left the stack
				case !there:
					want[version] = bench.LostProcessing
				case shows != version || c.defect == "corrupt":
					want[version] = bench.WrongEffect
				}
			}
			for _, f := range r.Findings {
				got[f.ID] = f.Verdict
			}
			if d := cmp.Diff(want, got); d != "" || (len(want) == 0) != (c.defect == "") {
				t.Errorf("found (- as another reader sees it, + as it is told):\n%s", d)
			}
			sound := code == exitPass && r.Verdict == bench.Pass && (r.Items.Superseded > 0) == perKey && r.Lag != nil && r.Lag.Count == r.Items.Processed
			if c.defect == "" && !sound || c.defect != "" && (code != exitFail || r.Verdict != bench.Fail) {
				t.Errorf("exit %d, %s: %v, %+v", code, r.Verdict, r.Reasons, r.Items)
			}
		})
	}
}

// TestConformanceAWSVersions: requests that share keys, on a stack of ackproof's, which has
// a row for each version, and on one of somebody's own, which has one for each item.
func TestConformanceAWSVersions(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("two systems are deployed, in half a minute: set ACKPROOF_CONFORMANCE=all")
	}
	const versions = awsScenario + "workload: {kind: versions, keys: 40, skew: zipf}\n"
	t.Run("a row for each version", func(t *testing.T) {
		t.Parallel()
		u := newCloudUser(t, deniedWrites(t))
		u.write("versions.yaml", versions)
		u.deploys("versions.yaml")
		r := resultOf(t, u.must(exitPass, "run", "--target", "aws", "versions.yaml").latest())
		if r.Items.Processed != 300 || r.Items.Superseded != 0 || r.Items.Duplicated == nil || r.Run.Target != "aws" {
			t.Errorf("%+v on %s", r.Items, r.Run.Target)
		}
	})
	t.Run("a row for each item, which keeps its first version", func(t *testing.T) {
		t.Parallel()
		u := newCloudUser(t, deniedWrites(t))
		u.write("first.yaml", strings.Replace(versions, "timeout: 3s}", `timeout: 3s, env: {ACKPROOF_DEFECT: insert-only, ACKPROOF_PER_KEY: "true"}}`, 1))
		u.deploys("first.yaml", "--stack", "orders")
		u.write("orders.yaml", strings.Replace(versions, `, "duplicated == 0"`, "", 1)+`request: {sign: sigv4}
guarantee: {effects: at-least-once}
target:
  stack: orders
  url: "${output:ApiUrl}"
  items:   {table: "${output:ItemsTable}", payload: payload}
  results: {table: "${output:ResultsTable}", processedAt: processedAt, sequence: sequence, digest: digest, perKey: true}
`)
		s := u.must(exitFail, "run", "orders.yaml")
		r := resultOf(t, s.latest())
		written := map[uint64][]uint64{} // by key
		sc, err := scenarios.Load(filepath.Join(s.latest(), "scenario.yaml"), nil)
		if err != nil {
			t.Fatal(err)
		}
		plan := scenarios.NewPlan(sc, r.Run.ID, 0, r.Run.Seed)
		for seq := range uint64(plan.Len()) {
			written[plan.KeyNumber(seq)] = append(written[plan.KeyNumber(seq)], seq)
		}
		again := int64(0)
		for _, seqs := range written {
			if len(seqs) > 1 {
				again++
			}
		}
		wrong := int64(0)
		for _, f := range r.Findings {
			if wrong++; f.Verdict != bench.WrongEffect {
				t.Errorf("%s is %s", f.ID, f.Verdict)
			}
		}
		if wrong != again || r.Run.Target != "aws" || r.Items.Superseded == 0 || r.Cost == nil {
			t.Errorf("%d findings, %d items were written again; %+v on %s", wrong, again, r.Items, r.Run.Target)
		}
	})
}
