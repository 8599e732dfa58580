// Package ledger keeps the evidence of a run on disk, in files that survive a
// kill -9 of whoever writes them. It stores and reads back; it judges nothing.
// What it cannot read it reports as a problem, located, and never guesses.
//
// Four kinds of evidence, four shapes, because they arrive differently:
//
//	ledger/         every attempt at every request: cells in a mapping, then sealed blocks
//	reads/1/        one final read of the tables: pages, then a trailer
//	deliveries/     what the machines did, appended by another process
//	events.jsonl    what happened when, one line of JSON each
//
// All integers are little endian. Every checksum is CRC-32C (Castagnoli).
//
// # ledger/
//
// An attempt is one sending of a request: 0 is the first, n the nth retry. The pair
// of seq and retry names it. What the client knows of the request is what its
// attempts say together: acknowledged if any was, else unknown if any was, else
// refused ([bench.Attempt.Joined]).
//
// An attempt is known before its first byte leaves. That is on the path of the
// load, so it costs no system call: its cell lies in a file that is mapped shared,
// and a store into the mapping belongs to the kernel at once, whatever becomes of
// the process. Behind the load, a goroutine seals blocks of 4,096 requests of which
// all first attempts are over: it packs them in columns, appends them to attempts,
// and uses their cells again. So cells is as long as what was under way at once, and
// a sealed request takes some 9 bytes.
//
// header.json, start.json and end.json each hold one JSON object
// {"crc": "xxxxxxxx", "body": {...}}, the sum taken over the bytes of body, in hex.
// header is written at creation ([Header]), start when the load begins
// ({"started": RFC 3339}), end when the writer was closed in good order: how many
// requests were sent, how many of them finished, how many retries were sent, and how
// many blocks (A and B) attempts holds. Where end is absent, the writer was killed.
//
// # ledger/attempts
//
// Blocks (see below) in any order, of these kinds:
//
//	H  the first one: JSON {"format": "ackproof.ledger/v2", "run", "agent"}
//	A  the first attempts of 4,096 requests that follow each other, from a multiple
//	   of 4,096 on; the last block of a plan is shorter
//	B  retries of any requests, by seq, then retry
//	E  the text of an error; the field rows of the head is its number
//
// A block that is absent between 0 and the end of the plan is one whose requests
// were never sent. The payload of A and B is:
//
//	u64      seq of its first row
//	u32 × n  where each frame begins, counted from the payload's begin; n is
//	         rows / 256, rounded up
//	frames   256 rows each, the last one shorter
//	8 bytes  0
//
// A frame is eight columns, one behind the other. A column is:
//
//	u8       width in bits, 0 to 64
//	varint   base
//	varint   step
//	bytes    of each row width bits, packed from the lowest bit of the first byte
//	         on; the last byte is filled up with zeros
//
// and value i of it is base + i × step + bits, in 64 bits that wrap around. The
// varints are those of encoding/binary: zigzag, seven bits a byte. The columns are:
//
//	0  seq
//	1  retry    0: the first attempt
//	2  what     mark + 4 × outcome + 16 × class. mark is 0 never sent, 1 sent and not
//	            seen to end, 2 finished, 3 damaged; outcome is 0 unsent, 1
//	            acknowledged, 2 refused, 3 unknown; class is [bench.Class]
//	3  status   HTTP status; 0: none was read
//	4  error    number of its text; 0: none
//	5  sent     ns from the start of load
//	6  latency  ns from sent to the end of the answer, where mark is 2
//	7  tail     ns from the first byte of the answer to its end, and 1 added; 0: none came
//
// Mark 2 with outcome 0 is an attempt that was given up before its first byte left:
// it is unsent, as one of mark 0. Of those two, the other columns say nothing. Due
// times and ids are not kept: the plan gives them. Sent needs no plan, since the step
// takes out of it what is regular.
//
// # ledger/cells
//
// Gone when the writer was closed in good order. First come the heads of 4,096 slots,
// 64 bytes each; then the slots, of 4,096 cells of 48 bytes each, as many as were
// needed. A head:
//
//	 0  kind      u8   0 free, 1 first attempts, 2 retries
//	 8  number    u64  of the block: cell i is request number × 4,096 + i
//	16  assigned  u64  how many blocks had been given a slot by then
//	24  crc       u32  of bytes 8 to 23, then kind
//
// A cell:
//
//	 0  mark     u8
//	 1  outcome  u8
//	 2  class    u8
//	 4  status   u16
//	 6  error    u16
//	 8  sent     i64  ns from the start of load, as the others
//	16  first    i64  first byte of the answer; 0: none came
//	24  end      i64
//	32  seq      u64
//	40  retry    u16
//	44  crc      u32  of the 44 bytes before
//
// A cell of 48 zeros was never touched, nor was one in a slot of first attempts that
// is sound and of another block: it is left from the block that had the slot before.
// One that is neither that nor sound, or of another request of its block, is torn: the
// request counts as sent, with an unknown outcome, since only that accuses nobody. A slot
// whose block is in attempts too was about to be freed. Cells that hold retries are in no
// order; their seq says whose they are.
//
// A block has a slot, on the disk, before its first request is sent, and so have at
// least four that follow it. The cells of blocks from which a request was asked for are
// brought to the disk once a second. So after a power failure, a request without a mark
// in a block that has a slot may have been on the wire: it is reserved, and counts as
// sent with an unknown outcome. After a mere kill the marks are exact. Which of the two
// it was, the boot id in the header tells: if the machine has not been started again
// since, no mark was lost. A reader elsewhere cannot know, and takes the careful side.
// Where a block of a lesser number than the assigned of some head is in neither file, it
// is lost, and its requests count as sent too.
//
// Slots are made of real blocks of the disk, so that a full disk is an error where a
// slot is made, and no SIGBUS where one is used. A request without a slot is not
// sent ([Writer.Reserve]). The file spare, 1 MiB of zeros, is removed at the end, so
// that what was recorded can be sealed on a full disk too.
//
// docs/ledger.py is a reader in Python that was made from this comment alone.
//
// Ledgers of the first version have no attempts; their cells are planned × 32 bytes
// in the order of the plan: mark, outcome and class u8, 0, status u16, 0 u16, sent i64,
// end i64, the low 32 bits of seq, and the crc of the 28 bytes before.
//
// # Blocks
//
// ledger/attempts, reads/ and deliveries/ are sequences of blocks, each written with
// one write(2):
//
//	 0  magic     3 bytes "apb"
//	 3  kind      u8   'H' header, 'A', 'B' and 'E' of the ledger, 'P' and 'C' page,
//	                   'R' records, 'T' trailer
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
