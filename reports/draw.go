package reports

import (
	"bytes"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	plotfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of a picture, and how fine the PNG is: 1,440 pixels wide, sharp on a
// dense screen at half that width.
const (
	figureWidth  = 9 * vg.Inch
	figureHeight = 3.6 * vg.Inch
	figureDPI    = 160
)

// The colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/),
// which people with any common form of colour blindness can tell apart. Lines
// also differ in dash and width, so that a grey print can be read too.
var (
	blue   = color.NRGBA{0x00, 0x72, 0xB2, 0xFF}
	orange = color.NRGBA{0xD5, 0x5E, 0x00, 0xFF} // their vermilion
	sky    = color.NRGBA{0x56, 0xB4, 0xE9, 0xFF}
	ink    = color.NRGBA{0x22, 0x26, 0x2B, 0xFF}
	faint  = color.NRGBA{0x6B, 0x72, 0x7B, 0xFF}
	rule   = color.NRGBA{0xE3, 0xE6, 0xEA, 0xFF}
	shade  = color.NRGBA{0xE6, 0x9F, 0x00, 0x36} // a fault window; translucent, so that two at once are darker
	area   = color.NRGBA{0xD6, 0xE8, 0xF4, 0xFF} // under the backlog
	paper  = color.NRGBA{0xFF, 0xFF, 0xFF, 0xFF} // pictures bring their own ground: they stay readable on a dark page
)

// picture is one figure that can be drawn on any canvas.
type picture struct {
	name  string // of the file
	title string // drawn above, and the heading in the report
	alt   string // for those who cannot see it
	draw  func(draw.Canvas)
}

func (f picture) png() ([]byte, error) {
	c := vgimg.NewWith(vgimg.UseWH(figureWidth, figureHeight), vgimg.UseDPI(figureDPI), vgimg.UseBackgroundColor(paper))
	f.draw(draw.New(c))
	var b bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: c}).WriteTo(&b); err != nil {
		return nil, fmt.Errorf("encode PNG: %w", err)
	}
	return b.Bytes(), nil
}

func (f picture) svg() ([]byte, error) {
	c := vgsvg.New(figureWidth, figureHeight)
	dc := draw.New(c)
	fillRect(dc, paper, dc.Min, dc.Max)
	f.draw(dc)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("encode SVG: %w", err)
	}
	// Liberation Sans has the widths of Arial: where it is not installed, text
	// keeps its place in that, and never falls back to a serif.
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}

// weight of a text.
type weight bool

const (
	regular weight = false
	heavy   weight = true
)

// write is the style of a text.
func write(size vg.Length, c color.Color, x text.XAlignment, w weight) text.Style {
	f := plotfont.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if w == heavy {
		f.Weight = 3 // bold, on the scale of golang.org/x/image/font
	}
	return text.Style{Color: c, XAlign: x, YAlign: text.YCenter, Handler: plot.DefaultTextHandler, Font: f}
}

func fillRect(c draw.Canvas, col color.Color, lo, hi vg.Point) {
	c.FillPolygon(col, []vg.Point{lo, {X: hi.X, Y: lo.Y}, hi, {X: lo.X, Y: hi.Y}})
}

// entry is one line of a legend.
type entry struct {
	text string
	line *draw.LineStyle // a line, or
	fill color.Color     // a patch
}

// header draws title and legend above the picture, where they cover no data,
// and gives what is left of the canvas.
func header(c draw.Canvas, title string, legend []entry) draw.Canvas {
	const band = 40
	c = draw.Crop(c, 6, -12, 4, -8)
	y := c.Max.Y - 7
	c.FillText(write(13, ink, text.XLeft, heavy), vg.Point{X: c.Min.X + 4, Y: y}, title)
	x, y := c.Min.X+4, y-18
	sty := write(10, faint, text.XLeft, regular)
	for i, e := range legend {
		if i > 0 && x+25+sty.Width(e.text) > c.Max.X {
			return draw.Crop(c, 0, 0, 0, -band) // no room: better no entry than half of one
		}
		if e.line != nil {
			c.StrokeLine2(*e.line, x, y, x+20, y)
		} else {
			fillRect(c, e.fill, vg.Point{X: x, Y: y - 5}, vg.Point{X: x + 20, Y: y + 5})
		}
		c.FillText(sty, vg.Point{X: x + 25, Y: y}, e.text)
		x += 25 + sty.Width(e.text) + 18
	}
	return draw.Crop(c, 0, 0, 0, -band)
}

// newPlot makes a plot in our style: no box, light horizontal rules, small grey
// numbers.
func newPlot(xLabel, yLabel string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // the ground is drawn by us, with the fault windows on it
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle = draw.LineStyle{Color: faint, Width: 0.6}
		a.Tick.LineStyle = draw.LineStyle{Color: faint, Width: 0.6}
		a.Tick.Length = 4
		a.Padding = 0
	}
	p.X.Tick.Label = write(10, faint, text.XCenter, regular)
	p.X.Tick.Label.YAlign = text.YTop
	p.Y.Tick.Label = write(10, faint, text.XRight, regular)
	p.X.Label.TextStyle = write(10, faint, text.XCenter, regular)
	p.X.Label.TextStyle.YAlign = text.YBottom
	p.Y.Label.TextStyle = write(10, faint, text.XCenter, regular)
	p.Y.Label.TextStyle.YAlign = text.YBottom
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	p.X.Label.Padding, p.Y.Label.Padding = 3, 4
	p.Y.LineStyle.Width = 0
	p.Y.Tick.LineStyle.Width = 0
	p.Y.Tick.Length = 2
	return p
}

// nothing draws a figure that has no data.
func nothing(c draw.Canvas) {
	c.FillText(write(13, faint, text.XCenter, regular), c.Center(), notObserved)
}

// rules draws the horizontal lines at the labelled ticks.
func rules(c draw.Canvas, p *plot.Plot) {
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if t.Label == "" || t.Value < p.Y.Min || t.Value > p.Y.Max {
			continue
		}
		y := c.Y(p.Y.Norm(t.Value))
		c.StrokeLine2(draw.LineStyle{Color: rule, Width: 0.6}, c.Min.X, y, c.Max.X, y)
	}
}

// logish is an axis that is linear around 0 and logarithmic beyond, on both
// sides: lags can be negative, and lie between 100 µs and minutes.
type logish struct{}

func bend(ms float64) float64 { return math.Asinh(ms / 0.1) }

// Normalize gives the place of x between min and max.
func (logish) Normalize(min, max, x float64) float64 {
	return (bend(x) - bend(min)) / (bend(max) - bend(min))
}

// msTicks marks an axis of milliseconds. Linear puts round steps, else the
// powers of ten are named, and 2 and 5 too where there are few of them.
type msTicks struct{ linear bool }

// Ticks gives the marks between min and max.
func (t msTicks) Ticks(min, max float64) []plot.Tick {
	if t.linear {
		return stepTicks(min, max, 5, shortDuration)
	}
	var ticks []plot.Tick
	if min <= 0 && max >= 0 {
		ticks = append(ticks, plot.Tick{Value: 0, Label: "0"})
	}
	few := bend(max)-bend(min) < 2.5*math.Ln10
	for exp := -1; exp <= 9; exp++ {
		for k := 1; k <= 9; k++ {
			v := float64(k) * math.Pow10(exp)
			for _, v := range []float64{-v, v} {
				if v < min || v > max {
					continue
				}
				tick := plot.Tick{Value: v}
				if k == 1 || few && (k == 2 || k == 5) {
					tick.Label = shortDuration(v)
				}
				ticks = append(ticks, tick)
			}
		}
	}
	return ticks
}

// countTicks marks an axis of whole numbers.
type countTicks struct{}

// Ticks gives the marks between min and max.
func (countTicks) Ticks(min, max float64) []plot.Tick {
	return stepTicks(min, max, 5, func(v float64) string {
		if v != math.Trunc(v) {
			return ""
		}
		return count(int64(v))
	})
}

// secondTicks marks an axis of seconds.
type secondTicks struct{}

// Ticks gives the marks between min and max.
func (secondTicks) Ticks(min, max float64) []plot.Tick { return stepTicks(min, max, 10, number) }

// stepTicks puts about n marks at multiples of 1, 2 or 5 times a power of ten.
func stepTicks(min, max float64, n int, label func(float64) string) []plot.Tick {
	if !(max > min) {
		return []plot.Tick{{Value: min, Label: label(min)}}
	}
	raw := (max - min) / float64(n)
	step := math.Pow10(int(math.Floor(math.Log10(raw))))
	for _, k := range []float64{1, 2, 5, 10} {
		if step*k >= raw {
			step *= k
			break
		}
	}
	var ticks []plot.Tick
	for i := math.Ceil(min/step - 1e-9); i*step <= max*(1+1e-9); i++ {
		v := i*step + 0 // never -0
		ticks = append(ticks, plot.Tick{Value: v, Label: label(v)})
	}
	return ticks
}

// shortDuration labels a tick: 500 µs, 20 ms, 5 s.
func shortDuration(ms float64) string {
	switch abs := math.Abs(ms); {
	case abs == 0:
		return "0"
	case abs < 0.9995:
		return number(math.Round(ms*1e5)/100) + " µs"
	case abs < 1000:
		return number(math.Round(ms*100)/100) + " ms"
	}
	return number(math.Round(ms*100)/1e5) + " s"
}
