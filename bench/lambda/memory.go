package lambda

import "time"

// memoryTick is how often memory is looked at.
const memoryTick = 20 * time.Millisecond

// watchMemory kills what holds more memory than it may, with SIGKILL, as Lambda
// does: the invocation ends as Runtime.ExitError, signal: killed.
//
// It is a watch and not a fence. Lambda's limit is one of the machine it gives
// to each environment; here resident memory of process and descendants is added
// up every 20 ms, so a peak between two looks goes unseen, and pages that two of
// them share count twice. A limit on address space (RLIMIT_AS) is none for a Go
// or Node.js process, which reserves far more than it uses, and a control group
// needs rights that a user rarely has.
func (h *Host) watchMemory() {
	tick := time.NewTicker(memoryTick)
	defer tick.Stop()
	limit := int64(h.cfg.MemoryMB) << 20
	for {
		select {
		case <-tick.C:
		case <-h.ended:
			return
		}
		h.mu.Lock()
		pids := map[int]*process{}
		for _, p := range h.procs {
			if p.pid != 0 && p.cause.kind == alive {
				pids[p.pid] = p
			}
		}
		h.mu.Unlock()
		for pid, p := range pids {
			if memoryOf(pid) > limit {
				h.mu.Lock()
				h.doom(p, cause{kind: outOfMemory})
				h.mu.Unlock()
			}
		}
	}
}
