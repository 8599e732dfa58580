package lambda

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Program is a function's code, ready to be started.
type Program struct {
	Command    []string // absolute path of the executable, and its arguments
	Dir        string   // task root and working folder, absolute
	Handler    string   // what _HANDLER says
	Extensions []string // executables of the external extensions
}

// entryPoint is what Lambda starts of a package for provided.al2023
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html).
const entryPoint = "bootstrap"

// CheckProgram says what is wrong with a program, and writes nothing: what it
// accepts, OpenProgram can open.
func CheckProgram(text string) error {
	_, err := openProgram(text, "")
	return err
}

// OpenProgram finds out what a user means by text:
//
//   - an executable file, a Lambda binary. Its folder is the task root.
//   - a folder, or a zip as it is deployed, with `bootstrap` in it. The zip is
//     unpacked into the folder private, which must not exist yet and is the
//     caller's to remove; executables in the package's extensions/ are started
//     as external extensions, as those of a layer are. A handler's name may
//     follow the zip or the folder, for a bootstrap that reads _HANDLER.
//   - a command with arguments, split as a shell splits it, but without a shell.
//     The current folder is the task root. _HANDLER is the last argument, as in
//     a container image whose entry point is a runtime client.
//
// A file that exists wins, so a path with a space in it is still a path.
func OpenProgram(text, private string) (Program, error) {
	if private == "" {
		return Program{}, errors.New("open processor: no folder to unpack it into")
	}
	return openProgram(text, private)
}

// openProgram is OpenProgram; without a private folder it only checks.
func openProgram(text, private string) (p Program, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("processor %q: %w", text, err)
		}
	}()
	words := []string{text}
	info, err := os.Stat(text)
	if err != nil {
		if words, err = splitCommand(text); err != nil {
			return p, err
		}
		// A folder that is called like a command, `python app.py` beside python/,
		// does not hide it.
		if _, err := exec.LookPath(words[0]); err != nil {
			info, _ = os.Stat(words[0])
		}
	}
	handler := entryPoint
	if len(words) > 1 {
		handler = words[len(words)-1]
	}
	switch zipped, zipErr := isZip(words[0], info); {
	case zipErr != nil:
		return p, zipErr
	case info != nil && info.IsDir() || zipped:
		if len(words) > 2 {
			return p, fmt.Errorf("a package may be followed by the name of a handler, and by nothing more: %q", words[2:])
		}
		return openPackage(words[0], zipped, handler, private)
	}
	return openCommand(words, handler, info != nil && len(words) == 1)
}

// openCommand finds the executable of a command. The words after it are left as
// they are.
func openCommand(words []string, handler string, file bool) (p Program, err error) {
	name := words[0]
	if file {
		// Absolute, or a shell's rule would look for a plain name in PATH alone.
		if name, err = filepath.Abs(name); err != nil {
			return p, err
		}
	}
	path, err := exec.LookPath(name)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		if file {
			return p, errors.New("it is neither an executable file nor a zip: chmod +x it, or write the command that runs it, such as 'node index.mjs'")
		}
		return p, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return p, err
	}
	p = Program{Command: append([]string{path}, words[1:]...), Dir: filepath.Dir(path), Handler: handler}
	if !file {
		p.Dir, err = os.Getwd()
	}
	return p, err
}

// openPackage opens a folder or zip with a bootstrap in it.
func openPackage(path string, zipped bool, handler, private string) (p Program, err error) {
	dir := path
	if zipped {
		if err := checkZip(path); err != nil || private == "" {
			return p, err
		}
		if err := unzip(path, private); err != nil {
			return p, err
		}
		dir = private
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return p, err
	}
	entry := filepath.Join(dir, entryPoint)
	if !executable(entry) {
		return p, fmt.Errorf("the folder has no executable file %s in it; give a binary, a zip as deployed to Lambda, or a command", entryPoint)
	}
	p = Program{Command: []string{entry}, Dir: dir, Handler: handler}
	files, err := os.ReadDir(filepath.Join(dir, extensionsDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return p, fmt.Errorf("look for extensions: %w", err)
	}
	for _, f := range files {
		if path := filepath.Join(dir, extensionsDir, f.Name()); executable(path) {
			p.Extensions = append(p.Extensions, path)
		}
	}
	return p, nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// shellOnly are characters that mean something to a shell and nothing here.
const shellOnly = "|&;<>()$`*?[]{}\n"

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// splitCommand splits a line into words by a shell's rules of quoting: blanks
// separate, 'single quotes' keep all, "double quotes" keep all but backslash, a
// backslash keeps the next character. There is no shell behind it, so what only
// a shell can do is refused instead of being handed on as text.
func splitCommand(line string) (words []string, err error) {
	var word strings.Builder
	var quote rune // ', " or 0
	inside, escaped := false, false
	for i, c := range line {
		switch {
		case c == 0:
			return nil, fmt.Errorf("there is a zero byte at position %d", i+1)
		case escaped:
			if quote == '"' && c != '"' && c != '\\' && c != '$' && c != '`' {
				word.WriteByte('\\') // as in a shell: only these four are escaped there
			}
			word.WriteRune(c)
			escaped = false
		case quote != '\'' && c == '\\':
			inside, escaped = true, true
		case quote == '"' && (c == '$' || c == '`'), quote == 0 && slices.Contains([]rune(shellOnly), c):
			return nil, fmt.Errorf("%q at position %d needs a shell, and there is none: quote it, or write sh -c '...'", c, i+1)
		case quote == c && c != 0:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			inside, quote = true, c
		case c == ' ' || c == '\t':
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		case !inside && (c == '~' || c == '#'):
			return nil, fmt.Errorf("%q at position %d needs a shell, and there is none: write it out", c, i+1)
		default:
			inside = true
			word.WriteRune(c)
		}
	}
	switch {
	case quote != 0:
		return nil, fmt.Errorf("a quotation that begins with %c has no end", quote)
	case escaped:
		return nil, errors.New(`there is nothing after the last backslash`)
	case inside:
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("it is empty: give a binary, a zip as deployed to Lambda, or a command")
	}
	if m := assignment.FindString(words[0]); m != "" {
		return nil, fmt.Errorf("%q is no command; the processor's variables are set by --env %s... or processor.env", words[0], m)
	}
	return words, nil
}

// lookPath finds the binary, as a shell would. The path is absolute, since the
// child starts in another directory.
func lookPath(command string) (string, error) {
	path, err := exec.LookPath(command)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", command, err)
	}
	return filepath.Abs(path)
}
