#!/usr/bin/python3
"""One flipped byte on disk: in the newest snapshot, in an older one, in the journal, in the manifest.

After each flip the server either comes up with exactly the data it had and says what it met, or does not come up, with an exit status
that is not 0 and a sentence that names the file and the place. It never serves anything else.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

for folder in ("lib", "battery"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", folder))

from patron_test import RpcError, Server, by_size, check, equal, flip, main, table_rows, temp_dir  # noqa: E402
from tally import Tally  # noqa: E402

PLACES = by_size(3, 15, 100)
QUESTIONS = [
    ("count", {"as_of": "2024-12-31", "where": "orders >= 2"}),
    ("group", {"as_of": "2024-12-31", "by": ["country"], "metrics": ["count", "sum(net)", "sum(orders)"]}),
    ("rfm.groups", {"as_of": "2024-12-31"}),
    ("rows", {"as_of": "2024-12-31", "fields": ["customer", "net", "orders", "last_order"], "order_by": ["customer"], "limit": 1000}),
    ("load.state", {"producer": "flip"}),
]


def orders(rng, seq, count):
    return {"producer": "flip", "seq": seq, "meta": "place %d" % seq, "columns": {
        "order": ["%d-%d" % (seq, k) for k in range(count)],
        "customer": [rng.choice(("customer-%d" % rng.randrange(60), rng.randrange(60))) for _ in range(count)],
        "time": ["2024-%02d-%02dT10:00:00Z" % (rng.randrange(1, 13), rng.randrange(1, 29)) for _ in range(count)],
        "amount_minor": [rng.randrange(100000) for _ in range(count)], "currency": ["GBP"] * count,
        "country": [rng.choice(("BR", "MX", "DE")) for _ in range(count)]}}


def state(client):
    result = [{table: table_rows(client.call("status"), table) for table in ("customers", "orders")}]
    for method, params in QUESTIONS:
        answer = {key: value for key, value in client.call(method, params).items() if key not in ("ms", "epoch")}
        if method == "group":
            answer["rows"] = sorted(answer["rows"], key=repr)
        result.append(answer)
    return result


def used_bytes(path):
    """Length without the zeros that a preallocated file ends in."""
    with open(path, "rb") as data:
        return len(data.read().rstrip(b"\0"))


class Shop:
    """A data directory with two snapshots and a journal behind each, as a killed server leaves it; and what it must answer."""

    def __init__(self, rng):
        server = Server().start()
        client = server.client()
        seq = 0
        for part in range(3):
            for _ in range(4):
                seq += 1
                client.call("load.orders", orders(rng, seq, 60))
            if part < 2:
                client.call("snapshot.save")
        self.before_last = state(client)
        self.last_start = {path: used_bytes(path) for path in glob.glob(os.path.join(server.data, "journal-*.pj"))}
        client.call("load.orders", orders(rng, seq + 1, 60))
        self.whole = state(client)
        server.kill()
        self.folder, self.server = server.data, server

    def files(self, pattern):
        return sorted(glob.glob(os.path.join(self.folder, pattern)))

    def in_last_record(self, path, offset):
        """A flip in the newest record looks like a write that power cut short: it may be cut, if that is said."""
        return offset >= self.last_start.get(path, 1 << 62)


def after_flip(shop, path, offset, bit):
    """What the server makes of it: 'exact', 'found by verify', 'cut' or 'refused'."""
    place = "%s, byte %d, bit %d" % (os.path.basename(path), offset, bit)
    data = os.path.join(temp_dir(), "data")
    # Without the room that files have: it is megabytes of zeros.
    subprocess.run(["cp", "-r", "--sparse=always", shop.folder, data], check=True)
    flip(os.path.join(data, os.path.basename(path)), offset, bit)
    server = Server(data=data)
    try:
        return judge(shop, server, path, offset, place)
    finally:
        server.kill()
        shutil.rmtree(os.path.dirname(data), ignore_errors=True)


def judge(shop, server, path, offset, place):
    name = os.path.basename(path)
    said = server.refused_or_up()
    if said is not None:
        code, text = said
        check(code not in (0, None) and code > 0, "%s: exit status %r, it said %s", place, code, text)
        check(name in text and re.search(r"(offset|byte)\D{0,12}\d", text), "%s: it does not say where: %s", place, text)
        return "refused"
    log = server.log_since(0)
    client = server.client()
    got = state(client)
    if got != shop.whole:
        check(shop.in_last_record(path, offset), "%s: it serves %r instead of %r; log: %s", place, got[0], shop.whole[0], log)
        equal(got, shop.before_last, "%s: the state without the last record" % place)
        check(name in log, "%s: it cut the last record without a word: %s", place, log)
        return "cut"
    if name in log and re.search(r"(?i)damage|corrupt|checksum|fell back|older|torn|cut", log):
        return "exact"
    try:
        answer = client.call("verify")
        check(not answer["ok"] and name in repr(answer), "%s: nobody noticed; verify said %r, log: %s", place, answer, log)
    except RpcError as error:
        check(error.code == "CORRUPT" and name in error.text, "%s: verify said %s", place, error)
    return "found by verify"


def flips_in(tally, shop, rng, what, path, used):
    outcomes = {}
    # First and last bytes by choice, others by chance.
    offsets = {0, used - 1} | {rng.randrange(used) for _ in range(PLACES)}
    for offset in sorted(offsets):
        if not tally.time_left():
            break
        outcome = after_flip(shop, path, offset, rng.randrange(8))
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        tally.cycles += 1
        tally.fault(what, True)
        tally.show()
    print("%-28s %s" % (what, ", ".join("%s %d" % pair for pair in sorted(outcomes.items()))), flush=True)
    for outcome, count in outcomes.items():
        tally.extra[outcome] = tally.extra.get(outcome, 0) + count
    return outcomes


def flips(tally, rng):
    shop = Shop(rng)
    snapshots, journals = shop.files("snapshot-*.ps"), shop.files("journal-*.pj")
    check(len(snapshots) >= 2, "two generations are kept: %r", os.listdir(shop.folder))
    check(journals, "no journal: %r", os.listdir(shop.folder))
    newest = flips_in(tally, shop, rng, "the newest snapshot", snapshots[-1], os.path.getsize(snapshots[-1]))
    check(set(newest) <= {"exact"}, "the older snapshot and the journal hold everything, so nothing need be refused: %r", newest)
    older = flips_in(tally, shop, rng, "an older snapshot", snapshots[-2], os.path.getsize(snapshots[-2]))
    check(set(older) <= {"exact", "found by verify"}, "the newest snapshot is whole, so nothing need be refused: %r", older)
    for path in journals:
        if used_bytes(path):
            flips_in(tally, shop, rng, os.path.basename(path), path, used_bytes(path))
    manifest = shop.files("MANIFEST")
    check(manifest, "no MANIFEST: %r", os.listdir(shop.folder))
    flips_in(tally, shop, rng, "the manifest", manifest[0], os.path.getsize(manifest[0]))
    # And as it was: the copy itself is no fault.
    server = Server(data=shop.folder).start()
    equal(state(server.client()), shop.whole, "without a flip")
    server.stop()


def run():
    """One shop after the other, each with its own places, until there were enough."""
    tally = Tally("flip", 5 * PLACES, 5 * PLACES, 10 * PLACES)
    while tally.go_on():
        tally.holds(flips, tally, tally.rng(tally.cycles))
    tally.finish()


if __name__ == "__main__":
    main(run)
