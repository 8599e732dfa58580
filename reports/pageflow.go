package reports

import (
	"fmt"

	"github.com/ackproof/ackproof/bench"
)

// htmlFlow is the section "What was lost, and where": a band that narrows from
// station to station, in one SVG of 100 units width that is stretched to the page.
type htmlFlow struct {
	Stations []flowStation
	Tall     int // of the picture, in pixels and units alike
	Alt      string
	Again    string // how often the client sent again; "": it did not
}

// flowStation is one bar of the band, with its name above it, and between the two
// what fell out since the bar before.
type flowStation struct {
	Name, Count string
	Seen        bool // how many got here was observed
	Falls       []flowFall
	Y, TextY    int
	Width, Gap  float64 // of the bar and of what fell out, in per cent
	Class       string  // of the gap
	Join        string  // the path from the bar above
}

// flowFall is a line of text.
type flowFall struct {
	Text, Class string
	Y           int
}

// The measures of a station, in pixels.
const (
	flowName = 18 // from its top to the base line of its name
	flowLine = 17 // of a text below that
	flowGap  = 7  // from the last text to the bar
	flowBar  = 18
	flowNext = 10  // from a bar to the next station
	leastGap = 0.6 // per cent: one lost item of a million must be seen
)

func newFlow(r *bench.Result) htmlFlow {
	stations := flow(r)
	most := int64(1)
	for _, s := range stations {
		if s.Count != nil {
			most = max(most, *s.Count)
		}
	}
	h := htmlFlow{Alt: "Requests from plan to effect", Again: sentAgain(&r.Requests)}
	before, foot := -1.0, 0 // width and foot of the last bar that was seen; none yet
	for _, s := range stations {
		f := flowStation{Name: s.Name, Count: countOf(s.Count), Seen: s.Count != nil, TextY: h.Tall + flowName, Class: "fell"}
		h.Alt += "; " + joinNonEmpty(", ", s.Name+" "+f.Count, s.left())
		y := f.TextY
		for _, fall := range s.Left {
			y += flowLine
			line := flowFall{fall.String(), "fall", y}
			if fall.Bad {
				line.Class, f.Class = "fall bad", "fell bad"
			}
			f.Falls = append(f.Falls, line)
		}
		f.Y = y + flowGap
		h.Tall = f.Y + flowBar
		if f.Seen {
			f.Width = float64(*s.Count) / float64(most) * 100
			if before > f.Width {
				f.Gap = max(before-f.Width, leastGap)
				f.Width = min(f.Width, before-f.Gap)
			}
			if before >= 0 {
				f.Join = fmt.Sprintf("M0 %d H%s L%s %d H0Z", foot, places(before), places(f.Width), f.Y)
			}
			before, foot = f.Width, h.Tall
		}
		h.Stations = append(h.Stations, f)
		h.Tall += flowNext
	}
	h.Tall -= flowNext
	return h
}
