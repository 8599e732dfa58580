package tableexport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
)

const (
	// readAhead is one read of a file, and maxLine one item as a line: of 400 KB at
	// most, which JSON's escapes can make six times as long.
	readAhead = 256 << 10
	maxLine   = 4 << 20
)

// Rows calls each for every item with the attributes that are named, in their
// order; one that the item does not have is the zero Value. Several files are
// read at once, so each is called from several goroutines; the values are valid
// until it returns. An error of each ends the reading; all others are collected,
// and any of them means that the items are not all there.
func (e *Export) Rows(ctx context.Context, names []string, each func([]Value) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	errs := make([]error, len(e.files))
	for i, f := range e.files {
		group.Go(func() error {
			stop := false
			errs[i] = f.rows(ctx, e.store, newParser(names), func(values []Value) error {
				err := each(values)
				stop = err != nil
				return err
			})
			if stop || ctx.Err() != nil {
				return errs[i] // the others need not go on
			}
			return nil
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// rows reads one file, and checks it against the manifest.
func (f *file) rows(ctx context.Context, store Store, p *parser, each func([]Value) error) error {
	where := store.Where(f.name)
	in, err := store.Open(ctx, f.name, f.ETag)
	if err != nil {
		return fmt.Errorf("read %s: %w", where, err)
	}
	defer in.Close()
	digest := md5.New()
	object := io.TeeReader(in, digest)
	n, readErr := f.lines(ctx, object, p, each)
	// An error may come of damage, so what the digest says is said first.
	if _, err := io.Copy(io.Discard, object); err != nil {
		return fmt.Errorf("read %s: %w", where, err)
	}
	if got := digest.Sum(nil); !bytes.Equal(got, f.MD5) && ctx.Err() == nil {
		return fmt.Errorf("%s is not as it was exported: its MD5 is %s, the manifest says %s; copy it anew", where, sum(got), sum(f.MD5))
	}
	switch {
	case readErr != nil:
		return fmt.Errorf("read %s: %w", where, readErr)
	case n != f.Items:
		return fmt.Errorf("%s holds %d items, the manifest says %d", where, n, f.Items)
	}
	return nil
}

// lines reads the items of one object, and counts them.
func (f *file) lines(ctx context.Context, object io.Reader, p *parser, each func([]Value) error) (n int64, err error) {
	if path.Ext(f.name) == ".gz" {
		unzip, err := gzip.NewReader(bufio.NewReaderSize(object, readAhead))
		if errors.Is(err, io.EOF) && f.Items == 0 {
			return 0, nil // an empty partition may leave an empty file
		}
		if err != nil {
			return 0, err
		}
		defer unzip.Close()
		object = unzip
	}
	lines := bufio.NewScanner(object)
	lines.Buffer(make([]byte, readAhead), maxLine)
	for number := 1; lines.Scan(); number++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		values, err := p.item(lines.Bytes())
		if err != nil {
			return n, fmt.Errorf("line %d: %w", number, err)
		}
		if err := each(values); err != nil {
			return n, err
		}
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return n, ctx.Err()
		}
	}
	return n, lines.Err()
}
