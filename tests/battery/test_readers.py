#!/usr/bin/python3
"""Readers under load: every answer is that of the version it names. readers.c is the client: one writer that keeps a ledger of each
version, four readers with 64 questions in flight each. There are no faults here but the load itself: each read is a cycle, each
version that a writer made under the readers counts as injected and hit."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, check, main, program  # noqa: E402
from tally import Tally  # noqa: E402

THREADS = 4


def read(tally):
    """One server, one writer, until enough was read; figures come every few seconds."""
    server = Server(extra=["--memory", "1G"]).start()
    before = tally.cycles, tally.kinds.get("version", (0, 0))[0]
    process = subprocess.Popen([program("BATTERY_READERS"), str(server.port), str(tally.goal - tally.cycles), str(tally.seconds_left()),
                                str(tally.part_seed()), str(THREADS)], stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if not line.startswith("{"):
                tally.violation(line)
                continue
            figures = json.loads(line)
            tally.cycles = before[0] + figures["reads"]
            versions = before[1] + figures["versions"] - tally.kinds.get("version", (0, 0))[0]
            tally.fault("version", versions, versions)
            tally.show()
    except BaseException:  # this program is ended from outside
        process.kill()
        raise
    check(process.wait() == 0, "battery_readers ended with %d", process.returncode)
    client = server.client()
    check(client.call("verify")["ok"], "verify")
    client.close()
    server.stop()


def run():
    tally = Tally("readers", 20000, 200000, 10000000)
    if tally.go_on():
        read(tally)
    tally.finish()


if __name__ == "__main__":
    main(run)
