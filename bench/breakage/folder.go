package breakage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/ackproof/ackproof/bench"
)

// FileName is the name of a run's journal in its run directory.
const FileName = "open-faults.jsonl"

const suffix = ".jsonl"

// Folder is where the journals of all runs of a user are found.
type Folder struct {
	path string

	mu   sync.Mutex
	mine []*Journal // of runs of this process
}

// NewFolder names the folder: $ACKPROOF_STATE, or ackproof in the user's folder of
// settings. It is made when the first journal is.
func NewFolder(getenv func(string) string) (*Folder, error) {
	if path := getenv("ACKPROOF_STATE"); path != "" {
		return &Folder{path: path}, nil
	}
	path, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("find a folder for the journals of open faults: %w; name one with ACKPROOF_STATE", err)
	}
	return &Folder{path: filepath.Join(path, "ackproof")}, nil
}

// Create begins the journal of a run whose directory is there.
func (f *Folder) Create(run bench.RunID, runDir string) (*Journal, error) {
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the journals: %w; name another with ACKPROOF_STATE", err)
	}
	names := []string{filepath.Join(runDir, FileName), filepath.Join(f.path, string(run)+suffix)}
	file, err := os.OpenFile(names[0], os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the journal of open faults: %w", err)
	}
	j := &Journal{file: file, names: names, open: map[int]Open{}}
	if err = lock(file); err == nil {
		if err = os.Link(names[0], names[1]); err != nil { // another file system
			err = os.Symlink(names[0], names[1])
		}
	}
	if err == nil {
		err = j.append(line{Run: run, Dir: runDir})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the journal of open faults: %w", err), j.remove())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mine = append(f.mine, j)
	return j, nil
}

// UndoMine undoes what runs of this process have open now. It is for an end that
// waits for nothing else; the runs may be undoing the same at this moment.
func (f *Folder) UndoMine(ctx context.Context) error {
	f.mu.Lock()
	mine := slices.Clone(f.mine)
	f.mu.Unlock()
	var errs []error
	for _, j := range mine {
		errs = append(errs, j.UndoAll(ctx))
	}
	return errors.Join(errs...)
}

// Left opens the journals whose run is dead. The caller undoes and closes them.
// One that cannot be read is an error beside the others.
func (f *Folder) Left() ([]*Journal, error) {
	entries, err := os.ReadDir(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the journals of open faults: %w", err)
	}
	var left []*Journal
	var errs []error
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		j, err := f.take(filepath.Join(f.path, e.Name()))
		switch {
		case errors.Is(err, ErrAlive), errors.Is(err, fs.ErrNotExist): // it is somebody's, or over since
		case err != nil:
			errs = append(errs, err)
		default:
			left = append(left, j)
		}
	}
	return left, errors.Join(errs...)
}

// Of opens the journal that a dead run has left: a run id, or a run directory.
// An error that is fs.ErrNotExist says that the run has left nothing, one that
// is ErrAlive that it goes on.
func (f *Folder) Of(run string) (*Journal, error) {
	if bench.RunID(run).Valid() {
		return f.take(filepath.Join(f.path, run+suffix))
	}
	if info, err := os.Stat(run); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is neither a run id nor a run directory", run)
	}
	return f.take(filepath.Join(run, FileName))
}

// ErrAlive says that a run still holds its journal.
var ErrAlive = errors.New("the run goes on: it undoes its faults itself")

// take opens a journal, unless its run is alive.
func (f *Folder) take(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: file, names: []string{path}, open: map[int]Open{}}
	if err = lock(file); err == nil {
		err = j.read(f.path)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return j, nil
}

func lock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrAlive
	}
	return err
}

// read reads what is open by the lines so far. The last line may be torn: it was
// not synced, so that what it speaks of has not been done.
func (j *Journal) read(folder string) error {
	b, err := os.ReadFile(j.names[0])
	if err != nil {
		return err
	}
	if err := j.decode(b); err != nil {
		return fmt.Errorf("read the journal %s: %w; see in it what was to be undone, undo that, and remove the file", j.names[0], err)
	}
	j.names = []string{filepath.Join(j.Dir, FileName), filepath.Join(folder, string(j.Run)+suffix)}
	return nil
}

func (j *Journal) decode(b []byte) error {
	n := 0
	for text := range strings.Lines(string(b)) {
		if !strings.HasSuffix(text, "\n") {
			break // torn
		}
		n++
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		switch {
		case n == 1 && l.Run.Valid() && l.Dir != "":
			j.Run, j.Dir = l.Run, l.Dir
		case n == 1:
			return errors.New("line 1 names no run")
		case l.Open != nil:
			j.open[l.Open.Fault] = *l.Open
		case l.Over != nil:
			delete(j.open, *l.Over)
		default:
			return fmt.Errorf("line %d says nothing", n)
		}
	}
	if n == 0 {
		return errors.New("it is empty")
	}
	return nil
}
