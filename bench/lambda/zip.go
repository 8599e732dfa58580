package lambda

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// maxUnzipped bounds a package, in bytes, layers and all
	// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
	maxUnzipped = 250 << 20
	// maxEntries is our own: an archive of empty files has no size to bound.
	maxEntries = 100_000
	maxLink    = 4096 // bytes of a symbolic link's target

	extensionsDir = "extensions"
)

// isZip tells a zip by its first bytes: deployed packages have any name.
func isZip(name string, info fs.FileInfo) (bool, error) {
	if info == nil || !info.Mode().IsRegular() {
		return false, nil
	}
	f, err := os.Open(name)
	if err != nil {
		if info.Mode()&0o111 != 0 {
			return false, nil // a binary that may be run and not be read
		}
		return false, err
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && (string(magic) == "PK\x03\x04" || string(magic) == "PK\x05\x06"), nil
}

// checkZip says everything that is wrong with a package, from its directory
// alone.
func checkZip(name string) error {
	r, err := zip.OpenReader(name)
	if err != nil {
		return fmt.Errorf("read the zip: %w", err)
	}
	defer r.Close()
	return checkEntries(r.File)
}

// checkEntries looks for what must not be in a package, or is missing. Lambda
// starts no bootstrap without its executable bit either, it fails every
// invocation then; so it is refused here, and not helped.
func checkEntries(files []*zip.File) error {
	if len(files) > maxEntries {
		return fmt.Errorf("the zip has %d entries, at most %d are allowed", len(files), maxEntries)
	}
	var errs []error
	var size uint64
	var entry *zip.File
	var elsewhere string
	seen := map[string]bool{}
	for _, f := range files {
		clean := path.Clean(f.Name)
		switch mode := f.Mode(); {
		case !filepath.IsLocal(f.Name) || strings.ContainsAny(f.Name, "\\\x00"):
			errs = append(errs, fmt.Errorf("the entry %q would lie outside of the package", f.Name))
		case seen[clean]:
			errs = append(errs, fmt.Errorf("the zip has %q twice", f.Name))
		case !mode.IsRegular() && !mode.IsDir() && mode.Type() != fs.ModeSymlink:
			errs = append(errs, fmt.Errorf("the entry %q is neither file, folder nor symbolic link: %v", f.Name, mode))
		}
		seen[clean] = true
		if size += f.UncompressedSize64; f.UncompressedSize64 > maxUnzipped {
			size = maxUnzipped + 1 // so that no sum overflows
		}
		switch {
		case clean == entryPoint:
			entry = f
		case path.Base(clean) == entryPoint:
			elsewhere = path.Dir(clean)
		}
	}
	if size > maxUnzipped {
		errs = append(errs, fmt.Errorf("unpacked the package has more than %d bytes, which is what Lambda allows", maxUnzipped))
	}
	switch {
	case entry == nil && elsewhere != "":
		errs = append(errs, fmt.Errorf("%s lies in %s/: zip the content of that folder, not the folder", entryPoint, elsewhere))
	case entry == nil:
		errs = append(errs, fmt.Errorf("there is no %s in the zip; give a handler's own command instead, such as 'python -m awslambdaric app.handler'", entryPoint))
	case entry.Mode().IsDir() || entry.Mode().IsRegular() && entry.Mode()&0o111 == 0:
		errs = append(errs, fmt.Errorf("%s in the zip is not executable, and on Lambda every invocation would end as %s: chmod +x it and zip it again", entryPoint, TypeInvalidEntrypoint))
	}
	return errors.Join(errs...)
}

// unzip unpacks a package into a folder that it makes, readable by its owner
// alone; after an error nothing of it is left. Everything is written through an
// [os.Root], which follows no link out of the folder, and links come last, so
// that nothing is written through one at all.
func unzip(name, dir string) (err error) {
	r, err := zip.OpenReader(name)
	if err != nil {
		return fmt.Errorf("read the zip: %w", err)
	}
	defer r.Close()
	if err := checkEntries(r.File); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder to unpack into: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	left := int64(maxUnzipped)
	isLink := func(f *zip.File) bool { return f.Mode().Type() == fs.ModeSymlink }
	for _, f := range r.File {
		if isLink(f) {
			continue
		}
		if err := unzipFile(root, f, &left); err != nil {
			return fmt.Errorf("unpack %s: %w", f.Name, err)
		}
	}
	for _, f := range r.File {
		if !isLink(f) {
			continue
		}
		if err := unzipLink(root, f); err != nil {
			return fmt.Errorf("unpack %s: %w", f.Name, err)
		}
	}
	return checkLinks(root, slices.DeleteFunc(r.File, func(f *zip.File) bool { return !isLink(f) }))
}

// unzipFile writes a file or a folder. left is how many bytes the package may
// still have: the sizes in a zip are only claims.
func unzipFile(root *os.Root, f *zip.File, left *int64) error {
	name := path.Clean(f.Name)
	if f.Mode().IsDir() {
		return root.MkdirAll(name, 0o700)
	}
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(in, *left+1))
	*left -= n
	if err == nil && *left < 0 {
		err = fmt.Errorf("the package has more than %d bytes, which is what Lambda allows", maxUnzipped)
	}
	return errors.Join(err, out.Close())
}

// unzipLink makes a symbolic link, as `zip -y` keeps those of node_modules/.bin.
func unzipLink(root *os.Root, f *zip.File) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	target, err := io.ReadAll(io.LimitReader(in, maxLink+1))
	switch {
	case err != nil:
		return err
	case len(target) > maxLink:
		return fmt.Errorf("the link's target has more than %d bytes", maxLink)
	}
	name := path.Clean(f.Name)
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	return root.Symlink(string(target), name)
}

// checkLinks wants each link to lead to something inside of the package, over
// however many other links: the root refuses to follow one that leaves it.
func checkLinks(root *os.Root, links []*zip.File) error {
	for _, f := range links {
		if _, err := root.Stat(path.Clean(f.Name)); err != nil {
			return fmt.Errorf("the link %s leads out of the package, or to nothing: %w", f.Name, err)
		}
	}
	return nil
}
