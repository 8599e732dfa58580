package lambda

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"
)

func TestOnlyStrangersAreAskedForTheirMark(t *testing.T) {
	const mark = "\x00AWS_LAMBDA_RUNTIME_API=127.0.0.1:4001\x00"
	environments := map[int]string{
		1: mark, 2: mark, // started by the host
		3: "\x00AWS_LAMBDA_RUNTIME_API=127.0.0.1:400\x00", // of another environment, and a prefix
		4: "\x00A=b" + mark, 5: "\x00A=b\x00",
	}
	var asked []int
	got := orphans([]int{1, 2, 3, 4, 5}, map[int]bool{1: true, 2: true}, [][]byte{[]byte(mark)}, func(pid int) []byte {
		asked = append(asked, pid)
		return []byte(environments[pid])
	})
	if !slices.Equal(got, []int{4}) || !slices.Equal(asked, []int{3, 4, 5}) {
		t.Errorf("orphans %v after asking %v, want [4] after [3 4 5]", got, asked)
	}
}

// TestKnownProcesses: all that a host has started, and nobody else.
func TestKnownProcesses(t *testing.T) {
	cfg := config(t, "never-next")
	cfg.Concurrency = 3
	h := startHost(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	_ = h.Warm(ctx, cfg.Concurrency) // the processes are started, and nobody waits for them
	poll(t, "all are started", func() bool { return len(h.Processes()) == cfg.Concurrency })
	known := h.known()
	for _, pid := range h.Processes() {
		if !known[pid] {
			t.Errorf("process %d is a stranger to its host", pid)
		}
	}
	if known[os.Getpid()] || known[os.Getppid()] {
		t.Error("the host knows processes that it has not started")
	}
}
