package eventsource

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// settle lets virtual time pass, and everything come to rest.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestDisableKeepsThePosition: what comes while the mapping is disabled is
// delivered when it is enabled, once.
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
func TestDisableKeepsThePosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stream := &journal{}, oneShard(records(1, 2, epoch)...)
		m := start(t, testConfig(stream, works, j))
		settle(time.Second)
		if err := m.Disable(); err != nil || m.State() != Disabled || m.Metrics().State != Disabled {
			t.Fatalf("state %s, %v", m.State(), err)
		}
		reads := len(stream.reads)
		stream.put(0, records(3, 4, epoch)...)
		settle(time.Hour)
		if len(stream.reads) != reads || m.Position()[0].Checkpoint != sequenceText(2) {
			t.Errorf("%d polls while disabled, position %+v", len(stream.reads)-reads, m.Position()[0])
		}
		if err := m.Enable(); err != nil || m.State() != Enabled {
			t.Fatalf("state %s, %v", m.State(), err)
		}
		settle(time.Second)
		if got, want := j.told(), "1/1/ok 2/1/ok 3/1/ok 4/1/ok"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		if err := m.Enable(); err != nil { // again: nothing happens
			t.Error(err)
		}
		if want := "shard-0 AFTER_SEQUENCE_NUMBER " + sequenceText(2); stream.asked[1] != want || len(stream.asked) != 2 {
			t.Errorf("iterators %q", stream.asked)
		}
	})
}

// TestDisableWaitsForTheInvocation: and a batch that fails begins its retries
// anew after that.
func TestDisableWaitsForTheInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		m := start(t, testConfig(oneShard(records(1, 1, epoch)...), func(context.Context, bench.Invocation) bench.Answer {
			time.Sleep(3 * time.Second)
			return failure(time.Now())
		}, j))
		settle(time.Second)
		begun := time.Now()
		if err := m.Disable(); err != nil || time.Since(begun) != 2*time.Second || len(j.seen()) != 1 {
			t.Errorf("disabled after %v, %d deliveries, %v", time.Since(begun), len(j.seen()), err)
		}
		if err := m.Enable(); err != nil {
			t.Error(err)
		}
		settle(5 * time.Second)
		if d := j.seen(); len(d) != 2 || d[1].Attempt != 1 || d[1].Batch == d[0].Batch {
			t.Errorf("deliveries %+v", d)
		}
	})
}

// TestLatestMissesWhatComesBeforeItsFirstPoll, at the start and at an update:
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
func TestLatestMissesWhatComesBeforeItsFirstPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stream := &journal{}, oneShard(records(1, 1, epoch)...)
		config := testConfig(stream, works, j)
		config.Settings.StartingPosition, config.Settings.StartDelay = "LATEST", time.Minute
		m := start(t, config)
		settle(59 * time.Second)
		if m.State() != Enabled || len(stream.reads) != 0 {
			t.Errorf("state %s, %d polls", m.State(), len(stream.reads))
		}
		stream.put(0, records(2, 2, epoch)...) // Enabled, and yet it is missed
		settle(2 * time.Second)
		stream.put(0, records(3, 3, epoch)...)
		settle(time.Second)
		if got, want := j.told(), "3/1/ok"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		settings := config.Settings
		settings.BatchSize = 7
		if err := m.Update(settings); err != nil {
			t.Fatal(err)
		}
		stream.put(0, records(4, 4, epoch)...)
		settle(61 * time.Second)
		stream.put(0, records(5, 5, epoch)...)
		settle(time.Second)
		if got, want := j.told(), "3/1/ok 5/1/ok"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		// A shard that comes later is read from its beginning.
		stream.mu.Lock()
		stream.shards = append(stream.shards, &fakeShard{id: "shard-1", log: records(6, 6, epoch)})
		stream.mu.Unlock()
		settle(3 * time.Second)
		if got, want := j.told(), "3/1/ok 5/1/ok 6/1/ok"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}

// TestLatestDoesNotWaitForParents: what is closed has nothing that comes later.
func TestLatestDoesNotWaitForParents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		stream := &fakeStream{shards: []*fakeShard{
			{id: "shard-0", log: records(1, 1, epoch), closed: true}, {id: "shard-1", parent: "shard-0", log: records(2, 2, epoch)},
		}}
		config := testConfig(stream, works, j)
		config.Settings.StartingPosition = "LATEST"
		start(t, config)
		settle(100 * time.Millisecond)
		stream.put(1, records(3, 3, epoch)...)
		settle(time.Second)
		if got, want := j.told(), "3/1/ok"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}

// TestUpdate: from TRIM_HORIZON an update goes on at the checkpoint.
func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stream := &journal{}, oneShard(records(1, 4, epoch)...)
		fail := true
		config := testConfig(stream, func(context.Context, bench.Invocation) bench.Answer {
			if fail {
				return failure(time.Now())
			}
			return success(time.Now())
		}, j)
		config.Settings.BatchSize = 4
		m := start(t, config)
		settle(100 * time.Millisecond)
		settings := config.Settings
		settings.BatchSize = 0
		if err := m.Update(settings); err == nil || !strings.Contains(err.Error(), "update mapping: mapping: BatchSize 0") {
			t.Errorf("error %v", err)
		}
		settings.BatchSize, settings.StartingPosition = 2, "LATEST"
		if err := m.Update(settings); err == nil || !strings.Contains(err.Error(), "recreate") {
			t.Errorf("error %v", err)
		}
		settings.StartingPosition, settings.MaximumRetryAttempts = "TRIM_HORIZON", 0
		if err := m.Update(settings); err != nil {
			t.Fatal(err)
		}
		settle(100 * time.Millisecond)
		if c := m.Metrics(); c.Dropped != 4 || c.Polled != 8 || c.Invocations != 3 {
			t.Errorf("metrics %+v: want two batches of two, given up at once", c)
		}
		// A disabled mapping stays so.
		if err := m.Disable(); err != nil {
			t.Error(err)
		}
		fail = false
		if err := m.Update(config.Settings); err != nil || m.State() != Disabled {
			t.Errorf("state %s, %v", m.State(), err)
		}
		stream.put(0, records(5, 5, epoch)...)
		settle(time.Second)
		if n := len(j.deliveries); n != 8 {
			t.Errorf("%d deliveries while disabled", n)
		}
		if err := m.Enable(); err != nil {
			t.Error(err)
		}
		settle(time.Second)
		if got := j.told(); !strings.HasSuffix(got, " 5/1/ok") || len(j.deliveries) != 9 {
			t.Errorf("told %s", got)
		}
	})
}

// TestRecreateLosesThePosition: a deployment that replaces the mapping delivers
// everything again, or misses what came meanwhile.
func TestRecreateLosesThePosition(t *testing.T) {
	for position, want := range map[string]string{
		"TRIM_HORIZON": "1/1/ok 1/1/ok 2/1/ok 3/1/ok", "LATEST": "1/1/ok 3/1/ok",
	} {
		t.Run(position, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, stream := &journal{}, oneShard(records(1, 1, epoch)...)
				config := testConfig(stream, works, j)
				m := start(t, config)
				settle(time.Second)
				m.Delete()
				if m.State() != Deleted || len(m.Position()) != 0 {
					t.Errorf("state %s, positions %v", m.State(), m.Position())
				}
				for what, err := range map[string]error{"disable": m.Disable(), "enable": m.Enable(), "update": m.Update(config.Settings)} {
					if err == nil || err.Error() != what+" mapping: it is deleted; recreate it" {
						t.Errorf("%s: %v", what, err)
					}
				}
				stream.put(0, records(2, 2, epoch)...)
				settings := config.Settings
				settings.StartingPosition = position
				if err := m.Recreate(settings); err != nil {
					t.Fatal(err)
				}
				settle(time.Second)
				stream.put(0, records(3, 3, epoch)...)
				settle(time.Second)
				if got := j.told(); got != want {
					t.Errorf("told %s, want %s", got, want)
				}
				if first, last := j.deliveries[0].Batch, j.deliveries[len(j.deliveries)-1].Batch; first == last {
					t.Errorf("two batches have the number %d", last)
				}
			})
		})
	}
}

// TestMappingLanes: batches of one shard run at the same time, those of one item
// do not, and a partial answer is told record by record.
func TestMappingLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stream := &journal{}, oneShard()
		for n := range 40 {
			r := streamRecord(n+1, epoch, "p")
			r.Dynamodb.Keys["sort"] = &attrN{Value: fmt.Sprint(n % 20)}
			stream.put(0, r)
		}
		var mu sync.Mutex
		running, most := 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			running += n
			most = max(most, running)
		}
		config := testConfig(stream, func(context.Context, bench.Invocation) bench.Answer {
			count(1)
			time.Sleep(time.Second)
			count(-1)
			return success(time.Now())
		}, j)
		config.Settings.ParallelizationFactor = 10
		m := start(t, config)
		settle(1500 * time.Millisecond)
		if most < 5 || most > 10 || len(j.deliveries) != 40 || m.Position()[0].Checkpoint != sequenceText(40) {
			t.Errorf("%d batches at once, %d deliveries, position %+v", most, len(j.deliveries), m.Position()[0])
		}
	})
}

func TestMappingTellsPartialAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		calls := 0
		config := testConfig(oneShard(records(1, 3, epoch)...), func(context.Context, bench.Invocation) bench.Answer {
			if calls++; calls == 1 {
				return reported(sequenceText(2))
			}
			return success(time.Now())
		}, j)
		config.Settings.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
		m := start(t, config)
		settle(time.Second)
		if got, want := j.told(), "1/1/ok 2/1/error 3/1/error 2/1/ok 3/1/ok"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		if c := m.Metrics(); c.Rewinds != 1 || c.Settled != 3 || c.FailedInvoke != 2 || c.Invoked != 5 {
			t.Errorf("metrics %+v", c)
		}
	})
}

// TestMetadataLetters: without the payload a dead letter is handed over, and not
// yet known to be readable.
func TestMetadataLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		config := testConfig(oneShard(records(1, 1, epoch)...), func(context.Context, bench.Invocation) bench.Answer { return failure(time.Now()) }, j)
		config.Settings.OnFailure, config.Settings.MaximumRetryAttempts = "metadata", 0
		m := start(t, config)
		settle(time.Second)
		if len(j.documents) != 1 || j.documents[0].Payload != "" || j.documents[0].BatchInfo.StartSequenceNumber != sequenceText(1) {
			t.Fatalf("documents %+v", j.documents)
		}
		if len(j.letters) != 1 || j.letters[0].Readable {
			t.Errorf("letters %+v", j.letters)
		}
		got := m.Metrics().CloudWatch()
		if got["OnFailureDestinationDeliveredEventCount"] != 1 || got["DroppedEventCount"] != 0 || got["PolledEventCount"] != 1 || got["InvokedEventCount"] != 1 {
			t.Errorf("metrics %v", got)
		}
	})
}

// TestIteratorAge is the age of a batch's last record when it is sent.
func TestIteratorAge(t *testing.T) {
	tr := &trace{machine: newTestMachine(defaults()), now: epoch.Add(90 * time.Second), answer: always(success),
		pages: [][]types.Record{slices.Concat(records(1, 1, epoch), records(2, 2, epoch.Add(time.Minute)))}}
	tr.run(t)
	if c := tr.machine.Counters(); c.IteratorAge != 30*time.Second || c.CloudWatch()["IteratorAge"] != 30_000 {
		t.Errorf("iterator age %v, want 30 s", c.IteratorAge)
	}
}

// TestAMappingMadeAnewHasNoOldPosition: until its first poll the old checkpoints
// must not pass for a proof that everything is done.
func TestAMappingMadeAnewHasNoOldPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		config := testConfig(oneShard(records(1, 2, epoch)...), works, j)
		m := start(t, config)
		settle(time.Second)
		if p := m.Position()[0]; p.Checkpoint != sequenceText(2) {
			t.Fatalf("position %+v", p)
		}
		settings := config.Settings
		settings.StartDelay = time.Minute
		if err := m.Recreate(settings); err != nil {
			t.Fatal(err)
		}
		settle(time.Second)
		if p := m.Position()[0]; p.Checkpoint != "" {
			t.Errorf("position %+v before the first poll", p)
		}
		settle(time.Minute)
		if got, want := j.told(), "1/1/ok 2/1/ok 1/1/ok 2/1/ok"; got != want || m.Position()[0].Checkpoint != sequenceText(2) {
			t.Errorf("told %s, want %s; position %+v", got, want, m.Position()[0])
		}
	})
}
