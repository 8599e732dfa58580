package local

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/dynamo"
)

func TestADataFolderBelongsToItsFirstStack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for", "it")
	first, err := adopt(bench.Stack{Run: "k3v9x2ab", Seed: 1, Data: dir, Shards: 2})
	if err != nil || first.Run != "k3v9x2ab" {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := adopt(bench.Stack{Run: "00000000", Seed: 2, Data: dir, Shards: 3})
	if err != nil || second.Run != "k3v9x2ab" || second.Seed != 1 || second.Shards != 3 {
		t.Fatalf("%+v, %v", second, err)
	}
	positions := map[string]string{"shardId-1": "1000", "shardId-2": "25"}
	found := map[string]string{}
	if err := readCheckpoints(dir, found); err != nil || len(found) > 0 {
		t.Fatalf("a folder without checkpoints has %v, %v", found, err)
	}
	if err := writeCheckpoints(dir, positions); err != nil {
		t.Fatal(err)
	}
	if err := readCheckpoints(dir, found); err != nil || !maps.Equal(found, positions) {
		t.Fatalf("checkpoints %v, %v", found, err)
	}
}

func TestAFolderThatCannotBeAdopted(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"foreign files":   {map[string]string{"thesis.doc": "x"}, "thesis.doc"},
		"another version": {map[string]string{stackFile: `{"format":2,"run":"k3v9x2ab"}`}, "version 2"},
		"no JSON":         {map[string]string{stackFile: `{"format":1`}, stackFile},
		"no run":          {map[string]string{stackFile: `{"format":1,"run":"../../etc"}`}, "../../etc"},
		"no owner":        {map[string]string{filepath.Join(engineDir, "log-00000001"): ""}, stackFile + " is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for f, text := range c.files {
				os.MkdirAll(filepath.Dir(filepath.Join(dir, f)), 0o755)
				if err := os.WriteFile(filepath.Join(dir, f), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := adopt(bench.Stack{Run: "k3v9x2ab", Data: dir})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--data") {
				t.Errorf("error %v, want one about %q", err, c.want)
			}
			if left, _ := os.ReadDir(dir); len(left) != len(c.files) {
				t.Errorf("%v is in the folder", left)
			}
		})
	}
	for name, text := range map[string]string{
		"no JSON": `{"format":1,"shards":`, "another version": `{"format":7}`, "no number": `{"format":1,"shards":{"s":"x"}}`,
	} {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, checkpointsFile), []byte(text), 0o644)
		found := map[string]string{}
		if err := readCheckpoints(dir, found); err == nil || !strings.Contains(err.Error(), checkpointsFile) || len(found) > 0 {
			t.Errorf("checkpoints with %s: %v, %v", name, found, err)
		}
	}
}

// FuzzData holds that no bytes in the folder's own files break a start.
func FuzzData(f *testing.F) {
	f.Add([]byte(`{"format":1,"run":"k3v9x2ab","seed":7}`))
	f.Add([]byte(`{"format":1,"shards":{"shardId-00000001782432000000-0000abcd":"1000000000000000000000"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, stackFile), text, 0o644)
		os.WriteFile(filepath.Join(dir, checkpointsFile), text, 0o644)
		if stack, err := adopt(bench.Stack{Data: dir}); err == nil && !stack.Run.Valid() {
			t.Errorf("the stack is that of the run %q", stack.Run)
		}
		found := map[string]string{}
		readCheckpoints(dir, found)
		for shard, after := range found {
			if _, err := bench.ParseSequence(after); err != nil {
				t.Errorf("shard %q goes on at %q", shard, after)
			}
		}
	})
}

// TestACheckpointAheadOfTheLog is what a power failure may leave: the shard is
// read from its oldest record then, and the others go on.
func TestACheckpointAheadOfTheLog(t *testing.T) {
	dir := t.TempDir()
	stack, err := adopt(bench.Stack{Run: "k3v9x2ab", Seed: 1, Data: dir, Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	open := func() (*cloud, *dynamo.Engine) {
		c := &cloud{cfg: cloudConfig{Stack: stack}}
		engine, err := c.openEngine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c, engine
	}
	c, engine := open()
	if c.resumed != nil {
		t.Errorf("a new stack goes on at %v", c.resumed)
	}
	for _, call := range []dynamo.Call{
		{Operation: "CreateTable", Body: []byte(`{"TableName":"` + ItemsTable(stack.Run) + `","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],
			"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"}}`)},
		{Operation: "PutItem", Body: []byte(`{"TableName":"` + ItemsTable(stack.Run) + `","Item":{"id":{"S":"a"}}}`)},
	} {
		if _, err := engine.Do(time.Unix(1767323045, 0), call); err != nil {
			t.Fatal(err)
		}
	}
	ends := engine.Ends(ItemsTable(stack.Run))
	if ends[0].Last == "" {
		ends[0], ends[1] = ends[1], ends[0]
	}
	if err := c.stop(nil); err != nil {
		t.Fatal(err)
	}
	writeCheckpoints(dir, map[string]string{ends[0].Shard: ends[0].Last, ends[1].Shard: "99" + ends[0].Last, "gone": "5"})
	c, _ = open()
	if want := map[string]string{ends[0].Shard: ends[0].Last, "gone": "5"}; !maps.Equal(c.resumed, want) {
		t.Errorf("goes on at %v, want %v", c.resumed, want)
	}
	if err := c.stop(nil); err != nil {
		t.Fatal(err)
	}
}

// TestALockIsWaitedFor: the last process of a stack that was killed may be there for
// a moment; who stays is an error, and nobody waits for it who is to stop.
func TestALockIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{cfg: cloudConfig{Stack: bench.Stack{Run: "k3v9x2ab", Data: t.TempDir()}}}
		held, _, err := dynamo.Open(filepath.Join(c.cfg.Stack.Data, engineDir), dynamo.Options{Region: Region})
		if err != nil {
			t.Fatal(err)
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		for _, refused := range []struct {
			ctx   context.Context
			after time.Duration
		}{{stopped, 0}, {t.Context(), lockPatience}} {
			began := time.Now()
			if _, err := c.openEngine(refused.ctx); !errors.Is(err, dynamo.ErrInUse) || time.Since(began) != refused.after {
				t.Errorf("the lock is held, and after %v: %v; want an error after %v", time.Since(began), err, refused.after)
			}
		}
		began := time.Now()
		time.AfterFunc(lockPatience/2, func() { held.Close() })
		if _, err := c.openEngine(t.Context()); err != nil || time.Since(began) > lockPatience/2+lockEvery {
			t.Errorf("the lock was let go after %v, and after %v: %v", lockPatience/2, time.Since(began), err)
		}
		if err := c.stop(nil); err != nil {
			t.Error(err)
		}
	})
}
