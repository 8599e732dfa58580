package bench

import (
	"fmt"
	"strconv"
	"strings"
)

// RunID names one run: eight characters of idAlphabet. Every table, item and
// file of the run carries it, so that nothing of another run can be mistaken
// for its own.
type RunID string

// idAlphabet is Crockford's base 32 in lower case: no i, l, o, u.
const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

const (
	runIDLen = 8
	seqLen   = 10
	idLen    = runIDLen + 1 + 2 + 1 + seqLen

	// MaxSeq is the largest sequence number that an id can carry.
	MaxSeq = 9_999_999_999
)

// NewRunID makes a run id of 40 bits of the given random number.
func NewRunID(random uint64) RunID {
	var b [runIDLen]byte
	for i := range b {
		b[i] = idAlphabet[random&31]
		random >>= 5
	}
	return RunID(b[:])
}

// Valid reports whether r has the form that NewRunID gives.
func (r RunID) Valid() bool {
	if len(r) != runIDLen {
		return false
	}
	for i := range len(r) {
		if strings.IndexByte(idAlphabet, r[i]) < 0 {
			return false
		}
	}
	return true
}

// CanaryAgent is the agent in the ids of canaries, which go ahead of a load to see
// that the system works: no load has it, and nobody counts them.
const CanaryAgent = 99

// ID identifies one request. It is derived from the run, the agent and the
// sequence number alone, and it is dense in Seq, so that a set of ids can be a
// bit plane.
type ID struct {
	Run   RunID
	Agent uint8 // 0 to 99, CanaryAgent
	Seq   uint64
}

// String prints the id with fixed width: k3v9x2ab-00-0000001234.
func (id ID) String() string {
	b := make([]byte, 0, idLen)
	b = append(b, id.Run...)
	b = append(b, '-', '0'+id.Agent/10%10, '0'+id.Agent%10, '-')
	digits := strconv.AppendUint(nil, id.Seq, 10)
	for range seqLen - len(digits) {
		b = append(b, '0')
	}
	return string(append(b, digits...))
}

// Attempt prints the id of a later attempt at the request that has an id of its
// own: k3v9x2ab-00-0000001234#2 of the second retry. The first attempt has the
// request's. [ParseKey] reads both.
func (id ID) Attempt(retry int) string {
	if retry == 0 {
		return id.String()
	}
	return id.String() + "#" + strconv.Itoa(retry)
}

// ParseID reads what String prints. Any other text, also one that differs only
// in width, is an error: it is no id of ours.
func ParseID(s string) (ID, error) {
	if len(s) != idLen || s[runIDLen] != '-' || s[runIDLen+3] != '-' {
		return ID{}, fmt.Errorf("parse id %.40q: want RUN-AA-NNNNNNNNNN, %d characters", s, idLen)
	}
	run := RunID(s[:runIDLen])
	if !run.Valid() {
		return ID{}, fmt.Errorf("parse id %q: run id %q has characters outside %s", s, run, idAlphabet)
	}
	agent, err := parseDigits(s[runIDLen+1 : runIDLen+3])
	if err != nil {
		return ID{}, fmt.Errorf("parse id %q: agent: %w", s, err)
	}
	seq, err := parseDigits(s[runIDLen+4:])
	if err != nil {
		return ID{}, fmt.Errorf("parse id %q: sequence number: %w", s, err)
	}
	return ID{Run: run, Agent: uint8(agent), Seq: seq}, nil
}

// ParseKey reads the id of the request that an item's key belongs to: the key is
// the id, or the id and, behind a #, what tells several items of one request
// apart.
func ParseKey(key string) (ID, error) {
	if len(key) > idLen && key[idLen] == '#' {
		key = key[:idLen]
	}
	return ParseID(key)
}

// SharedKey is the key of an item that several requests write, each of them a
// version of it. It belongs to the run and to no agent, since the writers of an
// item may be many.
type SharedKey struct {
	Run    RunID
	Number uint64
}

const (
	sharedMark   = "-key-"
	sharedKeyLen = runIDLen + len(sharedMark) + seqLen
)

// String prints the key with fixed width: k3v9x2ab-key-0000000017.
func (k SharedKey) String() string {
	b := make([]byte, 0, sharedKeyLen)
	b = append(append(b, k.Run...), sharedMark...)
	digits := strconv.AppendUint(nil, k.Number, 10)
	for range seqLen - len(digits) {
		b = append(b, '0')
	}
	return string(append(b, digits...))
}

// ParseSharedKey reads what String prints; false: it is none.
func ParseSharedKey(s string) (SharedKey, bool) {
	if len(s) != sharedKeyLen || s[runIDLen:runIDLen+len(sharedMark)] != sharedMark || !RunID(s[:runIDLen]).Valid() {
		return SharedKey{}, false
	}
	n, err := parseDigits(s[runIDLen+len(sharedMark):])
	return SharedKey{RunID(s[:runIDLen]), n}, err == nil
}

// WriterOf gives the id of the request that has written an item: the item's key,
// or of an item with a shared key its attribute version. Where that is no id, it
// is the key, which no request has.
func WriterOf(key, version string) string {
	if _, shared := ParseSharedKey(key); !shared {
		return key
	}
	if _, err := ParseKey(version); err != nil {
		return key
	}
	return version
}

// parseDigits reads decimal digits only: strconv would also take a sign.
func parseDigits(s string) (uint64, error) {
	var n uint64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is no decimal digit", c)
		}
		n = n*10 + uint64(c-'0')
	}
	return n, nil
}

// Numbering says which ids the requests of a run have. One agent numbers its own
// requests. Several that share a plan take turns: request 0 is the first agent's
// first one, request 1 the second's.
type Numbering struct {
	Run    RunID
	First  uint8 // number of the first agent; 0 where there is one alone
	Agents int   // at least 1
}

// ID is the id of a request.
func (n Numbering) ID(seq uint64) ID {
	agents := uint64(n.Agents)
	return ID{Run: n.Run, Agent: n.First + uint8(seq%agents), Seq: seq / agents}
}

// Seq is the number of the request that an id belongs to; false: it is none of these
// agents'.
func (n Numbering) Seq(id ID) (uint64, bool) {
	agent := uint64(id.Agent - n.First) // far beyond Agents where it lies before First
	return id.Seq*uint64(n.Agents) + agent, id.Run == n.Run && agent < uint64(n.Agents)
}

// Share is one agent's part of a plan that several send: that of agent Agent, from 1
// to Of. The zero Share is the whole plan, sent by one alone.
type Share struct{ Agent, Of int }

// MaxAgents is how many may share a plan: an id has two digits for its agent, and the
// last number is that of canaries.
const MaxAgents = CanaryAgent - 1

// Valid reports whether there is such a share.
func (s Share) Valid() bool {
	return s == Share{} || s.Agent >= 1 && s.Agent <= s.Of && s.Of <= MaxAgents
}

// String prints a share as the command line takes it: 1/3.
func (s Share) String() string { return fmt.Sprintf("%d/%d", s.Agent, s.Of) }

// ParseShare reads what String prints.
func ParseShare(text string) (Share, error) {
	agent, of, ok := strings.Cut(text, "/")
	a, errA := strconv.Atoi(agent)
	n, errN := strconv.Atoi(of)
	if s := (Share{a, n}); ok && errA == nil && errN == nil && a > 0 && s.Valid() {
		return s, nil
	}
	return Share{}, fmt.Errorf("%q is no share: want I/N, agent I of N, such as 1/3, with up to %d agents", text, MaxAgents)
}

// IDs is the numbering of the share's own requests.
func (s Share) IDs(run RunID) Numbering { return Numbering{Run: run, First: uint8(s.Agent), Agents: 1} }

// Whole is the numbering of the requests of all shares together.
func (s Share) Whole(run RunID) Numbering {
	if s == (Share{}) {
		return s.IDs(run)
	}
	return Numbering{Run: run, First: 1, Agents: s.Of}
}
