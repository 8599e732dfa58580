// Package ledger keeps the evidence of a run on disk, in files that survive a
// kill -9 of whoever writes them. It stores and reads back; it judges nothing.
// What it cannot read it reports as a problem, located, and never guesses.
//
// Four kinds of evidence, four shapes, because they arrive differently:
//
//	ledger/         one fixed cell per request, in a memory-mapped file
//	reads/1/        one final read of the tables: pages, then a trailer
//	deliveries/     what the machines did, appended by another process
//	events.jsonl    what happened when, one line of JSON each
//
// All integers are little endian. Every checksum is CRC-32C (Castagnoli).
//
// # ledger/
//
// A request is known before its first byte leaves. That is on the path of the
// load, so it may cost no system call: the cells are a file mapped shared, and
// a store into the mapping belongs to the kernel at once, whatever becomes of
// the process. The file is written full of zeros beforehand, so that a full
// disk is an error before the first request instead of a SIGBUS during one.
//
// header.json, start.json and end.json each hold one JSON object
// {"crc": "xxxxxxxx", "body": {...}}, the sum taken over the bytes of body.
// header is written at creation ([Header]), start when the load begins
// ({"started": RFC 3339}), end when the writer was closed in good order
// ({"sent": n, "finished": n}); where end is absent, the writer was killed.
//
// cells is exactly planned × 32 bytes; cell i belongs to request i:
//
//	 0  mark      u8   0 never sent, 1 sent, 2 finished
//	 1  outcome   u8   0 unsent, 1 acknowledged, 2 refused, 3 unknown
//	 2  class     u8   bench.Class
//	 3  -         u8   0
//	 4  status    u16  HTTP status, 0: none was read
//	 6  -         u16  0
//	 8  sent      i64  ns from the start of load
//	16  end       i64  ns from the start of load
//	24  seq       u32  low 32 bits of i, so that a cell in the wrong place shows
//	28  crc       u32  of the 28 bytes before
//
// A cell of 32 zeros was never touched. A cell that is neither that nor sound
// is torn: the request counts as sent, with an unknown outcome, since only that
// accuses nobody.
//
// # Blocks
//
// reads/ and deliveries/ are sequences of blocks, each written with one
// write(2):
//
//	 0  magic     3 bytes "apb"
//	 3  kind      u8   'H' header, 'P' and 'C' page, 'R' records, 'T' trailer
//	 4  length    u32  of the payload, at most 16 MiB
//	 8  rows      u32  in the payload
//	12  crc       u32  of bytes 0 to 11, then the payload
//	16  payload
//
// A reader that meets a damaged block reports it and looks for the next sound
// one behind it.
//
// # reads/N/items, effects, deadletters, latest
//
// latest is there where requests share items: the results table's row for each
// item, as an effect of the request whose version it shows.
//
// One H block (JSON, [ReadHeader] and the table's name), C blocks, one T block
// (JSON: rows, pages, foreign, samples, fingerprint). A file without its trailer,
// or with one that does not match, is incomplete: absence from it proves nothing.
// A C block is a page of rows, as columns in this order:
//
//	seq, time, count, sequence (high half), sequence (low half), digest, flags
//
// Each column is a width u8, 0 to 8, a base u64, and of each row width bytes:
// what its value has beyond the base, in 64 bits that wrap around. Eight bytes of
// 0 end the page. Time is in ms of the Unix epoch where flag 4 is set; count has 1
// added, so that 0 says that the table does not tell; digest holds where flag 1 is
// set; flags are 1 has digest, 2 readable (dead letter), 4 has time. So an item
// takes some 12 bytes and an effect 19.
//
// Files of the first version have P blocks in their place, rows of 56 bytes: the
// same seven as u64 each, but count without 1 added.
//
// # deliveries/log
//
// Whoever opens the log writes an H block (JSON, {"format":
// "ackproof.deliveries/v2"}), and a T block when it is closed in good order
// (JSON: blocks and rows of R since the H before; 0 is left out). An H without
// a T before the next one or the end is a writer that was killed, and no
// damage. Logs of the first version have neither.
//
// Between them are R blocks of records, each readable on its own. A record is a kind byte
// and its fields; uvarint and varint are those of encoding/binary, text is a
// uvarint length and bytes, time is a varint of Unix nanoseconds (0: none):
//
//	1  text                                               shard name, numbered 0, 1, ... within the block
//	2  shard uvarint, sequence text, id text, time        commit
//	3  shard uvarint, sequence text, id text, batch uvarint, attempt uvarint, outcome u8, time   delivery
//	4  seq uvarint, readable u8, time                     dead letter
//	5  as 2                                               a commit that took the item away
//
// # events.jsonl
//
// See [EventWriter].
//
// # Export
//
// None of these files is made for other people's tools. [NewExporter] writes
// what they say together, a [Row] a request, as CSV, JSON lines, Parquet or
// vegeta results; [Columns] is the one list of what is in it.
package ledger
