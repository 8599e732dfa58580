package run_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/parquet-go/parquet-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
)

// table is an export read back: cells by column, "" for null.
type table struct {
	names []string
	rows  [][]string
}

func (t *table) cell(row int, name string) string {
	return t.rows[row][slices.Index(t.names, name)]
}

// number is a cell as a number; false: null.
func (t *table) number(row int, name string) (float64, bool) {
	x, err := strconv.ParseFloat(t.cell(row, name), 64)
	return x, err == nil
}

func export(t testing.TB, dir string, e run.Encoding) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := run.Export(t.Context(), dir, &out, e); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func fromCSV(t *testing.T, b []byte) *table {
	t.Helper()
	lines, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return &table{names: lines[0], rows: lines[1:]}
}

func fromParquet(t *testing.T, b []byte) *table {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out table
	for _, f := range file.Schema().Fields() {
		out.names = append(out.names, f.Name())
	}
	reader := parquet.NewReader(file)
	defer reader.Close()
	buf := make([]parquet.Row, 64)
	for {
		n, err := reader.ReadRows(buf)
		for _, values := range buf[:n] {
			row := make([]string, len(values))
			for i, v := range values {
				switch {
				case v.IsNull():
				case v.Kind() == parquet.Double:
					row[i] = strconv.FormatFloat(v.Double(), 'f', -1, 64)
				default:
					row[i] = v.String()
				}
			}
			out.rows = append(out.rows, row)
		}
		if errors.Is(err, io.EOF) {
			return &out
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// faulty is a run with a warm-up, a fault window, and losses and duplicates
// planted in its final reads.
func faulty(t *testing.T) string {
	t.Helper()
	dir := carryOut(t, `
name: files
load:
  - {name: "=warm", for: 200ms, rate: 500/s, warmup: true}
  - {name: steady, for: 800ms, rate: 625/s}
faults: ["at 400ms for 200ms: invoke.throttle"]
`, &inProcess{})
	rewrite(t, dir, func(i bench.Item) []bench.Item {
		if i.Seq == 150 || i.Seq == 20 { // 20 is of the warm-up
			return nil
		}
		return same(i)
	}, func(e bench.Effect) []bench.Effect {
		if e.Seq%100 == 7 || e.Seq == 150 || e.Seq == 20 {
			return nil
		}
		if e.Seq == 333 {
			e.Count = 2
		}
		return same(e)
	})
	return dir
}

// latency computes a distribution as result.json defines it, by the nearest
// rank over all values, censored ones last.
func latency(values []float64, censored int) bench.Latency {
	slices.Sort(values)
	l := bench.Latency{Count: int64(len(values) + censored), Censored: int64(censored)}
	at := func(q float64) *float64 {
		if rank := int(math.Ceil(q*float64(l.Count) - 1e-6)); rank >= 1 && rank <= len(values) {
			return &values[rank-1]
		}
		return nil
	}
	l.P50, l.P90, l.P95, l.P99, l.P999 = at(0.5), at(0.9), at(0.95), at(0.99), at(0.999)
	return l
}

func expectLatency(t *testing.T, what string, got, want bench.Latency) {
	t.Helper()
	if got.Count != want.Count || got.Censored != want.Censored {
		t.Errorf("%s: %d values, %d censored, result.json has %d and %d", what, got.Count, got.Censored, want.Count, want.Censored)
	}
	for i, pair := range [][2]*float64{{got.P50, want.P50}, {got.P90, want.P90}, {got.P95, want.P95}, {got.P99, want.P99}, {got.P999, want.P999}} {
		if (pair[0] == nil) != (pair[1] == nil) {
			t.Errorf("%s: percentile %d is %v, result.json has %v", what, i, pair[0], pair[1])
			continue
		}
		// result.json rounds up to three significant digits, and to a microsecond.
		if pair[0] != nil && math.Abs(*pair[0]-*pair[1]) > 0.0021+math.Abs(*pair[1])/500 {
			t.Errorf("%s: percentile %d is %v, result.json has %v", what, i, *pair[0], *pair[1])
		}
	}
}

// TestExportAndTrace looks at one faulty run from all sides.
func TestExportAndTrace(t *testing.T) {
	run.Long(t)
	dir := faulty(t)
	t.Run("figures can be computed again", func(t *testing.T) { testFigures(t, dir) })
	t.Run("rows", func(t *testing.T) { testRows(t, dir) })
	t.Run("vegeta reports what we do", func(t *testing.T) { testVegeta(t, dir) })
	t.Run("traces", func(t *testing.T) { testTrace(t, dir) })
	t.Run("traces of a stream", func(t *testing.T) { testTraceOfStream(t, dir) })
	t.Run("a trace of a killed run", func(t *testing.T) { testTraceOfKilled(t, dir) })
	t.Run("traces that cannot be", func(t *testing.T) { testNoTrace(t, dir) })
	t.Run("exports that cannot be", func(t *testing.T) { testNoExport(t, dir) })
}

// Every figure of result.json can be computed again by whoever has the export,
// also of a run that was killed.
func testFigures(t *testing.T, whole string) {
	cutOff := copyRun(t, whole)
	without(t, cutOff, `"finished"`)
	for _, n := range []string{"1", "2"} {
		if err := os.RemoveAll(filepath.Join(cutOff, "reads", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(cutOff, "ledger", "end.json")); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"whole": whole, "cut off": cutOff} {
		for encoding, read := range map[run.Encoding]func(*testing.T, []byte) *table{"csv": fromCSV, "parquet": fromParquet} {
			t.Run(fmt.Sprint(name, " ", encoding), func(t *testing.T) {
				r := judge(t, dir)
				expectFigures(t, read(t, export(t, dir, encoding)), r)
			})
		}
	}
}

func expectFigures(t *testing.T, e *table, r *bench.Result) {
	t.Helper()
	var response, lag []float64
	var censored, unprocessed int
	verdicts, outcomes := map[string]int64{}, map[string]int64{}
	for i := range e.rows {
		if e.cell(i, "verdict") != "" {
			verdicts[e.cell(i, "verdict")]++
		}
		outcomes[e.cell(i, "outcome")]++
		if e.cell(i, "warmup") == "true" {
			continue
		}
		if x, ok := e.number(i, "response_time_ms"); ok {
			response = append(response, x)
		} else if _, waited := e.number(i, "waited_ms"); waited {
			censored++
		}
		if x, ok := e.number(i, "processing_lag_ms"); ok {
			lag = append(lag, x)
		} else if e.cell(i, "outcome") == "acknowledged" {
			unprocessed++
		}
	}
	if int64(len(e.rows)) != r.Requests.Planned || outcomes["acknowledged"] != r.Requests.Acknowledged || outcomes["unsent"] != r.Requests.Unsent {
		t.Errorf("%d rows, outcomes %v; result.json has %+v", len(e.rows), outcomes, r.Requests)
	}
	expectLatency(t, "response time", latency(response, censored), r.ResponseTime)
	if r.Lag != nil {
		expectLatency(t, "processing lag", latency(lag, unprocessed), *r.Lag)
	}
	for _, v := range bench.ItemVerdicts() {
		if n, observed := r.Items.Of(v); observed && n != verdicts[v.String()] {
			t.Errorf("%d are %s, result.json has %d", verdicts[v.String()], v, n)
		}
	}
	if r.Lag != nil && (r.Items.LostWrite != 2 || r.Items.LostProcessing != 6 || *r.Items.Duplicated != 1) {
		t.Errorf("2, 6 and 1 were planted, result.json has %+v", r.Items)
	}
}

func testRows(t *testing.T, dir string) {
	e := fromCSV(t, export(t, dir, "csv"))
	for _, want := range []struct {
		row          int
		column, cell string
	}{
		{0, "seq", "0"}, {0, "phase", "'=warm"}, {0, "warmup", "true"}, {0, "during_fault", ""}, {599, "seq", "599"}, {599, "phase", "steady"},
		{250, "during_fault", "at 400ms for 200ms: invoke.throttle"}, {0, "stored", "true"}, {0, "applications", "1"}, {0, "verdict", "processed"},
		{150, "verdict", "lost_write"}, {150, "stored", "false"}, {150, "applications", "0"}, {150, "processed_ms", ""},
		{107, "verdict", "lost_processing"}, {107, "stored", "true"}, {107, "applications", "0"}, {333, "applications", "2"}, {333, "verdict", "duplicated"},
		{0, "ledger", "finished"}, {0, "status", "200"}, {0, "class", "status"}, {0, "dead_letter", "false"}, {0, "dead_letter_readable", ""},
	} {
		if got := e.cell(want.row, want.column); got != want.cell {
			t.Errorf("request %d: %s is %q, want %q", want.row, want.column, got, want.cell)
		}
	}
	for i := range e.rows {
		sent, _ := e.number(i, "sent_ms")
		first, ok := e.number(i, "first_byte_ms")
		if done, _ := e.number(i, "done_ms"); !ok || first < sent || first > done || e.cell(i, "attempts") != "1" || e.cell(i, "error") != "" {
			t.Fatalf("request %d: sent at %v ms, first byte at %v, done at %v, %s attempts, error %q", i, sent, first, done, e.cell(i, "attempts"), e.cell(i, "error"))
		}
	}
	if size, _ := e.number(0, "body_bytes"); size < 256 {
		t.Errorf("a body of %v bytes cannot hold its payload", size)
	}

	var inWindows bytes.Buffer
	if _, err := run.ExportInWindows(t.Context(), dir, &inWindows, "csv", 37); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(inWindows.Bytes(), export(t, dir, "csv")) {
		t.Error("joined in windows of 37 requests the export is another one")
	}
}

// vegeta's own report of the export says what result.json says.
func testVegeta(t *testing.T, dir string) {
	r := judge(t, dir)
	var m vegeta.Metrics
	decode := vegeta.NewDecoder(bytes.NewReader(export(t, dir, "vegeta")))
	for {
		var result vegeta.Result
		err := decode(&result)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		m.Add(&result)
	}
	m.Close()
	if int64(m.Requests) != r.ResponseTime.Count || m.Requests != 500 || m.Success != 1 {
		t.Errorf("%d requests, success %v; result.json has %d", m.Requests, m.Success, r.ResponseTime.Count)
	}
	near := func(what string, got, want, tolerance float64) {
		if math.Abs(got-want) > tolerance {
			t.Errorf("%s: vegeta reports %v ms, result.json %v", what, got, want)
		}
	}
	near("mean", m.Latencies.Mean.Seconds()*1e3, *r.ResponseTime.Mean, 1e-5)
	near("max", m.Latencies.Max.Seconds()*1e3, *r.ResponseTime.Max, 1e-5)
	// vegeta estimates between its values; ours are those of a request.
	near("p50", m.Latencies.P50.Seconds()*1e3, *r.ResponseTime.P50, 0.02+*r.ResponseTime.P50/20)
	near("p90", m.Latencies.P90.Seconds()*1e3, *r.ResponseTime.P90, 0.02+*r.ResponseTime.P90/10)
}

func testNoExport(t *testing.T, dir string) {
	if _, err := run.Export(t.Context(), t.TempDir(), io.Discard, "csv"); err == nil {
		t.Error("an empty folder was exported")
	}
	if _, err := run.Export(t.Context(), dir, io.Discard, "xlsx"); err == nil {
		t.Error("there is no such encoding")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run.Export(ctx, dir, io.Discard, "csv"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
