package tableexport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// plainly reads a line with encoding/json, token by token, since a map would hide
// what stands there twice.
func plainly(line []byte, names []string) ([]Value, error) {
	values := make([]Value, len(names))
	if !json.Valid(line) {
		return nil, errSyntax
	}
	top, err := members(line)
	if err != nil || len(top) != 1 || top[0].name != "Item" {
		return nil, errShape
	}
	attributes, err := members(top[0].value)
	if err != nil {
		return nil, err
	}
	for _, a := range attributes {
		typed, err := members(a.value)
		if err != nil || len(typed) != 1 {
			return nil, errShape
		}
		for i, name := range names {
			if a.name != name {
				continue
			}
			if values[i].Type != "" {
				return nil, errShape
			}
			values[i].Type = typed[0].name
			if typed[0].name == "S" || typed[0].name == "N" {
				var s *string
				if err := json.Unmarshal(typed[0].value, &s); err != nil || s == nil {
					return nil, errShape
				}
				values[i].Text = []byte(*s)
			}
			break
		}
	}
	return values, nil
}

type member struct {
	name  string
	value json.RawMessage
}

func members(object []byte) (all []member, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errShape
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)}
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

var names = []string{"id", "payload", "count"}

func FuzzItem(f *testing.F) {
	for _, seed := range []string{
		`{"Item":{"id":{"S":"k3v9x2ab-00-0000000001"},"payload":{"S":"plain and longer than eight"},"count":{"N":"1"}}}`,
		` { "Item" : { "p" : { "M" : { "a" : { "L" : [ { "NULL" : true } , { "N" : "-1e5" } ] } } } , "id":{"S":"\u00e9\n\ud83d\ude00"} } } `,
		`{"Item":{"id":{"S":"ü` + "\xff" + `"},"count":{"NS":["1","2"]},"payload":{"B":"AA=="}}}`,
		`{"Item":{"\u0069d":{"\u0053":"x"}}}`, `{"Item":{}}`, `{"Item":{"id":{}}}`, `{"Item":{"id":{"S":"a","N":"1"}}}`, `{"Item":{"id":{"S":1}}}`,
		`{"Item":{"id":{"S":"a"},"id":{"S":"b"}}}`, `{"Item":{"id":{"S":"a` + "\x01" + `"}}}`, `{"Item":{"x":{"N":01}}}`, `{"Item":{"x":{"S":"\x"}}}`, `{"Item":{}}}`, ``, `{"Item":{"x":{"S":"\u12g4"}}}`,
		`{"Item":{"x":` + strings.Repeat(`{"M":`, 40) + `{}` + strings.Repeat(`}`, 40) + `}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		want, wantErr := plainly(line, names)
		got, err := newParser(names).item(line)
		if err != nil && strings.Contains(err.Error(), "nested too deeply") {
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q gives %v, encoding/json %v", line, err, wantErr)
		}
		for i := range want {
			if got[i].Type != want[i].Type || !bytes.Equal(got[i].Text, want[i].Text) {
				t.Errorf("%q: %s is %s %q, encoding/json says %s %q", line, names[i], got[i].Type, got[i].Text, want[i].Type, want[i].Text)
			}
		}
	})
}

func TestAnItemNestedTooDeeplyIsNoStackOverflow(t *testing.T) {
	line := `{"Item":{"x":{"L":` + strings.Repeat("[", 1e6)
	if _, err := newParser(names).item([]byte(line)); err == nil || !strings.Contains(err.Error(), "nested too deeply") {
		t.Errorf("says %v", err)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	_, err := newParser(names).item([]byte(`{"Item":{"id":{"S":"a"},}}`))
	if !errors.Is(err, errSyntax) || !strings.Contains(err.Error(), "byte 24") {
		t.Errorf("says %v", err)
	}
}

// BenchmarkItem reads lines as the built-in processor's items are, beside
// encoding/json, from memory: unzipped and not.
func BenchmarkItem(b *testing.B) {
	const lines = 2000
	var text bytes.Buffer
	for i := range lines {
		// The payload of a run is drawn from 64 letters: it hardly compresses.
		payload := make([]byte, 256)
		x := uint64(i)*0x9e3779b97f4a7c15 + 1
		for k := range payload {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			payload[k] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[x>>58]
		}
		fmt.Fprintf(&text, `{"Item":{"id":{"S":"k3v9x2ab-00-%010d"},"payload":{"S":"%s"},"count":{"N":"1"}}}`+"\n", i, payload)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write(text.Bytes())
	w.Close()
	all := bytes.Split(bytes.TrimSpace(text.Bytes()), []byte("\n"))
	rate := func(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s") }

	b.Run("ours", func(b *testing.B) {
		p := newParser(names)
		for i := range b.N {
			if _, err := p.item(all[i%lines]); err != nil {
				b.Fatal(err)
			}
		}
		rate(b)
	})
	b.Run("encoding/json", func(b *testing.B) {
		for i := range b.N {
			var line struct{ Item map[string]map[string]any }
			if err := json.Unmarshal(all[i%lines], &line); err != nil {
				b.Fatal(err)
			}
		}
		rate(b)
	})
	b.Run("ours, from gzip", func(b *testing.B) {
		f := file{name: "x.json.gz"}
		for done := 0; done < b.N; done += lines {
			n, err := f.lines(b.Context(), bytes.NewReader(zipped.Bytes()), newParser(names), func([]Value) error { return nil })
			if err != nil || n != lines {
				b.Fatal(n, err)
			}
		}
		rate(b)
	})
	b.Run("gzip alone", func(b *testing.B) {
		for done := 0; done < b.N; done += lines {
			r, err := gzip.NewReader(bytes.NewReader(zipped.Bytes()))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
		rate(b)
	})
}
