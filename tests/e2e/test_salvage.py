#!/usr/bin/python3
"""What --salvage serves of a damaged directory, held against what was acknowledged: each file missing, swapped with another, as it
once was, cut, flipped, and one that cannot be read. Whatever is served was acknowledged, whole; whatever is not lies in a range
that every answer names. battery/test_damage.py tries thousands of damages below the wire."""

import os
import random
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "battery"))

import ledger as ledgers  # noqa: E402
from patron_test import RpcError, Server, by_size, check, equal, flip, main, seed, temp_dir  # noqa: E402

BATCHES, SNAPSHOTS_AFTER = 12, (4, 8)
ZONE, CURRENCY = "Asia/Tokyo", "GBP"  # its midnight is of another day in UTC
SHARE = by_size(5, 1, 1)  # of the damages, one in so many


def files(folder):
    return sorted(name for name in os.listdir(folder) if name == "MANIFEST" or name.endswith((".pj", ".ps")))


def copy(source, target):
    os.mkdir(target)
    for name in files(source):
        shutil.copy(os.path.join(source, name), target)


class DataSet:
    """A directory as a kill left it, or a stop, and as it was after each batch."""

    def __init__(self, rng, stopped):
        self.folder, self.book = temp_dir(), ledgers.Ledger(rng, rows_max=3, customers=15)
        server = Server(timezone=ZONE, currency=CURRENCY).start()
        client = server.client()
        for number in range(1, BATCHES + 1):
            batch = self.book.next()
            self.book.acknowledge(batch, client.call("load." + batch.table, batch.params))
            if number in SNAPSHOTS_AFTER:
                client.call("snapshot.save")
            copy(server.data, self.at(number))
        client.close()
        if stopped:
            server.stop()
        server.forget()
        self.whole = os.path.join(self.folder, "whole")
        copy(server.data, self.whole)

    def at(self, number):
        return os.path.join(self.folder, "at-%d" % number)


def damages(data_set):
    """(what, how): how(folder) does it."""
    names = files(data_set.whole)
    for name in names:
        def path(folder, name=name):
            return os.path.join(folder, name)

        yield name + " missing", lambda folder, path=path: os.remove(path(folder))
        yield name + " unreadable", lambda folder, path=path: (os.remove(path(folder)), os.mkdir(path(folder)))
        size = os.path.getsize(path(data_set.whole))
        yield name + " cut", lambda folder, path=path, size=size: os.truncate(path(folder), min(size // 2, 700))
        for place in (20, 70, 200):
            yield "%s flipped at %d" % (name, place), lambda folder, path=path, place=place: flip(path(folder), place, 3)
        for number in (2, 5, 9):
            older = os.path.join(data_set.at(number), name)
            if os.path.exists(older):
                yield "%s as after %d" % (name, number), lambda folder, path=path, older=older: shutil.copy(older, path(folder))
        for other in names[names.index(name) + 1:]:
            def swap(folder, name=name, other=other):
                a, b, aside = (os.path.join(folder, each) for each in (name, other, "aside"))
                os.rename(a, aside), os.rename(b, a), os.rename(aside, b)
            yield "%s swapped with %s" % (name, other), swap


def named(lost, lsn):
    return any(entry["from_lsn"] <= lsn and (entry["to_lsn"] is None or lsn <= entry["to_lsn"]) for entry in lost)


def held_against(book, client, what):
    """Gives how many batches are missing."""
    status = client.call("status")
    lost = status["degraded"]
    check(lost, "%s: nothing is named: %r", what, status)
    equal((status["state"], status["timezone"]), ("salvage", ZONE), what)
    for method, params in (("count", {}), ("schema", {}), ("load.state", {"producer": "till"}), ("batch", {"calls": [["count", {}]]})):
        equal(client.call(method, params)["degraded"], lost, "%s, %s" % (what, method))
    found = {(table, group["day"]): group for table in ledgers.TABLES
             for group in client.call("control", {"table": table, "by": "day"})["groups"]}
    missing = 0
    for batch in book.batches:
        group = found.pop((batch.table, batch.day), None)
        if group is None:
            check(named(lost, batch.lsn), "%s: lsn %d is missing and not named: %r", what, batch.lsn, lost)
            missing += 1
        else:
            equal(batch.found(group), batch.whole(), "%s: batch of lsn %d" % (what, batch.lsn))
            check(not named(lost, batch.lsn) or batch.lsn <= status["snapshot"]["lsn"], "%s: lsn %d is served and named: %r", what, batch.lsn, lost)
    check(not found, "%s: days that nobody sent: %r", what, sorted(found))
    try:
        client.call("load.orders", book.batches[0].params)
        check(False, "%s: a batch is taken", what)
    except RpcError as error:
        equal(error.code, "READONLY", what)
    return missing


def try_damage(data_set, what, how):
    """Whether it was refused without --salvage, and how many batches are missing with it."""
    folder = os.path.join(temp_dir(), "data")
    copy(data_set.whole, folder)
    how(folder)
    server = Server(data=folder)
    server.timezone = server.currency = None  # the directory's own
    said = server.refused_or_up()
    if said is None:
        server.kill()
        return False, 0
    check("CORRUPT" in said[1], "%s: %r", what, said)
    server.extra = ["--salvage"]
    server.start()
    client = server.client()
    missing = held_against(data_set.book, client, what)
    client.close()
    server.kill()
    return True, missing


def run():
    rng = random.Random(seed())
    for stopped in (False, True):
        data_set = DataSet(rng, stopped)
        tried = refused = missing = 0
        for what, how in damages(data_set):
            if rng.randrange(SHARE):
                continue
            was_refused, lost = try_damage(data_set, what, how)
            tried, refused, missing = tried + 1, refused + was_refused, missing + lost
        check(refused > 0, "no damage was refused")
        print("%s: %d damages, %d refused and salvaged, %d batches lost and named" % ("stopped" if stopped else "killed", tried, refused, missing), flush=True)


if __name__ == "__main__":
    main(run)
