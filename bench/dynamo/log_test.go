package dynamo

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// dump writes down all that an engine must be found with again.
func dump(e *Engine, now time.Time) string {
	var b strings.Builder
	e.trimStreams(now) // done at any time by whoever reads
	for _, name := range slices.Sorted(maps.Keys(e.tables)) {
		t := e.tables[name]
		fmt.Fprintf(&b, "table %s\n%d items of %d bytes\n", appendJSON(nil, t.state()), t.items.Load(), t.bytes.Load())
		waiting := 0
		for i := range t.stripes {
			t.stripes[i].ascend(nil, math.MaxUint64, func(r *row) bool {
				fmt.Fprintf(&b, "  %d %s\n", r.size, show(r.item))
				return true
			})
			for _, x := range t.expiries[i] {
				if t.stripes[i].get(&x.row.key) == x.row {
					waiting++
				}
			}
		}
		fmt.Fprintf(&b, "%d will expire\n", waiting)
		for _, ix := range t.indexes {
			fmt.Fprintf(&b, "index %s: %d of %d bytes\n", ix.name, ix.items.Load(), ix.bytes.Load())
			for i := range ix.stripes {
				ix.stripes[i].ascend(nil, math.MaxUint64, func(r *row) bool {
					fmt.Fprintf(&b, "  %s %s\n", show(space{t, ix}.keyItem(r)), show(ix.shown(r.item)))
					return true
				})
			}
		}
	}
	for _, s := range e.liveStreams(now) {
		fmt.Fprintf(&b, "stream %s\n", appendJSON(nil, s.state()))
		for _, sh := range s.kept(now, e.options.Retention) {
			fmt.Fprintf(&b, "  shard %s from %d\n", sh.id, sh.trimmed)
			for n := sh.trimmed; n < sh.next; n++ {
				r := sh.at(n)
				old, new := s.images(r)
				fmt.Fprintf(&b, "    %d %d %s %v %s %s\n", r.off, r.at, r.name(), r.expired, show(old), show(new))
			}
		}
	}
	for _, x := range e.tokens.oldest {
		fmt.Fprintf(&b, "token %x %x %d\n", x.token, e.tokens.m[x.token].actions, x.at.UnixNano())
	}
	for key, text := range e.Kept("") {
		fmt.Fprintf(&b, "note %q %q\n", key, text)
	}
	return b.String()
}

func open(t interface {
	Helper()
	Fatal(...any)
}, dir string, o Options) (*Engine, Recovery) {
	t.Helper()
	e, rec, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return e, rec
}

// setupText draws an operation on the table as a whole, or one with a token.
func setupText(t *rapid.T) [2]string {
	item := fmt.Sprintf(`{"pk":{"S":"p%d"},"sk":{"S":"s0"},"set":{"NS":["3","1.5"]},"deep":{"M":{"a":{"L":[{"NULL":true},{"BOOL":true},{"B":"AAE="}]}}}}`, rapid.IntRange(0, 2).Draw(t, "pk"))
	return rapid.SampledFrom([][2]string{
		{"UpdateTable", `{"TableName":"tab","StreamSpecification":{"StreamEnabled":false}}`},
		{"UpdateTable", `{"TableName":"tab","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"}}`},
		{"UpdateTable", `{"TableName":"tab","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"owner"}}]}`},
		{"UpdateTable", `{"TableName":"tab","AttributeDefinitions":[{"AttributeName":"o","AttributeType":"S"}],"GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"owner","KeySchema":[{"AttributeName":"o","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}}]}`},
		{"UpdateTimeToLive", `{"TableName":"tab","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ttl"}}`},
		{"UpdateTimeToLive", `{"TableName":"tab","TimeToLiveSpecification":{"Enabled":false,"AttributeName":"ttl"}}`},
		{"TagResource", `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/tab","Tags":[{"Key":"k","Value":"v"}]}`},
		{"UntagResource", `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/tab","TagKeys":["k"]}`},
		{"DeleteTable", `{"TableName":"tab"}`},
		{"CreateTable", indexed},
		{"CreateTable", benchTable},
		{"TransactWriteItems", `{"ClientRequestToken":"once","TransactItems":[{"Put":{"TableName":"tab","Item":` + item + `}}]}`},
		{"TransactWriteItems", `{"ClientRequestToken":"nothing","TransactItems":[{"Delete":{"TableName":"tab","Key":{"pk":{"S":"none"},"sk":{"S":"none"}}}}]}`},
	}).Draw(t, "setup")
}

// mark is how far the log was when the engine had a state.
type mark struct {
	size int64
	at   time.Time
	dump string
}

// loggedProgram plays operations on an engine with a log and marks the state after
// each.
func loggedProgram(t *rapid.T, e *Engine, size func() int64) []mark {
	marks := []mark{{size(), epoch, dump(e, epoch)}}
	do(e, epoch, "CreateTable", indexed)
	for i := range rapid.IntRange(1, 25).Draw(t, "operations") {
		now := epoch.Add(time.Duration(i) * time.Second)
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		case 0, 1:
			op := setupText(t)
			do(e, now, op[0], op[1])
		case 2:
			for _, end := range e.Ends("tab") {
				if !end.Closed {
					e.Split(now, "tab", end.Shard)
					break
				}
			}
		case 3:
			e.Keep("note", strings.Repeat("text ", rapid.IntRange(0, 3).Draw(t, "times")))
		default:
			op := rapid.Custom(operationText).Draw(t, "operation")
			do(e, now, op[0], op[1]) // refusals are part of the game
		}
		marks = append(marks, mark{size(), now, dump(e, now)})
	}
	return marks
}

// TestAnyEndOfTheLogIsAStateOfTheEngine cuts the log at every byte: what is found
// is the state behind the last operation that is whole, and what was cut off is
// reported.
func TestAnyEndOfTheLogIsAStateOfTheEngine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "log")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		o := Options{Shards: rapid.IntRange(1, 3).Draw(t, "shards"), Seed: 7, Retention: 8 * time.Second}
		e, _ := open(t, filepath.Join(dir, "a"), o)
		defer e.Close()
		file := filepath.Join(dir, "a", fileName(segmentFile, 1))
		marks := loggedProgram(t, e, func() int64 {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			return info.Size()
		})
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cuts []int64
		for _, m := range marks {
			if m.size%3 == 0 {
				cuts = append(cuts, m.size)
			}
		}
		for range 4 {
			cuts = append(cuts, rapid.Int64Range(marks[0].size, int64(len(whole))).Draw(t, "cut"))
		}
		for _, cut := range cuts {
			checkCut(t, filepath.Join(dir, "b"), whole, marks, cut, false, o)
		}
	})
}

// checkCut opens a log that is cut somewhere. Single says that each operation was
// one entry; of others some entries may be whole, as of a batch.
func checkCut(t interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}, dir string, whole []byte, marks []mark, cut int64, single bool, o Options) {
	t.Helper()
	defer os.RemoveAll(dir)
	os.MkdirAll(dir, 0o755)
	path := filepath.Join(dir, fileName(segmentFile, 1))
	if err := os.WriteFile(path, whole[:cut], 0o644); err != nil {
		t.Fatal(err)
	}
	e, rec := open(t, dir, o)
	defer e.Close()
	i := len(marks) - 1
	for marks[i].size > cut {
		i--
	}
	if got := dump(e, marks[i].at); (single || marks[i].size == cut) && got != marks[i].dump {
		t.Fatalf("cut at %d of %d: found\n%s\nwant\n%s", cut, len(whole), got, marks[i].dump)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size()+rec.Torn != cut || info.Size() < marks[i].size || rec.File != path {
		t.Fatalf("cut at %d: %v bytes are left, %+v, %v", cut, info.Size(), rec, err)
	}
	// It goes on from there, and its sequence numbers with it.
	if _, err := do(e, marks[i].at, "CreateTable", strings.Replace(benchTable, "items", "more", 1)); err != nil {
		t.Fatal(err)
	}
	after := dump(e, marks[i].at)
	e.Close()
	again, rec := open(t, dir, o)
	defer again.Close()
	if got := dump(again, marks[i].at); got != after || rec.Torn != 0 {
		t.Fatalf("cut at %d, gone on and opened again: found %+v\n%s\nwant\n%s", cut, rec, got, after)
	}
}

// small plays a fixed program and gives its log, cut at any byte of which
// something is found, and the marks.
func small(t *testing.T, dir string, o Options) (whole []byte, marks []mark) {
	e, _ := open(t, dir, o)
	defer e.Close()
	file := filepath.Join(dir, fileName(segmentFile, 1))
	note := func(now time.Time) {
		whole, _ = os.ReadFile(file)
		marks = append(marks, mark{int64(len(whole)), now, dump(e, now)})
	}
	note(epoch)
	for i, op := range [][2]string{
		{"CreateTable", benchTable},
		{"PutItem", `{"TableName":"items","Item":{"id":{"S":"a"},"n":{"N":"-1.5"}}}`},
		{"TransactWriteItems", `{"ClientRequestToken":"t","TransactItems":[{"Put":{"TableName":"items","Item":{"id":{"S":"b"},"s":{"SS":["x","y"]}}}},{"Delete":{"TableName":"items","Key":{"id":{"S":"a"}}}}]}`},
		{"UpdateItem", `{"TableName":"items","Key":{"id":{"S":"b"}},"UpdateExpression":"ADD n :v","ExpressionAttributeValues":{":v":{"N":"1"}}}`},
		{"DeleteTable", `{"TableName":"items"}`},
	} {
		now := epoch.Add(time.Duration(i) * time.Second)
		if _, err := do(e, now, op[0], op[1]); err != nil {
			t.Fatal(err)
		}
		note(now)
	}
	return whole, marks
}

func TestALogCutAtEveryByte(t *testing.T) {
	o, dir := Options{Shards: 2, Seed: 1}, t.TempDir()
	whole, marks := small(t, t.TempDir(), o)
	i := 0
	for cut := marks[0].size; cut <= int64(len(whole)); cut++ {
		onEdge := i+1 < len(marks) && marks[i+1].size == cut
		if onEdge {
			i++
		}
		p := newReplay(New(o))
		end, torn, _, err := scanLog(bytes.NewReader(whole[:cut]), p.entry)
		if got := dump(p.e, marks[i].at); err != nil || end != marks[i].size || end+torn != cut || got != marks[i].dump {
			t.Fatalf("cut at %d of %d: %v, %d bytes sound and %d torn, found\n%s\nwant\n%s", cut, len(whole), err, end, torn, got, marks[i].dump)
		}
		if onEdge || torn == 1 || torn == logHead {
			checkCut(t, filepath.Join(dir, "cut"), whole, marks, cut, true, o)
		}
	}
	if i != len(marks)-1 {
		t.Errorf("%d of %d states were met", i, len(marks))
	}
	for cut := range marks[0].size { // a file has its name only when its first entry is whole
		if _, _, err := openBytes(t, whole[:cut], o); err == nil {
			t.Fatalf("a file of %d bytes passes for a log", cut)
		}
	}
}

func openBytes(t *testing.T, file []byte, o Options) (*Engine, Recovery, error) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName(segmentFile, 1)), file, 0o644); err != nil {
		t.Fatal(err)
	}
	e, rec, err := Open(dir, o)
	if err == nil {
		t.Cleanup(func() { e.Close() })
		return e, rec, nil
	}
	if left, _ := os.ReadFile(filepath.Join(dir, fileName(segmentFile, 1))); string(left) != string(file) {
		t.Fatalf("what could not be opened was changed")
	}
	return e, rec, err
}

// TestDamageIsFound flips a bit in every byte of a log. None is passed over: not
// in a length, not in the last entry.
func TestDamageIsFound(t *testing.T) {
	o := Options{Shards: 2, Seed: 1}
	whole, _ := small(t, t.TempDir(), o)
	for i := range whole {
		bad := slices.Clone(whole)
		bad[i] ^= 1 << (i % 8)
		if _, _, at, err := scanLog(bytes.NewReader(bad), newReplay(New(o)).entry); err == nil || at > int64(i) {
			t.Fatalf("a bit of byte %d of %d is flipped, and found at %d: %v", i, len(whole), at, err)
		}
		if i%50 > 0 {
			continue
		}
		if _, _, err := openBytes(t, bad, o); err == nil || !strings.Contains(err.Error(), fileName(segmentFile, 1)+": byte ") {
			t.Fatalf("a bit of byte %d of %d is flipped, and the log opens: %v", i, len(whole), err)
		}
	}
	// An entry that is sound by itself, and not in its place.
	_, marks := small(t, t.TempDir(), o)
	moved := slices.Concat(whole[:marks[3].size], whole[marks[4].size:]) // what follows would do without it
	if _, _, err := openBytes(t, moved, o); err == nil {
		t.Error("an entry was cut out, and the log opens")
	}
}

// TestOpenRefuses what is no folder of a log, says why, and leaves it as it is.
func TestOpenRefuses(t *testing.T) {
	o := Options{Seed: 1}
	whole, _ := small(t, t.TempDir(), o)
	segment := fileName(segmentFile, 1)
	for name, c := range map[string]struct {
		files map[string]string
		want  string
		o     Options
	}{
		"foreign files":   {map[string]string{"notes.txt": "x", segment: string(whole)}, "notes.txt", o},
		"another version": {map[string]string{segment: strings.Replace(string(whole), "data 1", "data 2", 1)}, `version "2"`, o},
		"no log at all":   {map[string]string{segment: "something else entirely"}, "no file of ackproof", o},
		"a gap":           {map[string]string{segment: string(whole), fileName(segmentFile, 3): string(whole)}, fileName(segmentFile, 2) + " is missing", o},
		"no beginning":    {map[string]string{fileName(segmentFile, 2): string(whole)}, segment + " is missing", o},
		"renamed":         {map[string]string{fileName(snapshotFile, 1): string(whole), segment: string(whole)}, "the end is missing", o},
		"another region":  {map[string]string{segment: string(whole)}, "eu-west-1", Options{Region: "eu-west-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for f, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, f), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, _, err := Open(dir, c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Fatalf("error %v, want one about %q", err, c.want)
			}
			for f, text := range c.files {
				if got, _ := os.ReadFile(filepath.Join(dir, f)); string(got) != text {
					t.Errorf("%s was changed", f)
				}
			}
		})
	}
	dir := t.TempDir()
	e, _ := open(t, dir, o)
	if _, _, err := Open(dir, o); !errors.Is(err, ErrInUse) {
		t.Errorf("a folder in use opens: %v", err)
	}
	e.Close()
	e, _ = open(t, dir, o)
	e.Close()
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o644)
	if _, _, err := Open(file, o); err == nil {
		t.Error("a file opens as a folder")
	}
}
