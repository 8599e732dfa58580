package scenarios

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// Plan says what is sent and when. Everything in it is a pure function of
// scenario, run, agent, seed and sequence number, so it may be asked from many
// goroutines, in any order, and again years later by the judge of the run's
// files.
type Plan struct {
	ids     bench.Numbering
	share   bench.Share
	every   uint64 // request seq is number seq·every + offset of the whole plan
	offset  uint64
	random  clock.Numbers // that payloads are made of
	pieces  []piece
	count   int64
	length  time.Duration
	kinds   *kinds
	poison  map[uint64]bool // a handful
	keys    *keys           // nil: each request has an item of its own
	retries Retries
	waits   clock.Numbers // that back-offs are made of
}

// StageInfo is one stage of the load as planned.
type StageInfo struct {
	Name     string
	From, To time.Duration // from the start of load
	Warmup   bool
	First    uint64 // sequence number of its first request, if Count > 0
	Count    int64
}

// piece is one stage with what its due times follow from.
//
// Let area(t) be the integral of the rate from the start of load. Request n is
// due at the moment at which area(t) = n: the first at once, and with a
// constant rate of r one every 1/r. A fraction left at a stage's end is carried
// into the next, so that no stage loses a request to rounding. Where arrivals are
// random the requests of the stage, as many as else, are scattered over its area.
type piece struct {
	StageInfo
	area   float64 // of all stages before
	size   float64 // of this one
	curve  curve
	random *random
	replay *Replay // in the place of a curve
	origin uint64  // number of its first request in the whole plan
}

// NewPlan makes the plan of a valid scenario, of one agent alone.
func NewPlan(s *Scenario, run bench.RunID, agent uint8, seed uint64) *Plan {
	p := &Plan{ids: bench.Numbering{Run: run, First: agent, Agents: 1}, every: 1, random: clock.NumbersOf(seed, "payload"), kinds: newKinds(s.RequestKinds(), seed),
		retries: s.Request.Retries, waits: clock.NumbersOf(seed, "back-off"), poison: map[uint64]bool{}}
	for _, seq := range s.Workload.Poison {
		p.poison[seq] = true
	}
	if s.Workload.Kind == Versions {
		p.keys = newKeys(s.Workload, seed)
	}
	area := 0.0
	for _, stage := range s.Load {
		pc := piece{area: area, curve: stage.curve(), replay: stage.Replay}
		pc.StageInfo = StageInfo{Name: stage.Name, From: p.length, To: p.length + stage.For, Warmup: stage.Warmup}
		pc.size = stage.requests()
		area += pc.size
		first, end := wholeUp(pc.area), wholeUp(area)
		pc.First, pc.Count = uint64(first), end-first
		pc.origin = pc.First
		if stage.Arrivals == Poisson {
			pc.random = newRandom(seed, stage.Name, pc.Count)
		}
		p.pieces = append(p.pieces, pc)
		p.length, p.count = pc.To, end
	}
	return p
}

// Share is the part of a whole plan that one agent of several sends: they take
// turns, so that each keeps the shape of the load and sends its n-th part of the
// rate. What a request is and when it is due is that of the whole plan.
func (p *Plan) Share(s bench.Share) *Plan {
	if s == (bench.Share{}) {
		return p
	}
	part := *p
	part.share = s
	part.ids, part.every, part.offset = s.IDs(p.ids.Run), uint64(s.Of), uint64(s.Agent-1)
	part.pieces = slices.Clone(p.pieces)
	for i := range part.pieces {
		pc := &part.pieces[i]
		first, end := part.from(pc.First), part.from(pc.First+uint64(pc.Count))
		pc.First, pc.Count = first, int64(end-first)
	}
	part.count = int64(part.from(uint64(p.count)))
	return &part
}

// from is the first of the share's requests that is number seq of the whole plan or
// comes after it.
func (p *Plan) from(seq uint64) uint64 {
	if seq <= p.offset {
		return 0
	}
	return (seq - p.offset + p.every - 1) / p.every
}

// Shared is the whole plan of several agents, with the ids that they give their
// requests.
func (p *Plan) Shared(ids bench.Numbering) *Plan {
	whole := *p
	whole.ids = ids
	return &whole
}

// IDs is the numbering of the requests.
func (p *Plan) IDs() bench.Numbering { return p.ids }

// Whole is the numbering of the requests of all agents that share the plan.
func (p *Plan) Whole() bench.Numbering {
	if p.share == (bench.Share{}) {
		return p.ids
	}
	return p.share.Whole(p.ids.Run)
}

// wholeUp is the smallest whole number not below x, forgiving what adding up
// floating point numbers does to one that should be whole.
func wholeUp(x float64) int64 {
	const slack = 1e-6
	return int64(math.Ceil(x - slack))
}

// Len is how many requests are planned. Their sequence numbers are 0 to Len-1.
func (p *Plan) Len() int64 { return p.count }

// Duration is how long the load lasts: to the end of its last stage.
func (p *Plan) Duration() time.Duration { return p.length }

// Stages lists the stages in order.
func (p *Plan) Stages() []StageInfo {
	all := make([]StageInfo, len(p.pieces))
	for i, pc := range p.pieces {
		all[i] = pc.StageInfo
	}
	return all
}

// Stage is the index of the stage that a request belongs to. Beyond the plan it
// is the last one.
func (p *Plan) Stage(seq uint64) int {
	for i := range p.pieces { // a few
		if pc := &p.pieces[i]; seq < pc.First+uint64(pc.Count) {
			return i
		}
	}
	return len(p.pieces) - 1
}

// Due is when a request is to be sent, from the start of load; never before the
// due time of the request before it. Beyond the plan it is the load's end.
func (p *Plan) Due(seq uint64) time.Duration {
	if seq >= uint64(p.count) {
		return p.length
	}
	return p.pieces[p.Stage(seq)].due(seq*p.every + p.offset)
}

// due is when a request of the piece is to be sent.
func (pc *piece) due(seq uint64) time.Duration {
	if pc.replay != nil {
		return min(pc.From+pc.replay.at(seq-pc.origin), pc.To)
	}
	n := float64(seq) - pc.area
	if pc.random != nil {
		n = pc.size * pc.random.place(seq-pc.origin)
	}
	t := time.Duration(math.Round(pc.curve.when(n) * float64(time.Second)))
	return min(pc.From+t, pc.To)
}

// DueBefore is how many requests are due before a moment: the sequence number of
// the first that is due at it or later.
func (p *Plan) DueBefore(t time.Duration) int64 {
	return int64(sort.Search(int(p.count), func(i int) bool { return p.Due(uint64(i)) >= t }))
}

// ID is the id of a request.
func (p *Plan) ID(seq uint64) bench.ID {
	return p.ids.ID(seq)
}

// Request is the seq-th request. Its payload is made anew by each call.
func (p *Plan) Request(seq uint64) bench.Request {
	return bench.Request{
		Seq:     seq,
		ID:      p.ID(seq),
		Payload: p.AppendPayload(nil, seq),
		Due:     p.Due(seq),
		Stage:   p.Stage(seq),
	}
}

// Digest is the digest of a request's payload.
func (p *Plan) Digest(seq uint64) bench.Digest {
	var room [1024]byte
	return bench.DigestOf(p.AppendPayload(room[:0], seq))
}

// Digests gives the digests of as many payloads as into has room for, from first
// on.
func (p *Plan) Digests(first uint64, into []bench.Digest) {
	var room []byte
	for i := range into {
		room = p.AppendPayload(room[:0], first+uint64(i))
		into[i] = bench.DigestOf(room)
	}
}

// payloadAlphabet has 64 characters that need no escaping in JSON, so that six
// random bits make one. It has no colon: no payload starts with PoisonPrefix by
// chance.
const payloadAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

const (
	charsPerDraw = 10      // of six bits each, of 64
	maxDraws     = 1 << 17 // per payload, so that no two payloads share a draw; over a megabyte
)

// AppendPayload appends the payload of a request to dst and returns it.
func (p *Plan) AppendPayload(dst []byte, seq uint64) []byte {
	size := p.kinds.sizes[p.Kind(seq)]
	seq = seq*p.every + p.offset
	if p.poison[seq] {
		dst = append(dst, PoisonPrefix...)
		size -= len(PoisonPrefix)
	}
	dst = slices.Grow(dst, max(size, 0)+charsPerDraw)
	for draw := seq * maxDraws; size > 0; draw++ {
		bits := p.random.At(draw)
		n := min(charsPerDraw, size)
		// Two characters at a time, whether the last one is wanted or not.
		room := dst[len(dst) : len(dst)+charsPerDraw]
		for i := 0; i < n; i += 2 {
			*(*[2]byte)(room[i:]) = payloadPairs[bits&(1<<12-1)]
			bits >>= 12
		}
		dst = dst[:len(dst)+n]
		size -= n
	}
	return dst
}

// payloadPairs are all pairs of characters of a payload, by their twelve bits.
var payloadPairs = func() (all [1 << 12][2]byte) {
	for i := range all {
		all[i] = [2]byte{payloadAlphabet[i&63], payloadAlphabet[i>>6]}
	}
	return all
}()
