package dynamo

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/ackproof/ackproof/bench"
)

// log keeps an engine on disk, so that it survives a kill -9 of its process: an
// append-only file of what each commit step changed. It holds the outcome of an
// operation and never the operation, so that nothing is evaluated again: after
// a replay every item, shard, sequence number and time is what it was.
//
// # Order
//
// The whole of a commit step runs under the lock of the log, taken behind the
// locks of the stripes and before those of indexes and shards. So the order of
// the entries is that of the changes of each item and of the records of each
// shard, and what stands before any entry is a state that the engine has had. A
// step is one entry, and a transaction is one step: all of it is found again, or
// nothing.
//
// # Answers
//
// No answer leaves the engine, be it to a writer or to a reader, before all that
// it can have seen is in the kernel: [Engine] runs an operation in memory, and
// settles then. What a kill takes back, nobody has been told of: not the client
// whose write it was, no reader of the table, no reader of the stream, and no
// observer, which is told of a record when it is written instead of when it is
// made. A read pays for this with the rest of the write(2) under way.
//
// The writes of concurrent requests are grouped: whoever comes to settle while
// nobody writes takes all that has gathered and writes it with one write(2);
// those that come meanwhile wait for it, and the first of them writes the next
// group. There is no goroutine.
//
// # Failure
//
// A log that could not be written, since the disk is full, is not written again:
// what is in memory is ahead of it. From then on each operation, reads too, is
// answered with an InternalServerError, until the process is started again.
//
// The kernel is enough for the death of the process. A power failure takes with
// it what the kernel has not brought to the disk yet; nothing here asks it to.
type log struct {
	dir  string
	lock *os.File // held for as long as the process lives

	// Entries begun and entries written, since the log was opened. A reader that
	// finds them equal has seen nothing that is not written.
	begun, written atomic.Uint64

	mu       sync.Mutex
	idle     sync.Cond // a group has been written, or could not be
	file     *os.File
	segment  int
	offset   int64  // in the file, of the next entry
	entry    int    // in buf: where the entry under way begins
	buf      []byte // sealed entries to be written next
	told     []bench.Commit
	observer bench.Observer
	spare    []byte // the buffer of the group before
	writing  bool
	err      error // of the write that failed

	compacting sync.Mutex
	snapshot   int64 // bytes of the newest snapshot
	older      int64 // bytes of the segments since then, without the one at hand
}

// A file of the log is a magic line and entries. All integers are little endian.
//
//	0  length  u32  of the body
//	4  sum     u32  CRC-32C of the body
//	8  check   u32  CRC-32C of the eight bytes before and of the place of the entry in the file
//	12 body         changes: see logKind
//
// The head has a sum of its own since a damaged length must not pass for a torn
// end, and it covers the place, so that an entry elsewhere is damage too.
const (
	logMagic = "ackproof data 1\n" // the number is the version of the format
	logHead  = 12
	maxEntry = 64 << 20 // a length beyond it is damage: a transaction has 4 MB at most
)

// castagnoli is the polynomial that amd64 and arm64 compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal fills in the head of an entry that begins at a place of its file.
func seal(entry []byte, at int64) {
	body := entry[logHead:]
	binary.LittleEndian.PutUint32(entry, uint32(len(body)))
	binary.LittleEndian.PutUint32(entry[4:], crc32.Checksum(body, castagnoli))
	binary.LittleEndian.PutUint32(entry[8:], headSum(entry, at))
}

func headSum(head []byte, at int64) uint32 {
	var place [8]byte
	binary.LittleEndian.PutUint64(place[:], uint64(at))
	return crc32.Update(crc32.Checksum(head[:8], castagnoli), castagnoli, place[:])
}

// begin starts an entry and locks the log until end or cancel. All three do
// nothing where there is no log.
func (l *log) begin() {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.begun.Add(1)
	l.entry = len(l.buf)
	l.buf = append(l.buf, make([]byte, logHead)...)
}

// end closes the entry. It is written when somebody settles.
func (l *log) end() {
	if l == nil {
		return
	}
	seal(l.buf[l.entry:], l.offset)
	l.offset += int64(len(l.buf) - l.entry)
	l.mu.Unlock()
}

// cancel forgets an entry: nothing has changed.
func (l *log) cancel() {
	if l == nil {
		return
	}
	l.buf = l.buf[:l.entry]
	l.begun.Add(^uint64(0))
	l.mu.Unlock()
}

// settle returns when every entry begun before the call is in the kernel, and
// its observer told, or says why it never will be.
func (l *log) settle() error {
	if l == nil || l.written.Load() == l.begun.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for mine := l.begun.Load(); l.written.Load() < mine; {
		switch {
		case l.err != nil:
			return l.err
		case l.writing:
			l.idle.Wait()
		default:
			l.writeGroup()
		}
	}
	return nil
}

// writeGroup writes what has gathered. The log is locked, and is not meanwhile.
func (l *log) writeGroup() {
	group, told, all, file := l.buf, l.told, l.begun.Load(), l.file
	l.buf, l.told, l.spare, l.writing = l.spare[:0], nil, nil, true
	l.mu.Unlock()
	_, err := file.Write(group)
	if err == nil {
		for _, c := range told {
			l.observer.Committed(c)
		}
	}
	l.mu.Lock()
	l.writing = false
	if cap(group) <= maxKeptGroup {
		l.spare = group
	}
	if err != nil {
		l.err = err
	} else {
		l.written.Store(all)
	}
	l.idle.Broadcast()
}

// maxKeptGroup is how large a buffer may be that is kept for the next group.
const maxKeptGroup = 4 << 20

// failed says why the log can not be written any more.
func (l *log) failed() error {
	if l == nil || l.written.Load() == l.begun.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// settle is that of the log, as an answer.
func (e *Engine) settle() *Error {
	return unlogged(e.log.settle())
}

// unlogged is the answer to a client whose write is in memory only, or would be.
func unlogged(err error) *Error {
	if err == nil {
		return nil
	}
	return &Error{Status: 500, Code: codeInternal, Message: "the embedded DynamoDB cannot keep its data; start it again once this is mended: " + err.Error()}
}

// create makes the file of a segment or snapshot under a name of its own, with
// its first entry. It gets its true name by name.
func (l *log) create(what string, number int, o *Options) (*os.File, int64, error) {
	f, err := os.OpenFile(filepath.Join(l.dir, fileName(what, number)+tmpSuffix), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, 0, err
	}
	entry := append([]byte(logMagic), make([]byte, logHead)...)
	entry = appendJSON(append(entry, kindHeader), fileHeader{Region: o.Region, Account: o.Account, Number: number})
	seal(entry[len(logMagic):], int64(len(logMagic)))
	if _, err := f.Write(entry); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, int64(len(entry)), nil
}

// name gives a file its true name: it is whole from then on.
func (l *log) name(what string, number int) error {
	path := filepath.Join(l.dir, fileName(what, number))
	return os.Rename(path+tmpSuffix, path)
}

// begins makes a new segment the one that is written. The log is locked, or
// nobody knows it yet.
func (l *log) begins(segment int, o *Options) error {
	f, size, err := l.create(segmentFile, segment, o)
	if err != nil {
		return err
	}
	f.Close()
	if err := l.name(segmentFile, segment); err != nil {
		return err
	}
	return l.use(segment, size)
}

// use writes on in a segment, from an offset on.
func (l *log) use(segment int, offset int64) error {
	f, err := os.OpenFile(filepath.Join(l.dir, fileName(segmentFile, segment)), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(offset) // what lies behind is torn
	if _, err2 := f.Seek(offset, io.SeekStart); cmp.Or(err, err2) != nil {
		f.Close()
		return cmp.Or(err, err2)
	}
	if l.file != nil {
		l.file.Close()
		l.older += l.offset
	}
	l.file, l.segment, l.offset = f, segment, offset
	return nil
}

// Close writes what is left and lets go of the folder. Nothing may be asked of
// the engine from then on. An engine without a log has nothing to close.
func (e *Engine) Close() error {
	l := e.log
	if l == nil {
		return nil
	}
	l.compacting.Lock()
	defer l.compacting.Unlock()
	err := l.settle()
	l.file.Close()
	l.lock.Close()
	return err
}
