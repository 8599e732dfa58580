package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

func TestPlots(t *testing.T) {
	for _, f := range fixtures {
		if f.name == "pass" || f.name == "blocked" {
			continue // drawn as "fail" is, with less in it
		}
		r, s := f.make()
		for _, name := range Plots() {
			image, vector, err := Plot(name, r, s)
			if err != nil {
				t.Fatalf("%s of %s: %v", name, f.name, err)
			}
			config, err := png.DecodeConfig(bytes.NewReader(image))
			if err != nil || config.Width != 1440 || config.Height != 576 {
				t.Errorf("%s of %s: PNG of %d × %d, %v", name, f.name, config.Width, config.Height, err)
			}
			d := xml.NewDecoder(bytes.NewReader(vector))
			for err == nil {
				_, err = d.Token()
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s of %s: SVG is no XML: %v", name, f.name, err)
			}
		}
	}
	if _, _, err := Plot("nope", new(bench.Result), nil); err == nil || !strings.Contains(err.Error(), "backlog") {
		t.Errorf("an unknown picture: %v, want an error that lists the known ones", err)
	}
}

// Series at the edges of what can be: each must give a picture, none a panic.
func TestPlotsOfExtremes(t *testing.T) {
	second := func(v float64) bench.SeriesRow { return bench.SeriesRow{P50: &v, P99: &v, Max: &v} }
	for _, v := range []float64{0, 1e-3, 1, -5, 1e9} {
		r := &bench.Result{Backlog: []bench.BacklogRow{{TMs: v, Pending: int64(v)}}, Faults: []bench.FaultResult{{AtMs: v, ForMs: v}, {AtMs: -v}}}
		s := &bench.Series{
			WidthMs: 1000, Rows: []bench.SeriesRow{second(v), {}, second(v), second(2 * v)},
			Response: []bench.CDFPoint{{Ms: v, Share: 1}},
			Lag:      []bench.CDFPoint{{Ms: -v, Share: 0.001}, {Ms: v, Share: 0.5}},
			Deaths:   []bench.Mark{{TMs: v}},
		}
		for _, f := range figures(r, s) {
			if svg, err := f.svg(); err != nil || bytes.Contains(svg, []byte("NaN")) {
				t.Errorf("%s at %g: %v, or NaN in the picture", f.name, v, err)
			}
		}
	}
}
