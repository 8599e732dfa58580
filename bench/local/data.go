package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/dynamo"
)

// The data folder of a stack. Whoever starts a stack on it again goes on with
// the tables, the stream and the event source mapping of the one before, however
// that ended.
//
//	stack.json        whose tables these are: run id and seed
//	checkpoints.json  how far the mapping has come in each shard, as AWS keeps it
//	dynamodb/         the log of the engine, and in it what else must outlive the cloud (see again.go)
const (
	stackFile       = "stack.json"
	checkpointsFile = "checkpoints.json"
	engineDir       = "dynamodb"
	tmpSuffix       = ".tmp"

	dataFormat = 1
)

const (
	// checkpointEvery bounds what is delivered again after a kill.
	checkpointEvery = 100 * time.Millisecond
	compactEvery    = 10 * time.Second
	// lockPatience is for the last process of a stack that was killed: it goes a
	// moment after its parent. lockEvery is how often its lock is tried.
	lockPatience = 3 * time.Second
	lockEvery    = 20 * time.Millisecond
)

// stackIdentity is stack.json.
type stackIdentity struct {
	Format int         `json:"format"`
	Run    bench.RunID `json:"run"`
	Seed   uint64      `json:"seed"`
}

// adopt makes the data folder ready, and gives the stack the run id and the seed
// of the one that it belongs to. An empty or absent folder becomes this stack's.
func adopt(stack bench.Stack) (bench.Stack, error) {
	dir := stack.Data
	fail := func(format string, args ...any) (bench.Stack, error) {
		return stack, fmt.Errorf("keep data in %s: %w; choose another folder with --data", dir, fmt.Errorf(format, args...))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fail("%w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return fail("%w", err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(f.Name(), tmpSuffix); name != stackFile && name != checkpointsFile && name != engineDir {
			return fail("%s in it is not ackproof's", f.Name())
		}
	}
	path := filepath.Join(dir, stackFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, engineDir)); err == nil {
			return fail("%s is missing, and without it nobody knows whose tables are in %s", stackFile, engineDir)
		}
		text, _ = json.Marshal(stackIdentity{dataFormat, stack.Run, stack.Seed})
		if err := os.WriteFile(path+tmpSuffix, text, 0o644); err != nil {
			return fail("%w", err)
		}
		err = os.Rename(path+tmpSuffix, path)
	}
	if err != nil {
		return fail("%w", err)
	}
	var id stackIdentity
	switch err := json.Unmarshal(text, &id); {
	case err != nil:
		return fail("%s cannot be read: %w", stackFile, err)
	case id.Format != dataFormat:
		return fail("%s has version %d of the format, and this ackproof reads version %d", stackFile, id.Format, dataFormat)
	case !id.Run.Valid():
		return fail("%s names no run: %q", stackFile, id.Run)
	}
	stack.Run, stack.Seed = id.Run, id.Seed
	return stack, nil
}

// openEngine makes the engine: in memory, or of the data folder.
func (c *cloud) openEngine(ctx context.Context) (*dynamo.Engine, error) {
	stack := c.cfg.Stack
	o := dynamo.Options{Region: Region, Shards: stack.Shards, Seed: stack.Seed}
	if stack.Data == "" {
		return dynamo.New(o), nil
	}
	dir := filepath.Join(stack.Data, engineDir)
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	again := time.NewTicker(lockEvery)
	defer again.Stop()
	engine, rec, err := dynamo.Open(dir, o)
	for errors.Is(err, dynamo.ErrInUse) && ctx.Err() == nil {
		select {
		case <-again.C:
			engine, rec, err = dynamo.Open(dir, o)
		case <-ctx.Done():
		}
	}
	if err != nil {
		return nil, err
	}
	c.onStop(engine.Close)
	if rec.Torn > 0 {
		fmt.Fprintf(os.Stderr, "ackproof: %s: cut off %d bytes that were being written when the process died; nobody was told of them\n", rec.File, rec.Torn)
	}
	c.every(compactEvery, func() {
		if _, err := engine.Compact(); err != nil {
			fmt.Fprintf(os.Stderr, "ackproof: %v\n", err)
		}
	})
	if rec.Tables == 0 {
		return engine, nil
	}
	c.resumed = map[string]string{}
	if err := readCheckpoints(stack.Data, c.resumed); err != nil {
		return nil, err
	}
	// A power failure can leave a checkpoint whose record it took. From there the
	// shard could not be read on.
	for _, end := range engine.Ends(ItemsTable(stack.Run)) {
		at, err := bench.ParseSequence(c.resumed[end.Shard])
		if last, _ := bench.ParseSequence(end.Last); err == nil && at.Compare(last) > 0 {
			delete(c.resumed, end.Shard)
		}
	}
	return engine, nil
}

// every calls f again and again until the cloud stops, and waits for its end
// then.
func (c *cloud) every(d time.Duration, f func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f()
			case <-stop:
				return
			}
		}
	}()
	c.onStop(func() error {
		close(stop)
		<-ended
		return nil
	})
}

// keepCheckpoints writes the positions of the mapping down as it goes. What is
// behind when the process dies is delivered again; nothing is skipped, since a
// position counts only what is settled.
func (c *cloud) keepCheckpoints() {
	if c.cfg.Stack.Data == "" {
		return
	}
	kept := maps.Clone(c.resumed)
	keep := func() {
		now := maps.Clone(kept)
		if now == nil {
			now = map[string]string{}
		}
		for _, p := range c.position().Shards {
			if p.Checkpoint != "" {
				now[p.Shard] = p.Checkpoint
			}
		}
		if maps.Equal(now, kept) {
			return
		}
		// A delivery that the log lacks is made again, or it is in the log.
		if err := errors.Join(c.watch.Flush(), writeCheckpoints(c.cfg.Stack.Data, now)); err != nil {
			fmt.Fprintf(os.Stderr, "ackproof: %v\n", err)
			return
		}
		kept = now
	}
	c.onStop(func() error { // the last time, when the mapping has stopped
		if !c.killed {
			keep()
		}
		return nil
	})
	c.every(checkpointEvery, keep)
}

type checkpoints struct {
	Format int               `json:"format"`
	Shards map[string]string `json:"shards"` // sequence number of the last record settled
}

func writeCheckpoints(dir string, shards map[string]string) error {
	path := filepath.Join(dir, checkpointsFile)
	text, err := json.Marshal(checkpoints{dataFormat, shards})
	if err == nil {
		err = os.WriteFile(path+tmpSuffix, text, 0o644)
	}
	if err == nil {
		err = os.Rename(path+tmpSuffix, path)
	}
	if err != nil {
		return fmt.Errorf("keep the checkpoints: %w", err)
	}
	return nil
}

// readCheckpoints fills in what is known. Without a file nothing is: every shard
// is read from its oldest record.
func readCheckpoints(dir string, shards map[string]string) error {
	path := filepath.Join(dir, checkpointsFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var c checkpoints
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err == nil && c.Format != dataFormat {
		err = fmt.Errorf("version %d of the format, and this ackproof reads version %d", c.Format, dataFormat)
	}
	for shard, after := range c.Shards {
		if _, bad := bench.ParseSequence(after); err == nil && bad != nil {
			err = fmt.Errorf("shard %s: %w", shard, bad)
		}
	}
	if err != nil {
		return fmt.Errorf("read %s: %w; without the file every record that the stream still has is delivered again", path, err)
	}
	maps.Copy(shards, c.Shards)
	return nil
}

// createTable makes a table, or finds it in the data of a stack that was here
// before, and gives the ARN of its stream.
func createTable(ctx context.Context, db *dynamodb.Client, in *dynamodb.CreateTableInput, kept bool) (streamARN string, err error) {
	out, err := db.CreateTable(ctx, in)
	if _, there := errors.AsType[*types.ResourceInUseException](err); there && kept {
		found, err := db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: in.TableName})
		if err != nil {
			return "", err
		}
		return aws.ToString(found.Table.LatestStreamArn), nil
	}
	if err != nil {
		return "", err
	}
	return aws.ToString(out.TableDescription.LatestStreamArn), nil
}
