#!/usr/bin/python3
"""Replays every kept sequence (cases/*.ops): each of them once found a fault."""

import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from ops import fails, read_ops  # noqa: E402
from patron_test import check, main, program  # noqa: E402


def run():
    program("PATROND")
    problems = []
    for path in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases", "*.ops"))):
        problem = fails(read_ops(path))
        print("%s  %s" % ("FAILED" if problem else "ok    ", os.path.basename(path)), flush=True)
        if problem:
            problems.append("%s: %s" % (path, problem))
    check(not problems, "%s", "\n".join(problems))


if __name__ == "__main__":
    main(run)
