package run

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// name tells the shards of an agent's system apart from those of the others, and
// gives requests the number that they have in the whole plan.
func (s *story) name(agent, agents int) {
	for i := range s.samples {
		s.samples[i].Seq = s.samples[i].Seq*uint64(agents) + uint64(agent)
	}
	for _, shards := range [][]bench.ShardPosition{s.drain.Position.Shards, s.settled} {
		for i := range shards {
			if !strings.HasPrefix(shards[i].Shard, agentShard(agent, "")) { // the two may be one list
				shards[i].Shard = agentShard(agent, shards[i].Shard)
			}
		}
	}
}

// join takes in what happened to another agent of the same run. What holds of the
// whole run holds only if it does of each; what happened to any happened to the run.
func (s *story) join(o *story) {
	s.clean = both(s.clean, o.clean)
	s.joinFaults(o)
	s.joinDrain(o)
	s.joinCanaries(o)
	switch {
	case s.generator == nil || o.generator == nil:
		s.generator = nil
	default:
		g := *s.generator
		g.CPUShare = max(g.CPUShare, o.generator.CPUShare)
		g.GCPauseMs = max(g.GCPauseMs, o.generator.GCPauseMs)
		g.WorkerCapHit = g.WorkerCapHit || o.generator.WorkerCapHit
		g.Complete = g.Complete && o.generator.Complete
		s.generator = &g
	}
	switch {
	case s.finished == nil || o.finished == nil:
		s.finished = nil
	default:
		s.finished = &finished{Interrupted: s.finished.Interrupted || o.finished.Interrupted, Error: cmp.Or(s.finished.Error, o.finished.Error)}
		s.finishedAt = max(s.finishedAt, o.finishedAt)
	}
	s.samples = append(s.samples, o.samples...)
	s.sentinels = max(s.sentinels, o.sentinels)
	s.deaths, s.lives = append(s.deaths, o.deaths...), append(s.lives, o.lives...)
	slices.SortStableFunc(s.deaths, func(a, b bench.Mark) int { return cmp.Compare(a.TMs, b.TMs) })
	slices.SortStableFunc(s.lives, func(a, b life) int { return cmp.Compare(a.from, b.from) })
	s.last = max(s.last, o.last)
	s.stopped = cmp.Or(s.stopped, o.stopped)
	if s.exports != nil && o.exports != nil {
		both := exports{Proven: o.exports.Proven}
		for n := range both.Reads {
			both.Reads[n] = slices.Concat(s.exports.Reads[n], o.exports.Reads[n])
		}
		s.exports = &both
	}
	s.targetDeath = cmp.Or(s.targetDeath, o.targetDeath)
	s.returned = s.returned || o.returned
	s.gaps, s.disorder, s.dropped, s.sent = s.gaps+o.gaps, s.disorder+o.disorder, s.dropped+o.dropped, s.sent+o.sent
}

// both is true if both are, and unknown if one is unknown and none is false.
func both(a, b *bool) *bool {
	switch {
	case a != nil && !*a:
		return a
	case b != nil && !*b:
		return b
	case a == nil:
		return nil
	}
	return b
}

// joinCanaries: each agent has sent its own.
func (s *story) joinCanaries(o *story) {
	c, d := s.canary, o.canary
	switch {
	case d == nil:
	case c == nil:
		s.canary = d
	default:
		s.canary = &canaries{Sent: c.Sent + d.Sent, Items: c.Items && d.Items, Effects: c.Effects && d.Effects, Ms: max(c.Ms, d.Ms)}
	}
}

// joinFaults: where the agents load one system, the first one alone breaks it.
func (s *story) joinFaults(o *story) {
	switch {
	case s.bites == nil || o.bites == nil:
		s.bites = nil
	default:
		s.bites = slices.Clone(s.bites)
		for i := range s.bites {
			if s.bites[i].Bitten += o.bites[i].Bitten; s.bites[i].Planned < 0 || o.bites[i].Planned < 0 {
				s.bites[i].Planned = -1
			} else {
				s.bites[i].Planned += o.bites[i].Planned
			}
		}
	}
	for i := range s.begun {
		switch {
		case !o.begun[i]:
		case !s.begun[i]:
			s.begun[i], s.beganAt[i], s.undone[i] = true, o.beganAt[i], o.undone[i]
		default:
			s.beganAt[i], s.undone[i] = min(s.beganAt[i], o.beganAt[i]), s.undone[i] && o.undone[i]
		}
		s.struck[i].From, s.struck[i].To = min(s.struck[i].From, o.struck[i].From), max(s.struck[i].To, o.struck[i].To)
	}
}

// proofs by how much they prove.
var proofs = []bench.DrainProof{bench.DrainNone, bench.DrainQuiet, bench.DrainSentinels, bench.DrainPositions}

// joinDrain: all is drained when each is, and proven by the weakest proof.
func (s *story) joinDrain(o *story) {
	if slices.Index(proofs, o.drain.Proof) < slices.Index(proofs, s.drain.Proof) {
		s.drain.Proof = o.drain.Proof
	}
	s.drain.Ms = max(s.drain.Ms, o.drain.Ms)
	s.drain.TimedOut = s.drain.TimedOut || o.drain.TimedOut
	s.drain.Sentinels = max(s.drain.Sentinels, o.drain.Sentinels)
	s.drain.Why = cmp.Or(s.drain.Why, o.drain.Why)
	p, q := &s.drain.Position, &o.drain.Position
	p.Committed, p.Effects, p.Queued, p.Open, p.Unseen = p.Committed+q.Committed, p.Effects+q.Effects, p.Queued+q.Queued, p.Open+q.Open, p.Unseen+q.Unseen
	p.Shards = append(p.Shards[:len(p.Shards):len(p.Shards)], q.Shards...)
	s.settled = append(s.settled[:len(s.settled):len(s.settled)], o.settled...)
	s.atRest = s.atRest && o.atRest
}
