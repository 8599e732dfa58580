package run

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// The bounds of an index: a folder may be anything.
const (
	maxIndexed = 2000
	indexDeep  = 3 // folders below the one that is asked for
)

// Listed is a run found in a folder.
type Listed struct {
	Path    string // below the folder, with slashes
	Dir     string
	Result  *bench.Result // nil: it cannot be read
	Problem string        // why
}

// Index finds the runs in a folder, and keeps what it has read as long as the
// files stay as they are. It may be used by several goroutines.
type Index struct {
	root string
	mu   sync.Mutex
	kept map[string]indexed // by path of result.json
}

type indexed struct {
	at     time.Time
	size   int64
	result *bench.Result
	err    error
}

// NewIndex is an index of a folder, which must be there.
func NewIndex(root string) (*Index, error) {
	info, err := os.Stat(root)
	if err == nil && !info.IsDir() {
		err = errors.New(root + " is no folder")
	}
	if err != nil {
		return nil, err
	}
	return &Index{root: root, kept: map[string]indexed{}}, nil
}

// Runs lists the runs, the newest first; left is how many more there are. Links
// are not followed: `latest` would list a run twice, and others lead outside.
func (x *Index) Runs() (runs []Listed, left int, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	err = filepath.WalkDir(x.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // what cannot be read is no run
		}
		rel, err := filepath.Rel(x.root, path)
		if err != nil {
			return err
		}
		if exists(filepath.Join(path, manifestFile)) || exists(filepath.Join(path, resultFile)) {
			runs = append(runs, Listed{Path: filepath.ToSlash(rel), Dir: path})
			return fs.SkipDir
		}
		if rel != "." && strings.Count(filepath.ToSlash(rel), "/")+1 >= indexDeep {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	// Names begin with the time; what they do not tell, the results will.
	slices.SortFunc(runs, func(a, b Listed) int { return cmp.Compare(filepath.Base(b.Dir), filepath.Base(a.Dir)) })
	left = max(0, len(runs)-maxIndexed)
	runs = runs[:len(runs)-left]
	for i := range runs {
		var problem error
		if runs[i].Result, problem = x.read(runs[i].Dir); problem != nil {
			runs[i].Problem = problem.Error()
		}
	}
	slices.SortStableFunc(runs, func(a, b Listed) int { return cmp.Compare(started(b), started(a)) })
	return runs, left, nil
}

func started(l Listed) string {
	if l.Result == nil {
		return ""
	}
	return l.Result.Run.Started
}

// read gives a result, anew where its file has changed.
func (x *Index) read(dir string) (*bench.Result, error) {
	path := filepath.Join(dir, resultFile)
	info, err := os.Stat(path)
	if err == nil {
		if old, ok := x.kept[path]; ok && old.at.Equal(info.ModTime()) && old.size == info.Size() {
			return old.result, old.err
		}
	}
	one := indexed{result: new(bench.Result)}
	if info != nil {
		one.at, one.size = info.ModTime(), info.Size()
	}
	if _, one.err = readResult(dir, one.result); one.err != nil {
		one.result = nil
	}
	if info != nil {
		x.kept[path] = one
	}
	return one.result, one.err
}

// Find gives one run by its path, as Runs lists it.
func (x *Index) Find(path string) (Listed, bool) {
	runs, _, err := x.Runs()
	if err != nil {
		return Listed{}, false
	}
	i := slices.IndexFunc(runs, func(l Listed) bool { return l.Path == path })
	if i < 0 {
		return Listed{}, false
	}
	return runs[i], true
}
