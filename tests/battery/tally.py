"""What one row of the battery did: cycles run, faults injected, faults that hit, violations; and when it has done enough.

A row runs until it has its figure or its time is up. `BATTERY_SECONDS` gives the time, `BATTERY_GOAL` another figure, for one
thing to be looked at. The last line that a row prints is `battery: {...}`, which tools/battery collects.
"""

import json
import os
import random
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Failed, RpcError, by_size, seed  # noqa: E402

# After so many violations the row has shown what is wrong.
VIOLATIONS_MAX = 10


class Tally:
    def __init__(self, name, short, normal, full):
        self.name, self.seed = name, seed()
        self.goal = int(os.environ.get("BATTERY_GOAL") or by_size(short, normal, full))
        self.started = time.monotonic()
        seconds = float(os.environ.get("BATTERY_SECONDS") or 0)
        self.deadline = self.started + seconds if seconds > 0 else None
        self.cycles = self.injected = self.hit = 0
        self.violations = []
        self.kinds = {}
        self.extra = {}
        self.shown = self.started

    def rng(self, cycle):
        """A cycle's own numbers, so that one can be looked at without those before it."""
        return random.Random("%d/%s/%d" % (self.seed, self.name, cycle))

    def time_left(self):
        return self.deadline is None or time.monotonic() < self.deadline

    def go_on(self):
        self.show()
        return self.cycles < self.goal and self.time_left() and len(self.violations) < VIOLATIONS_MAX

    def fault(self, kind, hit):
        """A fault was injected; `hit` says whether it met something under way."""
        self.injected += 1
        self.hit += bool(hit)
        injected, hits = self.kinds.get(kind, (0, 0))
        self.kinds[kind] = (injected + 1, hits + bool(hit))

    def violation(self, text):
        self.violations.append(text)
        print("VIOLATION in cycle %d of seed %d: %s" % (self.cycles, self.seed, text), flush=True)

    def holds(self, judge, *args):
        """Calls judge(*args). A check in it that does not hold is a violation; True when all did."""
        try:
            judge(*args)
            return True
        except (Failed, RpcError, ConnectionError, TimeoutError):
            self.violation(traceback.format_exc())
            return False

    def show(self):
        now = time.monotonic()
        if now - self.shown < 10:
            return
        self.shown = now
        print("%s: %d of %d cycles, %d faults, %d hit, %d violations, %d s" % (
            self.name, self.cycles, self.goal, self.injected, self.hit, len(self.violations), now - self.started), flush=True)

    def finish(self):
        """Prints the figures; fails when a promise was broken or the figure was not reached without a limit on time."""
        for kind, (injected, hit) in sorted(self.kinds.items()):
            print("  %-32s %7d injected, %7d hit" % (kind, injected, hit))
        for what, figure in self.extra.items():
            print("  %-32s %s" % (what, figure))
        print("battery: " + json.dumps({
            "name": self.name, "seed": self.seed, "goal": self.goal, "cycles": self.cycles, "injected": self.injected,
            "hit": self.hit, "violations": len(self.violations), "seconds": round(time.monotonic() - self.started, 1),
            "extra": self.extra}), flush=True)
        if self.violations:
            raise Failed("%d violations" % len(self.violations))
