#!/usr/bin/python3
"""A short life under valgrind's memcheck: start on a directory with a journal and a snapshot, load every table, ask every kind of
question, snapshot, stop; no report, and nothing definitely lost. Needs valgrind."""

import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import ledger as ledgers  # noqa: E402
from patron_test import RpcError, Server, Skip, check, main  # noqa: E402
from tally import Tally  # noqa: E402

# memcheck knows no AVX-512; a report ends in this exit status.
REPORTED = 99
BATCHES = 8
DAY = {"as_of": "2025-01-01"}
QUESTIONS = [
    ("status", {}), ("schema", {}), ("control", {"table": "orders", "by": "month"}), ("customer", {"customer": 1, "with": ["orders", "refunds"]}),
    ("count", {"where": "orders >= 2 AND country IN ('BR', 'MX')", **DAY}), ("rows", {"fields": ["customer", "net"], "order_by": ["-net"], "limit": 5, **DAY}),
    ("group", {"by": ["country"], "metrics": ["count", "avg(net)", "p95(net)"], **DAY}), ("rfm.grid", {"window": "all", **DAY}), ("rfm.groups", DAY),
    ("cohort", {"by": "month", "metric": "net", **DAY}), ("clv.fit", {"model": "bg_nbd", "unit": "day", "end": "2024-12-31"}),
    ("clv.top", {"limit": 3}), ("verify", {}), ("load.state", {"producer": "till"}), ("filter.parse", {"text": "net > 5 OR NOT (orders < 2)"}),
    ("count", {"where": "nonsense ="}), ("batch", {"calls": [["count", DAY], ["rfm.grid", {"window": "365d", **DAY}]]}),
]


class Watched(Server):
    """A patrond under memcheck."""

    def command(self, **options):
        return ["valgrind", "--quiet", "--error-exitcode=%d" % REPORTED, "--leak-check=full", "--errors-for-leak-kinds=definite",
                "--show-leak-kinds=definite"] + super().command(**options) + ["--cpu", "auto", "--workers", "2"]


def life(server, book, rng):
    """Loads, questions, a snapshot. The server stops in order, and valgrind has nothing to say."""
    server.start()
    client = server.client()
    for _ in range(BATCHES):
        batch = book.next()
        book.acknowledge(batch, client.call("load." + batch.table, batch.params))
    client.call("snapshot.save")
    for method, params in rng.sample(QUESTIONS, len(QUESTIONS)):
        try:
            client.call(method, params)
            book.other_writes += method == "clv.fit"
        except RpcError as error:
            check(error.code in ("BAD_REQUEST", "NO_FIT", "UNKNOWN_FIELD", "NOT_FOUND"), "%s %r: %s", method, params, error)
    book.repeat_some(client, 2)
    book.judge(client)
    client.close()
    mark = server.log_size()
    server.process.terminate()
    code = server.process.wait()
    check(code == 0, "exit status %d under valgrind (%d: it reported); it said:\n%s", code, REPORTED, server.log_since(mark))


def run():
    if shutil.which("valgrind") is None:
        raise Skip("valgrind is not installed")
    tally = Tally("valgrind", 1, 1, 20)
    while tally.go_on():
        rng = tally.rng(tally.cycles)
        server, book = Watched(), ledgers.Ledger(rng)
        # Twice on one directory, so that the way back from a snapshot is watched, too.
        if tally.holds(life, server, book, rng):
            tally.holds(life, server, book, rng)
        server.forget()
        tally.cycles += 1
    tally.finish()


if __name__ == "__main__":
    main(run)
