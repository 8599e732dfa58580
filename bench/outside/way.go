package outside

import (
	"fmt"

	"github.com/ackproof/ackproof/bench"
)

// lacksFault says why a fault cannot strike a system that is not ours; empty: it can,
// by commands of the user's, or between client and API, where the load generator
// itself strikes.
func lacksFault(faults Faults, i int, text string) string {
	switch faults.Place(i) {
	case bench.PlaceExec:
		return ""
	case bench.PlaceClient:
		if faults.When(i) == bench.MidBody {
			return fmt.Sprintf("the fault %q would send half a request, which the load generator does not: strike before the request, or leave the fault out", text)
		}
		return ""
	}
	return fmt.Sprintf("the fault %q strikes inside the system, which is not ackproof's: break it with commands of your own (exec.run), strike between client and API (client.cut and its like), or leave the fault out", text)
}

// OnTheWay decides which requests are struck between client and API.
func (t *Target) OnTheWay() bench.Injector { return t.faults }
