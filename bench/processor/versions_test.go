package processor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench/clock"
)

// versionBatch makes a stream event of versions of the item k, one for each
// sequence number: version vN of payload N.
func versionBatch(t testing.TB, sequences ...int) json.RawMessage {
	var e events.DynamoDBEvent
	for _, n := range sequences {
		image := map[string]events.DynamoDBAttributeValue{
			"id": events.NewStringAttribute("k"), "version": events.NewStringAttribute(fmt.Sprint("v", n)), "payload": events.NewStringAttribute(fmt.Sprint(n)),
		}
		e.Records = append(e.Records, events.DynamoDBEventRecord{
			EventID: fmt.Sprint(n), EventName: "MODIFY",
			Change: events.DynamoDBStreamRecord{SequenceNumber: strconv.Itoa(n), NewImage: image},
		})
	}
	return marshal(t, e)
}

// rows spells every row of the table but the digest: id count sequence version.
func (b table) rows() string {
	b.t.Helper()
	out, err := b.db.Scan(b.t.Context(), &dynamodb.ScanInput{TableName: aws.String("items")})
	if err != nil {
		b.t.Fatal(err)
	}
	text := func(v types.AttributeValue) string {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			return v.Value
		case *types.AttributeValueMemberN:
			return v.Value
		}
		return ""
	}
	rows := map[string]string{}
	for _, it := range out.Items {
		rows[text(it["id"])] = strings.TrimSpace(text(it["id"]) + " " + text(it["count"]) + " " + text(it["sequence"]) + " " + text(it["version"]))
	}
	var sorted []string
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		sorted = append(sorted, rows[id])
	}
	return strings.Join(sorted, ", ")
}

func versionsHandler(b table, defect string) *Handler {
	return New(Config{ItemsTable: "items", ResultsTable: "items", Defect: defect}, b.db, clock.NewVirtual(start))
}

// TestVersions: each version is applied once, whatever is delivered again and in
// whatever order, and the item's row shows the newest.
func TestVersions(t *testing.T) {
	for _, tt := range []struct {
		defect, want string
		batches      [][]int
	}{
		{"", "k 3 3 v3, v1 1 1, v2 1 2, v3 1 3", [][]int{{1, 2, 3}, {1, 2, 3}}},
		{"", "k 2 3 v3, v1 1 1, v2 1 2, v3 1 3", [][]int{{1, 3}, {2, 1}}}, // v2 is no news to the item, and applied all the same
		{"unconditional", "k 1 2 v2, v1 1 1, v2 1 2, v3 1 3", [][]int{{1, 3}, {2}}},
		{"non-idempotent", "k 6 2 v2, v1 2 1, v2 2 2, v3 2 3", [][]int{{1, 2, 3}, {3, 1, 2}}},
		{"double-nth=2", "k 3 3 v3, v1 1 1, v2 2 2, v3 1 3", [][]int{{1, 2, 3}, {1}}},
		{"insert-only", "", [][]int{{1, 2, 3}}},
	} {
		b := newTable(t)
		h := versionsHandler(b, tt.defect)
		for _, numbers := range tt.batches {
			handle(t, h, versionBatch(t, numbers...))
		}
		if got := b.rows(); got != tt.want {
			t.Errorf("defect %q, batches %v: rows %q, want %q", tt.defect, tt.batches, got, tt.want)
		}
	}
}

// TestVersionsInAnyOrder: as TestVersions, against a model.
func TestVersionsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newTable(t)
		h := versionsHandler(b, "")
		seen, newest := map[int]bool{}, 0
		for range rapid.IntRange(1, 4).Draw(rt, "batches") {
			batch := rapid.SliceOfN(rapid.IntRange(1, 12), 1, 6).Draw(rt, "batch")
			handle(t, h, versionBatch(t, batch...))
			for _, n := range batch {
				seen[n], newest = true, max(newest, n)
			}
		}
		var want []string
		for n := range seen {
			want = append(want, fmt.Sprintf("v%d 1 %d", n, n))
		}
		slices.Sort(want)
		_, got, _ := strings.Cut(b.rows(), ", ")
		if all := strings.Join(want, ", "); got != all {
			rt.Fatalf("rows %q, want %q", got, all)
		}
		if k := b.rows(); !strings.HasSuffix(strings.Split(k, ", ")[0], fmt.Sprintf(" %d v%d", newest, newest)) {
			rt.Fatalf("rows %q, want the newest of the item to be v%d", k, newest)
		}
	})
}

// TestVersionsOfRequests: without a stream the version stored last is the newest,
// and the item's row comes with it.
func TestVersionsOfRequests(t *testing.T) {
	b := newTable(t)
	h := New(Config{ItemsTable: "stored", ResultsTable: "items"}, b.db, clock.NewVirtual(start))
	if _, err := b.db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("stored"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"v1", "v2", "v1"} { // the third is the first one again, and changes nothing
		if _, err := h.Handle(t.Context(), request(t, `{"id":"k","version":"`+v+`","payload":"x"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := b.rows(), "k 2 0 v2, v1 1 0, v2 1 0"; got != want {
		t.Errorf("rows %q, want %q", got, want)
	}
	out, err := b.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("stored"), Key: map[string]types.AttributeValue{"id": text("k")}})
	if v, _ := out.Item["version"].(*types.AttributeValueMemberS); err != nil || v == nil || v.Value != "v2" {
		t.Errorf("stored is %v, %v; want v2", out.Item, err)
	}
}

// slowOlder holds up the writes of one version, as a retry does.
type slowOlder struct {
	DynamoDB
	version string
	mu      sync.Mutex
}

func (s *slowOlder) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if v, _ := in.ExpressionAttributeValues[":version"].(*types.AttributeValueMemberS); v != nil && v.Value == s.version {
		time.Sleep(time.Second)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.DynamoDB.UpdateItem(ctx, in, o...)
}

// TestAllAtOnce: of two versions in one batch the older stays, if its write takes
// longer.
func TestAllAtOnce(t *testing.T) {
	for defect, want := range map[string]string{"": "k 2 2 v2, v1 1 1, v2 1 2", "all-at-once": "k 1 1 v1, v1 1 1, v2 1 2"} {
		b := newTable(t)
		batch := versionBatch(t, 1, 2)
		synctest.Test(t, func(t *testing.T) {
			h := New(Config{ItemsTable: "items", ResultsTable: "items", Defect: defect}, &slowOlder{DynamoDB: b.db, version: "v1"}, clock.NewVirtual(start))
			handle(t, h, batch)
		})
		if got := b.rows(); got != want {
			t.Errorf("defect %q: rows %q, want %q", defect, got, want)
		}
	}
}
