#!/usr/bin/env python3
"""verify and the scrub beside a server's work: no false alarm while batches, journal files and snapshots come and go; a byte that
changes on disk is named, told in the log, and gone after a new snapshot, with nothing lost."""

import glob
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import WAIT_SECONDS, RpcError, Server, by_size, check, equal, flip, main, patron, seed  # noqa: E402

BATCHES = by_size(200, 2000, 20000)
ROWS = 40


def orders(rng, seq):
    numbers = rng.sample(range(20000), ROWS)
    return {"producer": "verify", "seq": seq, "columns": {
        "order": numbers, "customer": [number % 3000 for number in numbers],
        "time": ["2024-%02d-%02dT10:00:00Z" % (rng.randrange(1, 13), rng.randrange(1, 29)) for _ in range(ROWS)],
        "amount_minor": [rng.randrange(100000) for _ in range(ROWS)], "currency": ["GBP"] * ROWS}}


def until(what, test):
    deadline = time.monotonic() + WAIT_SECONDS
    while not test():
        check(time.monotonic() < deadline, "waited for %s", what)
        time.sleep(0.05)


class Loader(threading.Thread):
    """Loads batches, one after the other, and saves a snapshot now and then."""

    def __init__(self, server, rng, batches):
        super().__init__()
        self.client, self.rng, self.batches, self.failure = server.client(), rng, batches, None

    def run(self):
        try:
            for seq in range(1, self.batches + 1):
                self.client.call("load.orders", orders(self.rng, seq))
                if seq % 50 == 0:
                    self.save()
        except Exception as error:  # told by whoever joins
            self.failure = error

    def save(self):
        try:
            self.client.call("snapshot.save")
        except RpcError as error:
            if error.code != "BUSY":
                raise


def no_false_alarm(rng):
    """Thousands of batches, snapshots between them, a scrub without end and `verify` again and again."""
    server = Server(extra=["--verify-every", "1s", "--snapshot-every", "1s"]).start()
    client, loader = server.client(), Loader(server, rng, BATCHES)
    loader.start()
    verified, lsn = 0, 0
    while loader.is_alive():
        answer = client.call("verify")
        check(answer["ok"] and "damaged" not in answer, "verify said %r", answer)
        check(answer["lsn"] >= lsn, "lsn %d after %d", answer["lsn"], lsn)
        verified, lsn = verified + 1, answer["lsn"]
    loader.join()
    if loader.failure:
        raise loader.failure
    until("a scrub of all of it", lambda: client.call("status")["scrub"].get("lsn", 0) >= BATCHES)
    scrub = client.call("status")["scrub"]
    equal((scrub["findings"], scrub["damaged_files"]), (0, 0), "scrub: %r" % scrub)
    check(scrub["bytes"] > 0 and scrub["rows"] > 0 and scrub["files"] >= 4, "scrub: %r", scrub)
    log = server.log_since(0)
    check("event=verified" in log and "event=damaged" not in log and "mending" not in log, "log: %s", server.log_tail())
    print("ok  %d batches, %d times verified, %d scrubs, %d snapshots" % (
        BATCHES, verified, log.count("event=verified"), log.count("event=snapshot-saved")), flush=True)
    server.stop()
    return server


def state(client):
    answer = client.call("control", {"table": "orders", "by": "currency"})
    return {key: value for key, value in answer.items() if key not in ("ms", "lsn", "epoch")}


def files(server, pattern):
    return sorted(glob.glob(os.path.join(server.data, pattern)))


def damage_is_found_and_mended(server, rng):
    """By the scrub alone: nobody asks."""
    server.extra = ["--verify-every", "1s", "--snapshot-every", "0"]
    server.start()
    client = server.client()
    for seq, pattern in enumerate(("snapshot-*.ps", "journal-*.pj", "MANIFEST"), BATCHES + 1):
        client.call("load.orders", orders(rng, seq))
        before = state(client)
        path = files(server, pattern)[-1]
        mark = server.log_size()
        flip(path, rng.randrange(100, 200), 2)
        name = os.path.basename(path)
        until("event=mended of %s" % name, lambda: "event=mended" in server.log_since(mark))
        log = server.log_since(mark)
        check("level=error event=damaged" in log and "file=%s" % name in log, "%s: log %s", name, log)
        check("event=mending" in log and "event=snapshot-saved" in log, "%s: log %s", name, log)
        equal(client.call("status")["scrub"]["damaged_files"], 0, "damaged files after that")
        answer = client.call("verify")
        check(answer["ok"], "verify after that: %r", answer)
        equal(state(client), before, "what is served")
    server.kill()
    server.start()
    equal(state(server.client()), before, "after kill -9")
    check("not used" not in server.log_since(mark), "recovered from the new files: %s", server.log_tail())
    print("ok  found and mended by itself: a snapshot, the journal, the manifest", flush=True)


def verify_names_it(server, rng):
    """Asked for, in the answer and in the command line; with the scrub turned off by config."""
    server.kill()
    server.extra = ["--verify-every", "off"]
    server.start()
    client = server.client()
    client.call("load.orders", orders(rng, BATCHES + 4))
    client.call("snapshot.save")
    equal(client.call("status")["scrub"], {"every_ms": 0, "running": False, "damaged_files": 0}, "no scrub")
    # Whoever waits for a snapshot is told before the oldest one is removed: that one is damaged to no end.
    until("two snapshots", lambda: len(files(server, "snapshot-*.ps")) == 2)
    path = files(server, "snapshot-*.ps")[0]
    flip(path, 1000, 2)
    code, out, err = patron(server, "verify", expect=1)
    check(os.path.basename(path) in out and "CORRUPT" in err, "patron verify: %d %s %s", code, out, err)
    until("a mended directory", lambda: client.call("verify")["ok"])
    server.stop()
    print("ok  named when asked for", flush=True)


def run():
    rng = random.Random(seed())
    server = no_false_alarm(rng)
    damage_is_found_and_mended(server, rng)
    verify_names_it(server, rng)


if __name__ == "__main__":
    main(run)
