package run

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/reconcile"
)

// A run may be sent by several agents, each with a share of the plan and a run
// directory of its own. A folder that holds the directories of all of them is a run
// too: what follows puts their files together, as if one had sent all. Request seq
// of the whole is number seq / n of agent seq mod n + 1. One agent alone is the case
// of n = 1.

// book is the ledgers of all agents, in order.
type book []*ledger.Ledger

// Attempts gives what is known of as many requests as into has room for, but for
// their answers.
func (b book) Attempts(first uint64, into []bench.Attempt) {
	b.read((*ledger.Ledger).Attempts, first, into)
}

// retries counts the attempts after the first, of all requests.
func (b book) retries() (n int64) {
	for _, one := range b {
		n += int64(one.Retries())
	}
	return n
}

// Answers is Attempts with the answers.
func (b book) Answers(first uint64, into []bench.Attempt) {
	b.read((*ledger.Ledger).Answers, first, into)
}

func (b book) read(one func(*ledger.Ledger, uint64, []bench.Attempt), first uint64, into []bench.Attempt) {
	n := uint64(len(b))
	if n == 1 {
		one(b[0], first, into)
		return
	}
	var some [256]bench.Attempt
	for len(into) > 0 {
		count := min(uint64(len(into)), uint64(len(some)))
		for agent := range n {
			// The first request of this agent that is not before first.
			at := (agent + n - first%n) % n
			if at >= count {
				continue
			}
			own := some[:(count-at+n-1)/n]
			one(b[agent], (first+at)/n, own)
			for i := range own {
				own[i].Seq = first + at
				into[at] = own[i]
				at += n
			}
		}
		first, into = first+count, into[count:]
	}
}

// At gives what is known of a request.
func (b book) At(seq uint64) (bench.Attempt, ledger.State) {
	n := uint64(len(b))
	a, state := b[seq%n].At(seq / n)
	a.Seq = seq
	return a, state
}

// AttemptsAt gives every attempt at a request that is known of.
func (b book) AttemptsAt(seq uint64) iter.Seq2[bench.Attempt, ledger.State] {
	n := uint64(len(b))
	return func(yield func(bench.Attempt, ledger.State) bool) {
		for a, state := range b[seq%n].AttemptsAt(seq / n) {
			a.Seq = seq
			if !yield(a, state) {
				return
			}
		}
	}
}

// Problems lists what is damaged in any of them.
func (b book) Problems() (all []string) {
	for _, one := range b {
		all = append(all, one.Problems()...)
	}
	return all
}

// Close lets go of all files.
func (b book) Close() error {
	var errs []error
	for _, one := range b {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// read is a final read of all agents' tables: part i is agent i's.
type read struct {
	parts []*ledger.Read
	first int // agent of the first part, from 0
	ids   bench.Numbering
}

// Complete reports whether every agent's is.
func (r *read) Complete() bool {
	return len(r.parts) == r.ids.Agents && !slices.ContainsFunc(r.parts, func(p *ledger.Read) bool { return !p.Complete() })
}

// Fingerprint is equal for reads that found the same.
func (r *read) Fingerprint() string {
	var all []string
	for _, p := range r.parts {
		all = append(all, p.Fingerprint().String())
	}
	return strings.Join(all, "; ")
}

// Foreign counts the keys that are no id of the run, and gives the first few.
func (r *read) Foreign() (count int64, samples []string) {
	for _, p := range r.parts {
		n, some := p.Foreign()
		count, samples = count+n, append(samples, some...)
	}
	return count, samples
}

// Problems lists what is wrong with the files, and where.
func (r *read) Problems() (all []string) {
	for _, p := range r.parts {
		all = append(all, p.Problems()...)
	}
	return all
}

// Pages gives the rows of one table, numbered as in the whole plan.
func (r *read) Pages(t ledger.Table) iter.Seq[*bench.Rows] {
	if len(r.parts) == 1 && r.ids.Agents == 1 {
		return r.parts[0].Pages(t)
	}
	return func(yield func(*bench.Rows) bool) {
		for i, p := range r.parts {
			agent := r.first + i
			for page := range p.Pages(t) {
				for k := range page.Seq {
					page.Seq[k] = page.Seq[k]*uint64(r.ids.Agents) + uint64(agent)
				}
				if !yield(page) {
					return
				}
			}
		}
	}
}

// evidence is the read as the judge has it.
func (r *read) evidence() reconcile.Read {
	foreign, samples := r.Foreign()
	e := reconcile.Read{
		Items: r.Pages(ledger.Items), Effects: r.Pages(ledger.Effects), Latest: r.Pages(ledger.Latest), DeadLetters: r.Pages(ledger.DeadLetters),
		Foreign: foreign, ForeignIDs: samples, Complete: r.Complete(), Fingerprint: r.Fingerprint(),
	}
	if slices.ContainsFunc(r.parts, func(p *ledger.Read) bool { return p.Header().NoLetters }) {
		e.DeadLetters = nil
	}
	return e
}

// Items gives the rows of the items table.
func (r *read) Items() iter.Seq[bench.Item] {
	return bench.Each(r.Pages(ledger.Items), (*bench.Rows).Item)
}

// Effects gives the rows of the results table.
func (r *read) Effects() iter.Seq[bench.Effect] {
	return bench.Each(r.Pages(ledger.Effects), (*bench.Rows).Effect)
}

// DeadLetters gives the dead letters.
func (r *read) DeadLetters() iter.Seq[bench.DeadLetter] {
	return bench.Each(r.Pages(ledger.DeadLetters), (*bench.Rows).DeadLetter)
}

// deliveries are the logs of all agents' targets. Several agents may load one
// system, and each log then tells of all: of each the records of its own agent
// count, also where one agent's share is judged by itself.
type deliveries struct {
	parts []*ledger.DeliveryLog
	ids   bench.Numbering // of the whole
}

func (d *deliveries) own(agent int, id string) bool {
	if d.ids.First == 0 { // one agent alone
		return true
	}
	v, err := bench.ParseKey(id)
	return err == nil && v.Run == d.ids.Run && int(v.Agent)-int(d.ids.First) == agent
}

// shardOf tells the shards of several agents' systems apart, which have the same
// names.
func (d *deliveries) shardOf(agent int, name string) string {
	if len(d.parts) == 1 {
		return name
	}
	return agentShard(agent, name)
}

func agentShard(agent int, name string) string { return fmt.Sprintf("agent %d: %s", agent+1, name) }

// Commits gives the commits of all.
func (d *deliveries) Commits() iter.Seq[bench.Commit] {
	return func(yield func(bench.Commit) bool) {
		for agent, log := range d.parts {
			for c := range log.Commits() {
				if !d.own(agent, c.ID) {
					continue
				}
				c.Shard = d.shardOf(agent, c.Shard)
				if !yield(c) {
					return
				}
			}
		}
	}
}

// Deliveries gives the deliveries of all.
func (d *deliveries) Deliveries() iter.Seq[bench.Delivery] {
	return func(yield func(bench.Delivery) bool) {
		for agent, log := range d.parts {
			for one := range log.Deliveries() {
				if !d.own(agent, one.ID) {
					continue
				}
				one.Shard = d.shardOf(agent, one.Shard)
				if !yield(one) {
					return
				}
			}
		}
	}
}

// DeadLetters gives the dead letters of all.
func (d *deliveries) DeadLetters() iter.Seq[bench.DeadLetter] {
	return func(yield func(bench.DeadLetter) bool) {
		for agent, log := range d.parts {
			for one := range log.DeadLetters() {
				one.Seq = one.Seq*uint64(len(d.parts)) + uint64(agent)
				if !yield(one) {
					return
				}
			}
		}
	}
}

// begun reads the beginnings of the run in dir: of one run directory, or of all
// agents' below it.
func begun(dir string) ([]*files, error) {
	if exists(filepath.Join(dir, manifestFile)) {
		f := &files{dir: dir}
		return []*files{f}, f.begin()
	}
	entries, _ := os.ReadDir(dir) // what cannot be read is no run either
	var all []*files
	var errs []error
	for _, e := range entries {
		below := filepath.Join(dir, e.Name())
		if e.Name() == "latest" || !exists(filepath.Join(below, manifestFile)) {
			continue
		}
		f := &files{dir: below}
		switch err := f.begin(); {
		case err != nil:
			errs = append(errs, err)
		case f.manifest.share() != bench.Share{}:
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		f := &files{dir: dir}
		return nil, f.begin() // which says what is missing
	}
	slices.SortStableFunc(all, func(a, b *files) int { return cmp.Compare(a.manifest.Agent, b.manifest.Agent) })
	return all, errors.Join(append(errs, ofOneRun(dir, all))...)
}

// ofOneRun makes sure that run directories are all shares of one run. All that is
// wrong is said at once.
func ofOneRun(dir string, all []*files) error {
	if len(all) == 0 {
		return nil
	}
	first := all[0].manifest
	var errs []error
	have := map[int]string{}
	for _, f := range all {
		m := f.manifest
		switch {
		case m.share() == bench.Share{}:
			errs = append(errs, fmt.Errorf("%s is a run of one agent alone; judge it by itself", f.dir))
		case m.Run != first.Run:
			errs = append(errs, fmt.Errorf("%s is of run %s, %s of run %s: shares of one run are judged together", f.dir, m.Run, all[0].dir, first.Run))
		case m.Agents != first.Agents || m.Seed != first.Seed || m.ScenarioCRC != first.ScenarioCRC || m.Architecture != first.Architecture:
			errs = append(errs, fmt.Errorf("%s is agent %s, %s agent %s, with another scenario or seed: all agents must be given the same", f.dir, m.share(), all[0].dir, first.share()))
		case m.Started != "" && first.Started != "" && m.Started != first.Started:
			errs = append(errs, fmt.Errorf("%s began at %s, %s at %s: all agents must be given one --start-at", f.dir, m.Started, all[0].dir, first.Started))
		case have[m.Agent] != "":
			errs = append(errs, fmt.Errorf("%s and %s are both agent %s", have[m.Agent], f.dir, m.share()))
		default:
			have[m.Agent] = f.dir
		}
	}
	for agent := 1; agent <= first.Agents && len(errs) == 0; agent++ {
		if have[agent] == "" {
			errs = append(errs, fmt.Errorf("%s: agent %d/%d is missing; copy its run directory beside the others", dir, agent, first.Agents))
		}
	}
	return errors.Join(errs...)
}

// Gather makes a folder that holds the run directories of all agents of a run, by
// links beside the first of them, so that they are one run to whoever is given the
// folder. One directory alone is given back as it is.
func Gather(dirs []string) (string, error) {
	if len(dirs) == 1 {
		return dirs[0], nil
	}
	var all []*files
	var errs []error
	for _, dir := range dirs {
		f := &files{dir: dir}
		if err := f.begin(); err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, f)
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	slices.SortStableFunc(all, func(a, b *files) int { return cmp.Compare(a.manifest.Agent, b.manifest.Agent) })
	first, err := filepath.Abs(all[0].dir)
	if err := errors.Join(err, ofOneRun("the runs that were named", all)); err != nil {
		return "", err
	}
	folder := filepath.Join(filepath.Dir(first), strings.TrimSuffix(filepath.Base(first), agentSuffix(all[0].manifest.share()))+"-agents")
	errs = append(errs, os.MkdirAll(folder, 0o755))
	for _, f := range all {
		link := filepath.Join(folder, fmt.Sprintf("agent-%d", f.manifest.Agent))
		path, err := filepath.Abs(f.dir)
		if err == nil {
			path, err = filepath.Rel(folder, path)
		}
		if info, lerr := os.Lstat(link); lerr == nil && info.Mode()&os.ModeSymlink != 0 {
			os.Remove(link) // of a call before
		}
		errs = append(errs, err, os.Symlink(path, link))
	}
	if err := errors.Join(errs...); err != nil {
		return "", fmt.Errorf("%w; put the run directories into one folder, and name that", err)
	}
	return folder, nil
}

// join puts the files of all agents together.
func (f *files) join(parts []*files) {
	for i, p := range parts {
		f.ledger = append(f.ledger, p.ledger...)
		for n := range f.reads {
			f.reads[n].ids = f.ids()
			f.reads[n].parts = append(f.reads[n].parts, p.reads[n].parts...)
		}
		for _, e := range p.earlier { // the others have such reads of their own
			f.earlier = append(f.earlier, read{parts: e.parts, first: i, ids: f.ids()})
		}
		if p.log != nil {
			if f.log == nil {
				f.log = &deliveries{ids: f.ids()}
			}
			f.log.parts = append(f.log.parts, p.log.parts...)
		}
		f.problems, f.damage = append(f.problems, p.problems...), append(f.damage, p.damage...)
		if p.started.After(f.started) {
			f.started = p.started
		}
		p.story.name(i, len(parts))
		if i == 0 {
			f.story, f.firstDir = p.story, p.dir
		} else {
			f.story.join(&p.story)
		}
	}
	if f.log != nil && len(f.log.parts) < len(parts) {
		f.log = nil // of some nobody told
	}
}
