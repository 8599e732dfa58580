package dynamo

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Limits of the stream operations.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html
const (
	maxRecords     = 1000
	maxRecordBytes = 1 << 20
	iteratorLife   = 15 * time.Minute
	minShardID     = 28 // bytes
)

// liveStreams drops the streams whose last record has expired and returns the
// others by ARN.
func (e *Engine) liveStreams(now time.Time) []*stream {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.streams, func(_ string, s *stream) bool { return e.expired(s, now) })
	return slices.SortedFunc(maps.Values(e.streams), func(a, b *stream) int { return strings.Compare(a.arn, b.arn) })
}

func (e *Engine) expired(s *stream, now time.Time) bool {
	return !s.closed.IsZero() && now.Sub(s.closed) >= e.options.Retention
}

// findStream finds a stream that can be read.
func (e *Engine) findStream(arn string, now time.Time) (*stream, *Error) {
	if err := checkStreamARN(arn, "streamArn"); err != nil {
		return nil, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	s := e.streams[arn]
	if s == nil || e.expired(s, now) {
		return nil, refuse(codeNotFound, "Requested resource not found: Stream: %.300s not found", arn)
	}
	return s, nil
}

// checkStreamARN tells what is no ARN of a stream from that of one which is gone.
func checkStreamARN(arn, at string) *Error {
	var f faults
	switch {
	case arn == "":
		f.missing(at)
	case len(arn) < 37: // the least in the service's model
		f.add(quoted(arn), at, "Member must have length greater than or equal to 37")
	case !strings.HasPrefix(arn, "arn:") || !strings.Contains(arn, ":table/") || !strings.Contains(arn, "/stream/"):
		return invalid("Invalid StreamArn provided as input %.300s", arn)
	}
	return f.err()
}

func (e *Engine) listStreams(x *execution) *Error {
	limit, err := pageLimit(x.req.limit, 100)
	if err != nil {
		return err
	}
	if start := x.req.streamAt.startARN; start != "" {
		if err := checkStreamARN(start, "exclusiveStartStreamArn"); err != nil {
			return err
		}
	}
	streams := slices.DeleteFunc(e.liveStreams(x.now), func(s *stream) bool {
		return x.req.table != "" && s.table != x.req.table || s.arn <= x.req.streamAt.startARN
	})
	w := &x.w
	w.open('{')
	w.key("Streams")
	w.open('[')
	for _, s := range streams[:min(limit, len(streams))] {
		w.element()
		w.open('{')
		w.key("StreamArn")
		w.string(s.arn)
		w.key("StreamLabel")
		w.string(s.label)
		w.key("TableName")
		w.string(s.table)
		w.close('}')
	}
	w.close(']')
	if len(streams) > limit {
		w.key("LastEvaluatedStreamArn")
		w.string(streams[limit-1].arn)
	}
	w.close('}')
	return nil
}

func (e *Engine) describeStream(x *execution) *Error {
	at := &x.req.streamAt
	limit, err := pageLimit(x.req.limit, 100)
	if err != nil {
		return err
	}
	if err := at.checkFilter(); err != nil {
		return err
	}
	s, err := e.findStream(at.arn, x.now)
	if err != nil {
		return err
	}
	shards := slices.DeleteFunc(slices.Clone(s.kept(x.now, e.options.Retention)), func(sh *shard) bool {
		return sh.id <= at.startShard || at.childrenOf != nil && sh.parent != *at.childrenOf
	})
	if at.childrenOf != nil && s.shard(*at.childrenOf) == nil {
		return refuse(codeNotFound, "Requested resource not found: Shard: %.100s not found", *at.childrenOf)
	}
	status := "ENABLED"
	e.mu.RLock()
	if !s.closed.IsZero() {
		status = "DISABLED"
	}
	e.mu.RUnlock()
	w := &x.w
	w.open('{')
	w.key("StreamDescription")
	w.open('{')
	for _, m := range [][2]string{{"StreamArn", s.arn}, {"StreamLabel", s.label}, {"StreamStatus", status}, {"StreamViewType", s.view}, {"TableName", s.table}} {
		w.key(m[0])
		w.string(m[1])
	}
	w.key("CreationRequestDateTime")
	w.seconds(s.created)
	w.keySchema(s.keys, 1)
	w.key("Shards")
	w.open('[')
	for _, sh := range shards[:min(limit, len(shards))] {
		w.shard(sh)
	}
	w.close(']')
	if len(shards) > limit {
		w.key("LastEvaluatedShardId")
		w.string(shards[limit-1].id)
	}
	w.close('}')
	w.close('}')
	return nil
}

// checkFilter holds a ShardFilter against its model: the children of a shard are the
// one thing that it can ask for.
func (at *streamPlace) checkFilter() *Error {
	var f faults
	switch {
	case !at.filtered:
		return nil
	case at.filter == "":
		f.missing("shardFilter.type")
	}
	f.enum(at.filter, "shardFilter.type", "CHILD_SHARDS")
	switch {
	case at.childrenOf == nil:
		f.missing("shardFilter.shardId")
	case len(*at.childrenOf) < minShardID:
		f.add(quoted(*at.childrenOf), "shardFilter.shardId", "Member must have length greater than or equal to %d", minShardID)
	}
	return f.err()
}

// shard describes a shard. Only a closed one has an end: a reader takes a
// shard with an ending number for finished.
func (w *writer) shard(s *shard) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	w.element()
	w.open('{')
	w.key("ShardId")
	w.string(s.id)
	if s.parent != "" {
		w.key("ParentShardId")
		w.string(s.parent)
	}
	w.key("SequenceNumberRange")
	w.open('{')
	w.key("StartingSequenceNumber")
	w.string(sequence(s.start).String())
	if !s.closed.IsZero() {
		w.key("EndingSequenceNumber")
		w.string(sequence(s.lastOff).String())
	}
	w.close('}')
	w.close('}')
}

func (e *Engine) getShardIterator(x *execution) *Error {
	at := &x.req.streamAt
	s, err := e.findStream(at.arn, x.now)
	if err != nil {
		return err
	}
	sh := s.shard(at.shard)
	if sh == nil {
		return refuse(codeNotFound, "Requested resource not found: Shard: %.100s in Stream: %s not found", at.shard, s.arn)
	}
	n, err := sh.position(x.now, e.options.Retention, at)
	if err != nil {
		return err
	}
	x.w.open('{')
	x.w.key("ShardIterator")
	x.w.string(iterator{s.arn, sh.id, n, x.now, e.readers.Add(1)}.String())
	x.w.close('}')
	return nil
}

// position finds the number of the record that an iterator is to begin with.
func (s *shard) position(now time.Time, retention time.Duration, at *streamPlace) (int64, *Error) {
	bySequence := at.kind == "AT_SEQUENCE_NUMBER" || at.kind == "AFTER_SEQUENCE_NUMBER"
	switch {
	case at.kind == "":
		return 0, invalid("1 validation error detected: Value null at 'shardIteratorType' failed to satisfy constraint: Member must not be null")
	case bySequence && at.sequence == "":
		return 0, invalid("SequenceNumber is required for the ShardIteratorType %s", at.kind)
	case !bySequence && at.sequence != "":
		return 0, invalid("SequenceNumber must not be given for the ShardIteratorType %s", at.kind)
	case (at.kind == "AT_TIMESTAMP") != (at.timestamp != nil):
		return 0, invalid("Timestamp goes with the ShardIteratorType AT_TIMESTAMP, and with no other")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trim(now, retention)
	switch at.kind {
	case "TRIM_HORIZON":
		return s.trimmed, nil
	case "LATEST":
		return s.next, nil
	case "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER":
		return s.positionOf(at.sequence, at.kind == "AFTER_SEQUENCE_NUMBER")
	case "AT_TIMESTAMP":
		if at.timestamp.After(now) {
			return 0, invalid("Timestamp must not lie in the future")
		}
		return s.search(func(r *record) bool { return !r.time().Before(*at.timestamp) }), nil
	}
	return 0, oneOf("shardIteratorType", at.kind, "TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP")
}

func (s *shard) positionOf(text string, after bool) (int64, *Error) {
	n, err := bench.ParseSequence(text)
	if err != nil || len(text) < 21 || n.Compare(sequence(s.lastOff)) > 0 || n.Compare(sequence(s.start)) < 0 {
		return 0, invalid("Invalid SequenceNumber %.60q: it is not one of this shard", text)
	}
	off := offset(n)
	// The record of this number is gone, and nobody can say how many behind it.
	if s.trimmed > 0 && (s.trimmed == s.next || off < s.at(s.trimmed).off) {
		return 0, trimmed()
	}
	return s.search(func(r *record) bool { return r.off > off || !after && r.off == off }), nil
}

func trimmed() *Error {
	return refuse("TrimmedDataAccessException", "The operation attempted to read past the oldest stream record in a shard")
}

// iterator is a shard iterator: which record comes next, and since when.
type iterator struct {
	arn, shard string
	next       int64
	issued     time.Time
	reader     uint64 // the same in all iterators that follow from one
}

// String gives the iterator as clients carry it: opaque, with a checksum, so
// that a broken one is told from an expired one.
func (it iterator) String() string {
	body := fmt.Sprintf("%s|%s|%d|%d|%d", it.arn, it.shard, it.next, it.issued.UnixNano(), it.reader)
	sum := crc32.ChecksumIEEE([]byte(body))
	return it.arn + "|1|" + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s|%08x", body, sum))
}

func parseIterator(s string) (iterator, *Error) {
	bad := func() (iterator, *Error) { return iterator{}, invalid("Invalid ShardIterator") }
	_, code, ok := strings.Cut(s, "|1|")
	raw, err := base64.StdEncoding.DecodeString(code)
	f := strings.Split(string(raw), "|")
	if !ok || err != nil || len(f) != 6 {
		return bad()
	}
	body := strings.Join(f[:5], "|")
	if fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))) != f[5] {
		return bad()
	}
	next, err1 := strconv.ParseInt(f[2], 10, 64)
	issued, err2 := strconv.ParseInt(f[3], 10, 64)
	reader, err3 := strconv.ParseUint(f[4], 10, 64)
	if cmp.Or(err1, err2, err3) != nil || next < 0 {
		return bad()
	}
	return iterator{f[0], f[1], next, time.Unix(0, issued), reader}, nil
}

func (e *Engine) getRecords(x *execution) *Error {
	limit := maxRecords
	if l := x.req.limit; l != nil {
		limit = *l
		var f faults
		checkValue(&f, limit, "limit", 1, maxRecords)
		if err := f.err(); err != nil {
			return err
		}
	}
	it, err := parseIterator(x.req.streamAt.iterator)
	if err != nil {
		return err
	}
	if x.now.Sub(it.issued) > iteratorLife {
		return refuse("ExpiredIteratorException", "Iterator expired. The iterator was created at time %s while now is %s which is further in the future than the tolerated delay of %s",
			it.issued.UTC().Format(time.RFC3339), x.now.UTC().Format(time.RFC3339), iteratorLife)
	}
	s, err := e.findStream(it.arn, x.now)
	if err != nil {
		return err
	}
	sh := s.shard(it.shard)
	if sh == nil {
		return invalid("Invalid ShardIterator")
	}
	records, end, err := sh.read(x.now, e.options.Retention, it, limit, &e.crowdedReads)
	if err != nil {
		return err
	}
	w := &x.w
	w.open('{')
	w.key("Records")
	w.open('[')
	bytes := 0
	for i, r := range records {
		keys := keyItem(s.keys, &r.row().key)
		size := s.recordSize(r, keys)
		if bytes += size; bytes > maxRecordBytes && i > 0 {
			records, end = records[:i], false
			break
		}
		w.element()
		w.record(s, sh, r, keys, size, e.options.Region)
	}
	w.close(']')
	if !end {
		w.key("NextShardIterator")
		w.string(iterator{it.arn, it.shard, it.next + int64(len(records)), x.now, it.reader}.String())
	}
	w.close('}')
	return nil
}

// read returns up to limit records from the iterator on, and whether a closed
// shard ends behind them. The records are the log's own and never change.
func (s *shard) read(now time.Time, retention time.Duration, it iterator, limit int, crowded *atomic.Int64) (out []*record, end bool, err *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trim(now, retention)
	if s.crowded(now, it.reader) {
		crowded.Add(1)
	}
	n := it.next
	switch {
	case n < s.trimmed:
		return nil, false, trimmed()
	case n > s.next:
		return nil, false, invalid("Invalid ShardIterator")
	}
	last := min(s.next, n+int64(limit))
	out = make([]*record, 0, last-n)
	for ; n < last; n++ {
		out = append(out, s.at(n))
	}
	return out, !s.closed.IsZero() && last == s.next, nil
}

// recordSize is SizeBytes: keys and the images shown.
func (s *stream) recordSize(r *record, keys item) int {
	old, new := s.images(r)
	return keys.size() + old.size() + new.size()
}

func (w *writer) record(s *stream, sh *shard, r *record, keys item, size int, region string) {
	old, new := s.images(r)
	w.open('{')
	w.key("eventID")
	w.open('"')
	w.b = sh.appendEventID(w.b, r.off)
	w.close('"')
	for _, m := range [...][2]string{{"eventName", r.name()}, {"eventVersion", "1.1"}, {"eventSource", "aws:dynamodb"}, {"awsRegion", region}} {
		w.key(m[0])
		w.string(m[1])
	}
	if r.expired { // in capitals, unlike its neighbours: a function is given them in small ones
		w.key("userIdentity")
		w.open('{')
		w.key("PrincipalId")
		w.string("dynamodb.amazonaws.com")
		w.key("Type")
		w.string("Service")
		w.close('}')
	}
	w.key("dynamodb")
	w.open('{')
	w.key("ApproximateCreationDateTime")
	w.int(r.time().Unix()) // whole seconds, rounded down
	w.key("Keys")
	w.item(keys)
	if new != nil {
		w.key("NewImage")
		w.item(new)
	}
	if old != nil {
		w.key("OldImage")
		w.item(old)
	}
	w.key("SequenceNumber")
	w.string(sequence(r.off).String())
	w.key("SizeBytes")
	w.int(int64(size))
	w.key("StreamViewType")
	w.string(s.view)
	w.close('}')
	w.close('}')
}
