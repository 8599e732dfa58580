package tableexport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Store is where the files of one export lie: a [Folder], or the bucket that it was
// made into.
type Store interface {
	// Open opens a file by its name below the export, with / between its parts. One
	// that is not there gives [fs.ErrNotExist]. The ETag is that of the manifest, or
	// empty; a store that has ETags must give no other object.
	Open(ctx context.Context, name, etag string) (io.ReadCloser, error)
	// Where says where a file is, for people; String does so of the export.
	Where(name string) string
	fmt.Stringer
}

// Folder is an export that was copied to a folder: that which holds
// manifest-summary.json.
type Folder string

// Open opens a file.
func (f Folder) Open(_ context.Context, name, _ string) (io.ReadCloser, error) {
	return os.Open(f.Where(name))
}

// Where is the file's path.
func (f Folder) Where(name string) string { return filepath.Join(string(f), filepath.FromSlash(name)) }

// String is the folder's path.
func (f Folder) String() string { return string(f) }

// has looks for a file.
func (f Folder) has(name string) error {
	info, err := os.Stat(f.Where(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is missing; copy the whole folder of the export", f.Where(name))
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", f.Where(name))
	}
	return nil
}
