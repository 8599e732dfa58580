package run

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/reconcile"
)

// partial is judging.partial, what a judgement under way has found so far. It grows
// at its end: a record is a kind (1 byte), a length (8 bytes, little-endian), that
// many bytes, and their CRC-32C with kind and length. The first record says of what
// it all is: of this program and of every file that is judged. Of anything else, and
// behind the first record that is not whole, nothing is used.
//
// It is not synced. What survives the process is what the system was given; after
// power loss the checksums decide.
//
// A method of a nil partial does nothing.
type partial struct {
	path     string
	parts    []string
	every    time.Duration
	written  func() // nil: nobody asks
	last     time.Time
	f        *os.File     // nil: nothing was written yet
	end      int64        // of what is used of the file
	old      []byte       // figures that were read; nil: none
	verdicts uint64       // of the requests up to this one were written
	waits    func() error // writes the figures down
	whole    bool         // all figures were read
	failed   bool
}

// partialEvery is how often a judgement under way is written down. One that takes
// less leaves no file.
const partialEvery = 5 * time.Second

// partialFormat is raised when a record means something else.
const partialFormat = 2

// Kinds of records.
const (
	partialOf       = 'i' // identity
	partialFigures  = 'f' // [halfway]; the last one counts
	partialVerdicts = 'v' // number of the first request (8 bytes), a byte for each
	partialCounts   = 'c' // [reconcile.Halfway], with all verdicts before it
)

const (
	partialHead  = 1 + 8
	partialPiece = 1 << 20   // verdicts in a record
	partialMost  = 256 << 20 // bytes of a record that can be
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openPartial looks for what a judgement of the same files by the same program has
// left. Whatever is wrong with it, the run is judged anew.
func openPartial(f *files, opts JudgeOptions) *partial {
	p := &partial{path: filepath.Join(f.dir, partialFile), parts: f.parts, every: partialEvery, written: opts.written, last: clock.Real{}.Now()}
	if p.written != nil {
		p.every = 0
	}
	if !exists(p.path) {
		return p
	}
	identity, err := identify(p.parts)
	if err != nil {
		p.failed = true
		return p
	}
	first := true
	for r := range records(p.path) {
		switch {
		case first && (r.kind != partialOf || !bytes.Equal(r.body, identity)):
			return p
		case r.kind == partialOf && !first:
			return p
		case r.kind == partialFigures:
			p.old = r.body
		}
		if r.kind == partialOf || r.kind == partialFigures {
			p.end = r.end
		}
		first = false
	}
	return p
}

// figures gives the figures that were written down; nil: none, begin.
func (p *partial) figures(f *files) *halfway {
	if p == nil || p.old == nil {
		return nil
	}
	h, err := f.readHalfway(p.old)
	if p.old = nil; err != nil {
		p.end = 0
		return nil
	}
	p.whole = h.Whole
	return h
}

// counted is told that all requests below done are in the figures of all cores.
func (p *partial) counted(f *files, done uint64, all []*figures) {
	p.write(func() error {
		g := f.newFigures(all[0].observation)
		for _, one := range all {
			g.merge(one)
		}
		return p.figuresDown(g, done, false, f.timeline, f.extents)
	})
}

// concluded is told that the figures are there. They are written with what follows
// at the latest.
func (p *partial) concluded(f *files, g *figures) {
	if p == nil || p.whole {
		return
	}
	p.waits = func() error { return p.figuresDown(g, uint64(f.plan.Len()), true, g.timeline, nil) }
	p.write(func() error { return nil })
}

func (p *partial) figuresDown(g *figures, done uint64, whole bool, t *timeline, x extents) error {
	b, err := g.down(done, whole, t, x)
	if err != nil {
		return err
	}
	return p.record(partialFigures, b)
}

// judged gives the verdicts that were written down; nil: none, begin.
func (p *partial) judged(f *files, e *reconcile.Evidence) *reconcile.Halfway {
	if p == nil || p.end == 0 {
		return nil
	}
	h := reconcile.NewHalfway(e)
	for r := range records(p.path) {
		if take(h, r) != nil {
			break
		}
		if r.kind == partialCounts {
			p.end = r.end
		}
	}
	p.verdicts = h.Judged
	f.kept(h.Judged, f.portions.judge)
	return h
}

// take takes a record into a judgement, if it is of its verdicts.
func take(h *reconcile.Halfway, r partialRecord) error {
	switch {
	case r.kind == partialVerdicts && len(r.body) >= 8:
		return h.Enter(binary.LittleEndian.Uint64(r.body), r.body[8:])
	case r.kind == partialVerdicts:
		return errors.New("verdicts of no request")
	case r.kind == partialCounts:
		return h.Resume(r.body)
	}
	return nil
}

// halfway is told when more requests have their verdicts.
func (p *partial) halfway(h *reconcile.Halfway) {
	if p == nil {
		return
	}
	p.write(func() error {
		for p.verdicts < h.Judged {
			to := min(h.Judged, p.verdicts+partialPiece)
			b := binary.LittleEndian.AppendUint64(nil, p.verdicts)
			if err := p.record(partialVerdicts, append(b, h.Verdicts(p.verdicts, to)...)); err != nil {
				return err
			}
			p.verdicts = to
		}
		b, err := h.Counts()
		if err != nil {
			return err
		}
		return p.record(partialCounts, b)
	})
}

// write writes something down, where it is time for it. An error ends that, and
// not the judgement: it can do without.
func (p *partial) write(what func() error) {
	if p == nil || p.failed || (clock.Real{}).Now().Sub(p.last) < p.every {
		return
	}
	err := p.begin()
	if err == nil && p.waits != nil {
		err = p.waits()
		p.waits = nil
	}
	if err == nil {
		err = what()
	}
	if p.last = (clock.Real{}).Now(); err != nil {
		p.failed = true
		p.close()
		p.remove()
		return
	}
	if p.written != nil {
		p.written()
	}
}

// begin opens the file behind what is used of it, or makes it.
func (p *partial) begin() error {
	if p.f != nil {
		return nil
	}
	f, err := os.OpenFile(p.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	p.f = f
	if err := f.Truncate(p.end); err != nil || p.end > 0 {
		return err
	}
	identity, err := identify(p.parts)
	if err != nil {
		return err
	}
	return p.record(partialOf, identity)
}

// record writes one.
func (p *partial) record(kind byte, body []byte) error {
	_, err := p.f.Write(appendRecord(nil, kind, body))
	return err
}

func appendRecord(b []byte, kind byte, body []byte) []byte {
	from := len(b)
	b = binary.LittleEndian.AppendUint64(append(b, kind), uint64(len(body)))
	b = append(b, body...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
}

// close lets go of the file.
func (p *partial) close() {
	if p != nil && p.f != nil {
		p.f.Close()
		p.f = nil
	}
}

// remove takes the file away: what was to be found is found.
func (p *partial) remove() {
	if p != nil {
		os.Remove(p.path)
	}
}

// partialRecord is one record, and where it ends in the file.
type partialRecord struct {
	kind byte
	body []byte
	end  int64
}

// records gives the records of a file, up to the first that is not whole.
func records(path string) iter.Seq[partialRecord] {
	return func(yield func(partialRecord) bool) {
		f, err := os.Open(path)
		if err != nil {
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return
		}
		readRecords(bufio.NewReaderSize(f, 1<<16), info.Size())(yield)
	}
}

func readRecords(r io.Reader, size int64) iter.Seq[partialRecord] {
	return func(yield func(partialRecord) bool) {
		end := int64(0)
		var head [partialHead]byte
		for {
			if _, err := io.ReadFull(r, head[:]); err != nil {
				return
			}
			n := binary.LittleEndian.Uint64(head[1:])
			if n > partialMost || int64(n) > size-end-partialHead-4 {
				return
			}
			body := make([]byte, n+4)
			if _, err := io.ReadFull(r, body); err != nil {
				return
			}
			sum := crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, body[:n])
			if binary.LittleEndian.Uint32(body[n:]) != sum {
				return
			}
			end += partialHead + int64(n) + 4
			if !yield(partialRecord{head[0], body[:n:n], end}) {
				return
			}
		}
	}
}

// identity is what half a judgement is of.
type identity struct {
	Format  int
	Program string // checksum of this program: another one may count in another way
	Files   []identityFile
}

type identityFile struct {
	Part int // its run directory
	Path string
	Size int64
	Sum  string // CRC-32C of all of it
}

// notJudged are the files of a run directory that no judgement depends on: made of
// one, or a target's own.
var notJudged = []string{resultFile, findingsFile, findingsFile + ".new", seriesFile, partialFile, dataDir}

// identify says of what a judgement of some run directories is. Sizes and times of
// change would be had for less; a copy keeps neither the one nor a reason to trust it.
func identify(parts []string) ([]byte, error) {
	id := identity{Format: partialFormat}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	all := []string{program}
	for i, part := range parts {
		root, err := filepath.EvalSymlinks(part)
		if err != nil {
			return nil, err
		}
		err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			switch {
			case err != nil:
				return err
			case slices.Contains(notJudged, name) && d.IsDir():
				return fs.SkipDir
			case !d.Type().IsRegular(), slices.Contains(notJudged, name), strings.HasPrefix(name, "report."):
				return nil
			}
			id.Files = append(id.Files, identityFile{Part: i, Path: filepath.ToSlash(name)})
			all = append(all, path)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	sums, sizes, errs := make([]string, len(all)), make([]int64, len(all)), make([]error, len(all))
	var side sync.WaitGroup
	turns := make(chan struct{}, cores())
	for i, path := range all {
		side.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			sums[i], sizes[i], errs[i] = sumOf(path)
		})
	}
	side.Wait()
	id.Program = sums[0]
	for i := range id.Files {
		id.Files[i].Sum, id.Files[i].Size = sums[i+1], sizes[i+1]
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return json.Marshal(&id)
}

// sumOf gives the checksum and the size of a file.
func sumOf(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	size, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, 1<<18))
	return fmt.Sprintf("%08x", h.Sum32()), size, err
}
