package local

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// FuzzEventLetter: whatever a kept record holds, what is read from it is an id
// of the run that stands in the event, or nothing.
func FuzzEventLetter(f *testing.F) {
	const run = bench.RunID("k3v9x2ab")
	known := bench.ID{Run: run, Seq: 7}.String()
	record := func(body string) []byte {
		event, err := json.Marshal(map[string]string{"body": body})
		if err != nil {
			f.Fatal(err)
		}
		return []byte(`{"requestPayload":` + string(event) + `}`)
	}
	for body, want := range map[string]int{
		`{"id":"` + known + `"}`:                    1,
		string(run) + "-" + known:                   1, // a beginning that leads nowhere
		known[:len(known)-1]:                        0,
		`{"id":"zzzzzzzz` + known[len(run):] + `"}`: 0,
		"": 0,
	} {
		dead, err := (&letterBox{run: run}).openRecord(letter{Record: record(body)})
		if err != nil || len(dead) != want || want == 1 && (dead[0].Seq != 7 || !dead[0].Readable) {
			f.Errorf("%q: %+v, %v; want %d", body, dead, err, want)
		}
		f.Add(record(body))
	}
	f.Add([]byte(`{"requestPayload":3}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		dead, err := (&letterBox{run: run}).openRecord(letter{Record: text})
		if err != nil && (json.Valid(text) && text[0] == '{' || len(dead) > 0) {
			t.Fatalf("%q: %+v, %v", text, dead, err)
		}
		var kept struct{ RequestPayload struct{ Body string } }
		for _, d := range dead {
			if err := json.Unmarshal(text, &kept); err != nil {
				t.Fatal(err)
			}
			body := kept.RequestPayload.Body
			if !strings.Contains(body, string(run)+"-") || !strings.Contains(body, fmt.Sprintf("%010d", d.Seq)) {
				t.Fatalf("%+v is not in %q", d, body)
			}
		}
	})
}
