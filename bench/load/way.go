package load

import (
	"context"
	"syscall"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// send puts an attempt on its way to the API, which may be struck: where the system
// is not ours, its clients are all that can be broken without anybody's leave. What
// a strike does is what a gateway of ours does for the same one.
func (a *Attack) send(ctx context.Context, t attempt, deadline time.Time) exchange {
	s := a.cfg.Injector.Ask(bench.Op{Place: bench.PlaceClient, Name: "Request"})
	switch {
	case s.Kind == "":
		return a.sender.send(ctx, t, deadline)
	case s.When == bench.AfterCommit:
		return a.struckOnReturn(ctx, s, a.sender.send(ctx, t, deadline), deadline)
	}
	return a.struckOnTheWay(ctx, s, t, deadline)
}

// struckOnTheWay has an attempt not arrive, or late. Its client has sent it.
func (a *Attack) struckOnTheWay(ctx context.Context, s bench.Strike, t attempt, deadline time.Time) exchange {
	x := exchange{status: s.Answer(), sent: a.handed(t, a.elapsed()), firstByte: never}
	a.cfg.Injector.Struck(s)
	switch s.Kind {
	case bench.StrikeClientCut:
		x.err = syscall.ECONNRESET
	case bench.StrikeClientDelay:
		if x.err = hold(ctx, s.Delay, deadline, a.cfg.Clock.Now()); x.err == nil {
			sent := x.sent
			x = a.sender.send(ctx, t, deadline)
			x.sent = sent
			return x
		}
	}
	x.end = a.elapsed()
	if x.status != 0 {
		x.firstByte = x.end
	}
	return x
}

// struckOnReturn has an answer not arrive, or late. One that did not come is not
// struck.
func (a *Attack) struckOnReturn(ctx context.Context, s bench.Strike, x exchange, deadline time.Time) exchange {
	if x.err != nil {
		return x
	}
	a.cfg.Injector.Struck(s)
	switch s.Kind {
	case bench.StrikeClientError:
		x.status = s.Answer()
	case bench.StrikeClientDelay:
		if x.err = hold(ctx, s.Delay, deadline, a.cfg.Clock.Now()); x.err != nil {
			x.status, x.firstByte = 0, never
		}
		x.end = a.elapsed()
	}
	return x
}

// hold waits, until a deadline at most. The error is errGivenUp or errInterrupted.
func hold(ctx context.Context, d time.Duration, deadline, now time.Time) error {
	left := deadline.Sub(now)
	timer := time.NewTimer(min(d, left))
	defer timer.Stop()
	select {
	case <-timer.C:
		if d > left {
			return errGivenUp
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
