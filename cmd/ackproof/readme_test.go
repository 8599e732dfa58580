package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a command of the README with the output that it shows.
type block struct {
	command string
	output  []string
}

// readme reads the commands of the README: lines that begin with $ in console
// blocks, each followed by its output.
func readme(t *testing.T) []block {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	inside := false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside && strings.HasPrefix(line, "$ "):
			command, _, _ := strings.Cut(line[2:], " #")
			blocks = append(blocks, block{command: strings.TrimSpace(command)})
		case inside:
			last := &blocks[len(blocks)-1]
			last.output = append(last.output, line)
		}
	}
	return blocks
}

// TestREADME runs every command of the README in its order, as written, and
// compares what comes out with what it shows: the same lines, other figures. It
// takes minutes, so it runs in `make conformance` alone; its first commands are
// also those of the scenario tests.
func TestREADME(t *testing.T) {
	blocks := readme(t)
	if len(blocks) < 10 || blocks[0].command != "go test ./..." || blocks[1].command != "go run ./cmd/ackproof run" {
		t.Fatalf("the README has %d commands and does not begin with the main job and the tests", len(blocks))
	}
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("set ACKPROOF_CONFORMANCE=1: this takes minutes")
	}
	root := t.TempDir() // and nothing beside it: what it shows is of a machine that keeps up
	clone(t, root)
	for _, b := range blocks {
		if b.command == "go test ./..." {
			continue // this is it
		}
		cmd := exec.Command("sh", "-c", b.command)
		cmd.Dir = root
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		code := cmd.ProcessState.ExitCode()
		want := 0
		if strings.HasSuffix(b.command, "lossy") || strings.Contains(b.command, "ACKPROOF_DEFECT=") {
			want = 1 // what is wrong is found
		}
		if code != want {
			t.Errorf("%s: exit code %d, want %d: %v\n%s%s", b.command, code, want, err, out, stderr.String())
		}
		if len(b.output) > 0 {
			got := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
			if g, w := mask(got), mask(b.output); g != w {
				t.Errorf("%s prints, figures aside:\n%s\nthe README shows:\n%s", b.command, g, w)
			}
		}
	}
}

// clone copies what is committed or about to be: the module without its runs.
func clone(t *testing.T, to string) {
	t.Helper()
	files, err := exec.Command("git", "-C", "../..", "ls-files", "-co", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("no checkout to copy: %v", err)
	}
	for name := range strings.Lines(string(files)) {
		name = strings.TrimSpace(name)
		b, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			continue // deleted and not committed
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	runs    = regexp.MustCompile(`[0-9]{8}-[0-9]{6}-([a-z-]+)-[0-9a-z]{8}`)
	ids     = regexp.MustCompile(`[0-9a-z]{8}-00-[0-9]{10}`)
	figures = regexp.MustCompile(`[0-9][0-9,.]*( (µs|ms|s)\b)?`)
)

// mask replaces what differs from run to run, and lays wrapped lines together.
func mask(lines []string) string {
	text := strings.Join(lines, "\n")
	text = ids.ReplaceAllString(runs.ReplaceAllString(text, "RUN-$1"), "ID")
	text = figures.ReplaceAllString(text, "N")
	return regexp.MustCompile(`[ \n]+`).ReplaceAllString(text, " ")
}
