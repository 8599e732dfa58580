#!/usr/bin/env python3
"""Reads the request ledger of an ackproof run: python3 docs/ledger.py RUN/ledger

Prints every attempt that was sent, one JSON array a line:
[seq, retry, state, outcome, class, status, sent, first_byte, end, error]
with times in ns from the start of load, and null for what is not known. Damage is
told on standard error, and makes the exit code 1.

It needs nothing but Python, and was written from the package comment of
bench/ledger alone: so it shows that the format can be read without ackproof.
"""

import json
import os
import struct
import sys

OUTCOMES = ["unsent", "acknowledged", "refused", "unknown"]
CLASSES = ["none", "status", "timeout", "reset", "connection_refused", "unreadable", "interrupted"]
BLOCK, FRAME = 4096, 256
SLOTS, HEAD, CELL = 4096, 64, 48
MASK = (1 << 64) - 1

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)

problems = []


def crc32c(*parts):
    crc = 0xFFFFFFFF
    for part in parts:
        for byte in part:
            crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def sealed(path):
    """A small file of JSON with its sum; None: it is not there."""
    if not os.path.exists(path):
        return None
    with open(path, "rb") as f:
        text = f.read()
    body = text[len('{"crc":"00000000","body":'):-2]
    if text[8:16].decode() != "%08x" % crc32c(body):
        problems.append(path + ": checksum does not match")
    return json.loads(body)


def blocks(path):
    """The sound blocks of a file: kind, rows, payload."""
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        if len(data) - at >= 16 and data[at:at + 3] == b"apb":
            length, rows, crc = struct.unpack_from("<III", data, at + 4)
            body = data[at + 16:at + 16 + length]
            if len(body) == length and crc32c(data[at:at + 12], body) == crc:
                yield chr(data[at + 3]), rows, body
                at += 16 + length
                continue
        problems.append("%s: no sound block at byte %d" % (path, at))
        at = data.find(b"apb", at + 1)
        if at < 0:
            return


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value >> 1 ^ -(value & 1), at


def signed(value):
    value &= MASK
    return value - (1 << 64) if value >> 63 else value


def column(data, at, rows):
    width = data[at]
    base, at = varint(data, at + 1)
    step, at = varint(data, at)
    size = (rows * width + 7) // 8
    packed = int.from_bytes(data[at:at + size], "little")
    mask = (1 << width) - 1
    return [signed(base + i * step + (packed >> i * width & mask)) for i in range(rows)], at + size


def attempts(rows, body):
    """The rows of an A or B block: seq, retry, mark, outcome, class, status, error, sent, first byte, end."""
    for n in range((rows + FRAME - 1) // FRAME):
        at = struct.unpack_from("<I", body, 8 + 4 * n)[0]
        count = min(FRAME, rows - n * FRAME)
        columns = []
        for _ in range(8):
            values, at = column(body, at, count)
            columns.append(values)
        for seq, retry, what, status, error, sent, latency, tail in zip(*columns):
            end = sent + latency
            yield (seq, retry, what & 3, what >> 2 & 3, what >> 4, status, error, sent, end - tail + 1 if tail else 0, end)


def cells(path, done):
    """The rows of the slots whose blocks are not sealed."""
    with open(path, "rb") as f:
        data = f.read()
    for slot in range(SLOTS):
        head = data[slot * HEAD:(slot + 1) * HEAD]
        if head[0] == 0:
            continue
        number, _, crc = struct.unpack_from("<QQI", head, 8)
        if crc32c(head[8:24], head[:1]) != crc:
            problems.append("%s: the head of slot %d is damaged" % (path, slot))
            continue
        if head[0] == 1 and number in done:
            continue
        for i in range(BLOCK):
            at = SLOTS * HEAD + (slot * BLOCK + i) * CELL
            cell = data[at:at + CELL]
            if cell.count(0) == CELL:
                continue
            mark, outcome, klass, status, error, sent, first, end, seq, retry, crc = struct.unpack("<BBBxHHqqqQHxxI", cell)
            sound = crc32c(cell[:44]) == crc
            if sound and head[0] == 1 and seq // BLOCK != number:
                continue  # left from the block that had the slot before
            if not sound or head[0] == 1 and seq != number * BLOCK + i:
                problems.append("%s: the cell at byte %d is torn" % (path, at))
                seq, retry, mark = number * BLOCK + i, 0, 3
                if head[0] == 2:
                    continue
            yield seq, retry, mark, outcome, klass, status, error, sent, first, end


def name(names, i):
    return names[i] if i < len(names) else str(i)


def told(row, texts):
    seq, retry, mark, outcome, klass, status, error, sent, first, end = row
    if mark == 1:
        return [seq, retry, "sent", "unknown", "none", None, sent, None, None, None]
    if mark == 3:
        return [seq, retry, "torn", "unknown", "none", None, None, None, None, None]
    return [seq, retry, "finished", name(OUTCOMES, outcome), name(CLASSES, klass), status or None, sent, first or None, end, texts.get(error)]


def main(folder):
    header = sealed(os.path.join(folder, "header.json"))
    end = sealed(os.path.join(folder, "end.json"))
    if header["format"] != "ackproof.ledger/v2":
        sys.exit("a ledger of format " + header["format"])
    rows, texts, sealed_blocks, count = {}, {}, set(), 0
    for kind, n, body in blocks(os.path.join(folder, "attempts")):
        if kind == "E":
            texts[n] = body.decode()
        elif kind in "AB":
            count += 1
            if kind == "A":
                sealed_blocks.add(struct.unpack_from("<Q", body)[0] // BLOCK)
            for row in attempts(n, body):
                rows[row[:2]] = row
    if end is None:
        for row in cells(os.path.join(folder, "cells"), sealed_blocks):
            rows.setdefault(row[:2], row)
    elif end["blocks"] != count:
        problems.append("%d blocks, where the writer counted %d" % (count, end["blocks"]))
    for key in sorted(rows):
        row = rows[key]
        if row[2] == 0 or row[2] == 2 and row[3] == 0:
            continue  # unsent
        print(json.dumps(told(row, texts)))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
