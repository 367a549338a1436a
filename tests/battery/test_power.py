#!/usr/bin/python3
"""Power cuts: the data directory lies on an ext4 of its own behind a loop device, and EXT4_IOC_SHUTDOWN takes its power away. What
was not synced is gone; what was acknowledged is not.

First at every call that changes files, from the first start over a commit, a snapshot, more commits and a clean stop: before it,
behind it, and in the middle of writes. Then at random moments of ingest and snapshots, in turn with and without the file system's
log, which decides how much of what nobody synced survives. Needs root and loop devices.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cutting  # noqa: E402
import ledger as ledgers  # noqa: E402
from cycles import Flight, Life, feed, nap  # noqa: E402
from patron_test import WAIT_SECONDS, RpcError, Skip, by_size, check, equal, main, temp_dir  # noqa: E402
from tally import Tally  # noqa: E402

# _IOR('X', 125, __u32), and its flags.
EXT4_IOC_SHUTDOWN = 2 << 30 | 4 << 16 | ord("X") << 8 | 125
LOGFLUSH, NOLOGFLUSH = 1, 2
IMAGE_BYTES = 256 << 20
# At sizes below full only every so many boundaries.
STRIDE = by_size(17, 5, 1)
# What loses least and most of what was not synced.
MOUNT_OPTIONS = ("data=ordered", "data=writeback", "data=journal")


class Disk:
    """An image with an ext4 in it, mounted."""

    def __init__(self):
        self.folder = temp_dir()
        self.image, self.mount = os.path.join(self.folder, "image"), os.path.join(self.folder, "mount")
        os.mkdir(self.mount)
        self.mounted = False
        if os.geteuid() != 0 or not os.path.exists("/dev/loop-control") or shutil.which("mkfs.ext4") is None:
            raise Skip("power cuts need root, loop devices and mkfs.ext4")

    def format(self, options):
        self.unmount()
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        try:
            self.attach(options)
        except subprocess.CalledProcessError as error:
            raise Skip("no loop device can be mounted here: %s" % error) from None

    def attach(self, options):
        subprocess.run(["mount", "-t", "ext4", "-o", "loop," + options, self.image, self.mount], check=True,
                       stderr=subprocess.DEVNULL)
        self.options, self.mounted = options, True

    def unmount(self):
        """Waits for those who were killed on it and are not gone yet."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.mounted:
            self.mounted = subprocess.run(["umount", self.mount], stderr=subprocess.DEVNULL, check=False).returncode != 0
            check(not self.mounted or time.monotonic() < deadline, "%s cannot be unmounted", self.mount)
            time.sleep(0.1 if self.mounted else 0)

    def cut(self, flags):
        handle = os.open(self.mount, os.O_RDONLY)
        fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", flags))
        os.close(handle)

    def comes_back(self):
        """Until whoever still held the dead file system has let go of it: a mount before that is the dead one again."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            self.unmount()
            self.attach(self.options)
            try:
                with open(os.path.join(self.mount, "probe"), "w"):
                    return
            except OSError:
                check(time.monotonic() < deadline, "the file system does not come back")
                time.sleep(0.1)

    def data(self):
        return os.path.join(self.mount, "data")


class PoweredLife(Life):
    def __init__(self, tally, cut, disk):
        super().__init__(tally)
        self.cut, self.disk = cut, disk

    def fresh(self, rng):
        self.end()
        self.disk.format(rng.choice(MOUNT_OPTIONS))
        return self.begin(rng)

    def begin(self, rng):
        """On the file system as it is, in a directory that does not exist yet."""
        self.cut.rest()
        self.server = cutting.CutServer(self.cut, self.disk.mount, data=self.disk.data())
        self.server.log_path = os.path.join(self.disk.folder, "log")
        self.book = ledgers.Ledger(rng)
        return self


# ---- every boundary --------------------------------------------------------------------------------------------------


def one_life(life):
    """The same calls each time: start, a commit, a snapshot, commits, a clean stop. Ends early when the power does."""
    flight, server = None, life.server
    server.spawn()
    line = server._read_line()
    if not line:
        return server.kill()
    server._take_ready(line)
    try:
        flight = Flight(server, life.book)  # the power may be gone by then: a thread makes the next journal file
        flight.load(life.book.next())
        flight.take()
        flight.send("snapshot.save")
        flight.take()
        for _ in range(2):
            flight.load(life.book.next())
            flight.take()
    except RpcError as error:  # another thread met the dead disk before the end came: the outcome is unknown
        equal(error.code, "READONLY", "answer without a disk")
    except (ConnectionError, OSError):
        pass
    if flight is not None:
        flight.drain()
    if server.process.poll() is None:
        server.process.terminate()
        server.process.wait()
    return server.kill()


def boundary(life, tally, at, when, flags):
    """Gives whether the call came."""
    rng = tally.rng(0)  # each life is the same
    shutil.rmtree(life.disk.data(), ignore_errors=True)
    life.begin(rng)
    life.cut.arm(at, cutting.POWER, when, flags)
    one_life(life)
    hit = life.cut.fired > 0
    if not hit:
        life.end()
        return False
    tally.fault("power cut at a call", hit)
    if not tally.holds(come_back, life):
        print("  that was at call %d, %s, flags %d" % (at, ("before", "behind", "half")[when], flags))
    life.end()
    return True


def come_back(life):
    life.disk.comes_back()
    life.cut.rest()
    life.server.start()
    life.judge(0)


def every_boundary(life, tally):
    """Goes on at the call behind the last one that was cut in all ways."""
    life.disk.format(MOUNT_OPTIONS[0])
    at = tally.state.get("call") or 1 + tally.seed % STRIDE
    while tally.time_left() and not tally.broken():
        for when, flags in ((cutting.BEFORE, NOLOGFLUSH), (cutting.AFTER, NOLOGFLUSH), (cutting.HALF, NOLOGFLUSH), (cutting.AFTER, LOGFLUSH)):
            if not boundary(life, tally, at, when, flags):
                tally.extra["boundaries"] = "all: %s" % boundaries(tally)
                tally.state["all"] = True
                check(at > STRIDE, "no call was counted: does the library stand under the server?")
                return
        tally.state["calls"] = tally.state.get("calls", 0) + 1
        tally.extra["boundaries"] = "%s, then the time was up" % boundaries(tally)
        tally.show()
        at += STRIDE
        tally.state["call"] = at


def boundaries(tally):
    return "%d calls of a life, each before, behind, half and with the log" % tally.state.get("calls", 0)


# ---- at random -------------------------------------------------------------------------------------------------------


def random_cut(life, tally, rng):
    flight = Flight(life.server, life.book)
    feed(flight, life.book, rng, rng.randrange(1, 16))
    flags = rng.choice((LOGFLUSH, NOLOGFLUSH, NOLOGFLUSH))
    nap(rng, 0.02)
    life.disk.cut(flags)
    if rng.randrange(2):
        nap(rng, 0.02)  # it goes on for a while with a disk that fails
    life.server.kill()
    unanswered = drain_refused(flight)
    tally.fault("power cut, log %s" % ("flushed" if flags == LOGFLUSH else "lost"), unanswered > 0)
    life.disk.comes_back()
    life.server.start()
    life.judge(tally.cycles)


def drain_refused(flight):
    """As Flight.drain; a batch that was refused, since the disk was gone, has an unknown outcome. Gives how many have one."""
    refused = 0
    try:
        while flight.waiting:
            msgid, error, answer = flight.client.receive()
            batch = flight.waiting.pop(msgid)
            if batch is None:
                continue
            if error is None:
                flight.book.acknowledge(batch, answer)
            else:
                equal(error.partition(":")[0], "READONLY", "answer without a disk")
                refused += 1
    except (ConnectionError, OSError):
        pass
    flight.client.close()
    return refused + len(flight.waiting)


def run():
    disk, cut = Disk(), cutting.Cut()
    tally = Tally("power", 6, 15, 300)
    life = PoweredLife(tally, cut, disk)
    try:
        if not tally.state.get("all"):
            every_boundary(life, tally)
        life.server = None
        while tally.go_on():
            rng = tally.rng(1 + tally.cycles)
            if life.worn():
                life.fresh(rng).server.start()
            if not tally.holds(random_cut, life, tally, rng):
                life.end()
                life.server = None
            tally.cycles += 1
    finally:
        life.end()
        disk.unmount()
    tally.finish()


if __name__ == "__main__":
    main(run)
