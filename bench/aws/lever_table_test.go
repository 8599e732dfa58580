package aws

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/peer"
)

// withTable opens an account on a fake with a DynamoDB, and makes the items table there.
func withTable(t *testing.T, tables http.Handler, provisioned *types.ProvisionedThroughput, most *types.OnDemandThroughput) (*fake, *Account) {
	t.Helper()
	f, a := onFake(t)
	f.tables = tables
	in := &dynamodb.CreateTableInput{
		TableName: aws.String("items"), BillingMode: types.BillingModePayPerRequest, ProvisionedThroughput: provisioned, OnDemandThroughput: most,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	}
	if provisioned != nil {
		in.BillingMode = types.BillingModeProvisioned
	}
	if _, err := a.tables.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return f, a
}

// embedded is a DynamoDB of our own.
func embedded(*testing.T) http.Handler {
	return dynamo.NewServer(dynamo.ServerOptions{Engine: dynamo.New(dynamo.Options{}), Clock: clock.Real{}})
}

// unitsOf reads what a table may take, for reads and writes; -1: as much as comes.
func unitsOf(t *testing.T, a *Account) string {
	t.Helper()
	out, err := a.tables.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("items")})
	if err != nil {
		t.Fatal(err)
	}
	p, most := out.Table.ProvisionedThroughput, out.Table.OnDemandThroughput
	switch {
	case most != nil:
		return fmt.Sprint("at most ", cmp.Or(aws.ToInt64(most.MaxReadRequestUnits), -1), " ", cmp.Or(aws.ToInt64(most.MaxWriteRequestUnits), -1))
	case aws.ToInt64(p.WriteCapacityUnits) == 0:
		return "as much as comes"
	}
	return fmt.Sprint(aws.ToInt64(p.ReadCapacityUnits), " ", aws.ToInt64(p.WriteCapacityUnits))
}

// A table is left one write a second, by what limits it: its capacity, or on demand its
// maximum. It is given back what it had, also where that was no maximum, by the run or
// by somebody who knows no more than the account.
func TestATableIsLeftOneWriteASecond(t *testing.T) { leftOneWrite(t, embedded) }

// TestConformanceATableIsLeftOneWriteASecond: dynoxide has learnt what it does with
// maxima from DynamoDB itself.
func TestConformanceATableIsLeftOneWriteASecond(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: it needs npm")
	}
	leftOneWrite(t, func(t *testing.T) http.Handler {
		u, err := url.Parse(peer.Start(t, peer.Dynoxide).URL)
		if err != nil {
			t.Fatal(err)
		}
		return httputil.NewSingleHostReverseProxy(u)
	})
}

func leftOneWrite(t *testing.T, tables func(*testing.T) http.Handler) {
	units := func(read, write int64) *types.OnDemandThroughput {
		return &types.OnDemandThroughput{MaxReadRequestUnits: &read, MaxWriteRequestUnits: &write}
	}
	for _, tt := range []struct {
		name           string
		provisioned    *types.ProvisionedThroughput
		most           *types.OnDemandThroughput
		before, in, by string
	}{
		{"provisioned", &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(5), WriteCapacityUnits: aws.Int64(9)}, nil, "5 9", "5 1", "WriteThrottleEvents"},
		{"on demand", nil, nil, "as much as comes", "at most -1 1", "WriteMaxOnDemandThroughputThrottleEvents"},
		{"with a maximum", nil, units(40, 20), "at most 40 20", "at most 40 1", "WriteMaxOnDemandThroughputThrottleEvents"},
		{"with a maximum for reads", nil, &types.OnDemandThroughput{MaxReadRequestUnits: aws.Int64(40)}, "at most 40 -1", "at most 40 1", "WriteMaxOnDemandThroughputThrottleEvents"},
	} {
		for _, by := range []string{"the run", "another machine"} {
			t.Run(tt.name+", undone by "+by, func(t *testing.T) {
				f, a := withTable(t, tables(t), tt.provisioned, tt.most)
				l, stack := leversOn(t, a, "at 3s for 9s: table.throttle")
				if err := errorsOf(l.Lacks(stack), l.Open(t.Context(), stack)); err != nil {
					t.Fatal(err)
				}
				if got := unitsOf(t, a); got != tt.before {
					t.Fatalf("before: %s, want %s", got, tt.before)
				}
				if err := l.Begin(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
				if got := unitsOf(t, a); got != tt.in || len(f.journal()) != 1 {
					t.Errorf("in force: %s, want %s; the journal has %q", got, tt.in, f.journal())
				}
				f.counts(7)
				undo := func() error { return l.End(t.Context(), 0) }
				if by != "the run" {
					undo = func() error { return a.UndoFaults(t.Context(), "ackproof", func(OpenFault) {}) }
				}
				if err := undo(); err != nil {
					t.Fatal(err)
				}
				if got := unitsOf(t, a); got != tt.before || len(f.journal()) != 0 {
					t.Errorf("after: %s, want %s; the journal has %q", got, tt.before, f.journal())
				}
				if bites, err := l.Bites(t.Context()); err != nil || bites[0].Bitten != 7 {
					t.Errorf("bites %+v, %v", bites, err)
				}
				if other := slices.DeleteFunc(slices.Clone(f.metrics), func(m string) bool { return m == tt.by }); len(f.metrics) == 0 || len(other) > 0 {
					t.Errorf("counted by %q, want %s", f.metrics, tt.by)
				}
			})
		}
	}
	_, a := withTable(t, tables(t), nil, units(5, 1))
	l, stack := leversOn(t, a, "at 3s for 9s: table.throttle")
	if err := l.Open(t.Context(), stack); err == nil || !strings.Contains(err.Error(), "a maximum write throughput of 1: there is nothing to be lowered") {
		t.Errorf("one that has no more already: %v", err)
	}
}
