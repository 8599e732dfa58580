package local

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/gateway"
)

// gatewayConfig is what the gateway is told in its first line of input.
type gatewayConfig struct {
	Stack    bench.Stack
	Token    string
	DynamoDB string             // URL
	Invoke   string             // URL
	Ahead    time.Duration      // of the cloud's time by now
	Faults   []bench.FaultState // nil but for one that goes on in the place of another
	site     site
}

// runGateway plays the gateway until it is told to stop.
func runGateway(ctx context.Context, cfg gatewayConfig, faults Faults, events io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	faults.Resume(cfg.Faults)
	out := &eventWriter{out: events}
	r, stop, err := startGateway(cfg, faults, out, cancel)
	if err != nil {
		r.Error = err.Error()
	}
	out.first(r)
	if err == nil {
		<-ctx.Done()
		stop()
	}
	return err
}

// counting counts the requests under way. A client may be gone long before its
// request is: the gateway waits for its upstream as API Gateway does.
type counting struct {
	http.Handler
	open atomic.Int64
}

// ServeHTTP serves a request and counts it meanwhile.
func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.open.Add(1)
	defer c.open.Add(-1)
	c.Handler.ServeHTTP(w, r)
}

// gatewayLacks names what the gateway cannot do of a stack: what is wrong with
// its mapping templates, first of all.
func gatewayLacks(stack bench.Stack) (lacks []string) {
	for _, err := range gateway.CheckSettings(stack.Gateway) {
		lacks = append(lacks, "the gateway: "+err.Error())
	}
	return lacks
}

func startGateway(cfg gatewayConfig, faults Faults, out *eventWriter, cancel func()) (ready, func(), error) {
	listeners, err := cfg.site.handed(1)
	if err != nil {
		return ready{}, nil, err
	}
	c := &skippedClock{real: clock.Real{}}
	if cfg.Ahead > 0 {
		c.skip(cfg.Ahead)
	}
	handler, err := gateway.New(gateway.Config{
		Architecture: cfg.Stack.Architecture, Settings: cfg.Stack.Gateway,
		DynamoDB: cfg.DynamoDB, Invoke: cfg.Invoke, FunctionName: functionName,
		ItemsTable: ItemsTable(cfg.Stack.Run), Region: Region, AccessKeyID: "ackproof", SecretAccessKey: "local",
		Injector: told{faults, out, c.real}, Clock: c, Random: clock.Entropy(), Dial: cfg.site.dial(),
	})
	if err != nil {
		return ready{}, nil, err
	}
	logged, closeLog, err := withAnswers(cfg, handler)
	if err != nil {
		return ready{}, nil, err
	}
	counted := &counting{Handler: logged}
	api := serve(listeners[0], counted)
	// A template may write the time into an item: it must be the table's. The
	// strike itself is the cloud's, and counted there.
	skip := func(fault int) {
		if faults.Place(fault) == bench.PlaceClock {
			c.skip(faults.Ask(bench.Op{Place: bench.PlaceClock, Name: bench.OpPull}).Delay)
		}
	}
	works := func(context.Context, int) error { return nil } // a fault here is over when it is taken away
	controls := newControlServer(cfg.Token, faults, skip, works, cancel)
	controls.answer("GET /open", func() (any, error) { return counted.open.Load(), nil })
	control, controlURL, err := cfg.site.serve(0, controls)
	if err != nil {
		api.Close()
		closeLog()
		return ready{}, nil, err
	}
	return ready{Control: controlURL}, func() { api.Close(); control.Close(); closeLog() }, nil
}
