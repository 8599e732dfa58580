package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// A client is a stream processor on the official runtime client of a language,
// in a folder of testdata/clients.
type client struct {
	name    string
	code    string // the folder's name
	lock    string // pins what is installed
	install func(t *testing.T, code, cache string) [][]string
	command func(code, cache string) string // what --processor is given; it runs in code
}

var clients = []client{
	{"go", "go", "main.go", func(_ *testing.T, code, cache string) [][]string {
		return [][]string{{"go", "build", "-o", filepath.Join(cache, "bootstrap"), "./" + code}}
	}, func(_, cache string) string { return "'" + filepath.Join(cache, "fn.zip") + "'" }}, // as it is deployed
	{"node", "node", "package-lock.json", installNode, func(_, cache string) string {
		return "node '" + filepath.Join(cache, "node_modules/aws-lambda-ric/bin/index.mjs") + "' index.handler"
	}},
	// As its documentation says: what speaks the Runtime API is the third process, and
	// a kill of the first two alone would let it work on.
	{"npx", "node", "package-lock.json", installNode, func(_, _ string) string { return "npx aws-lambda-ric index.handler" }},
	{"python", "python", "requirements.txt", func(_ *testing.T, code, cache string) [][]string {
		venv := filepath.Join(cache, "venv")
		return [][]string{
			{"python3", "-m", "venv", venv},
			{filepath.Join(venv, "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "-r", filepath.Join(code, "requirements.txt")},
		}
	}, func(_, cache string) string {
		return "'" + filepath.Join(cache, "venv/bin/python") + "' -m awslambdaric app.handler"
	}},
}

// installNode gives the command that installs what the Node.js client needs.
func installNode(t *testing.T, code, cache string) [][]string {
	for _, tool := range []string{"npm", "cmake", "g++", "make", "autoreconf", "libtoolize"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the Node.js client has a native part, whose build wants %s: install npm, cmake, g++, make, autoconf and libtool", tool)
		}
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		copyFile(t, filepath.Join(code, name), filepath.Join(cache, name))
	}
	return [][]string{{"npm", "ci", "--prefix", cache, "--no-audit", "--no-fund"}}
}

// installed installs what the client needs, once for each version of its lock
// file, and gives the command that runs it and the folder to run it in.
func (c client) installed(t *testing.T) (command, dir string) {
	t.Helper()
	code := filepath.Join("testdata", "clients", c.code)
	lock, err := os.ReadFile(filepath.Join(code, c.lock))
	if err != nil {
		t.Fatal(err)
	}
	caches, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(caches, "ackproof-test", fmt.Sprintf("%s-%x", c.code, sha256.Sum256(lock))[:24])
	complete := filepath.Join(cache, "complete")
	defer alone(t, cache+".lock")()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(code)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(complete); err != nil || c.code == "go" { // what go caches it caches itself
		os.RemoveAll(cache)
		if err := os.MkdirAll(cache, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, args := range c.install(t, code, cache) {
			t.Logf("%q", args)
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("install what the %s client needs: %q: %v\n%s", c.code, args, err, out)
			}
		}
		if c.code == "go" {
			zipBootstrap(t, cache)
		}
		if err := os.WriteFile(complete, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if c.code == "node" { // Node looks for modules beside the code
		if err := os.Symlink(filepath.Join(cache, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
	return c.command(code, cache), dir
}

// alone waits until no other test process holds the lock, and gives what lets it go.
func alone(t *testing.T, lock string) (release func()) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(lock), 0o755)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(lock)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}

// zipBootstrap makes the package that is deployed.
func zipBootstrap(t *testing.T, dir string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	h.SetMode(0o755)
	part, err := w.CreateHeader(h)
	if err == nil {
		_, err = part.Write(b)
	}
	if err = errors.Join(err, w.Close()); err == nil {
		err = os.WriteFile(filepath.Join(dir, "fn.zip"), out.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// listening makes the mapping heed what the clients report.
const listening = "mapping.functionResponseTypes=[ReportBatchItemFailures]"

// TestConformanceOfRuntimeClients kills real functions in three languages after
// their tenth write, again and again: each, written as its documentation shows
// and with one conditional write an effect, must lose and double nothing.
func TestConformanceOfRuntimeClients(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: this installs Node and Python packages and takes minutes")
	}
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			command, dir := c.installed(t)
			// A third of the scenario's rate: an interpreter on two cores that it
			// shares with the load is slower than the scenario's own processor, and how
			// soon it recovers is the machine's.
			s := startAckproofIn(t, dir, "run", "crash", "--rate", "200/s", "--for", "16s", "--quiet", "--set", listening,
				"--set", "expect=['lost == 0', 'duplicated == 0']", "--processor", command)
			if code := s.code(); code != exitPass {
				t.Errorf("exit code %d, want %d", code, exitPass)
			}
			if _, err := os.Stat(filepath.Join(s.latest(), "processor")); err == nil {
				t.Error("the unpacked package is left in the run directory")
			}
			r := resultOf(t, s.latest())
			t.Logf("seed %d, verdict %s, reasons %v", r.Run.Seed, r.Verdict, r.Reasons)
			if r.Items.Processed != r.Requests.Acknowledged || r.Items.Lost() != 0 || *r.Items.Duplicated != 0 || r.Requests.Acknowledged == 0 {
				t.Errorf("of %d acknowledged, %d processed, %d lost, %d duplicated", r.Requests.Acknowledged, r.Items.Processed, r.Items.Lost(), *r.Items.Duplicated)
			}
			if r.Faults[0].Bitten < 2 || *r.Deliveries.Redelivered == 0 {
				t.Errorf("%d kills, %d records redelivered", r.Faults[0].Bitten, *r.Deliveries.Redelivered)
			}
		})
	}
}

// TestConformanceOfAWrongCaseAnswer: a failure that is reported under wrong keys
// is a success for the mapping, and the records behind it are lost. The same
// processor with the right keys is the clean run above.
func TestConformanceOfAWrongCaseAnswer(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("set ACKPROOF_CONFORMANCE=1")
	}
	t.Parallel()
	command, dir := clients[0].installed(t)
	s := startAckproofIn(t, dir, "run", "baseline", "--rate", "200/s", "--for", "6s", "--quiet", "--set", listening,
		"--env", "ANSWER=wrong-case", "--processor", command)
	if code := s.code(); code != exitFail {
		t.Errorf("exit code %d, want %d", code, exitFail)
	}
	r := resultOf(t, s.latest())
	if r.Items.LostProcessing < 6*200/50 || r.Items.LostWrite != 0 || *r.Items.Duplicated != 0 || *r.Deliveries.Redelivered != 0 {
		t.Errorf("%d lost in processing, %d lost writes, %d duplicated, %d redelivered: want every fiftieth record lost at least, and nothing else",
			r.Items.LostProcessing, r.Items.LostWrite, *r.Items.Duplicated, *r.Deliveries.Redelivered)
	}
	for _, f := range r.Findings {
		if f.Verdict != bench.LostProcessing {
			t.Errorf("finding %+v", f)
		}
	}
}
