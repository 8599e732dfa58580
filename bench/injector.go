package bench

import (
	"net/http"
	"time"
)

// Place is where a fault strikes.
type Place string

// The places at which the machines ask their Injector.
const (
	PlaceTable     Place = "table"     // an operation on the items table, before it commits
	PlaceInvoke    Place = "invoke"    // an invocation, before a process is chosen
	PlaceProcessor Place = "processor" // one processor process; see the operation names below
	PlaceGateway   Place = "gateway"   // an API request, after the upstream has acted and before the answer

	PlaceResults     Place = "results"     // a write of the processor to a results table of its own, before it commits
	PlaceDestination Place = "destination" // a document that is handed to the on-failure destination

	PlaceSkew     Place = "clock.processor"  // a write of the processor to a results table, which tells when the work was done
	PlaceTableWay Place = "table.way"        // a write to the items table, on the way between its sender and DynamoDB
	PlaceClient   Place = "client"           // an API request, on the way between client and API
	PlaceRead     Place = "stream.read"      // the mapping reads records
	PlaceDelivery Place = "mapping.delivery" // a batch that the processor has taken without an error
)

// The places of the levers. Nothing happens there by itself: the target asks
// under the name OpPull when a fault is armed, does what the strike says, and
// takes it back when the fault is taken away.
const (
	PlaceMapping  Place = "mapping"         // the event source mapping as a whole
	PlaceStream   Place = "stream"          // the stream of the items table
	PlaceClock    Place = "clock"           // the time of table, stream, mapping and asynchronous events
	PlaceCloud    Place = "cloud"           // all processes of the system under test
	PlaceDoor     Place = "gateway.process" // the process of the API alone
	PlaceFunction Place = "function"        // the settings of the function
	PlaceFIS      Place = "fis"             // what AWS Fault Injection Service breaks
	PlaceExec     Place = "exec"            // what the user's own commands break: the run strikes there, and no target does

	OpPull = "Pull"
)

// Names of the operations at PlaceProcessor. Elsewhere the name is that of the
// API call: PutItem, Invoke, Request.
const (
	OpHandOver = "HandOver" // an event is about to be handed to the process
	OpWrite    = "Write"    // a write of the process to the results table has committed, unanswered yet
	OpAnswer   = "Answer"   // the process has posted its answer, not accepted yet
)

// Op is one operation at which a fault may strike.
type Op struct {
	Place   Place
	Name    string
	Process int // at PlaceProcessor: number of the process, unique in the run
}

// Strike tells a machine what should go wrong with the operation it asked
// about. The zero Strike (Kind "") means nothing.
type Strike struct {
	Fault int           // index into Stack.Faults
	Kind  string        // processor.kill, table.throttle, ...
	Delay time.Duration // for the kinds that delay
	When  When          // for the kinds that strike a request under way
}

// The kinds of strikes between client and API, at [PlaceClient]. A cut has a request
// not arrive; a delay holds it, or its answer; an error and a throttle are the answer
// of something on the way, such as a load balancer or a firewall.
const (
	StrikeClientCut      = "client.cut"
	StrikeClientDelay    = "client.delay"
	StrikeClientError    = "client.error"
	StrikeClientThrottle = "client.throttle"
)

// Answer is the status with which something between client and API answers in its
// place: a limit, a load balancer that has reached nobody, or one that has waited too
// long. 0: it answers nothing of its own.
func (s Strike) Answer() int {
	switch {
	case s.Kind == StrikeClientThrottle:
		return http.StatusTooManyRequests
	case s.Kind == StrikeClientError && s.When == AfterCommit:
		return http.StatusGatewayTimeout
	case s.Kind == StrikeClientError:
		return http.StatusServiceUnavailable
	}
	return 0
}

// When is the moment of a request at which a strike hits it.
type When string

// The moments. A client can tell none of the last three from another.
const (
	BeforeCommit When = "before"       // nothing has been done
	MidBody      When = "mid-body"     // half of the request has come
	AfterCommit  When = "after-commit" // it has been done, and nobody was told
	MidAnswer    When = "mid-answer"   // it has been done, and half of the answer has gone
)

// Injector decides which operations are struck. It is safe for concurrent use.
type Injector interface {
	// Ask is called once for each operation, at the place, before it goes on.
	Ask(Op) Strike
	// Struck is called when a strike that Ask returned has really happened.
	Struck(Strike)
}

// NoFaults is the Injector that never strikes.
type NoFaults struct{}

// Ask returns no strike.
func (NoFaults) Ask(Op) Strike { return Strike{} }

// Struck does nothing.
func (NoFaults) Struck(Strike) {}
