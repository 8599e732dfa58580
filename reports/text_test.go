package reports

import (
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(-1234567), "-1,234,567"},
		{duration(0), "0 ms"}, {duration(0.0405), "40.5 µs"}, {duration(0.99949), "999 µs"}, {duration(0.9996), "1.00 ms"},
		{duration(-3.25), "-3.25 ms"}, {duration(99.96), "100 ms"}, {duration(999.6), "1.00 s"}, {duration(90_000), "90.0 s"},
		{duration(300_000), "5.00 min"}, {duration(7_200_000), "2.00 h"},
		{durationOf(nil), notObserved}, {countOf(nil), notObserved},
		{percent(0), "0 %"}, {percent(1), "100 %"}, {percent(1e-9), "< 0.01 %"}, {percent(1 - 1e-9), "> 99.99 %"}, {percent(0.1234), "12.34 %"},
		{clean("a\x1b[31mb\r\nc\u202e", 20), "a\uFFFD[31mb  c\uFFFD"}, {clean("\xff", 5), "\uFFFD"},
		{clean("abcde", 5), "abcde"}, {clean("abcdef", 5), "abcd…"}, {clean("äöüß€x", 5), "äöüß…"}, {clean("", 5), ""},
		{escapeMarkdown("a|b <i> @x www.a.b http://c"), "a&#124;b &#60;i&#62; &#64;x www&#46;a.b http&#58;//c"},
		{faultLabel("at 5s for 6s: processor.kill after-write 10"), "processor.kill after-write 10"},
		{words("lost_write"), "lost write"}, {rate(499.8), "500/s"}, {rate(0.5), "0.50/s"}, {number(0.25), "0.25"}, {number(1234), "1,234"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// FuzzClean: whatever comes in, what goes out cannot steer a terminal and is
// not longer than allowed.
func FuzzClean(f *testing.F) {
	f.Add(evil, 60)
	f.Add("\xff\xfe", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + (limit&0xff+256)%256
		got := clean(s, limit)
		if n := utf8.RuneCountInString(got); n > limit || !utf8.ValidString(got) {
			t.Fatalf("clean(%q, %d) = %q: %d characters", s, limit, got, n)
		}
		for _, c := range got {
			if visible(c) != c {
				t.Fatalf("clean(%q) lets %U through", s, c)
			}
		}
		if got != clean(got, limit) {
			t.Fatalf("cleaning %q again changes it", got)
		}
	})
}
