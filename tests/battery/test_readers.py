#!/usr/bin/python3
"""Readers under load: every answer is that of the version it names. readers.c is the client: one writer that keeps a ledger of each
version, four readers with 64 questions in flight each. There are no faults here but the load itself: each read is a cycle, each
version that a writer made under the readers counts as injected and hit."""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, check, main, program  # noqa: E402
from tally import Tally  # noqa: E402

THREADS = 4


def run():
    tally = Tally("readers", 20000, 200000, 10000000)
    server = Server(extra=["--memory", "1G"]).start()
    seconds = 86400 if tally.deadline is None else max(1, int(tally.deadline - time.monotonic()))
    done = subprocess.run([program("BATTERY_READERS"), str(server.port), str(tally.goal), str(seconds), str(tally.seed), str(THREADS)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    *said, last = done.stdout.splitlines() or [""]
    for line in said:
        tally.violation(line)
    check(done.returncode == 0, "battery_readers ended with %d: %s", done.returncode, done.stderr[-2000:])
    figures = json.loads(last)
    tally.cycles, tally.injected, tally.hit = figures["reads"], figures["versions"], figures["versions"]
    client = server.client()
    check(client.call("verify")["ok"], "verify")
    client.close()
    server.stop()
    tally.finish()


if __name__ == "__main__":
    main(run)
