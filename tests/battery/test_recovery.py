#!/usr/bin/python3
"""A recovery that is killed, whose recovery is killed, whose recovery is killed; then what is there is what was acknowledged.

Each kill lands on a call by which recovery changes files (cutting a torn tail, writing again what was not proven synced, the
manifest, removing what nobody names), before it, behind it, or in the middle of a write. What is recovered from was left by a kill
of the same sort in a commit or a snapshot.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cutting  # noqa: E402
import ledger as ledgers  # noqa: E402
from cycles import Flight, Life, feed  # noqa: E402
from patron_test import main  # noqa: E402
from tally import Tally  # noqa: E402

DEPTH = 3


class CutLife(Life):
    def __init__(self, tally, cut):
        super().__init__(tally)
        self.cut = cut

    def fresh(self, rng):
        self.end()
        self.cut.rest()
        self.server = cutting.CutServer(self.cut).start()
        self.book = ledgers.Ledger(rng)
        return self


def kill_at_call(life, rng):
    """In a commit or a snapshot. Gives whether the call came."""
    life.cut.arm(rng.randrange(1, 30), cutting.KILL, rng.choice((cutting.BEFORE, cutting.AFTER, cutting.HALF)))
    flight = Flight(life.server, life.book)
    try:
        feed(flight, life.book, rng, rng.randrange(4, 16))
        flight.send("snapshot.save")
        while flight.waiting:
            flight.take()
    except (ConnectionError, OSError):
        pass
    hit = life.cut.fired > 0
    life.server.kill()
    flight.drain()
    return hit


def kill_recovery(life, rng, calls):
    """Gives whether the recovery was killed before it could answer."""
    life.cut.arm(rng.randrange(1, calls + 1), cutting.KILL, rng.choice((cutting.BEFORE, cutting.AFTER, cutting.HALF)))
    life.server.spawn()
    said = life.server._read_line()
    hit = life.cut.fired > 0 and not said
    life.server.kill()
    return hit


def cycle(life, tally, rng):
    tally.fault("kill at a call of a commit or snapshot", kill_at_call(life, rng))
    calls = 8  # a few more than most recoveries make
    for depth in range(DEPTH):
        tally.fault("kill at a call of recovery %d" % (depth + 1), kill_recovery(life, rng, calls))
    life.cut.rest()
    life.server.start()
    life.judge(tally.cycles)


def run():
    tally, cut = Tally("recovery", 10, 30, 100), cutting.Cut()
    life = CutLife(tally, cut)
    while tally.go_on():
        rng = tally.rng(tally.cycles)
        if life.worn():
            life.fresh(rng)
        try:
            cycle(life, tally, rng)
        except Exception as error:  # whatever went wrong, the next server is a new one
            tally.violation("%s: %s" % (type(error).__name__, error))
            life.end()
            life.server = None
        tally.cycles += 1
    life.end()
    tally.finish()


if __name__ == "__main__":
    main(run)
