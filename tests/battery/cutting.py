"""What tests/battery/cut.c is told, and what it counts: its library under a program, the file that they share."""

import mmap
import os
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, program, temp_dir  # noqa: E402

WRITE, SYNC, NAME, LENGTH = 1, 2, 4, 8
ALL = WRITE | SYNC | NAME | LENGTH
KILL, POWER, FAIL = 1, 2, 3
BEFORE, AFTER, HALF = 0, 1, 2
WORDS = ("calls", "at", "how", "when", "kinds", "argument", "times", "fired")


class Cut:
    """The shared words, as attributes."""

    def __init__(self):
        handle, self.__dict__["path"] = tempfile.mkstemp(dir=temp_dir())
        os.ftruncate(handle, 8 * len(WORDS))
        self.__dict__["memory"] = mmap.mmap(handle, 8 * len(WORDS))
        os.close(handle)
        self.kinds = ALL

    def __getattr__(self, name):
        return struct.unpack_from("<Q", self.memory, 8 * WORDS.index(name))[0]

    def __setattr__(self, name, value):
        struct.pack_into("<Q", self.memory, 8 * WORDS.index(name), value)

    def rest(self):
        """Counts from 0 again, and does nothing."""
        self.at = 0
        self.calls = self.fired = 0

    def arm(self, at, how, when=BEFORE, argument=0, times=1, kinds=ALL):
        """The at-th call from now on is the one."""
        self.rest()
        self.kinds, self.how, self.when, self.argument, self.times = kinds, how, when, argument, times
        self.at = at

    def environment(self, mount=None):
        result = dict(os.environ, LD_PRELOAD=program("BATTERY_CUT_LIBRARY"), BATTERY_CUT=self.path)
        if mount is not None:
            result["BATTERY_CUT_MOUNT"] = mount
        return result


class CutServer(Server):
    """A patrond over the library."""

    def __init__(self, cut, mount=None, **options):
        super().__init__(**options)
        self.environment = cut.environment(mount)
