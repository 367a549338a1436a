#!/usr/bin/python3
"""Writes seeds for fuzz_journal, fuzz_snapshot and fuzz_manifest: what a real patrond writes for a small shop with attributes of
every type, rates, an RFM map and fits of lifetime value.

    PATROND=build/dev/patrond tests/fuzz/make_seeds.py tests/fuzz/corpus

Journal records and snapshot blocks lose their headers: the targets seal them anew (see there). Whole, torn and damaged are journal files of each
version: records and marks as they stood, bound to the file of the target. Run it again when a format changes; manifests of older versions stay.
"""

import ctypes
import ctypes.util
import glob
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, main  # noqa: E402

FILE_HEADER, RECORD_HEADER, BLOCK_HEADER, MANIFEST_HEADER = 64, 56, 32, 32

# What one seed may take: longer ones are mutated to little effect.
SEED_BYTES = 6000

# The file that fuzz_journal.c reads: its header, as file_private.h says.
FILE_ID, FILE_NUMBER, FILE_LSN, FILE_VERSION = (11, 22), 1, 1, 3
# What a program of version 2 wrote.
OLD_JOURNAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e", "old", "v2", "journal-00000002.pj")
OLD_RECORD_HEADER = 48
ROOM = bytes(512)
# Records and marks of it.
FILE_PIECES = 7


def fill(client):
    attributes = {"flag": "bool", "size": "int", "rate": "decimal", "deposit": "money", "since": "date", "seen": "time", "tier": "enum",
                  "likes": "set"}
    values = {"flag": [True, None, False], "size": [1, -5, None], "rate": ["0.125", None, "-3"], "deposit": ["12.50", "0", None],
              "since": ["2024-02-29", None, "2020-01-01"], "seen": ["2024-01-01T00:00:00Z", None, 0], "tier": ["gold", "silver", None],
              "likes": [["a", "b"], [], None]}
    for table in ("customers", "orders", "lines", "refunds"):
        for name, kind in attributes.items():
            client.call("schema.add", {"table": table, "name": name, "type": kind})
    named = {"attr." + name: column for name, column in values.items()}

    def load(table, seq, **columns):
        client.call("load." + table, {"producer": table, "seq": seq, "columns": columns, "on_error": "skip", "meta": "offset %d" % seq})

    load("fx", 1, day=["2024-01-01", "2024-02-01", "2024-01-01"], currency=["USD", "USD", "JPY"], rate=["0.92", "0.93", "160"],
         per=["unit", "unit", "base"])
    load("customers", 1, customer=["1", "anna", "3"], country=["DE", "BR", None], created=["2023-12-31", None, "2024-01-01"],
         tags=[["vip"], None, ["b2b", "vip"]], **named)
    orders = {"order": [], "customer": [], "time": [], "amount": [], "currency": []}
    for i in range(24):
        for field, value in zip(orders, ("o%d" % i, ("1", "anna", "3")[i % 3 * (i % 5 > 1)], "2024-%02d-%02dT10:00:00Z" % (1 + i // 4, 1 + i % 4 * 7),
                                         str(5 + i), ("EUR", "USD", "JPY")[i % 3])):
            orders[field].append(value)
    load("orders", 1, **orders)
    load("orders", 2, order=["o1", "o2", "bad"], cancelled=["2024-02-01", None, None], paid=["2024-01-20T00:00:00Z", None, None],
         version=[2, 1, 1], **named)
    load("lines", 1, order=["l1", "l1", "l2"], customer=["1", "1", "anna"], time=["2024-03-01T00:00:00Z"] * 3, product=["cup", "pot", "cup"],
         quantity=["2", "1.5", "-1"], price=["2.50", "3", "9"], currency=["EUR"] * 3, category=["kitchen", None, "kitchen"], **named)
    load("refunds", 1, refund=["r1", "r2", "r3"], order=["o3", None, "later"], customer=[None, "3", None],
         time=["2024-05-01T00:00:00Z"] * 3, amount=["1", "2.50", "3"], currency=["EUR"] * 3, **named)
    client.call("rfm.map.save", {"name": "small", "groups": {"best": ["555", "554"], "rest": [
        "%d%d%d" % (r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6) if (r, f, m) not in ((5, 5, 5), (5, 5, 4))]}})
    client.call("clv.fit", {"model": "nbd", "unit": "day", "end": "2024-05-01", "holdout_end": "2024-06-30"})
    client.call("clv.fit", {"model": "mbg_nbd", "name": "second", "end": "2024-06-30"})
    client.call("clv.use", {"name": "second", "horizon": "52w", "discount_annual": 0.05, "margin": 0.4})


# A journal goes on with room that nothing stands in yet.
MAGICS = (b"PTJR", b"PTBK")


def parts(data, header, length_at):
    """(header, payload) of what stands one behind the other in a file."""
    at = FILE_HEADER
    while at + header <= len(data) and data[at:at + 4] in MAGICS:
        length = struct.unpack_from("<I", data, at + length_at)[0]
        yield data[at:at + header], data[at + header:at + header + length]
        at += header + length


def write_seeds(folder, name, pieces):
    """Pieces go together until a seed is full; each seed stands for itself."""
    seeds, seed = [], b"\x01"
    for piece in pieces:
        if len(seed) + len(piece) > SEED_BYTES and len(seed) > 1:
            seeds.append(seed)
            seed = b"\x01"
        seed += piece
    for number, seed in enumerate(seeds + [seed]):
        with open(os.path.join(folder, "%s-%d" % (name, number)), "wb") as file:
            file.write(seed)


class Digest(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]

    def packed(self):
        return struct.pack("<QQ", self.low, self.high)


XXH3 = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0").XXH3_128bits_withSeed
XXH3.argtypes, XXH3.restype = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64], Digest


def digest(data, seed=0):
    return XXH3(data, len(data), seed)


def chain(previous, data):
    """pat_digest_chain."""
    return digest(digest(data, previous.low).packed() + struct.pack("<Q", previous.high))


def bound(pieces, version):
    """Records and marks as those of the file that the target reads. Gives each sealed."""
    own = Digest(*FILE_ID)
    head = b"PATJRNL\n" + struct.pack("<II", version, FILE_HEADER) + own.packed() + struct.pack("<QQ", FILE_NUMBER, FILE_LSN)
    link = chain(own, head + digest(head).packed())
    before = struct.unpack_from("<Q", pieces[0][0], 8)[0] - FILE_LSN
    for header, payload in pieces:
        lsn, durable = struct.unpack_from("<QQ", header, 8)
        header = header[:8] + struct.pack("<QQ", lsn - before, max(0, durable - before)) + header[24:-24]
        sealed = chain(chain(link, header), payload)
        header += sealed.packed()
        yield header + struct.pack("<Q", chain(own, header).low) + payload
        if payload:  # marks are no link
            link = sealed


def write_files(folder, pieces, version, kind, suffix=""):
    """A file whole, with its last record cut off in the middle, and with a bit of its first one flipped."""
    while not pieces[-1][1]:
        pieces.pop()
    files = list(bound(pieces, version))
    whole = b"".join(files)
    damaged = bytearray(whole)
    damaged[len(files[0]) - 1] ^= 1
    room = ROOM if version > 2 else b""
    for name, data in (("whole", whole), ("torn", whole[:-len(pieces[-1][1]) // 2]), ("damaged", bytes(damaged))):
        with open(os.path.join(folder, name + suffix), "wb") as file:
            file.write(kind + data + room)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def run():
    corpus = sys.argv[1]
    server = Server(timezone="UTC", currency="EUR").start()
    client = server.client()
    fill(client)
    journal = read(sorted(glob.glob(os.path.join(server.data, "journal-*")))[-1])
    client.call("snapshot.save")
    snapshot = read(sorted(glob.glob(os.path.join(server.data, "snapshot-*")))[-1])
    manifest = read(os.path.join(server.data, "MANIFEST"))
    client.close()
    server.stop()
    write_seeds(os.path.join(corpus, "fuzz_journal"), "shop", [
        struct.pack("<H", len(payload)) + payload for _, payload in parts(journal, RECORD_HEADER, 4) if 0 < len(payload) < 65536])
    write_files(os.path.join(corpus, "fuzz_journal"), list(parts(journal, RECORD_HEADER, 4))[:FILE_PIECES], FILE_VERSION, b"\0")
    old = list(parts(read(OLD_JOURNAL), OLD_RECORD_HEADER, 4))[:FILE_PIECES]
    write_files(os.path.join(corpus, "fuzz_journal"), old, 2, b"\2", "-v2")
    blocks = b"".join(struct.pack("<BH", struct.unpack_from("<I", head, 8)[0], len(payload)) + payload
                      for head, payload in parts(snapshot, BLOCK_HEADER, 4) if len(payload) < 65536)
    with open(os.path.join(corpus, "fuzz_snapshot", "shop"), "wb") as file:
        file.write(b"\x01" + blocks)
    os.makedirs(os.path.join(corpus, "fuzz_manifest"), exist_ok=True)
    with open(os.path.join(corpus, "fuzz_manifest", "shop"), "wb") as file:
        file.write(b"\x01" + manifest[MANIFEST_HEADER:])


if __name__ == "__main__":
    main(run)
