#!/usr/bin/python3
"""Damaged files: flipped bits, and files cut, missing, swapped, rolled back, with garbage behind them, with a page of zeros.

Data sets are made by a real server, once left as a kill leaves it and once stopped in order, copied after each batch. damage.c
damages them in memory and lets the engine open them, thousands a second: each byte of the small set, random bits of a big one.
What is refused is opened as with --salvage, too: what is served then was acknowledged, what is missing is named.
A damage hit when somebody told of it or refused; some bytes of files mean nothing (what a killed server had preallocated, a
journal that only an older snapshot needs), and then the answers must be exact.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import ledger as ledgers  # noqa: E402
from patron_test import Server, by_size, check, main, program, temp_dir  # noqa: E402
from tally import Tally  # noqa: E402

BATCHES = 12
SNAPSHOTS_AFTER = (4, 8)
# After an answer the journal says within some milliseconds that it is on disk; the copies are to have that.
MARK_SECONDS = 0.03
# Of the flips that are wanted, so many fall on the big sets.
BIG_SHARE = 20
SMALL_ROWS = 3
BIG_ROWS = by_size(2000, 8000, 8000)


def copy(source, target):
    """The files that count, with holes where room was taken ahead; what is only room or being made is left out."""
    os.mkdir(target)
    for name in os.listdir(source):
        if name == "MANIFEST" or name.endswith((".pj", ".ps")):
            with open(os.path.join(source, name), "rb") as old, open(os.path.join(target, name), "wb") as new:
                data = old.read()
                new.write(data.rstrip(b"\0"))
                new.truncate(len(data))


class DataSet:
    """whole/, at-LSN/ and clean, as damage.c wants them."""

    def __init__(self, rng, stopped, rows_max, batches):
        self.folder = temp_dir()
        server = Server().start()
        client, book = server.client(), ledgers.Ledger(rng, rows_max=rows_max, customers=rows_max * 5)
        for number in range(1, batches + 1):
            batch = book.next()
            book.acknowledge(batch, client.call("load." + batch.table, batch.params))
            if number in SNAPSHOTS_AFTER:
                client.call("snapshot.save")
            time.sleep(MARK_SECONDS)
            copy(server.data, os.path.join(self.folder, "at-%d" % number))
        client.close()
        if stopped:
            server.stop()
            open(os.path.join(self.folder, "clean"), "w").close()
        server.forget()
        copy(server.data, os.path.join(self.folder, "whole"))


def scratch():
    """A folder in memory, where there is one."""
    folder = tempfile.mkdtemp(prefix="patron-test-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    return folder


COUNTS = ("tried", "exact", "refused", "salvaged", "lost", "cut", "untold", "gap")


def damage(tally, name, mode, data_set, count, seconds):
    """One part of the row; what earlier runs did of it is in the tally's state."""
    folder = scratch()
    try:
        done = subprocess.run([program("BATTERY_DAMAGE"), mode, data_set.folder, folder, str(tally.part_seed()), str(count), str(int(seconds))],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    *said, last = done.stdout.splitlines() or [""]
    for line in said + ([last] if done.returncode else []):
        if line.startswith("VIOLATION"):
            tally.violation(line)
    check(done.returncode == 0 or tally.violations, "battery_damage ended with %d: %s", done.returncode, done.stderr[-2000:])
    if done.returncode:
        return
    figures = json.loads(last)
    tally.cycles += figures["tried"]
    tally.fault("flipped bit" if mode == "bits" else "damaged file", figures["hit"], figures["tried"])
    sums = tally.state.setdefault(name, dict.fromkeys(COUNTS, 0))
    for what in COUNTS:
        sums[what] = sums.get(what, 0) + figures[what]
    tally.extra[name] = ("%(tried)d tried: %(exact)d told and exact, %(refused)d refused by name (%(salvaged)d read with --salvage, "
                         "%(lost)d batches lost and named), %(cut)d cut and told, %(untold)d exact and nothing to tell, %(gap)d in the documented gap" % sums)
    tally.report()


def parts(goal):
    """(name, mode, stopped, big, how many flips are wanted): whole files once, then bits of the small sets, then of big ones."""
    ends = ((False, "killed"), (True, "stopped"))
    few = goal // BIG_SHARE // 2
    return ([("files, small set, " + how, "files", stopped, False, 1) for stopped, how in ends] +
            [("bits, small set, " + how, "bits", stopped, False, goal // 2 - few) for stopped, how in ends] +
            [("bits, big set, " + how, "bits", stopped, True, few) for stopped, how in ends])


def run():
    tally = Tally("damage", 3000, 12000, 100000)
    rng = random.Random(tally.part_seed())
    left = [part for part in parts(tally.goal) if tally.state.get(part[0], {"tried": 0})["tried"] < part[4]]
    sets = {}
    for i, (name, mode, stopped, big, wanted) in enumerate(left):
        if tally.broken() or not tally.time_left():
            break
        if (stopped, big) not in sets:
            sets[stopped, big] = DataSet(rng, stopped, BIG_ROWS if big else SMALL_ROWS, BATCHES)
        # What a part does not need goes to those behind it.
        seconds = max(1, tally.seconds_left() // (len(left) - i))
        damage(tally, name, mode, sets[stopped, big], wanted - tally.state.get(name, {"tried": 0})["tried"], seconds)
    tally.finish()


if __name__ == "__main__":
    main(run)
