package scenarios

import (
	"bytes"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"pgregory.net/rapid"
)

// A share sends what the whole plan says, when it says so.
func TestSharesOfAPlan(t *testing.T) {
	s := mustParse(t, "name: x\nload: [{name: a, for: 3s, rate: 100/s}, {name: b, for: 2s, from: 50/s, to: 200/s}]\nworkload: {payload: 32B, poison: [11]}\n")
	whole := NewPlan(s, testRun, 0, 5)
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.IntRange(1, 9).Draw(t, "agents")
		together := whole.Shared(bench.Share{Agent: 1, Of: of}.Whole(testRun))
		total, counts := int64(0), make([]int64, 2)
		for agent := 1; agent <= of; agent++ {
			part := whole.Share(bench.Share{Agent: agent, Of: of})
			total += part.Len()
			for i, st := range part.Stages() {
				counts[i] += st.Count
			}
			for own := range uint64(part.Len()) {
				seq, ours := together.IDs().Seq(part.ID(own))
				if !ours || part.Due(own) != whole.Due(seq) || part.Stage(own) != whole.Stage(seq) || part.Digest(own) != whole.Digest(seq) ||
					part.ID(own) != together.ID(seq) || !bytes.Equal(part.Body(own), together.Body(seq)) {
					t.Fatalf("request %d of agent %d of %d is not number %d of the whole: due %s, want %s", own, agent, of, seq, part.Due(own), whole.Due(seq))
				}
			}
		}
		if total != whole.Len() || counts[0] != whole.Stages()[0].Count || counts[1] != whole.Stages()[1].Count {
			t.Fatalf("%d requests in stages of %v, want %d", total, counts, whole.Len())
		}
	})
}
