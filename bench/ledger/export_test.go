package ledger_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
)

const exportRun = bench.RunID("k3v9x2ab")

var exportStart = time.Date(2031, 2, 3, 4, 5, 6, 7000, time.UTC)

// exportRows are a request of which all is known, one of which nothing is, and
// one whose texts are hostile.
func exportRows() []ledger.Row {
	full := ledger.Row{
		ID: bench.ID{Run: exportRun, Seq: 12}, Phase: "steady", Fault: "at 5s for 6s: processor.kill after-write 10",
		Due: 1500 * time.Millisecond, Start: exportStart, State: ledger.Finished,
		Outcome: bench.Acknowledged, Class: bench.ClassStatus, Status: 202,
		Sent: 1500*time.Millisecond + 1, First: 1511 * time.Millisecond, Done: 1512 * time.Millisecond, Waited: ledger.Absent, BodySize: 300,
		Attempts: 3, Error: "read: connection reset by peer",
		Verdict: bench.Duplicated, Stored: ledger.Yes, Committed: 1510 * time.Millisecond, Shard: "shard-3",
		Sequence:   bench.Sequence{Hi: 1, Lo: 5},
		Deliveries: 3, Delivered: 1600 * time.Millisecond, DeliveryOutcome: bench.DeliveryCrash,
		Applications: 2, Effect: 1511 * time.Millisecond, Lag: -time.Millisecond,
		Letter: ledger.Yes, LetterReadable: true, Lettered: 9 * time.Second,
	}
	empty := ledger.Row{
		ID: bench.ID{Run: exportRun, Seq: 13}, Phase: "steady", Due: 2 * time.Second, Start: exportStart,
		Sent: ledger.Absent, First: ledger.Absent, Done: ledger.Absent, Waited: 3 * time.Second, Committed: ledger.Absent, Delivered: ledger.Absent,
		Effect: ledger.Absent, Lag: ledger.Absent, Lettered: ledger.Absent, Deliveries: ledger.Uncounted, Applications: ledger.Uncounted,
	}
	hostile := full
	hostile.Error = "=1+1"
	hostile.ID.Seq, hostile.Phase, hostile.Shard, hostile.Fault = 14, `=cmd|' /C calc'!A0`, "-1+2\"\n,", "\u202eé\\"
	return []ledger.Row{full, empty, hostile}
}

// exported are the rows in one encoding.
func exported(t testing.TB, e ledger.Encoding, rows []ledger.Row) []byte {
	t.Helper()
	var out bytes.Buffer
	x, err := ledger.NewExporter(&out, e, ledger.Request{Scenario: "crash", Method: "POST", URL: "http://api/items"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := x.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// wantCells is what the first two rows are in CSV, by name; what is not listed
// is empty.
var wantCells = []map[string]string{
	{
		"seq": "12", "id": string(exportRun) + "-00-0000000012", "phase": "steady", "warmup": "false",
		"during_fault": "at 5s for 6s: processor.kill after-write 10",
		"due_at":       "2031-02-03T04:05:07.500007Z", "due_ms": "1500", "sent_ms": "1500.000001", "done_ms": "1512",
		"send_delay_ms": "0.000001", "service_time_ms": "11.999999", "response_time_ms": "12",
		"ledger": "finished", "outcome": "acknowledged", "class": "status", "status": "202", "body_bytes": "300",
		"verdict": "duplicated", "stored": "true", "committed_ms": "1510", "shard": "shard-3", "sequence": "18446744073709551621",
		"deliveries": "3", "delivered_ms": "1600", "dispatch_lag_ms": "90", "delivery_outcome": "crash",
		"applications": "2", "processed_ms": "1511", "processing_lag_ms": "-1", "completion_time_ms": "11",
		"dead_letter": "true", "dead_letter_readable": "true", "dead_lettered_ms": "9000",
		"first_byte_ms": "1511", "attempts": "3", "error": "read: connection reset by peer",
	},
	{
		"seq": "13", "id": string(exportRun) + "-00-0000000013", "phase": "steady", "warmup": "false",
		"due_at": "2031-02-03T04:05:08.000007Z", "due_ms": "2000", "waited_ms": "3000",
		"ledger": "unsent", "outcome": "unsent", "body_bytes": "0", "attempts": "0",
	},
}

func TestExportAsCSV(t *testing.T) {
	lines, err := csv.NewReader(bytes.NewReader(exported(t, ledger.CSV, exportRows()))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range wantCells {
		got := map[string]string{}
		for k, name := range lines[0] {
			if lines[i+1][k] != "" {
				got[name] = lines[i+1][k]
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("row %d: -want +got\n%s", i, d)
		}
	}
	for _, cell := range lines[3] {
		if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "-1+") {
			t.Errorf("a spreadsheet would carry out %q", cell)
		}
	}
	if n := len(bytes.Split(bytes.TrimSpace(exported(t, ledger.CSV, nil)), []byte("\n"))); n != 1 {
		t.Errorf("an export of no rows has %d lines, want that of the names", n)
	}
}

func TestExportAsJSONLinesAndParquetHoldTheSame(t *testing.T) {
	rows := exportRows()
	fromJSON := jsonRows(t, exported(t, ledger.JSONLines, rows))
	fromParquet := parquetRows(t, exported(t, ledger.Parquet, rows))
	if d := cmp.Diff(fromJSON, fromParquet); d != "" {
		t.Errorf("-JSON +Parquet\n%s", d)
	}
	for i, want := range wantCells {
		for _, c := range ledger.Columns() {
			value, there := fromJSON[i][c.Name]
			if !there {
				t.Errorf("row %d has no key %s", i, c.Name)
			}
			if (value == nil) != (want[c.Name] == "") {
				t.Errorf("row %d: %s is %v, in CSV %q", i, c.Name, value, want[c.Name])
			}
		}
	}
	if got := fromJSON[2]["phase"]; got != rows[2].Phase {
		t.Errorf("phase %q, want %q as it is: nothing carries it out here", got, rows[2].Phase)
	}
}

// jsonRows reads lines of JSON. Times are compared as texts, numbers as they are.
func jsonRows(t *testing.T, b []byte) []map[string]any {
	t.Helper()
	var rows []map[string]any
	for line := range bytes.Lines(b) {
		var row map[string]any
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		rows = append(rows, row)
	}
	return rows
}

// parquetRows reads a Parquet file in the form that jsonRows gives, and checks
// that the columns stand in their order.
func parquetRows(t *testing.T, b []byte) []map[string]any {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	columns := ledger.Columns()
	for i, f := range file.Schema().Fields() {
		if f.Name() != columns[i].Name {
			t.Errorf("column %d is %s, want %s", i, f.Name(), columns[i].Name)
		}
	}
	reader := parquet.NewReader(file)
	defer reader.Close()
	var rows []map[string]any
	buf := make([]parquet.Row, 8)
	for {
		n, err := reader.ReadRows(buf)
		for _, row := range buf[:n] {
			got := map[string]any{}
			for i, v := range row {
				got[columns[i].Name] = plain(columns[i].Kind, v)
			}
			rows = append(rows, got)
		}
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// plain is a value as JSON has it.
func plain(k ledger.Kind, v parquet.Value) any {
	switch {
	case v.IsNull():
		return nil
	case k == ledger.KindText:
		return string(v.ByteArray())
	case k == ledger.KindNumber:
		return v.Double()
	case k == ledger.KindBool:
		return v.Boolean()
	case k == ledger.KindTime:
		return time.UnixMicro(v.Int64()).UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	return float64(v.Int64())
}

func TestExportAsVegetaResults(t *testing.T) {
	rows := exportRows()
	warm, later, cut := rows[0], rows[1], rows[0]
	warm.Warmup = true
	later.Waited = ledger.Absent // the run was cut off before it was due
	cut.Class, cut.Outcome, cut.Status = bench.ClassUnreadable, bench.Unknown, 200
	decode := vegeta.NewDecoder(bytes.NewReader(exported(t, ledger.Vegeta, append(rows[:2], warm, later, cut))))
	var got []vegeta.Result
	for {
		var r vegeta.Result
		err := decode(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Timestamp = r.Timestamp.UTC()
		got = append(got, r)
	}
	same := vegeta.Result{Attack: "crash steady", Seq: 12, Timestamp: exportStart.Add(1500 * time.Millisecond), Latency: 12 * time.Millisecond,
		BytesOut: 300, Method: "POST", URL: "http://api/items"}
	answered, torn := same, same
	answered.Code = 202
	torn.Error = "read: connection reset by peer"
	waited := same
	waited.Seq, waited.BytesOut, waited.Timestamp, waited.Latency, waited.Error = 13, 0, exportStart.Add(2*time.Second), 3*time.Second, "unsent"
	if d := cmp.Diff([]vegeta.Result{answered, waited, torn}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestEncodingOfAFile(t *testing.T) {
	for name, want := range map[string]ledger.Encoding{
		"a.csv": ledger.CSV, "dir.csv/a.JSONL": ledger.JSONLines, "a.ndjson": ledger.JSONLines, "a.b.parquet": ledger.Parquet,
		"results.bin": ledger.Vegeta, "r.gob": ledger.Vegeta, "r.vegeta": ledger.Vegeta, "csv": "", "a.txt": "", "a.csv.gz": "", "": "",
	} {
		if got, ok := ledger.EncodingOf(name); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if _, err := ledger.NewExporter(io.Discard, "xlsx", ledger.Request{}); err == nil {
		t.Error("there is no such encoding")
	}
}

// Whatever the texts of a scenario are, CSV and JSON readers get them back, and
// no spreadsheet carries them out.
func FuzzExportedTexts(f *testing.F) {
	for _, s := range []string{"", " a", "=1", "'=1", "a\"b,c\n", "\x00\xff", "\r", "@", "é\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		row := exportRows()[0]
		row.Phase = s
		lines, err := csv.NewReader(bytes.NewReader(exported(t, ledger.CSV, []ledger.Row{row}))).ReadAll()
		if err != nil || len(lines) != 2 || len(lines[1]) != len(ledger.Columns()) {
			t.Fatalf("%q: %d lines, %v", s, len(lines), err)
		}
		got, want := lines[1][2], strings.ReplaceAll(s, "\r\n", "\n") // as encoding/csv reads
		if got != want && got != "'"+want {
			t.Errorf("%q came back as %q", s, got)
		}
		if got != "" && strings.ContainsRune("=+-@\t\r\n", rune(got[0])) {
			t.Errorf("%q begins a formula", got)
		}
		back := jsonRows(t, exported(t, ledger.JSONLines, []ledger.Row{row}))[0]["phase"]
		if s != "" && back != strings.ToValidUTF8(s, "\ufffd") && back != string([]rune(s)) {
			t.Errorf("%q came back as %q from JSON", s, back)
		}
	})
}
