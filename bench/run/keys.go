package run

import (
	"iter"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/reconcile"
	"github.com/ackproof/ackproof/bench/stats"
)

// perKey reports whether the results table has one row for all versions of an item, and
// none for a version.
func (f *files) perKey() bool { return f.scenario.Target.Results.PerKey }

// versions is what was seen of the keys that requests share; nil: each version has a
// row of its own.
func (f *files) versions() *reconcile.Versions {
	f.keysMade.Do(func() {
		if f.perKey() {
			e := f.evidence(&figures{})
			f.keys = reconcile.NewVersions(&e)
		}
	})
	return f.keys
}

// effects gives the rows of a read that tell when and how often requests were
// processed: their own, and the rows of keys as far as they show a request.
func (f *files) effects(r *read) iter.Seq[*bench.Rows] {
	v := f.versions()
	if v == nil {
		return r.Pages(ledger.Effects)
	}
	return func(yield func(*bench.Rows) bool) {
		for _, rows := range []iter.Seq[*bench.Rows]{r.Pages(ledger.Effects), v.Shown(r.Pages(ledger.Latest))} {
			for page := range rows {
				if !yield(page) {
					return
				}
			}
		}
	}
}

// hidden reports whether nobody tells what became of a request: of such a one no
// figure is made.
func (s *span) hidden(seq uint64, a *bench.Attempt) bool {
	i := seq - s.first
	return s.effect[i] == stats.Never && s.f.versions().Hidden(a, s.stored != nil && s.stored[i] != stats.Never)
}
