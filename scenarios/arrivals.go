package scenarios

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
)

// Values of Stage.Arrivals.
const (
	Evenly  = "evenly"  // each request when the curve has grown by one
	Poisson = "poisson" // at random, as from many clients that know nothing of each other
)

// random places requests at random along a curve, without changing how many there
// are: given their number, the arrivals of a Poisson process lie where as many
// independent uniform numbers would, put in order. The k-th smallest of n uniform
// numbers is distributed as S(k)/S(n+1), where S sums up exponential gaps. So the
// place of a request follows from the gaps before it: a sum is kept for every
// gapBlock of them, and the few since the last one are drawn again.
type random struct {
	draws clock.Numbers
	n     uint64

	once sync.Once
	sums []float64 // S at 0, gapBlock, 2·gapBlock, ...
	all  float64   // S(n+1)
}

const gapBlock = 16

func newRandom(seed uint64, stage string, n int64) *random {
	return &random{draws: clock.NumbersOf(seed, "arrivals "+stage), n: uint64(n)}
}

func (r *random) gap(i uint64) float64 { return -math.Log1p(-float64(r.draws.At(i)>>11) / (1 << 53)) }

func (r *random) add() {
	r.sums = make([]float64, 0, r.n/gapBlock+1)
	for i := range r.n + 1 {
		if i%gapBlock == 0 {
			r.sums = append(r.sums, r.all)
		}
		r.all += r.gap(i)
	}
}

// place is where the k-th of n requests lies, as a share of all, 0 to 1.
func (r *random) place(k uint64) float64 {
	r.once.Do(r.add)
	sum := r.sums[k/gapBlock]
	for i := k - k%gapBlock; i <= k; i++ {
		sum += r.gap(i)
	}
	return sum / r.all
}

// Replay sends requests at recorded times.
type Replay struct {
	File  string `yaml:"file"`            // relative to the scenario
	Scale Factor `yaml:"scale,omitempty"` // how many requests for each that was recorded; 0: one
	CRC   string `yaml:"crc,omitempty"`   // CRC-32C of the file, where it must be this one

	times []time.Duration // in order, the first at 0
	data  []byte
}

// Equal reports whether two replays say the same.
func (r *Replay) Equal(o *Replay) bool {
	return r == o || r != nil && o != nil && r.File == o.File && r.Scale == o.Scale && r.CRC == o.CRC
}

// factor is how many requests there are for each that was recorded.
func (r *Replay) factor() float64 {
	if r.Scale == 0 {
		return 1
	}
	return float64(r.Scale)
}

// count is how many requests there are within a time.
func (r *Replay) count(within time.Duration) int64 {
	n := arrivedBefore(r.times, within)
	return wholeUp(float64(n) * r.factor())
}

// arrivedBefore is how many times are before a moment.
func arrivedBefore(times []time.Duration, t time.Duration) int {
	n, _ := slices.BinarySearch(times, t)
	return n
}

// at is the time of the k-th request. With a scale of ½ every other arrival has
// none, with one of 2 each has two.
func (r *Replay) at(k uint64) time.Duration {
	i := int(float64(k) / r.factor())
	return r.times[min(i, len(r.times)-1)]
}

// length is the time of the last arrival, and a little, so that it lies within.
func (r *Replay) length() time.Duration {
	if len(r.times) == 0 {
		return 0
	}
	return r.times[len(r.times)-1] + time.Millisecond
}

// peak is the highest rate over a second.
func (r *Replay) peak() Rate {
	most, first := 0, 0
	for i, t := range r.times {
		for t-r.times[first] >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return Rate(float64(most) * r.factor())
}

const (
	maxArrivalLog  = 256 << 20
	maxArrivals    = 1 << 24
	maxReplayScale = 1000
)

// readBeside reads a file that a scenario names: relative to the scenario, else one
// that is built in.
func readBeside(scenario, name string) ([]byte, error) {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(filepath.Dir(scenario), name)
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if data, err := builtins.ReadFile(name); err == nil {
			return data, nil
		}
	}
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxArrivalLog:
		return nil, fmt.Errorf("%s is larger than %d MB", path, maxArrivalLog>>20)
	}
	return os.ReadFile(path)
}

// replays reads the arrival logs that the stages name.
func (d *decoder) replays(s *Scenario) {
	for i := range s.Load {
		r := s.Load[i].Replay
		if r == nil {
			continue
		}
		path := fmt.Sprintf("load[%d].replay.file", i)
		where := cmp.Or(d.where[path], d.where[fmt.Sprintf("load[%d].replay", i)], d.file)
		if r.File == "" {
			d.report(where, path, errors.New("no file: name one with a time a line, such as requests.arrivals"))
			continue
		}
		data, err := d.beside(r.File)
		if err != nil {
			d.report(where, path, err)
			continue
		}
		crc := fmt.Sprintf("%08x", crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
		if r.CRC != "" && r.CRC != crc {
			d.report(where, path, fmt.Errorf("%s is not the file that it was: its CRC-32C is %s, and %s was expected", r.File, crc, r.CRC))
			continue
		}
		r.CRC, r.data = crc, data
		if r.times, err = parseArrivals(data); err != nil {
			d.report(where, path, fmt.Errorf("%s: %w", r.File, err))
		}
	}
}

// Kept gives the scenario as a run keeps it, with the files that it names, by the
// names under which they lie beside it.
func (s *Scenario) Kept() (*Scenario, map[string][]byte) {
	kept, files := *s, map[string][]byte{}
	kept.Load = slices.Clone(s.Load)
	for i := range kept.Load {
		if r := kept.Load[i].Replay; r != nil {
			named := *r
			named.File = fmt.Sprintf("load-%d.arrivals", i)
			kept.Load[i].Replay, files[named.File] = &named, r.data
		}
	}
	return &kept, files
}

// parseArrivals reads an arrival log: one arrival a line, its time the first word,
// all in one form: a duration (1.5s), a number of seconds (1.5, or since 1970), or a
// time of day with its date (RFC 3339). Order does not matter; the earliest is the
// start. Empty lines and such that start with # are skipped. The error says what is
// wrong in which line.
func parseArrivals(data []byte) ([]time.Duration, error) {
	var times []time.Duration
	var form arrivalForm
	lines := bufio.NewScanner(bytes.NewReader(data))
	for number := 1; lines.Scan(); number++ {
		word, _, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		word, _, _ = strings.Cut(word, "\t")
		if word == "" || word[0] == '#' {
			continue
		}
		t, f, err := parseArrival(word)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", number, err)
		case form != "" && f != form:
			return nil, fmt.Errorf("line %d: %q is %s, and the lines before have %s: all must have the same form", number, word, f, form)
		case len(times) == maxArrivals:
			return nil, fmt.Errorf("line %d: more than %d arrivals", number, maxArrivals)
		}
		form = f
		times = append(times, t)
	}
	if err := lines.Err(); err != nil {
		return nil, errors.New("a line is longer than 64 KB: this is no arrival log")
	}
	if len(times) == 0 {
		return nil, errors.New("there is no arrival in it: write one time a line, such as 1.5s")
	}
	slices.Sort(times)
	first := times[0]
	for i := range times {
		times[i] -= first
	}
	if last := times[len(times)-1]; last > maxDuration || last < 0 {
		return nil, fmt.Errorf("from the first arrival to the last there are %s; a run can last 30 days", last)
	}
	return times, nil
}

// arrivalForm is how a time is written, for people.
type arrivalForm string

const (
	formDuration arrivalForm = "a duration"
	formSeconds  arrivalForm = "a number of seconds"
	formDate     arrivalForm = "a date with a time of day"
)

// parseArrival reads one time.
func parseArrival(word string) (time.Duration, arrivalForm, error) {
	if t, err := time.Parse(time.RFC3339Nano, word); err == nil {
		if y := t.Year(); y < 1970 || y > 2200 {
			return 0, "", fmt.Errorf("%q is not of our time", word)
		}
		return time.Duration(t.UnixNano()), formDate, nil
	}
	if seconds, err := strconv.ParseFloat(word, 64); err == nil {
		if !(seconds >= 0 && seconds < 7e9) { // 2191, and what nanoseconds in 63 bits can hold
			return 0, "", fmt.Errorf("%q is no time: want seconds from 0 up", word)
		}
		whole, part := math.Modf(seconds)
		return time.Duration(whole)*time.Second + time.Duration(math.Round(part*1e9)), formSeconds, nil
	}
	if d, err := time.ParseDuration(word); err == nil && d >= 0 {
		return d, formDuration, nil
	}
	return 0, "", fmt.Errorf("%q is no time: want 1.5s, 1.5 (seconds), or 2026-01-02T15:04:05.6Z", word)
}
