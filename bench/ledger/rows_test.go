package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench"
)

// Any rows come back from a page of columns as they went in.
func TestColumnsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 300), rapid.Just(^uint64(0)))
		var rows bench.Rows
		for range rapid.IntRange(1, 40).Draw(t, "rows") {
			var row bench.Row
			for c := range row {
				row[c] = number.Draw(t, "value")
			}
			rows.Append(row)
		}
		p, ok := openPage(block{kind: blockColumns, rows: rows.Len(), body: appendColumns(nil, &rows)})
		if !ok {
			t.Fatal("the page cannot be read")
		}
		var got bench.Rows
		p.decode(&got)
		if d := cmp.Diff(rows, got); d != "" {
			t.Fatal(d)
		}
	})
}

func TestRowsTakeFewBytes(t *testing.T) {
	dir := writeRead(t, upTo(20*rowsPerPage))
	for table, most := range map[Table]int64{Items: 13, Effects: 24} {
		info, err := os.Stat(filepath.Join(dir, string(table)))
		if err != nil {
			t.Fatal(err)
		}
		if each := info.Size() / (20 * rowsPerPage); each > most {
			t.Errorf("a row of %s takes %d bytes, want %d at most", table, each, most)
		}
	}
}

// firstVersion writes a file of a read as the first version did.
func firstVersion(t *testing.T, dir string, table Table, rows ...bench.Row) {
	t.Helper()
	var file []byte
	add := func(kind byte, rows int, body []byte) {
		b := append(make([]byte, blockHead), body...)
		sealBlock(b, kind, rows)
		file = append(file, b...)
	}
	text := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	add(blockHeader, 0, text(ReadHeader{Format: firstReadFormat, Table: table, Run: testRun, Number: 1, Begun: testStart}))
	var body []byte
	for _, row := range rows {
		row[2]--
		for _, v := range row {
			body = binary.LittleEndian.AppendUint64(body, v)
		}
	}
	if len(rows) > 0 {
		add(blockPage, len(rows), body)
	}
	add(blockTrailer, 0, text(trailer{Rows: int64(len(rows)), Pages: int64(min(len(rows), 1)), Fingerprint: Fingerprint{Count: uint64(len(rows)), Xor: 7}}))
	if err := os.WriteFile(filepath.Join(dir, string(table)), file, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReadsOfTheFirstVersionAreRead(t *testing.T) {
	dir := t.TempDir()
	at := time.UnixMilli(1_770_000_000_123).UTC()
	items := []bench.Item{{Seq: 3, Digest: 9, HasDigest: true}, {Seq: 1}}
	effects := []bench.Effect{{Seq: 3, Count: -1, At: at}, {Seq: 4, Count: 2, Sequence: bench.Sequence{Hi: 5, Lo: 6}, Digest: 8, HasDigest: true}}
	firstVersion(t, dir, Items, items[0].Row(), items[1].Row())
	firstVersion(t, dir, Effects, effects[0].Row(), effects[1].Row())
	firstVersion(t, dir, DeadLetters)
	r := openRead(t, dir)
	// Each of the three files says 7, and 7 ^ 7 ^ 7 is that.
	if !r.Complete() || r.Fingerprint() != (Fingerprint{Count: 4, Xor: 7}) {
		t.Errorf("complete %v, %v, problems %q", r.Complete(), r.Fingerprint(), r.Problems())
	}
	if d := cmp.Diff(items, slices.Collect(r.Items())); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(effects, slices.Collect(r.Effects())); d != "" {
		t.Error(d)
	}
}

// FuzzColumns opens pages of any content: what opens can be gone through.
func FuzzColumns(f *testing.F) {
	var two bench.Rows
	two.Append(bench.Row{1, 2, 3, 4, 5, 6, 7})
	two.Append(bench.Row{8, 1 << 40})
	f.Add(appendColumns(nil, &two), uint16(2))
	f.Add(bytes.Repeat([]byte{0}, rowColumns*columnHead+columnTail), uint16(9))
	f.Fuzz(func(t *testing.T, body []byte, rows uint16) {
		for _, kind := range []byte{blockColumns, blockPage} {
			p, ok := openPage(block{kind: kind, rows: int(rows), body: body})
			if !ok {
				continue
			}
			var got bench.Rows
			p.decode(&got)
			for _, column := range got.Columns() {
				if len(*column) != int(rows) {
					t.Fatalf("%d rows of %d", len(*column), rows)
				}
			}
		}
	})
}
