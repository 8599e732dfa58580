package dynamo

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ackproof/ackproof/bench"
)

// The folder of a log holds these and nothing else. A snapshot holds the state
// at the beginning of the segment of its number.
//
//	lock               locked by the process that has the folder
//	snapshot-00000004  none as long as the first segment is there
//	log-00000004       segments from that one on, of which the last is written
//	log-00000005
//	*.tmp              not whole when the process died; removed
const (
	lockFile     = "lock"
	segmentFile  = "log"
	snapshotFile = "snapshot"
	tmpSuffix    = ".tmp"
)

func fileName(what string, number int) string { return fmt.Sprintf("%s-%08d", what, number) }

// ErrInUse says that another process has the folder, or an engine of this one.
var ErrInUse = errors.New("another process is using it")

// Recovery says what was found in the folder of a log.
type Recovery struct {
	Tables  int
	Entries int64 // replayed: of the snapshot, and one for each commit step since
	// Torn is how many bytes were cut off the end of File: an entry that was being
	// written when the process died, and was acknowledged to nobody.
	Torn int64
	File string
}

// Open makes an engine that keeps its data in a folder, as [log] says: the one
// that was there, with its tables, items, streams, shards and sequence numbers,
// or a new one. Options.Shards, Retention and Seed hold for what comes; Region
// and Account must be those of the data.
//
// The folder is made where there is none, and belongs to the engine until it is
// closed or its process dies. A file in it that is not the engine's is an error,
// as is damage anywhere but at the torn end; nothing is changed then.
func Open(dir string, o Options) (_ *Engine, _ Recovery, err error) {
	var rec Recovery
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, rec, fmt.Errorf("keep data in %s: %w", dir, err)
	}
	l := &log{dir: dir, observer: bench.NoObserver{}}
	l.idle.L = &l.mu
	if l.lock, err = lockDir(dir); err != nil {
		return nil, rec, fmt.Errorf("keep data in %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			l.lock.Close()
		}
	}()
	found, err := look(dir)
	if err != nil {
		return nil, rec, err
	}
	e := New(o)
	if err := l.replay(e, found, &rec); err != nil {
		return nil, rec, err
	}
	if err := l.resume(found, &rec, &e.options); err != nil {
		return nil, rec, fmt.Errorf("keep data in %s: %w", dir, err)
	}
	rec.Tables, e.log = len(e.tables), l
	if _, err := e.Compact(); err != nil {
		l.file.Close()
		return nil, rec, err
	}
	return e, rec, nil
}

// lockDir locks a folder for as long as the file stays open. A lock of flock(2)
// dies with its process, so that a kill leaves none behind.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, fmt.Errorf("lock it: %w", err)
	}
	return f, nil
}

// contents are the files of a folder.
type contents struct {
	snapshot int   // 0: none
	segments []int // from that of the snapshot on, without a gap
	stale    []string
}

// look lists a folder and refuses one that cannot be a log's.
func look(dir string) (contents, error) {
	var c contents
	files, err := os.ReadDir(dir)
	if err != nil {
		return c, err
	}
	var segments []int
	var foreign []string
	for _, f := range files {
		name, number := strings.TrimSuffix(f.Name(), tmpSuffix), 0
		_, inSegment := fmt.Sscanf(name, segmentFile+"-%08d", &number)
		_, inSnapshot := fmt.Sscanf(name, snapshotFile+"-%08d", &number)
		isSegment := inSegment == nil && name == fileName(segmentFile, number)
		isSnapshot := inSnapshot == nil && name == fileName(snapshotFile, number)
		switch {
		case name == lockFile:
		case !isSegment && !isSnapshot:
			foreign = append(foreign, f.Name())
		case name != f.Name():
			c.stale = append(c.stale, f.Name())
		case isSegment:
			segments = append(segments, number)
		default:
			if c.snapshot != 0 {
				c.stale = append(c.stale, fileName(snapshotFile, min(c.snapshot, number)))
			}
			c.snapshot = max(c.snapshot, number)
		}
	}
	if foreign != nil {
		return c, fmt.Errorf("keep data in %s: %s in it is not ackproof's; choose a folder of its own", dir, strings.Join(foreign[:min(3, len(foreign))], ", "))
	}
	slices.Sort(segments)
	first := max(c.snapshot, 1)
	for _, n := range segments {
		switch {
		case n < first:
			c.stale = append(c.stale, fileName(segmentFile, n))
		case n != first+len(c.segments):
			return c, fmt.Errorf("keep data in %s: %s is missing; without it the data cannot be read", dir, fileName(segmentFile, first+len(c.segments)))
		default:
			c.segments = append(c.segments, n)
		}
	}
	if c.snapshot > 0 && c.segments == nil {
		return c, fmt.Errorf("keep data in %s: %s is missing; without it the data cannot be read", dir, fileName(segmentFile, first))
	}
	return c, nil
}

// replay makes the engine what the files say.
func (l *log) replay(e *Engine, c contents, rec *Recovery) error {
	p := newReplay(e)
	if c.snapshot > 0 {
		path := filepath.Join(l.dir, fileName(snapshotFile, c.snapshot))
		end, torn, err := p.file(path, c.snapshot, rec)
		if err == nil && (torn > 0 || !p.ended) {
			err = damaged(path, end, errors.New("the end is missing"), false)
		}
		if err != nil {
			return err
		}
		l.snapshot, p.versions = end, nil
	}
	for i, n := range c.segments {
		path := filepath.Join(l.dir, fileName(segmentFile, n))
		end, torn, err := p.file(path, n, rec)
		if err == nil && torn > 0 && i < len(c.segments)-1 {
			err = damaged(path, end, errors.New("the end is missing, and there are later segments"), false)
		}
		if err != nil {
			return err
		}
		l.offset = end
		if rec.Torn = torn; i < len(c.segments)-1 {
			l.older += end
		}
		rec.File = path
	}
	return nil
}

// resume makes the log ready to be written behind what was replayed.
func (l *log) resume(c contents, rec *Recovery, o *Options) error {
	for _, name := range c.stale {
		if err := os.Remove(filepath.Join(l.dir, name)); err != nil {
			return err
		}
	}
	if c.segments == nil {
		return l.begins(1, o)
	}
	return l.use(c.segments[len(c.segments)-1], l.offset)
}

// file replays a file and returns where its sound part ends and how many bytes
// of a torn entry lie behind it.
func (p *replay) file(path string, number int, rec *Recovery) (end, torn int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	entries := int64(0)
	end, torn, at, err := scanLog(bufio.NewReaderSize(f, 64<<10), func(body string) error {
		entries++
		if isHeader := body[0] == kindHeader; isHeader != (entries == 1) {
			return errFollows
		}
		if err := p.entry(body); err != nil || entries > 1 {
			return err
		}
		return p.check(number)
	})
	rec.Entries += max(entries-1, 0)
	if err == nil && entries == 0 { // a file gets its name when its first entry is in it
		err = errors.New("the first entry is missing")
	}
	if err != nil {
		var v versionError
		return end, torn, damaged(path, at, err, !errors.As(err, &v) && entries > 0)
	}
	return end, torn, nil
}

// damaged is the error that ends a replay. What lies before the place is sound,
// and only whoever owns the data can decide to give up the rest.
func damaged(path string, at int64, why error, cut bool) error {
	err := fmt.Errorf("read %s: byte %d: %w", path, at, why)
	if cut {
		err = fmt.Errorf("%w; what lies before it is sound: to give up the rest, 'truncate -s %d %s'", err, at, path)
	}
	return err
}

// versionError says that a file is none of ours, or of another version.
type versionError string

// Error prints it.
func (v versionError) Error() string { return string(v) }

// scanLog reads the entries of a file and calls f with the body of each. It
// returns where the last entry before the end, or before the error, ends, how
// many bytes of a torn one lie behind, and where the entry with the error begins.
// Torn is what a write that was cut short leaves: the beginning of an entry.
// Anything else that is no entry is damage.
func scanLog(r io.Reader, f func(body string) error) (end, torn, at int64, err error) {
	magic := make([]byte, len(logMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return 0, 0, 0, versionError("it is shorter than any file of ackproof's data")
	}
	if prefix := logMagic[:strings.LastIndexByte(logMagic, ' ')+1]; string(magic) != logMagic {
		if rest, ok := strings.CutPrefix(string(magic), prefix); ok {
			return 0, 0, 0, versionError(fmt.Sprintf("it has version %.1q of the format, and this ackproof reads version %c", rest, logMagic[len(prefix)]))
		}
		return 0, 0, 0, versionError("it is no file of ackproof's data")
	}
	head, body := make([]byte, logHead), []byte(nil)
	for at = int64(len(logMagic)); ; {
		n, err := io.ReadFull(r, head)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return at, int64(n), at, nil
		} else if err != nil {
			return at, 0, at, err
		}
		length := binary.LittleEndian.Uint32(head)
		if binary.LittleEndian.Uint32(head[8:]) != headSum(head, at) || length == 0 || length > maxEntry {
			return at, 0, at, errors.New("the head of an entry is damaged")
		}
		body = slices.Grow(body[:0], int(length))[:length]
		n, err = io.ReadFull(r, body)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return at, int64(logHead + n), at, nil
		} else if err != nil {
			return at, 0, at, err
		}
		if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
			return at, 0, at, errors.New("the checksum of an entry does not match")
		}
		if err := f(string(body)); err != nil {
			return at, 0, at, err
		}
		at += logHead + int64(length)
	}
}
