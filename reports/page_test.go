package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// Thinning a series out drops no peak and no dip, however narrow.
func TestExtremesKeepPeaks(t *testing.T) {
	const n, most = 86_400, 600
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		points := make([]point, n)
		for i := range points {
			points[i] = point{float64(i), 100 + rng.Float64()}
		}
		peak, dip := rng.IntN(n), rng.IntN(n)
		points[peak].y, points[dip].y = 1e6, -1e6
		got := extremes(points, most)
		if len(got) > 4*most {
			t.Fatalf("%d points are left of %d", len(got), n)
		}
		if !slices.Contains(got, points[dip]) || peak != dip && !slices.Contains(got, points[peak]) {
			t.Errorf("seed %d: the peak at %d or the dip at %d is gone", seed, peak, dip)
		}
		if got[0] != points[0] || got[len(got)-1] != points[n-1] || !slices.IsSortedFunc(got, func(a, b point) int { return int(a.x - b.x) }) {
			t.Errorf("seed %d: the ends are gone, or the order", seed)
		}
	}
}

// A day of backlog with one second of trouble: the picture reaches its height.
func TestBacklogPictureKeepsAPeak(t *testing.T) {
	const seconds = 86_400
	r := &bench.Result{}
	s := &bench.Series{WidthMs: 300_000, Rows: make([]bench.SeriesRow, 288)}
	for i := range s.Rows {
		s.Rows[i].TMs = float64(i) * s.WidthMs
	}
	for i := range seconds {
		r.Backlog = append(r.Backlog, bench.BacklogRow{TMs: float64(i) * 1000, Pending: 3})
	}
	r.Backlog[40_123].Pending = 9_999
	l, ok := newTimeline(r, s).backlog(r, s)
	if !ok || !strings.Contains(l.Alt, "most: 9,999 at") {
		t.Fatalf("the lane: %t, %s", ok, l.Alt)
	}
	top := math.Inf(1)
	for _, m := range regexp.MustCompile(`[ML]([\d.]+) ([\d.]+)`).FindAllStringSubmatch(l.Shapes[1].D, -1) {
		var y float64
		fmt.Sscan(m[2], &y)
		top = min(top, y)
	}
	if math.Abs(top-(100-100/1.1)) > 0.1 {
		t.Errorf("the highest point of the line is at %g of 100", top)
	}
}

// The policy of a page names the style and the script that stand in it, and nothing
// else may run or be loaded.
func TestPolicyNamesWhatStandsInThePage(t *testing.T) {
	r, s := hostile()
	page, err := HTML(r, s)
	if err != nil {
		t.Fatal(err)
	}
	index, err := IndexHTML(evil, []Indexed{{Path: evil, Result: r}, {Path: "x", Problem: evil}}, 3, IndexQuery{Trend: evil, Figure: evil})
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range map[string][]byte{"report": page, "index": index} {
		m := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]+)"`).FindSubmatch(page)
		if m == nil {
			t.Fatalf("%s: no policy", name)
		}
		said := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(string(m[1]))
		for element, directive := range map[string]string{"style": "style-src", "script": "script-src"} {
			_, rest, ok := bytes.Cut(page, []byte("<"+element+">"))
			text, _, closed := bytes.Cut(rest, []byte("</"+element+">"))
			sum := sha256.Sum256(text)
			want := directive + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
			if !ok || !closed || !strings.Contains(said, want) {
				t.Errorf("%s: the policy %q lacks %q", name, said, want)
			}
		}
		if !strings.HasPrefix(said, "default-src 'none'; ") || strings.Contains(said, "unsafe") || strings.Contains(said, "*") {
			t.Errorf("%s: the policy %q lets something in", name, said)
		}
		if bytes.Contains(page, []byte("<script>alert")) || bytes.Contains(page, []byte(" style=")) {
			t.Errorf("%s: hostile text is markup, or a style stands in an element", name)
		}
	}
}
