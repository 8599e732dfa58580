package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
)

// upStack is a stack that `ackproof up --data` has started.
type upStack struct {
	*session
	API, DynamoDB string
	Tables        struct{ Items, Results string }
	db            *dynamodb.Client
}

func startUp(t *testing.T, data string) *upStack {
	t.Helper()
	s := &upStack{session: startAckproof(t, "up", "--json", "--data", data)}
	until(t, time.Minute, "the stack is up", func() bool { return json.Unmarshal([]byte(s.stdout.String()), s) == nil })
	s.db = dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: &s.DynamoDB, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	return s
}

// post sends items and returns the ids of those that were acknowledged.
func (s *upStack) post(from, to int) (ids []string) {
	s.t.Helper()
	for i := from; i < to; i++ {
		id := fmt.Sprintf("k3v9x2ab-00-%010d", i)
		resp, err := http.Post(s.API, "application/json", strings.NewReader(fmt.Sprintf(`{"id":"%s","payload":"p%d"}`, id, i)))
		if err != nil {
			s.t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			ids = append(ids, id)
		}
	}
	return ids
}

// lacks counts the ids that a table does not have.
func (s *upStack) lacks(table string, ids []string) (n int) {
	s.t.Helper()
	for _, id := range ids {
		out, err := s.db.GetItem(s.t.Context(), &dynamodb.GetItemInput{TableName: &table, ConsistentRead: aws.Bool(true),
			Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}}})
		if err != nil {
			s.t.Fatal(err)
		}
		if out.Item == nil {
			n++
		}
	}
	return n
}

// deliveries gives what the processor was handed by this call of ackproof.
func (s *upStack) deliveries() []bench.Delivery {
	s.t.Helper()
	dirs, _ := filepath.Glob(filepath.Join(s.dir, "ackproof-up-*", "deliveries"))
	if len(dirs) != 1 {
		s.t.Fatalf("%d folders of deliveries", len(dirs))
	}
	log, err := ledger.ReadDeliveries(dirs[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.Collect(log.Deliveries())
}

func (s *upStack) delivered() (ids []string) {
	s.t.Helper()
	for _, d := range s.deliveries() {
		ids = append(ids, d.ID)
	}
	return ids
}

// kill ends every process of the stack at once.
func (s *upStack) kill() {
	pids := family(s.t, s.cmd.Process.Pid)
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	s.cmd.Wait()
	until(s.t, 10*time.Second, "no process is left", func() bool { return !slices.ContainsFunc(pids, alive) })
}

func TestAKilledStackGoesOnOnItsData(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	first := startUp(t, data)
	old := first.post(0, 30)
	until(t, time.Minute, "the first items are processed", func() bool { return first.lacks(first.Tables.Results, old) == 0 })
	until(t, time.Minute, "the checkpoints are behind them", func() bool {
		var kept struct{ Shards map[string]string }
		text, _ := os.ReadFile(filepath.Join(data, "checkpoints.json"))
		json.Unmarshal(text, &kept)
		last := map[string]string{}
		for _, d := range first.deliveries() {
			last[d.Shard] = d.Sequence // one lane a shard: in order
		}
		return len(first.deliveries()) == len(old) && maps.Equal(kept.Shards, last)
	})

	busy := startAckproof(t, "up", "--data", data)
	if code := busy.code(); code != exitMisuse || !strings.Contains(busy.stderr.String(), "another process is using it") {
		t.Errorf("a folder in use: exit code %d, want %d\n%s", code, exitMisuse, busy.stderr.String())
	}

	// Killed at once after the last answer: most of these wait in the stream.
	pending := first.post(30, 90)
	first.kill()
	if len(old) != 30 || len(pending) != 60 {
		t.Fatalf("%d and %d items were acknowledged", len(old), len(pending))
	}

	second := startUp(t, data)
	if second.Tables != first.Tables {
		t.Fatalf("tables %v, want %v", second.Tables, first.Tables)
	}
	if n := second.lacks(second.Tables.Items, slices.Concat(old, pending)); n > 0 {
		t.Errorf("%d acknowledged items are gone", n)
	}
	until(t, time.Minute, "what was pending is processed", func() bool { return second.lacks(second.Tables.Results, pending) == 0 })
	more := second.post(90, 100)
	until(t, time.Minute, "what comes is processed", func() bool { return second.lacks(second.Tables.Results, more) == 0 })
	until(t, time.Minute, "the deliveries are written down", func() bool {
		return !slices.ContainsFunc(more, func(id string) bool { return !slices.Contains(second.delivered(), id) })
	})
	again := slices.DeleteFunc(second.delivered(), func(id string) bool { return !slices.Contains(old, id) })
	if len(again) > 0 {
		t.Errorf("%d records were settled before the kill and are delivered again", len(again))
	}

	// Stopped in good order, everything is settled.
	second.cmd.Process.Signal(os.Interrupt)
	if code := second.code(); code != exitPass {
		t.Errorf("up exits %d when it is interrupted, want %d", code, exitPass)
	}
	third := startUp(t, data)
	last := third.post(100, 101)
	until(t, time.Minute, "what comes is processed", func() bool { return third.lacks(third.Tables.Results, last) == 0 })
	until(t, time.Minute, "the delivery is written down", func() bool { return len(third.delivered()) > 0 })
	if got := third.delivered(); !slices.Equal(got, last) {
		t.Errorf("after a stop %v is delivered, want %v", got, last)
	}
	third.kill()
}
