package bench

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestIDsRoundTripWithFixedWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := ID{
			Run:   NewRunID(rapid.Uint64().Draw(t, "random")),
			Agent: uint8(rapid.IntRange(0, 99).Draw(t, "agent")),
			Seq:   rapid.Uint64Range(0, MaxSeq).Draw(t, "seq"),
		}
		got, err := ParseID(id.String())
		if err != nil || got != id {
			t.Fatalf("ParseID(%q) = %+v, %v; want %+v", id, got, err, id)
		}
		if len(id.String()) != idLen {
			t.Fatalf("%q has %d characters, want %d", id, len(id.String()), idLen)
		}
	})
}

func TestParseIDRefusesWhatIsNotOurs(t *testing.T) {
	for _, s := range []string{
		"", "x", "k3v9x2ab-00-000000001", "k3v9x2ab-00-00000000011", "k3v9x2ab_00-0000000001", "k3v9x2ab-00_0000000001",
		"K3v9x2ab-00-0000000001", "k3v9x2ai-00-0000000001", "k3v9x2ab-0x-0000000001", "k3v9x2ab-00-+000000001", "k3v9x2ab-00--000000001",
	} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("ParseID(%q) = %+v, want an error", s, id)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("k3v9x2ab-00-0000000001")
	f.Add("k3v9x2ab-99-9999999999")
	f.Add("k3v9x2ab-key-9999999999")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && id.String() != s {
			t.Fatalf("ParseID(%q) prints %q", s, id)
		}
		if id, err := ParseKey(s); err == nil && s != id.String() && !strings.HasPrefix(s, id.String()+"#") {
			t.Fatalf("ParseKey(%q) gives %s", s, id)
		}
		if k, ok := ParseSharedKey(s); ok && k.String() != s {
			t.Fatalf("ParseSharedKey(%q) prints %q", s, k)
		}
	})
}

func TestSequencesAreComparedAsNumbers(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"9", "10", -1},
		{"100000000000000000001", "100000000000000000002", -1},
		{"18446744073709551616", "18446744073709551615", 1}, // 2^64 and the number before
		{"99999999999999999999999999999999999999", "99999999999999999999999999999999999999", 0},
		{"007", "7", 0},
	}
	for _, tt := range tests {
		a, err := ParseSequence(tt.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseSequence(tt.b)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Compare(b); got != tt.want {
			t.Errorf("%s against %s = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestSequencesPrintWhatWasParsed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[1-9][0-9]{0,37}`).Draw(t, "sequence")
		n, err := ParseSequence(s)
		if err != nil || n.String() != s {
			t.Fatalf("ParseSequence(%q) prints %q, %v", s, n, err)
		}
	})
	for _, s := range []string{"", "-1", "1.0", "999999999999999999999999999999999999999"} {
		if n, err := ParseSequence(s); err == nil {
			t.Errorf("ParseSequence(%q) = %v, want an error", s, n)
		}
	}
	if got := (Sequence{}).String(); got != "0" {
		t.Errorf("the absent sequence prints %q", got)
	}
}

func TestDigestsRoundTrip(t *testing.T) {
	d := DigestOf([]byte("abc")) // FIPS 180-4's example: ba7816bf 8f01cfea ...
	if d.String() != "ba7816bf8f01cfea" {
		t.Errorf("digest of abc = %s", d)
	}
	if got, err := ParseDigest(d.String()); err != nil || got != d {
		t.Errorf("ParseDigest(%s) = %v, %v", d, got, err)
	}
	for _, s := range []string{"", "ba7816bf8f01cfe", "ga7816bf8f01cfea"} {
		if _, err := ParseDigest(s); err == nil {
			t.Errorf("ParseDigest(%q): want an error", s)
		}
	}
}

func TestFailBeatsUnknownBeatsPass(t *testing.T) {
	tests := []struct{ a, b, want Verdict }{
		{Pass, Pass, Pass}, {Pass, VerdictUnknown, VerdictUnknown}, {VerdictUnknown, Fail, Fail},
		{Fail, Pass, Fail}, {"", Pass, VerdictUnknown}, {"", "", VerdictUnknown}, {"", Fail, Fail},
	}
	for _, tt := range tests {
		if got := tt.a.Worse(tt.b); got != tt.want {
			t.Errorf("%q worse of %q = %q, want %q", tt.a, tt.b, got, tt.want)
		}
		if got := tt.b.Worse(tt.a); got != tt.want {
			t.Errorf("%q worse of %q = %q, want %q", tt.b, tt.a, got, tt.want)
		}
	}
}

func TestEveryItemVerdictHasANameAndACount(t *testing.T) {
	zero := func() *int64 { return new(int64) }
	items := Items{Duplicated: zero(), WrongEffect: zero(), Unexpected: zero()}
	seen := map[string]bool{}
	for _, v := range ItemVerdicts() {
		if v.String() == "" || seen[v.String()] {
			t.Errorf("verdict %d has the name %q, which is empty or taken", v, v)
		}
		seen[v.String()] = true
		items.Add(v, 1)
		if n, ok := items.Of(v); !ok || n != 1 {
			t.Errorf("%v counted once is %d, observed %v", v, n, ok)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back ItemVerdict
		if err := json.Unmarshal(b, &back); err != nil || back != v {
			t.Errorf("%v comes back from JSON as %v, %v", v, back, err)
		}
	}
	if n, observed := (&Items{}).Of(Duplicated); observed {
		t.Errorf("duplicates that nobody can see are counted as %d", n)
	}
}

func TestDrainedOnlyWhenNothingIsLeft(t *testing.T) {
	done := Position{Shards: []ShardPosition{{Shard: "a", Last: "7", Checkpoint: "7"}, {Shard: "b"}}}
	if !done.Drained() {
		t.Error("a pipeline without anything to do is not drained")
	}
	for name, change := range map[string]func(*Position){
		"a record behind":     func(p *Position) { p.Shards[0].Behind = 1 },
		"a record not polled": func(p *Position) { p.Shards[1].Last = "9" },
		"an event waits":      func(p *Position) { p.Queued = 1 },
		"an invocation open":  func(p *Position) { p.Open = 1 },
	} {
		p := Position{Shards: append([]ShardPosition{}, done.Shards...)}
		change(&p)
		if p.Drained() {
			t.Errorf("%s: drained all the same", name)
		}
	}
}

func TestParseKey(t *testing.T) {
	for key, want := range map[string]bool{
		"k3v9x2ab-00-0000000001": true, "k3v9x2ab-00-0000000001#": true, "k3v9x2ab-00-0000000001#5f1c-22#x": true,
		"k3v9x2ab-00-0000000001-": false, "k3v9x2ab-00-000000001#1": false, "#k3v9x2ab-00-0000000001": false, "": false,
	} {
		id, err := ParseKey(key)
		if (err == nil) != want || want && id != (ID{Run: "k3v9x2ab", Seq: 1}) {
			t.Errorf("ParseKey(%q) = %+v, %v", key, id, err)
		}
	}
}

func TestWriterOf(t *testing.T) {
	const key, id = "k3v9x2ab-key-0000000017", "k3v9x2ab-00-0000000001"
	for _, tt := range [][3]string{
		{id, "", id}, {id, "k3v9x2ab-00-0000000002", id}, // an item of its own, whatever it says beside
		{key, id, id}, {key, id + "#2", id + "#2"}, {key, "", key}, {key, "7", key}, {key, key, key}, {key[:22], id, key[:22]},
	} {
		if got := WriterOf(tt[0], tt[1]); got != tt[2] {
			t.Errorf("WriterOf(%q, %q) = %q, want %q", tt[0], tt[1], got, tt[2])
		}
	}
	if k, ok := ParseSharedKey(key); !ok || k != (SharedKey{"k3v9x2ab", 17}) || k.String() != key {
		t.Errorf("%s is read as %+v, %v", key, k, ok)
	}
	for _, bad := range []string{"", id, key + "0", "k3v9x2al-key-0000000017", "k3v9x2ab-kex-0000000017", "k3v9x2ab-key-000000001x"} {
		if k, ok := ParseSharedKey(bad); ok {
			t.Errorf("%q is read as %+v", bad, k)
		}
	}
	if _, err := ParseKey(key); err == nil {
		t.Error("a shared key is taken for an id")
	}
}

func TestSequenceBefore(t *testing.T) {
	for _, tt := range [][2]string{{"1000", "999"}, {"18446744073709551616", "18446744073709551615"}, {"1", "0"}, {"0", "0"}} {
		n, err := ParseSequence(tt[0])
		if err != nil || n.Before().String() != tt[1] {
			t.Errorf("before %s comes %s (%v), want %s", tt[0], n.Before(), err, tt[1])
		}
	}
}

// Every request has one id, and every id of these agents one request.
func TestNumbering(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := Numbering{Run: "k3v9x2ab", First: rapid.Uint8Range(0, 40).Draw(t, "first"), Agents: rapid.IntRange(1, 59).Draw(t, "agents")}
		seq := rapid.Uint64Range(0, MaxSeq).Draw(t, "seq")
		if got, ours := n.Seq(n.ID(seq)); !ours || got != seq {
			t.Fatalf("%+v: request %d has id %s, which is of %d, %v", n, seq, n.ID(seq), got, ours)
		}
		id := ID{Run: n.Run, Agent: rapid.Uint8Range(0, 99).Draw(t, "agent"), Seq: seq}
		got, ours := n.Seq(id)
		if inside := id.Agent >= n.First && int(id.Agent) < int(n.First)+n.Agents; ours != inside || ours && n.ID(got) != id {
			t.Fatalf("%+v: %s is of %d, %v", n, id, got, ours)
		}
		if _, ours := n.Seq(ID{Run: "k3v9x2ac", Agent: n.First}); ours {
			t.Fatal("an id of another run")
		}
	})
}

// Times of rows are those of time.Time, as far as a Duration goes.
func TestOrigin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(-1e9, 1e10).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		ms := from.UnixMilli() + rapid.Int64Range(-9e12, 9e12).Draw(t, "ms")
		if got, want := OriginOf(from).Since(uint64(ms)), time.UnixMilli(ms).Sub(from); got != want {
			t.Fatalf("%v since %v: %s, want %s", ms, from, got, want)
		}
	})
	if late, early := OriginOf(time.Time{}).Since(1<<62), OriginOf(time.Time{}).Since(1<<63); late < 1<<62 || early > -1<<62 {
		t.Errorf("beyond what a Duration holds: %s, %s", late, early)
	}
}
