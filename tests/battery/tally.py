"""What one row of the battery did: cycles run, faults injected, faults that hit, violations; and when it has done enough.

A row runs until it has its figure or its time is up. `BATTERY_SECONDS` gives the time, `BATTERY_GOAL` another figure, for one
thing to be looked at. A line `battery: {...}` with all figures is printed every few seconds and at the end, also when the row is
ended from outside; tools/battery collects the last one. Given back in `BATTERY_EARLIER`, the row goes on from there and its figures add up.
"""

import atexit
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
# Between two lines of figures, of which a row that is killed loses the last; and between two for people.
REPORT_SECONDS = 10
SHOW_SECONDS = 60
# Runs of one seed that are to do something else each time, by programs that know no cycles.
PART_STEP = 1 << 32


class Tally:
    def __init__(self, name, short, normal, full):
        self.name, self.seed = name, seed()
        earlier = json.loads(os.environ.get("BATTERY_EARLIER") or "{}")
        # Other seeds have done their part of the figure.
        self.goal = max(0, int(os.environ.get("BATTERY_GOAL") or by_size(short, normal, full)) - earlier.get("elsewhere", 0))
        self.started = self.shown = self.reported = time.monotonic()
        seconds = float(os.environ.get("BATTERY_SECONDS") or 0)
        self.deadline = self.started + seconds if seconds > 0 else None
        self.violations = []
        self.violations_earlier, self.seconds_earlier, self.runs = (earlier.get(key, 0) for key in ("violations", "seconds", "runs"))
        self.cycles, self.injected, self.hit = (earlier.get(key, 0) for key in ("cycles", "injected", "hit"))
        self.kinds = {kind: tuple(counts) for kind, counts in earlier.get("kinds", {}).items()}
        self.extra = earlier.get("extra", {})
        self.state = earlier.get("state", {})  # the row's own: how far it is
        self.finished = False
        atexit.register(self._report_unfinished)

    def rng(self, cycle):
        """A cycle's own numbers, so that one can be looked at without those before it."""
        return random.Random("%d/%s/%d" % (self.seed, self.name, cycle))

    def part_seed(self):
        """The seed for a program that draws everything from one: another one each time that this row goes on."""
        return self.seed + self.runs * PART_STEP

    def time_left(self):
        return self.deadline is None or time.monotonic() < self.deadline

    def seconds_left(self):
        """For a program that wants whole ones."""
        return 86400 if self.deadline is None else max(1, int(self.deadline - time.monotonic()))

    def broken(self):
        return len(self.violations) >= VIOLATIONS_MAX

    def go_on(self):
        self.show()
        return self.cycles < self.goal and self.time_left() and not self.broken()

    def fault(self, kind, hit, count=1):
        """A fault was injected, or `count` of them; `hit` says whether it met something under way, or how many did."""
        hits = int(hit)
        injected, hits_before = self.kinds.get(kind, (0, 0))
        self.kinds[kind] = (injected + count, hits_before + hits)
        self.injected += count
        self.hit += hits

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
        if now - self.reported >= REPORT_SECONDS:
            self.report()
        if now - self.shown >= SHOW_SECONDS:
            self.shown = now
            print("%s: %d of %d cycles, %d faults, %d hit, %d violations, %d s" % (
                self.name, self.cycles, self.goal, self.injected, self.hit, self._violations(), self._seconds()), flush=True)

    def _violations(self):
        return self.violations_earlier + len(self.violations)

    def _seconds(self):
        return round(self.seconds_earlier + time.monotonic() - self.started, 1)

    def report(self):
        self.reported = time.monotonic()
        print("battery: " + json.dumps({
            "name": self.name, "seed": self.seed, "goal": self.goal, "cycles": self.cycles, "injected": self.injected,
            "hit": self.hit, "violations": self._violations(), "seconds": self._seconds(), "runs": self.runs + 1,
            "kinds": self.kinds, "extra": self.extra, "state": self.state}), flush=True)

    def _report_unfinished(self):
        if not self.finished:
            self.report()

    def finish(self):
        """Prints the figures; fails when a promise was broken."""
        for kind, (injected, hit) in sorted(self.kinds.items()):
            print("  %-32s %7d injected, %7d hit" % (kind, injected, hit))
        for what, figure in self.extra.items():
            print("  %-32s %s" % (what, figure))
        self.report()
        self.finished = True
        if self.violations:
            raise Failed("%d violations" % len(self.violations))
