package lambda

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The end of an execution environment is the end of all its processes. What
// asks for work may be a grandchild (`npx aws-lambda-ric` is three processes),
// and if that lived on it would go on writing after the kill.

// AdoptOrphans makes this process the parent of every orphan among its
// descendants, so that a grandchild that has detached itself is still found.
// It is for a process that exists to be a host, since it cannot be undone.
func AdoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	return nil
}

// KillDescendants sends SIGKILL to every descendant of this process, again and
// again until none is left: for the end of a process that has adopted orphans.
func KillDescendants() {
	for range sweeps {
		all := descendants(os.Getpid())
		all = slices.DeleteFunc(all, func(pid int) bool { return stateOf(pid) == 'Z' })
		if len(all) == 0 {
			return
		}
		killAll(all)
	}
}

// sweeps bounds the rounds: a descendant may fork while it is being killed.
const sweeps = 100

// children lists the children of a process, of all its threads.
func children(pid int) (all []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		b, _ := os.ReadFile(task) // an error: the thread is gone
		for field := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// descendants lists the children of a process and theirs, elders first.
func descendants(pid int) []int {
	all := children(pid)
	for i := 0; i < len(all); i++ {
		all = append(all, children(all[i])...)
	}
	return all
}

func killAll(pids []int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // an error: it is gone
	}
}

// stateOf is the letter of a process's state, Z for a zombie, 0 for none.
func stateOf(pid int) byte {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if i := bytes.LastIndex(b, []byte(") ")); i >= 0 && i+2 < len(b) {
		return b[i+2]
	}
	return 0
}

// killOrphans kills what dead processes have left behind and this process has
// adopted. An orphan is told by the Runtime API in its environment, which is of
// one process alone; one that has changed even that lives to KillDescendants.
//
// Only the environments of strangers are read: a burial that read those of all
// its siblings would make the end of n processes cost n² reads.
func (h *Host) killOrphans(dead ...*process) {
	if h.cfg.Start != nil { // what it makes has no processes
		return
	}
	var marks [][]byte
	for _, p := range dead {
		if p.listener != nil {
			marks = append(marks, []byte("\x00AWS_LAMBDA_RUNTIME_API="+p.listener.Addr().String()+"\x00"))
		}
	}
	for range sweeps {
		found := orphans(children(os.Getpid()), h.known(), marks, environOf)
		if len(found) == 0 {
			return
		}
		for _, pid := range found {
			killAll(append([]int{pid}, descendants(pid)...))
			_, _ = syscall.Wait4(pid, nil, 0, nil) // by its id: the others are waited for elsewhere
		}
	}
}

// known are the processes that the host has started itself and that have not
// ended: no orphans, and waited for elsewhere.
func (h *Host) known() map[int]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	pids := map[int]bool{}
	for _, p := range h.procs {
		if p.ending == (Ending{}) { // else its id may be another's by now
			pids[p.pid] = true
		}
		for _, e := range p.extensions {
			if e.cmd != nil { // these get their time
				pids[e.cmd.Process.Pid] = true
			}
		}
	}
	return pids
}

// orphans picks those children that are not known and bear one of the marks in
// their environment.
func orphans(children []int, known map[int]bool, marks [][]byte, environ func(pid int) []byte) (found []int) {
	for _, pid := range children {
		if known[pid] {
			continue
		}
		env := environ(pid)
		if slices.ContainsFunc(marks, func(mark []byte) bool { return bytes.Contains(env, mark) }) {
			found = append(found, pid)
		}
	}
	return found
}

// environOf gives the environment of a process, each variable between two zero
// bytes; of a zombie, or one that is gone, none.
func environOf(pid int) []byte {
	env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return append([]byte{0}, env...)
}

// KillEnvironments kills every execution environment, of any host on this machine,
// that was given AWS_ENDPOINT_URL_DYNAMODB=endpoint: for whoever survives a host
// that got SIGKILL, and holds the endpoint's address, so that nobody else's
// functions have it. A process in a session of its own is found too. That the
// endpoint is not enough protects a person's shell, which may well name it: the
// keys that a host gives out must be there as well.
func KillEnvironments(endpoint string) {
	marks := [][]byte{[]byte("\x00AWS_ENDPOINT_URL_DYNAMODB=" + endpoint + "\x00"), []byte("\x00AWS_SECRET_ACCESS_KEY=" + keyPrefix)}
	for range sweeps {
		found := false
		paths, _ := filepath.Glob("/proc/[0-9]*")
		for _, path := range paths {
			pid, err := strconv.Atoi(filepath.Base(path))
			if err != nil {
				continue
			}
			env := environOf(pid) // of other users', and of what is dead: nothing
			if slices.ContainsFunc(marks, func(mark []byte) bool { return !bytes.Contains(env, mark) }) {
				continue
			}
			found = true
			killAll([]int{pid})
		}
		if !found {
			return
		}
	}
}

// memoryOf is how many bytes a process and its descendants hold in memory.
func memoryOf(pid int) (bytes int64) {
	for _, pid := range append(descendants(pid), pid) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if fields := strings.Fields(string(b)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			bytes += pages * int64(os.Getpagesize())
		}
	}
	return bytes
}

// CanLimitMemory reports whether a memory limit can be kept on this system.
func CanLimitMemory() bool { return memoryOf(os.Getpid()) > 0 }
