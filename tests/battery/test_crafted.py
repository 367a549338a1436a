#!/usr/bin/python3
"""A million ids made to collide are found as fast as a million random ones: crafted.c counts the probes of each in the store's own
index. A cycle is an id; a fault is a family of crafted ids, and hit when it does collide where no secret is used."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import check, main, program  # noqa: E402
from tally import Tally  # noqa: E402


def run():
    tally = Tally("crafted", 200000, 1000000, 1000000)
    if tally.go_on():
        look_up(tally)
    tally.finish()


def look_up(tally):
    done = subprocess.run([program("BATTERY_CRAFTED"), str(tally.goal), str(tally.part_seed())], stdout=subprocess.PIPE, text=True, check=False)
    check(done.returncode == 0, "battery_crafted ended with %d", done.returncode)
    *said, last = done.stdout.splitlines()
    figures = json.loads(last)
    violations = figures.pop("violations")
    for line in said:
        tally.violation(line)
    if violations > len(said):
        tally.violation("p99 of probes over twice that of random ids: %r" % figures)
    for family, (p99, longest) in figures.items():
        tally.extra[family] = "p99 %d probes, longest %d" % (p99, longest)
        tally.cycles += tally.goal
        if family != "random":
            tally.fault(family, family.startswith("texts of one"))


if __name__ == "__main__":
    main(run)
