package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/tableexport"
	"github.com/ackproof/ackproof/bench/targettest"
)

// exporting is an inProcess whose DynamoDB exports tables, and whose tables hold data
// of others.
type exporting struct {
	inProcess
	front *targettest.Exporter
}

func (p *exporting) Start(ctx context.Context, stack bench.Stack, events func(bench.Event)) (bench.Endpoints, error) {
	p.dirty = true
	e, err := p.inProcess.Start(ctx, stack, events)
	if err != nil {
		return e, err
	}
	p.front.Behind = e.DynamoDB
	front := httptest.NewServer(p.front)
	p.servers = append(p.servers, front)
	e.DynamoDB = front.URL
	return e, nil
}

// folderCloud is an account whose buckets are folders.
type folderCloud struct {
	dir   string
	alarm func() (bench.Alarm, error)
}

func (c *folderCloud) Alarm(context.Context, string) (bench.Alarm, error) { return c.alarm() }

func (c *folderCloud) SeeBucket(_ context.Context, bucket string) error {
	if bucket != "kept" {
		return errors.New("there is no bucket " + bucket)
	}
	return nil
}

func (c *folderCloud) Export(bucket, prefix string) tableexport.Store {
	return tableexport.Folder(filepath.Join(c.dir, bucket, prefix))
}

func (c *folderCloud) put(bucket, key string, object []byte) error {
	path := filepath.Join(c.dir, bucket, key)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, object, 0o644))
}

const byExport = plan + `
read: {by: export, bucket: kept, prefix: exports, timeout: 2m}
target:
  url: http://127.0.0.1:1
  items: {table: items, payload: payload}
  results: {table: results, processedAt: processedAt, count: count, digest: digest, sequence: sequence}
`

// fromExports carries out a run whose tables are read from exports. The error is of a run
// that did not begin, or of its last phases.
func fromExports(t *testing.T, text string, change func(*targettest.Exporter)) (string, *targettest.Exporter, error) {
	t.Helper()
	cloud := &folderCloud{dir: t.TempDir()}
	target := &exporting{front: &targettest.Exporter{T: t, Put: cloud.put}}
	target.t = t
	change(target.front)
	r, err := run.Prepare(run.Options{Scenario: scenario(t, text), Target: target, Seed: 11, Out: t.TempDir(), Clock: clock.Real{}, Cloud: cloud})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Stop()
	_, err = r.Do(t.Context())
	return r.Dir(), target.front, err
}

// leaveOut leaves out lines that hold any of the numbers of requests, as five of their
// digits.
func leaveOut(numbers ...int) func([]string) []string {
	return func(lines []string) []string {
		return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
			return slices.ContainsFunc(numbers, func(n int) bool { return strings.Contains(line, fmt.Sprintf("-00-%010d", n)) })
		})
	}
}

func TestTablesAreReadFromExports(t *testing.T) {
	run.Long(t)
	t.Parallel()
	dir, front, err := fromExports(t, byExport, func(x *targettest.Exporter) { x.Early = 3 })
	if err != nil {
		t.Fatal(err)
	}
	r := judge(t, dir)
	if r.Verdict != bench.Pass || r.Items.Processed != planned || r.Items.Unexpected == nil || *r.Items.Unexpected != 0 || front.Made() != 4 {
		t.Errorf("%s of %d exports, %+v, %v", r.Verdict, front.Made(), r.Items, r.Reasons)
	}
	if r.Deliveries.DeadLettered != nil {
		t.Errorf("%d dead letters, for which nobody has looked", *r.Deliveries.DeadLettered)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool {
		return strings.Contains(n, "exports of the tables, as of 20") && strings.Contains(n, "aws s3 rm --recursive s3://kept/exports/"+string(r.Run.ID)+"' removes")
	}) {
		t.Errorf("nobody says what was read: %q", r.Notes)
	}
}

// TestExportsTellWhatIsLost: an item and an effect that are not in them, an item in one
// of the two, and one that was never sent.
func TestExportsTellWhatIsLost(t *testing.T) {
	run.Long(t)
	t.Parallel()
	of := func(table string, change func([]string) []string) func(*targettest.Exporter) {
		return func(x *targettest.Exporter) {
			n := 0
			x.Change = func(lines []string) []string {
				isItems := strings.Contains(strings.Join(lines, ""), `"payload"`)
				if n++; table == "both" || table == "once" && n == 1 || table == "items" && isItems || table == "results" && !isItems {
					return change(lines)
				}
				return lines
			}
		}
	}
	never := func(lines []string) []string {
		return append(slices.Clone(lines), strings.Replace(lines[len(lines)-1], "-00-000000", "-00-000777", 1))
	}
	for name, c := range map[string]struct {
		change func(*targettest.Exporter)
		want   func(*bench.Result) bool
	}{
		"a lost effect": {of("results", leaveOut(7)), func(r *bench.Result) bool { return r.Verdict == bench.Fail && r.Items.LostProcessing == 1 }},
		"lost writes":   {of("both", leaveOut(7, 9)), func(r *bench.Result) bool { return r.Verdict == bench.Fail && r.Items.LostWrite == 2 }},
		"once there, once not": {of("once", leaveOut(7)), func(r *bench.Result) bool {
			return r.Verdict == bench.VerdictUnknown && gateDown(r, bench.GateReadsAgree)
		}},
		"never sent": {of("items", never), func(r *bench.Result) bool { return r.Verdict == bench.Fail && *r.Items.Unexpected == 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _, err := fromExports(t, byExport, c.change)
			if err != nil {
				t.Fatal(err)
			}
			if r := judge(t, dir); !c.want(r) {
				t.Errorf("%s, %+v, unexpected %v, %v", r.Verdict, r.Items, *r.Items.Unexpected, r.Reasons)
			}
		})
	}
}

func gateDown(r *bench.Result, gate bench.Gate) bool {
	return slices.ContainsFunc(r.Gates, func(g bench.GateResult) bool { return g.Name == gate && !g.OK })
}

// TestExportsThatTellNothing leave the run unknown, with the reason.
func TestExportsThatTellNothing(t *testing.T) {
	run.Long(t)
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*targettest.Exporter)
		says   string
	}{
		"failed":  {func(x *targettest.Exporter) { x.Fails = true }, "failed: S3AccessDenied: the bucket is not yours"},
		"too old": {func(x *targettest.Exporter) { x.Older = true }, "and was asked for as of"},
		"too few": {func(x *targettest.Exporter) { x.Miscount = true }, "DynamoDB says that it exported"},
		"a file short": {func(x *targettest.Exporter) {
			x.Damage = func(dir string) { os.Remove(filepath.Join(dir, "data", "part0002.json.gz")) }
		}, "is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _, err := fromExports(t, byExport, c.change)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("says %v, want %q", err, c.says)
			}
			if r := judge(t, dir); r.Verdict != bench.VerdictUnknown || r.Items.Unread != planned {
				t.Errorf("%s, %+v, %v", r.Verdict, r.Items, r.Reasons)
			}
		})
	}
}

// TestExportsAreSeenToBePossible before the first request.
func TestExportsAreSeenToBePossible(t *testing.T) {
	t.Parallel()
	_, _, err := fromExports(t, strings.Replace(byExport, "bucket: kept", "bucket: nope", 1), func(x *targettest.Exporter) { x.Off = true })
	var early run.NotStarted
	if !errors.As(err, &early) {
		t.Fatalf("it began: %v", err)
	}
	for _, want := range []string{"PointInTimeRecoveryEnabled=true", "results-", "items-", "there is no bucket nope"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("says %v, want %q", err, want)
		}
	}
}

// TestExportsFromBeforeTheDrain are no evidence, whoever has made them so.
func TestExportsFromBeforeTheDrain(t *testing.T) {
	t.Parallel()
	dir, _, err := fromExports(t, byExport, func(*targettest.Exporter) {})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "events.jsonl")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	for i, line := range lines {
		if strings.Contains(line, `"text":"exports"`) {
			lines[i] = "" // and nothing says so
			var e struct{ Data json.RawMessage }
			if json.Unmarshal([]byte(line), &e) != nil || !strings.Contains(string(e.Data), `"billed_bytes":1000`) {
				t.Errorf("evidence %s", line)
			}
		}
	}
	os.WriteFile(path, []byte(strings.Join(slices.DeleteFunc(lines, func(l string) bool { return l == "" }), "\n")+"\n"), 0o644)
	if r := judge(t, dir); r.Verdict == bench.Pass {
		t.Errorf("%s of exports of which nobody knows the time: %v", r.Verdict, r.Reasons)
	}
}
