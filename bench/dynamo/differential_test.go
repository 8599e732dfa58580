package dynamo

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench/peer"
)

// What a campaign is told by the environment. The defaults play the same
// programs every time, so that a change of the engine alone makes it red.
const (
	differentialSeed = "ACKPROOF_DIFFERENTIAL_SEED" // default 1; "random"
	differentialRuns = "ACKPROOF_DIFFERENTIAL_RUNS" // programs for each engine, default 300
	differentialAll  = "ACKPROOF_DIFFERENTIAL_ALL"  // not empty: tell of all differences in one go, without shrinking them
)

// campaign plays generated programs on the embedded engine and one peer.
type campaign struct {
	engine  string
	streams bool // it has streams, and transactions too
	server  *peer.Server
	client  *http.Client
	load    int // requests to this server process
	tables  int
	sent    int // requests to all of them
	hits    map[string]int
	texts   map[string]int
}

// dynoxide looks through all its stream records at each write, so it is started
// anew after so many requests.
const freshAfter = 2000

func (c *campaign) match(t *testing.T, p program, differ func(disagreement)) *match {
	if c.server == nil || c.engine == peer.Dynoxide && c.load > freshAfter {
		if c.server != nil {
			c.server.Stop()
		}
		c.server, c.load = peer.Start(t, c.engine), 0
		c.client = &http.Client{Transport: &http.Transport{}}
	}
	c.tables++
	theirs := &side{name: c.engine, url: c.server.URL, client: c.client, table: "tab" + strconv.Itoa(c.tables)}
	theirs.await = func() {
		if err := c.server.AwaitTable(context.Background(), theirs.table); err != nil {
			panic(err)
		}
	}
	return &match{ours: embedded(nil), theirs: theirs, program: p, streams: c.streams, differ: func(d disagreement) {
		d.rule = explain(d)
		c.hits[d.rule]++
		differ(d)
	}, texts: func(operation, ours, theirs string) {
		c.texts[fmt.Sprintf("%s\n      embedded: %.150s\n      %s: %.150s", operation, ours, c.engine, theirs)]++
	}}
}

func (c *campaign) play(t *testing.T, p program, differ func(disagreement)) {
	m := c.match(t, p, differ)
	m.play()
	if m.ended {
		c.server.Stop()
		c.server = nil
	} else if c.engine != peer.Dynalite { // whose server may not survive it
		m.theirs.call("DeleteTable", object{"TableName": "tab"})
	}
	c.load += m.theirs.sent
	c.sent += m.theirs.sent
}

// TestDifferencesConformance plays the same programs on the embedded engine and
// on independent ones. It fails on a difference that no rule of [known] explains,
// and on a rule that nothing matched, in the campaign that is always the same or
// in a long one: such a rule is wide without need, or the peer has been mended.
func TestDifferencesConformance(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("set ACKPROOF_CONFORMANCE=1: this needs npm and python3, and minutes")
	}
	seed, runs := os.Getenv(differentialSeed), 300
	if seed == "" {
		seed = "1"
	} else if seed == "random" {
		seed = "0" // rapid draws one, and prints it
	}
	if text := os.Getenv(differentialRuns); text != "" {
		var err error
		if runs, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", differentialRuns, err)
		}
	}
	setFlags(t, map[string]string{"rapid.seed": seed, "rapid.checks": strconv.Itoa(runs), "rapid.nofailfile": "true"})
	t.Logf("%s=%s %s=%d", differentialSeed, seed, differentialRuns, runs)
	for _, engine := range []string{peer.Dynoxide, peer.Dynalite, peer.Moto, peer.Local} {
		t.Run(engine, func(t *testing.T) {
			if engine != peer.Local {
				t.Parallel()
			}
			c := &campaign{engine: engine, streams: engine != peer.Dynalite, hits: map[string]int{}, texts: map[string]int{}}
			c.run(t)
			c.report(t, runs)
		})
	}
}

func (c *campaign) run(t *testing.T) {
	if os.Getenv(differentialAll) == "" {
		rapid.Check(t, func(rt *rapid.T) {
			c.play(t, drawProgram(rt, c.streams, c.engine != peer.Moto), func(d disagreement) {
				if d.rule == "" {
					rt.Fatalf("no rule explains it:\n%v\n(table: %+v)\nplay it again with %s=N, N being rapid's seed", d, d.scene, differentialSeed)
				}
			})
		})
		return
	}
	unexplained := map[string][]disagreement{}
	rapid.Check(t, func(rt *rapid.T) {
		c.play(t, drawProgram(rt, c.streams, c.engine != peer.Moto), func(d disagreement) {
			if d.rule == "" {
				kind := fmt.Sprintf("%s %s: %s %.70s / %s %.70s", d.where, d.move.name, d.ours.Code, d.ours.message, d.theirs.Code, d.theirs.message)
				unexplained[kind] = append(unexplained[kind], d)
			}
		})
	})
	for _, kind := range slices.Sorted(maps.Keys(unexplained)) {
		list := unexplained[kind]
		slices.SortStableFunc(list, func(a, b disagreement) int { return len(a.String()) - len(b.String()) })
		t.Errorf("%d times %s, such as:\n%v\n(table: %+v)", len(list), kind, list[0], list[0].scene)
		if list[0].ours.Code == list[0].theirs.Code {
			for i := range min(len(list), 20) {
				t.Logf("or %v", list[i*len(list)/20])
			}
		}
	}
}

// report tells what the campaign came to.
func (c *campaign) report(t *testing.T, runs int) {
	t.Logf("%s: %d operations", c.engine, c.sent)
	if want := runs * 50; c.sent < want {
		t.Errorf("only %d operations in %d programs: what was compared?", c.sent, runs)
	}
	for _, k := range known {
		if !slices.Contains(k.engines, c.engine) {
			continue
		}
		t.Logf("%6d times: %s", c.hits[k.name], k.name)
		if c.hits[k.name] == 0 && runs >= 300 && (os.Getenv(differentialSeed) == "" || runs >= 3000) {
			t.Errorf("nothing matched the rule %q", k.name)
		}
	}
	byCount := slices.SortedFunc(maps.Keys(c.texts), func(a, b string) int { return c.texts[b] - c.texts[a] })
	t.Logf("%s: %d kinds of other error texts (for information), such as:", c.engine, len(byCount))
	for _, text := range byCount[:min(len(byCount), 12)] {
		t.Logf("%6d times %s", c.texts[text], text)
	}
}

// setFlags sets flags of the test binary for the time of a test.
func setFlags(t *testing.T, values map[string]string) {
	t.Helper()
	for name, value := range values {
		f := flag.Lookup(name)
		was := f.Value.String()
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Value.Set(was) })
	}
}

// TestDifferencesAreFound puts a liar in front of a second embedded engine: each
// lie must be told of, and not be forgiven by the rules for any peer either; and
// without one nothing must be.
func TestDifferencesAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long, and ten times as long under the race detector: without -short")
	}
	lies := map[string]func(string) string{
		"": func(s string) string { return s },
		"a digit lost": func(s string) string {
			return strings.ReplaceAll(s, "12345678901234567890123456789012345678", "12345678901234567890123456789012345680")
		},
		"another code": func(s string) string {
			return strings.ReplaceAll(s, "#ConditionalCheckFailedException", "#ValidationException")
		},
		"a lost record": func(s string) string { return strings.Replace(s, `"eventName":"MODIFY"`, `"eventName":"INSERT"`, 1) },
		"no more pages": func(s string) string { return strings.ReplaceAll(s, `"LastEvaluatedKey":`, `"OtherKey":`) },
	}
	setFlags(t, map[string]string{"rapid.seed": "1", "rapid.checks": "100", "rapid.nofailfile": "true"})
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) { findLie(t, name, lie) })
	}
}

func findLie(t *testing.T, name string, lie func(string) string) {
	found, unforgiven := 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		liar := embedded(func(h http.Handler) http.Handler { return liarOf(h, lie) })
		liar.name = "liar"
		m := &match{ours: embedded(nil), theirs: liar, program: drawProgram(rt, true, true), streams: true, differ: func(d disagreement) {
			found++
			for _, d.engine = range everyone {
				if explain(d) == "" {
					unforgiven[d.engine]++
				}
			}
		}}
		m.play()
	})
	if (found > 0) != (name != "") {
		t.Errorf("%d differences found", found)
	}
	for _, engine := range everyone {
		if found > 0 && unforgiven[engine] == 0 {
			t.Errorf("the rules for %s forgive it all %d times", engine, found)
		}
	}
}

// liarOf changes the answers of a handler.
func liarOf(h http.Handler, lie func(string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{header: http.Header{}, status: http.StatusOK}
		h.ServeHTTP(rec, r)
		w.WriteHeader(rec.status)
		w.Write([]byte(lie(rec.body.String())))
	})
}
