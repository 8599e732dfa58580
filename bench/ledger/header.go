package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Format is the name and version of the request ledger. A reader refuses one
// that it does not know; that of the first version is read too.
const Format = "ackproof.ledger/v2"

const (
	headerFile   = "header.json"
	startFile    = "start.json"
	endFile      = "end.json"
	cellsFile    = "cells"
	attemptsFile = "attempts"
	spareFile    = "spare"
)

// spareSize is room that is kept for the end: where the disk is full, what is in
// cells is sealed into it, and the cells give back more.
const spareSize = 1 << 20

// Header says whose requests these are. Together with the scenario it is all that
// is needed to judge the run again.
type Header struct {
	Format  string          `json:"format"` // set by Create
	Run     bench.RunID     `json:"run"`
	Agent   uint8           `json:"agent"`
	Planned int64           `json:"planned"`
	Seed    uint64          `json:"seed"`
	Created time.Time       `json:"created"`
	Boot    string          `json:"boot,omitempty"` // set by Create: which start of the machine it was written in; "": the system does not tell
	Plan    json.RawMessage `json:"plan,omitempty"` // what else the caller wants to find again, as JSON
}

// validate returns everything that is wrong with a header.
func (h Header) validate() error {
	var errs []error
	if !h.Run.Valid() {
		errs = append(errs, fmt.Errorf("run id %q is none; make one with bench.NewRunID", h.Run))
	}
	if h.Agent > 99 {
		errs = append(errs, fmt.Errorf("agent %d: want 0 to 99", h.Agent))
	}
	if h.Planned < 0 || h.Planned > bench.MaxSeq+1 {
		errs = append(errs, fmt.Errorf("%d planned requests: want 0 to %d", h.Planned, int64(bench.MaxSeq)+1))
	}
	return errors.Join(errs...)
}

// blocks is how many blocks a plan of so many requests takes.
func blocks(planned uint64) uint64 { return (planned + blockRows - 1) / blockRows }

// startBody is what start.json says.
type startBody struct {
	Started time.Time `json:"started"`
}

// endBody is what end.json says: how much there is of everything.
type endBody struct {
	Sent     int64 `json:"sent"`     // requests
	Finished int64 `json:"finished"` // of them
	Retries  int64 `json:"retries"`  // later attempts that were sent
	Blocks   int64 `json:"blocks"`   // of attempts, of both kinds
}

func (e *endBody) add(kind byte, s State) {
	switch {
	case s == Unsent:
	case kind == blockRetries:
		e.Retries++
	default:
		e.Sent++
		if s == Finished {
			e.Finished++
		}
	}
}

// thisBoot names the present start of the machine: what was stored into a mapping
// is there as long as it has not ended. "": the system does not tell.
// https://docs.kernel.org/admin-guide/sysctl/kernel.html#random
func thisBoot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
