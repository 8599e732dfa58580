package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/run"
)

func TestInterruptedJudgementSaysWhereItWasAndHowToGoOn(t *testing.T) {
	var said bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan struct{})
	t.Cleanup(func() { close(held) })
	_, _, err := untilInterrupted(ctx, world{stderr: &said, clock: clock.Real{}}, "runs/soak", func(_ string, p *judging) (*bench.Result, *bench.Series, error) {
		p.show(run.Judging{Requests: 1000, About: time.Minute})
		p.show(run.Judging{Requests: 1000, About: time.Minute, Done: 0.4, Kept: 0.3})
		cancel()
		<-held
		return nil, nil, nil
	})
	if !errors.Is(err, errJudgingInterrupted) || !strings.Contains(err.Error(), "at 40 %; 'ackproof reconcile runs/soak'") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(said.String(), "30 % were judged before it was cut off, and are kept") {
		t.Errorf("it says:\n%s", said.String())
	}
	if code := fail(world{stderr: &said}, err); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
}
