package faults

import (
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// Kind is what a fault can do at one place.
type Kind struct {
	Name  string      // PLACE.WHAT, as in the text form
	Place bench.Place // where the machines ask
	About string      // one sentence: what happens

	// Placements lists the points of the processor's work at which the kind
	// can strike, the default first. Empty: the place has one point only.
	Placements []Placement
	Keys       []Key    // key=value parameters
	Ops        []string // names that `on OP` takes; none of a lever

	Correct string // what a system without bugs shows under it
	Exposes string // which bug it brings to light
	Example string // a line that parses

	// AcceptPath: the fault hits the way a request takes before it is
	// answered, so inside its window requests need not be acknowledged. True
	// means so for the streams architecture; OnAcceptPath knows the others.
	AcceptPath bool

	// Lever: it waits for no operation, it is done when it begins and taken back
	// when it ends. It has no Ops, and goes by time alone.
	Lever bool

	// Single: one begin is one strike even in a window, because what is struck
	// is gone afterwards.
	Single bool

	// Unrecorded: while it is in force, what is written leaves no record in the
	// stream.
	Unrecorded bool

	// Whole: it is in force or it is not. It wants `for`, and takes neither
	// `every` nor a share.
	Whole bool
}

// Key is one key=value parameter of a kind, which has at most one of each sort.
type Key struct {
	Name     string
	Word     bool // the value is a name, Fault.Named; else a duration, Fault.By
	About    string
	Required bool
}

// Placement is the point of the processor's work at which a fault strikes.
type Placement string

// The placements.
const (
	Before       Placement = "before"        // when an event is about to be handed over
	AfterWrite   Placement = "after-write"   // when K writes of one process to the results table have committed
	AfterEffects Placement = "after-effects" // when the process has posted its answer, and nobody has accepted it

	// Of requests under way; Before is one of them.
	MidBody     = Placement(bench.MidBody)
	AfterCommit = Placement(bench.AfterCommit)
	MidAnswer   = Placement(bench.MidAnswer)
)

// op gives the name of the operation at which a placement of the processor's work
// strikes.
func (p Placement) op() string {
	switch p {
	case AfterWrite:
		return bench.OpWrite
	case AfterEffects:
		return bench.OpAnswer
	}
	return bench.OpHandOver
}

// kinds is the catalogue, in the order in which it is listed to people.
var kinds = []*Kind{
	&processorKill,
	&processorError,
	&processorSlow,
	&invokeThrottle,
	&invokeDisable,
	&invokeFail,
	&functionTimeout,
	&functionMemory,
	&tableThrottle,
	&tableError,
	&tableCut,
	&tableDelay,
	&tableDeny,
	&clientCut,
	&clientDelay,
	&clientError,
	&clientThrottle,
	&gatewayCut,
	&gatewayRepeat,
	&gatewayKill,
	&mappingDisable,
	&mappingUpdate,
	&mappingRecreate,
	&mappingRepeat,
	&streamRestart,
	&streamSplit,
	&streamThrottle,
	&streamDeny,
	&streamExpire,
	&resultsDeny,
	&resultsThrottle,
	&resultsError,
	&resultsCut,
	&resultsLate,
	&resultsDelay,
	&destinationRefuse,
	&clockSkip,
	&clockSkew,
	&cloudKill,
	&fisRun,
	&execRun,
}

// Kinds lists every kind. The kinds are shared: do not change them.
func Kinds() []*Kind { return slices.Clone(kinds) }

// Lookup finds a kind by its name.
func Lookup(name string) (*Kind, bool) {
	for _, k := range kinds {
		if k.Name == name {
			return k, true
		}
	}
	return nil, false
}

// OnAcceptPath reports whether the kind hits what stands between a request and
// its answer in an architecture. Where the API waits for the processor (sync),
// the processor is on that path; where nothing is stored first
// (fire-and-forget), the table is not.
func (k *Kind) OnAcceptPath(architecture string) bool {
	switch architecture {
	case bench.Sync:
		return k.AcceptPath || k.Place == bench.PlaceProcessor || k.Place == bench.PlaceInvoke || k.Place == bench.PlaceFunction
	case bench.FireAndForget:
		return k.Place == bench.PlaceGateway || k.Place == bench.PlaceClient || k.Place == bench.PlaceDoor || k.Place == bench.PlaceCloud || k.Place == bench.PlaceExec || k.Place == bench.PlaceFIS
	}
	return k.AcceptPath
}

func (k *Kind) key(name string) (Key, bool) {
	for _, key := range k.Keys {
		if key.Name == name {
			return key, true
		}
	}
	return Key{}, false
}
