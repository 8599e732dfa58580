package lambda

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSplitCommand(t *testing.T) {
	for line, want := range map[string][]string{
		"node index.mjs":                {"node", "index.mjs"},
		" python  -m\tawslambdaric a.b": {"python", "-m", "awslambdaric", "a.b"},
		`"a b"/c 'd "$e" f' g\ h ''`:    {"a b/c", `d "$e" f`, "g h", ""},
		`sh -c 'exec node x.js | tee'`:  {"sh", "-c", "exec node x.js | tee"},
		`a "b\"c\\d\e\$" x=y a#b`:       {"a", `b"c\d\e$`, "x=y", "a#b"},
	} {
		if got, err := splitCommand(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", line, got, err, want)
		}
	}
	for line, want := range map[string]string{
		"": "empty", " \t": "empty", "'' a": "empty", "a 'b": "no end", `a "b\"`: "no end", `a \`: "backslash",
		"a | b": "'|' at position 3", "a $HOME": "sh -c", "a *.js": "sh -c", "a ~/b": "write it out", "a \"`b`\"": "sh -c",
		"A=b node x": "--env A=", "a\x00b": "zero byte",
	} {
		if got, err := splitCommand(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, error %v, want %q in it", line, got, err, want)
		}
	}
}

// FuzzSplitCommand: what comes out, each word in single quotes, gives the same
// words again.
func FuzzSplitCommand(f *testing.F) {
	for _, seed := range []string{"node index.mjs", `a "b c" 'd' e\ f`, `"`, `\`, "a|b", "é '\xff'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitCommand(line)
		if err != nil {
			return
		}
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		if again, err := splitCommand(strings.Join(quoted, " ")); err != nil && assignment.FindString(words[0]) == "" || err == nil && !slices.Equal(again, words) {
			t.Errorf("%q: words %q, again %q, %v", line, words, again, err)
		}
	})
}

// entry is one entry of a zip.
type entry struct {
	name, text string
	mode       fs.FileMode
}

// zipOf makes a package. A mode of 0 is that of a zip made without Unix modes.
func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.mode != 0 {
			h.SetMode(e.mode)
		}
		part, err := w.CreateHeader(h)
		if err == nil {
			_, err = part.Write([]byte(e.text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, path string, data []byte, mode fs.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

var bootstrap = entry{"bootstrap", "#!/bin/sh\n", 0o755}

func TestOpenProgram(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	spaced := write(t, filepath.Join(dir, "my function"), nil, 0o755)
	write(t, "plain.txt", nil, 0o644)
	write(t, "fn.zip", zipOf(t, bootstrap, entry{"lib/", "", fs.ModeDir | 0o755}, entry{"lib/a.so", "a", 0o644},
		entry{"bin/tool", "../lib/a.so", fs.ModeSymlink | 0o777}, entry{"extensions/agent", "#!/bin/sh\n", 0o755}, entry{"extensions/README", "", 0o644}), 0o644)
	private := filepath.Join(dir, "private")
	for _, tt := range []struct {
		text string
		want Program
	}{
		{"my function", Program{Command: []string{spaced}, Dir: dir, Handler: "bootstrap"}},
		{"'my function'", Program{Command: []string{spaced}, Dir: dir, Handler: "bootstrap"}},
		{"'./my function' a.b", Program{Command: []string{spaced, "a.b"}, Dir: dir, Handler: "a.b"}},
		{"fn.zip", Program{Command: []string{private + "/bootstrap"}, Dir: private, Handler: "bootstrap", Extensions: []string{private + "/extensions/agent"}}},
		{"fn.zip app.handler", Program{Command: []string{private + "/bootstrap"}, Dir: private, Handler: "app.handler", Extensions: []string{private + "/extensions/agent"}}},
	} {
		if err := CheckProgram(tt.text); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		p, err := OpenProgram(tt.text, private)
		if err != nil || !slices.Equal(p.Command, tt.want.Command) || p.Dir != tt.want.Dir || p.Handler != tt.want.Handler || !slices.Equal(p.Extensions, tt.want.Extensions) {
			t.Errorf("%s: %+v, %v, want %+v", tt.text, p, err, tt.want)
		}
		if strings.HasPrefix(tt.text, "fn.zip") {
			if b, err := os.ReadFile(private + "/bin/tool"); err != nil || string(b) != "a" {
				t.Errorf("the link reads %q, %v", b, err)
			}
			if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the folder's mode is %v, %v", info.Mode(), err)
			}
			// An unpacked folder is a package too.
			if p, err := OpenProgram(private, private+"2"); err != nil || p.Command[0] != tt.want.Command[0] {
				t.Errorf("as a folder: %+v, %v", p, err)
			}
			os.RemoveAll(private)
		}
	}
	// A folder called like a command does not hide the command.
	if err := os.Mkdir("sh", 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := OpenProgram("sh -c true", private); err != nil || !filepath.IsAbs(p.Command[0]) || p.Dir != dir {
		t.Errorf("sh -c true: %+v, %v", p, err)
	}
	for text, want := range map[string]string{
		"plain.txt": "chmod +x", "nosuchfile": "nosuchfile", "./nosuch a": "no such file", "nosuchcommand a.mjs": "not found",
		"sh": "no executable file bootstrap", "fn.zip a b": "nothing more", "a | b": "needs a shell",
	} {
		if err := CheckProgram(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", text, err, want)
		}
	}
}

func TestZipsThatAreNoPackage(t *testing.T) {
	dir := t.TempDir()
	outside := write(t, filepath.Join(dir, "outside"), []byte("kept"), 0o644)
	link := func(name, target string) entry { return entry{name, target, fs.ModeSymlink | 0o777} }
	for name, tt := range map[string]struct {
		entries []entry
		want    string
	}{
		"slip":              {[]entry{bootstrap, {"../outside", "x", 0o644}}, "outside of the package"},
		"absolute":          {[]entry{bootstrap, {outside, "x", 0o644}}, "outside of the package"},
		"backslash":         {[]entry{bootstrap, {`..\outside`, "x", 0o644}}, "outside of the package"},
		"link out":          {[]entry{bootstrap, link("l", "../outside")}, "leads out of the package"},
		"link to absolute":  {[]entry{bootstrap, link("l", outside)}, "leads out of the package"},
		"link over link":    {[]entry{bootstrap, link("a/up", ".."), link("l", "a/up/../outside")}, "leads out of the package"},
		"file through link": {[]entry{bootstrap, link("l", ".."), {"l/outside", "x", 0o644}}, "unpack l"},
		"dangling":          {[]entry{bootstrap, link("l", "nothing")}, "to nothing"},
		"twice":             {[]entry{bootstrap, {"./bootstrap", "x", 0o755}}, "twice"},
		"device":            {[]entry{bootstrap, {"d", "", fs.ModeDevice | 0o644}}, "neither file"},
		"no bootstrap":      {[]entry{{"app.py", "x", 0o644}}, "python -m awslambdaric"},
		"folder zipped":     {[]entry{{"build/bootstrap", "x", 0o755}}, "zip the content"},
		"not executable":    {[]entry{{"bootstrap", "x", 0o644}}, TypeInvalidEntrypoint},
		"no modes":          {[]entry{{"bootstrap", "x", 0}}, "chmod +x"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "fn.zip"), zipOf(t, tt.entries...), 0o644)
			private := filepath.Join(dir, "private")
			_, err := OpenProgram(path, private)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
			if _, err := os.Lstat(private); err == nil {
				t.Error("something was left behind")
				os.RemoveAll(private)
			}
			if b, _ := os.ReadFile(outside); string(b) != "kept" {
				t.Error("a file outside of the package was written")
			}
		})
	}
	t.Run("too large", func(t *testing.T) {
		big := &zip.File{FileHeader: zip.FileHeader{Name: "bootstrap", UncompressedSize64: maxUnzipped + 1}}
		big.SetMode(0o755)
		if err := checkEntries([]*zip.File{big}); err == nil || !strings.Contains(err.Error(), "more than 262144000 bytes") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("claimed size", func(t *testing.T) {
		data := zipOf(t, bootstrap, entry{"big", strings.Repeat("x", 1<<20), 0o644})
		r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		left := int64(1000) // whatever the directory says, no more than this is written
		if err := unzipFile(root, r.File[1], &left); err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("error %v", err)
		}
		if info, err := root.Stat("big"); err != nil || info.Size() > 1001 {
			t.Errorf("%v, %v", info.Size(), err)
		}
	})
}

// FuzzUnzip: no zip writes outside of its folder, and an error leaves nothing.
func FuzzUnzip(f *testing.F) {
	f.Add(zipOf(f, bootstrap, entry{"a/b", "x", 0o644}, entry{"l", "a/b", fs.ModeSymlink | 0o777}))
	f.Add(zipOf(f, bootstrap, entry{"l", "..", fs.ModeSymlink | 0o777}, entry{"l/x", "x", 0o644}))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		path := write(t, filepath.Join(dir, "fn.zip"), data, 0o644)
		err := unzip(path, filepath.Join(dir, "private"))
		files, _ := os.ReadDir(dir)
		if want := 2; err == nil && len(files) != want || err != nil && len(files) != 1 {
			t.Errorf("error %v, and the folder has %v", err, files)
		}
	})
}
