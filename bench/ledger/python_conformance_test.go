package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
)

// A reader in another language, made from the package comment alone, sees what we
// see: in a ledger that was closed, in one whose writer was killed, and in a damaged
// one, which it calls so.
func TestConformancePythonReadsTheLedger(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("set ACKPROOF_CONFORMANCE=1; it needs python3")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("there is no python3: ", err)
	}
	closed := mixed(t)
	for name, dir := range map[string]string{"closed": closed, "killed": abandoned(t)} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(python, filepath.Join("..", "..", "docs", "ledger.py"), dir).Output()
			if err != nil {
				t.Fatal(err)
			}
			want := asPython(t, open(t, dir))
			if d := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(out), "\n")); d != "" {
				t.Errorf("-ours +Python's\n%.3000s", d)
			}
			if n := strings.Count(want, "\n"); n < blockRows {
				t.Errorf("only %d rows were compared", n)
			}
		})
	}
	t.Run("damaged", func(t *testing.T) {
		dir := copyOf(t, closed)
		edit(t, filepath.Join(dir, attemptsFile), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		err := exec.Command(python, filepath.Join("..", "..", "docs", "ledger.py"), dir).Run()
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
			t.Errorf("it passes: %v", err)
		}
	})
}

// mixed is a ledger with all kinds of outcomes, retries and errors.
func mixed(t *testing.T) string {
	t.Helper()
	const n = 2*blockRows + 300
	w, dir := create(t, n)
	for seq := range uint64(n) {
		a := realistic(seq)
		switch seq % 10 {
		case 3:
			a.Outcome, a.Status = bench.Refused, 429
		case 4:
			a.Outcome, a.Class, a.Status, a.FirstByte, a.Error = bench.Unknown, bench.ClassReset, 0, 0, "read: connection reset by peer"
		case 5:
			a = bench.Attempt{Seq: seq}
		case 6:
			w.Sent(seq, 0, a.Sent)
			continue
		}
		w.Done(a)
		if a.Outcome == bench.Unknown {
			w.Done(retry(seq, 1, bench.Unknown))
			w.Sent(seq, 2, a.End+5)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// asPython prints what the script prints.
func asPython(t *testing.T, l *Ledger) string {
	t.Helper()
	var out bytes.Buffer
	for seq := range l.Len() {
		for a, s := range l.AttemptsAt(seq) {
			if s == Unsent {
				continue
			}
			row := []any{a.Seq, a.Retry, s.String(), a.Outcome.String(), a.Class.String(), orNull(int64(a.Status)), int64(a.Sent), orNull(int64(a.FirstByte)), orNull(int64(a.End)), nil}
			if a.Error != "" {
				row[9] = a.Error
			}
			b, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString(strings.ReplaceAll(string(b), ",", ", ") + "\n")
		}
	}
	return out.String()
}

func orNull(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}
