#!/usr/bin/python3
"""Each sync of `patron backup` and `patron restore` is asked of the system, and one that fails is told: what is not on the disk
is not there as a whole, and the next try works."""

import errno
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import cutting  # noqa: E402
from patron_test import check, equal, main, program, serving, temp_dir  # noqa: E402


def patron(cut, *arguments):
    return subprocess.run([program("PATRON"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=cut.environment(), timeout=300)


def each_sync(cut, what, target, named_last, *command):
    """Runs it with no sync failing, then with each in turn. Gives how many there are. `named_last`: the last one is of the name
    that the whole has already."""
    cut.rest()
    cut.kinds = cutting.SYNC
    done = patron(cut, *command, target(0))
    equal(done.returncode, 0, "%s; it said %s" % (what, done.stdout.decode()))
    syncs = cut.calls
    for at in range(1, syncs + 1):
        cut.arm(at, cutting.FAIL, argument=errno.EIO, kinds=cutting.SYNC)
        done = patron(cut, *command, target(at))
        equal(cut.fired, 1, "sync %d of %s" % (at, what))
        equal(done.returncode, 1, "%s when sync %d of %d fails; it said %s" % (what, at, syncs, done.stdout.decode()))
        check(b"Input/output error" in done.stdout, "what failed is said: %r", done.stdout)
        equal(os.path.exists(os.path.join(target(at), "MANIFEST")), named_last and at == syncs, "%s is there though sync %d of %d failed" % (what, at, syncs))
    cut.rest()
    done = patron(cut, *command, target(syncs + 1))
    equal(done.returncode, 0, "%s after all that; it said %s" % (what, done.stdout.decode()))
    return syncs


def run():
    cut, folder = cutting.Cut(), temp_dir()
    with serving() as (server, client):
        client.call("load.orders", {"producer": "p", "seq": 1, "columns": {"order": [1, 2], "customer": [1, 2], "time": ["2024-01-01"] * 2, "amount": ["1"] * 2,
                                                                          "currency": ["GBP"] * 2}})
        syncs = each_sync(cut, "backup", lambda n: os.path.join(folder, "backup-%d" % n), True, "--connect", server.address(), "backup")
    backup = os.path.join(folder, "backup-0")
    files = len([name for name in os.listdir(backup) if name != "lock"])
    # Each file; the directory's own name, what is in it, and its last name.
    equal(syncs, files + 3, "syncs of a backup of %d files" % files)
    restored = each_sync(cut, "restore", lambda n: os.path.join(folder, "restored-%d" % n), False, "restore", backup)
    check(restored >= files + 2, "%d syncs of a restore of %d files", restored, files)
    print("ok  %d syncs of a backup, %d of a restore, each failed once" % (syncs, restored), flush=True)


if __name__ == "__main__":
    main(run)
