package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/synth"
	"github.com/ackproof/ackproof/reports"
)

// folderOfRuns makes two runs, one of which has findings, and a folder that is none
// but has the name of a run.
func folderOfRuns(t *testing.T) (root string, paths []string) {
	t.Helper()
	root = t.TempDir()
	for i, each := range []int{0, 5} {
		made, err := synth.Make(filepath.Join(root, "group <b>&"), synth.Options{Requests: 2000, Seed: uint64(i), Each: each})
		if err != nil {
			t.Fatal(err)
		}
		result, series, err := run.Judge(made.Dir, run.JudgeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := reports.Write(made.Dir, result, series); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, "group <b>&/"+filepath.Base(made.Dir))
	}
	broken := filepath.Join(root, "<script>alert(1)</script>")
	for dir, text := range map[string]string{broken: "{", filepath.Join(root, "no-run"): ""} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if err := os.WriteFile(filepath.Join(dir, "result.json"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(root), "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Base(filepath.Dir(root)), filepath.Join(root, "latest")); err != nil {
		t.Fatal(err)
	}
	return root, paths
}

func TestServe(t *testing.T) {
	root, paths := folderOfRuns(t)
	index, err := run.NewIndex(root)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(runsHandler(index, root))
	defer server.Close()
	escaped := func(path string) string { return (&url.URL{Path: path}).EscapedPath() }
	both := url.Values{"run": paths}.Encode()
	for _, tt := range []struct {
		name, method, path, host string
		status                   int
		want, not                string
	}{
		{"list", "GET", "/", "", 200, "3 runs in", "<script>alert(1)"},
		{"trend", "GET", "/?" + url.Values{"trend": {"synth, streams"}, "figure": {"lost"}}.Encode(), "", 200, "lost of synth, streams, from the oldest to the newest of 2 runs", ""},
		{"unknown trend", "GET", "/?trend=%3Cscript%3Ealert(1)&figure=nope", "", 200, "response time p99 of synth", "<script>alert(1)"},
		{"report", "GET", "/run/" + escaped(paths[1]) + "/report.html", "", 200, "FAIL", ""},
		{"result", "GET", "/run/" + escaped(paths[0]) + "/result.json", "", 200, `"schema"`, ""},
		{"compare", "GET", "/compare?" + both, "", 200, "Comparison of 2 runs", ""},
		{"compare one", "GET", "/compare?run=x", "", 400, "tick", ""},
		{"compare what is not there", "GET", "/compare?run=../secret&run=.", "", 404, "no such run", ""},
		{"a file that is not told", "GET", "/run/" + escaped(paths[0]) + "/scenario.yaml", "", 404, "no such", ""},
		{"out of the folder", "GET", "/run/..%2Fsecret", "", 404, "", "secret\x00"},
		{"out of the folder, in plain", "GET", "/run/../../secret", "", 404, "", ""},
		{"through a run", "GET", "/run/" + escaped(paths[0]) + "/..%2F..%2F..%2Fsecret%2Freport.html", "", 404, "no such", ""},
		{"by a link", "GET", "/run/latest/report.html", "", 404, "no such", ""},
		{"another host", "GET", "/", "evil.example", 403, "127.0.0.1", "runs in"},
		{"another host with a port", "GET", "/", "evil.example:80", 403, "127.0.0.1", "runs in"},
		{"localhost", "GET", "/", "localhost:1", 200, "runs in", ""},
		{"change", "POST", "/", "", 405, "", "runs in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request, err := http.NewRequest(tt.method, server.URL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.host != "" {
				request.Host = tt.host
			}
			answer, err := server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			text := string(body)
			if answer.StatusCode != tt.status || !strings.Contains(text, tt.want) || tt.not != "" && strings.Contains(text, tt.not) {
				t.Errorf("%s %s: %s\n%.1500s\nwant %d with %q and without %q", tt.method, tt.path, answer.Status, text, tt.status, tt.want, tt.not)
			}
			if answer.Header.Get("X-Content-Type-Options") != "nosniff" && answer.StatusCode != 403 {
				t.Error("the answer may be taken for another type")
			}
		})
	}
}

func TestServeRefusesWhatIsNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + "-gone"} {
		if _, err := run.NewIndex(path); err == nil {
			t.Errorf("%s is taken for a folder of runs", path)
		}
	}
}
