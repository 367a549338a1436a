#!/usr/bin/python3
"""kill -9 at random moments of ingest, questions, snapshots, a clean stop and recovery: nothing acknowledged is lost, nothing is
there twice, nothing is there in part.

A kill hit when something was under way: batches without an answer, a snapshot being written, a start or a stop not finished.
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cycles import Flight, Life, feed, nap  # noqa: E402
from patron_test import main  # noqa: E402
from tally import Tally  # noqa: E402


def kill_ingest(life, rng):
    flight = Flight(life.server, life.book)
    feed(flight, life.book, rng, rng.randrange(1, 20))
    nap(rng, 0.02)
    life.server.kill()
    return flight.drain() > 0


def kill_snapshot(life, rng):
    flight = Flight(life.server, life.book)
    feed(flight, life.book, rng, rng.randrange(1, 4))
    while flight.waiting:
        flight.take()
    flight.send("snapshot.save")
    if rng.randrange(2):
        flight.load(life.book.next())
    nap(rng, 0.02)
    life.server.kill()
    return flight.drain() > 0


def kill_stop(life, rng):
    flight = Flight(life.server, life.book)
    feed(flight, life.book, rng, rng.randrange(1, 6))
    life.server.process.send_signal(signal.SIGTERM)
    nap(rng, 0.03)
    hit = life.server.alive()
    life.server.kill()
    flight.drain()
    return hit


def kill_start(life, rng, start_seconds):
    """Kills a server that is coming up. Gives whether it was."""
    life.server.spawn()
    time.sleep(rng.random() * start_seconds)
    os.set_blocking(life.server.process.stdout.fileno(), False)
    life.server.process.kill()
    life.server.process.wait()
    hit = not life.server.process.stdout.read()
    life.server.kill()
    return hit


KINDS = {"ingest": kill_ingest, "snapshot": kill_snapshot, "stop": kill_stop}


def cycle(life, tally, rng, start_seconds):
    kind = rng.choice(("ingest", "ingest", "ingest", "snapshot", "snapshot", "stop"))
    tally.fault("kill during " + kind, KINDS[kind](life, rng))
    if rng.randrange(4) == 0:
        tally.fault("kill during recovery", kill_start(life, rng, start_seconds))
    started = time.monotonic()
    life.server.start()
    seconds = time.monotonic() - started
    life.judge(tally.cycles)
    return seconds


def run():
    tally = Tally("kill", 25, 110, 1000)
    life, start_seconds = Life(tally), 0.1
    while tally.go_on():
        rng = tally.rng(tally.cycles)
        if life.worn():
            life.fresh(rng)
        try:
            start_seconds = 0.8 * start_seconds + 0.2 * cycle(life, tally, rng, start_seconds)
        except Exception as error:  # whatever went wrong, the next server is a new one
            tally.violation("%s: %s" % (type(error).__name__, error))
            life.end()
            life.server = None
        tally.cycles += 1
    life.end()
    tally.finish()


if __name__ == "__main__":
    main(run)
