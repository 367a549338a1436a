#!/usr/bin/python3
"""Damaged files: flipped bits, and files cut, missing, swapped, rolled back, with garbage behind them, with a page of zeros.

Data sets are made by a real server, once left as a kill leaves it and once stopped in order, copied after each batch. damage.c
damages them in memory and lets the engine open them, thousands a second: each byte of the small set, random bits of a big one.
A damage hit when somebody told of it or refused; some bytes of files mean nothing (what a killed server had preallocated, a
journal that only an older snapshot needs), and then the answers must be exact.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import ledger as ledgers  # noqa: E402
from patron_test import Server, by_size, check, main, program, temp_dir  # noqa: E402
from tally import VIOLATIONS_MAX, Tally  # noqa: E402

BATCHES = 12
SNAPSHOTS_AFTER = (4, 8)
# After an answer the journal says within some milliseconds that it is on disk; the copies are to have that.
MARK_SECONDS = 0.03
# Of the flips that are wanted, so many fall on the big sets.
BIG_SHARE = 20
BIG_ROWS = by_size(2000, 20000, 40000)


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


def damage(tally, mode, data_set, count, kind):
    folder = scratch()
    seconds = 86400 if tally.deadline is None else max(1, int(tally.deadline - time.monotonic()))
    try:
        done = subprocess.run([program("BATTERY_DAMAGE"), mode, data_set.folder, folder, str(tally.seed), str(count), str(seconds)],
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
    tally.injected += figures["tried"]
    tally.hit += figures["hit"]
    tally.extra[kind] = ("%(tried)d tried on %(bytes)d bytes: %(exact)d told and exact, %(refused)d refused by name, %(cut)d cut and told, "
                         "%(untold)d exact and nothing to tell, %(gap)d in the documented gap" % figures)


def run():
    tally = Tally("damage", 3000, 12000, 100000)
    rng = tally.rng(0)
    for stopped in (False, True):
        small = DataSet(rng, stopped, 3, BATCHES)
        how = "stopped" if stopped else "killed"
        damage(tally, "files", small, 0, "files, small set, " + how)
        if len(tally.violations) < VIOLATIONS_MAX:
            damage(tally, "bits", small, tally.goal // 2 - tally.goal // BIG_SHARE // 2, "bits, small set, " + how)
    for stopped in (False, True):
        if len(tally.violations) < VIOLATIONS_MAX and tally.time_left():
            big = DataSet(rng, stopped, BIG_ROWS, BATCHES)
            damage(tally, "bits", big, tally.goal // BIG_SHARE // 2, "bits, big set, " + ("stopped" if stopped else "killed"))
    tally.finish()


if __name__ == "__main__":
    main(run)
