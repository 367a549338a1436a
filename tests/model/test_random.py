#!/usr/bin/python3
"""Random operations against a real patrond and the naive model; every answer must be equal.

    test_random.py                 a new seed (printed), or PATRON_SEED
    test_random.py --shrink FILE   makes a failing sequence smaller, in place
    test_random.py --replay FILE   runs one sequence
"""

import os
import random
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from ops import Maker, Pair, fails, read_ops, shrink, write_ops  # noqa: E402
from patron_test import Failed, by_size, check, main, program, seed  # noqa: E402


def make(number, count):
    maker = Maker(random.Random(number))
    operations = [maker.config()]
    while len(operations) < count:
        operations += maker.next()
    return operations + [{"op": "counts"}]


def run_sequence(number, count):
    operations = make(number, count)
    try:
        Pair().run(operations)
    except Failed:
        handle, path = tempfile.mkstemp(prefix="patron-seed-%d-" % number, suffix=".ops")
        os.close(handle)
        write_ops(path, operations)
        print("the operations are in %s; make them fewer with\n    %s --shrink %s\nand keep them with\n"
              "    cp %s %s/cases/<what-went-wrong>.ops" % (
                  path, sys.argv[0], path, path, os.path.dirname(os.path.abspath(__file__))), flush=True)
        raise


def random_run():
    number = seed()
    # Several shorter lives see more zones, currencies and first steps than a long one does.
    lives = by_size(1, 6, 30)
    for life in range(lives):
        run_sequence(number + life, by_size(300, 500, 1000))
        print("seed %d: equal" % (number + life), flush=True)


def shrink_file(path):
    operations = read_ops(path)
    check(fails(operations) is not None, "%s does not fail", path)
    operations = shrink(operations)
    write_ops(path, operations)
    print("%d operations left in %s:\n%s" % (len(operations), path, fails(operations)))


def run():
    program("PATROND")
    if sys.argv[1:2] == ["--shrink"]:
        shrink_file(sys.argv[2])
    elif sys.argv[1:2] == ["--replay"]:
        Pair().run(read_ops(sys.argv[2]))
    else:
        random_run()


if __name__ == "__main__":
    main(run)
