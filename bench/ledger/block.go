package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// castagnoli is the polynomial that amd64 and arm64 compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	blockMagic   = "apb"
	blockHead    = 16
	blockMaxBody = 16 << 20 // a length beyond it is damage, not a reason to allocate

	blockHeader  = 'H'
	blockPage    = 'P'
	blockColumns = 'C'
	blockRecords = 'R'
	blockTrailer = 'T'
)

// sealBlock fills in the head of a block whose payload begins at b[16].
func sealBlock(b []byte, kind byte, rows int) {
	copy(b, blockMagic)
	b[3] = kind
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-blockHead))
	binary.LittleEndian.PutUint32(b[8:], uint32(rows))
	binary.LittleEndian.PutUint32(b[12:], blockSum(b))
}

// blockSum covers the head before the sum, and the payload behind it.
func blockSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], castagnoli), castagnoli, b[blockHead:])
}

// block is one sound block as read back.
type block struct {
	kind byte
	rows int
	body []byte // valid until the next one is read
	at   int64  // where it begins in the file
}

// problems collects what is wrong with a file. It keeps the first few in full:
// a thousand torn pages are one finding.
type problems struct {
	list    []string
	dropped int
}

const maxProblems = 100

func (p *problems) add(format string, args ...any) {
	if len(p.list) == maxProblems {
		p.dropped++
		return
	}
	p.list = append(p.list, fmt.Sprintf(format, args...))
}

// all lists the problems; the last line counts those that are not listed.
func (p *problems) all() []string {
	if p.dropped == 0 {
		return p.list
	}
	return append(p.list[:len(p.list):len(p.list)], fmt.Sprintf("and %d more problems", p.dropped))
}

// scanBlocks gives each sound block of a file to yield, in order, until yield
// says false, and reports everything between them as problems. The file is
// read piece by piece: memory is that of the largest block.
func scanBlocks(path string, p *problems, yield func(block) bool) error {
	torn, err := scanToTail(path, p, yield)
	if torn != "" {
		p.add("%s", torn)
	}
	return err
}

// scanToTail is scanBlocks for whoever knows better what a torn end of the file
// means: it is not reported, but given back.
func scanToTail(path string, p *problems, yield func(block) bool) (torn string, _ error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	s := blockScanner{f: f, size: info.Size(), name: path, problems: p}
	for {
		b, err := s.next()
		if errors.Is(err, io.EOF) {
			return s.torn, nil
		}
		if err != nil {
			return s.torn, fmt.Errorf("read %s: %w", path, err)
		}
		if !yield(b) {
			return "", nil
		}
	}
}

type blockScanner struct {
	f        io.ReaderAt
	size, at int64
	name     string
	buf      []byte
	problems *problems
	torn     string // what is wrong with the end of the file
}

// next gives the next sound block, or io.EOF.
func (s *blockScanner) next() (block, error) {
	if s.at >= s.size {
		return block{}, io.EOF
	}
	b, why, err := s.read(s.at)
	if err != nil {
		return block{}, err
	}
	if why == "" {
		s.at += int64(blockHead + len(b.body))
		return b, nil
	}
	bad := s.at
	found, err := s.seek()
	if err != nil {
		return block{}, err
	}
	if !found {
		s.torn = fmt.Sprintf("%s: %s at byte %d; the last %d bytes of the file are lost", s.name, why, bad, s.size-bad)
		s.at = s.size
		return block{}, io.EOF
	}
	s.problems.add("%s: %s at byte %d; %d bytes are lost", s.name, why, bad, s.at-bad)
	return s.next() // a sound block stands at s.at: this recurses once
}

// read reads the block at one place, or says why there is none.
func (s *blockScanner) read(at int64) (_ block, why string, _ error) {
	left := s.size - at
	if left < blockHead {
		return block{}, "torn block head", nil
	}
	s.grow(blockHead)
	if err := s.fill(s.buf[:blockHead], at); err != nil {
		return block{}, "", err
	}
	if string(s.buf[:3]) != blockMagic {
		return block{}, "no block", nil
	}
	n := int64(binary.LittleEndian.Uint32(s.buf[4:]))
	switch {
	case n > blockMaxBody:
		return block{}, "block of impossible length", nil
	case n > left-blockHead:
		return block{}, "torn block", nil
	}
	s.grow(blockHead + int(n))
	whole := s.buf[:blockHead+int(n)]
	if err := s.fill(whole, at); err != nil {
		return block{}, "", err
	}
	if binary.LittleEndian.Uint32(whole[12:]) != blockSum(whole) {
		return block{}, "block whose checksum does not match", nil
	}
	rows := int(binary.LittleEndian.Uint32(whole[8:]))
	return block{kind: whole[3], rows: rows, body: whole[blockHead:], at: at}, "", nil
}

// seek moves to the next sound block behind s.at. A magic that stands in
// damaged data by chance fails its sum, so it is passed over too.
func (s *blockScanner) seek() (bool, error) {
	window := make([]byte, 64<<10)
	for at := s.at + 1; at+blockHead <= s.size; {
		n := min(int64(len(window)), s.size-at)
		if err := s.fill(window[:n], at); err != nil {
			return false, err
		}
		i := bytes.Index(window[:n], []byte(blockMagic))
		if i < 0 {
			at += max(n-int64(len(blockMagic))+1, 1)
			continue
		}
		at += int64(i)
		_, why, err := s.read(at)
		if err != nil {
			return false, err
		}
		if why == "" {
			s.at = at
			return true, nil
		}
		at++
	}
	return false, nil
}

func (s *blockScanner) grow(n int) {
	if len(s.buf) < n {
		s.buf = append(s.buf, make([]byte, n-len(s.buf))...)
	}
}

// fill reads exactly len(b) bytes. A file that shrinks while it is read is an
// error of the caller's making, not damage.
func (s *blockScanner) fill(b []byte, at int64) error {
	n, err := s.f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	return err
}
