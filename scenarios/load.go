package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ackproof/ackproof/faults"
)

// Default is the built-in scenario that runs when none is named.
const Default = "crash"

//go:embed *.yaml *.arrivals
var builtins embed.FS

// maxFile bounds a scenario file: more is a mistaken argument, not a scenario.
// It also bounds nesting, on which the YAML parser's time grows with the square:
// the worst file of this size takes it about two seconds.
const maxFile = 32 << 10

// Builtins lists the names of the built-in scenarios, in order.
func Builtins() []string {
	entries, err := builtins.ReadDir(".")
	if err != nil {
		panic("scenarios: the built-in scenarios are gone: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".yaml"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Source gives the text of a built-in scenario as its author wrote it, comments
// included.
func Source(name string) ([]byte, error) {
	if !slices.Contains(Builtins(), name) {
		return nil, unknownScenario(name)
	}
	return builtins.ReadFile(name + ".yaml")
}

func unknownScenario(name string) error {
	if near := faults.Nearest(name, Builtins()); near != "" {
		return fmt.Errorf("load scenario %q: neither a file nor a built-in scenario; did you mean %s?", name, near)
	}
	return fmt.Errorf("load scenario %q: neither a file nor a built-in scenario; built in are %s", name, strings.Join(Builtins(), ", "))
}

// Load reads a built-in scenario or a file, applies the path=value assignments
// of set, and checks it. A built-in name wins over a file; write ./crash for a
// file of that name. The error joins everything that is wrong.
func Load(nameOrFile string, set []string) (*Scenario, error) {
	file, data, err := open(nameOrFile)
	if err != nil {
		return nil, err
	}
	return Parse(file, data, set)
}

// Stated says where the values of a scenario were given, by their paths: in its file, or
// by an assignment of set. What is not among them is a default.
func Stated(nameOrFile string, set []string) (map[string]string, error) {
	file, data, err := open(nameOrFile)
	if err != nil {
		return nil, err
	}
	_, d, err := parse(file, data, set)
	if err != nil {
		return nil, err
	}
	return d.where, nil
}

// open reads the text of a scenario, built in or a file, and gives the file's name.
func open(nameOrFile string) (file string, data []byte, err error) {
	if slices.Contains(Builtins(), nameOrFile) {
		data, err := Source(nameOrFile)
		return nameOrFile + ".yaml", data, err
	}
	f, err := os.Open(nameOrFile)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(nameOrFile, "./\\") {
		return "", nil, unknownScenario(nameOrFile)
	}
	if err != nil {
		return "", nil, fmt.Errorf("load scenario: %w", err)
	}
	defer f.Close()
	data = make([]byte, maxFile+1)
	n, err := readUpTo(f, data)
	if err != nil {
		return "", nil, fmt.Errorf("load scenario %s: %w", nameOrFile, err)
	}
	return nameOrFile, data[:n], nil
}

// Parse reads a scenario from the text of a file, applies the assignments of
// set, fills the defaults in and checks it. The file's name is used for messages
// and, without directory and extension, where the scenario has no name.
func Parse(file string, data []byte, set []string) (*Scenario, error) {
	s, _, err := parse(file, data, set)
	return s, err
}

// parse is Parse that gives the decoder, too, which knows where each value was given.
func parse(file string, data []byte, set []string) (*Scenario, *decoder, error) {
	d := &decoder{file: file, where: map[string]string{}, beside: func(name string) ([]byte, error) { return readBeside(file, name) }}
	s := defaults()
	base := filepath.Base(file)
	s.Name = strings.TrimSuffix(base, filepath.Ext(base))
	switch {
	case len(data) > maxFile:
		return nil, nil, Problem{Where: file, Text: fmt.Sprintf("the file is larger than %d KB: it is no scenario", maxFile>>10)}
	case !utf8.Valid(data):
		return nil, nil, Problem{Where: file, Text: "the file is not UTF-8 text"}
	}
	root := d.parse(data)
	switch {
	case len(d.problems) > 0:
		return nil, nil, joinProblems(d.problems) // there is no tree to walk
	case root != nil:
		d.value(root, reflect.ValueOf(s).Elem(), "")
	}
	for _, assignment := range set {
		d.override(s, assignment)
	}
	d.replays(s)
	d.scale(s)
	s.complete()
	if problems := s.check(d); len(problems) > 0 {
		return nil, nil, joinProblems(problems)
	}
	return s, d, nil
}

// readUpTo fills buf as far as the reader goes.
func readUpTo(r io.Reader, buf []byte) (int, error) {
	n, err := io.ReadFull(r, buf)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}
