#!/usr/bin/env python3
"""Clients that take too much: thousands of idle connections, bytes that trickle, readers that stopped, floods of
connections, no descriptors left. A good client asks all the while and must be served; limits must hold.

    tests/e2e/test_abuse.py                                                the short form, as the tests run it
    tests/e2e/test_abuse.py --connections 10000 --stopped 1000 --slow 1000 --seconds 10      with figures that mean something

Prints what the good client saw, alone and beside each of them. That it is served, and what the server keeps for the
others, is asserted. How fast is not, for other things run beside the tests; in the battery it is: its p99 may be twice
the usual, which is what another good client sees at the same time of a server that is left alone, and what this one saw
before anybody else came.
"""

import argparse
import contextlib
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time

for folder in ("lib", "battery"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", folder))

from patron_test import Client, Server, by_size, check, equal, main  # noqa: E402
from tally import Tally  # noqa: E402

ME = os.path.abspath(__file__)
MEMORY = 512 << 20
ALONE = ("alone", "alone again")
MEASURED = "BATTERY_SECONDS" in os.environ
P99_TIMES_MAX = 2
QUESTION = ("rows", {"from": "orders", "fields": ["order", "customer", "time", "amount"], "limit": 10000, "as_of": "2025-01-01"})


# ---- the good client, in a process of its own ------------------------------------------------------------------------


def be_good(host, port, seconds):
    """Asks one thing after the other; prints how long each took."""
    client, took, end = Client((host, port)), [], time.monotonic() + seconds
    while time.monotonic() < end or len(took) < 20:
        for method, params in (("ping", None), ("customer", {"customer": "c%d" % (len(took) % 500), "as_of": "2025-01-01"}),
                               ("count", {"where": "orders >= 2", "as_of": "2025-01-01"})):
            start = time.monotonic()
            client.call(method, params)
            took.append(time.monotonic() - start)
    took.sort()
    print(json.dumps({"asked": len(took), "p50_us": round(took[len(took) // 2] * 1e6), "p99_us": round(took[len(took) * 99 // 100] * 1e6),
                      "max_us": round(took[-1] * 1e6)}))


def ask_good(server, seconds):
    return subprocess.Popen([sys.executable, ME, "--be-good", server.host, str(server.port), str(seconds)], stdout=subprocess.PIPE)


def begin_good(server, seconds):
    """The good client, and one of the server that is left alone, where there is one."""
    return ask_good(server, seconds), ask_good(server.left_alone, seconds) if server.left_alone else None


def answered(title, process):
    out, _ = process.communicate(timeout=600)
    equal(process.returncode, 0, "the good client beside: %s" % title)
    return json.loads(out)


def figures(tally, title, good, server):
    seen = answered(title, good[0])
    memory = status(server)["memory"]
    check(memory["used"] <= memory["budget"], "%s: %d bytes are used and %d is the budget", title, memory["used"], memory["budget"])
    seen.update(used_mb=memory["used"] >> 20, net_mb=memory["net"] >> 20, rss_mb=server.rss_bytes() >> 20)
    text = "p50 %(p50_us)d us, p99 %(p99_us)d us" % seen
    if title == ALONE[0]:
        server.alone_p99_us = seen["p99_us"]
    if good[1] is not None:
        seen["left_alone_p99_us"] = answered(title, good[1])["p99_us"]
        usual = max(seen["left_alone_p99_us"], server.alone_p99_us)
        text += ", %.1f times the usual" % (seen["p99_us"] / usual)
        if title not in ALONE and seen["p99_us"] > P99_TIMES_MAX * usual:
            tally.violation("beside %s the good client's p99 is %d us, and usually %d us" % (title, seen["p99_us"], usual))
    print("%-28s %s" % (title, json.dumps(seen)), flush=True)
    tally.extra["beside " + title if title not in ALONE else title] = text


def status(server):
    client = server.client()
    answer = client.call("status")
    client.close()
    return answer


# ---- bad ones --------------------------------------------------------------------------------------------------------


def connect(server):
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.connect((server.host, server.port))
    return connection


def connect_many(server, count):
    """Accepted ones: each has been answered once."""
    ping, pong = b"\x94\x00\x01\xa4ping\x90", b"\x94\x01\x01\xc0\xa4pong"
    made = [connect(server) for _ in range(count)]
    for connection in made:
        connection.sendall(ping)
    for connection in made:
        connection.settimeout(120)
        equal(connection.recv(64), pong, "an answer to one of many")
    return made


def close_all(connections):
    for connection in connections:
        connection.close()


def descriptors_of(server):
    return len(os.listdir("/proc/%d/fd" % server.process.pid))


def wait_for_connections(server, most, seconds=90):
    """Until the server has no more descriptors than that."""
    end = time.monotonic() + seconds
    while True:
        count = descriptors_of(server)
        if count <= most:
            return
        check(time.monotonic() < end, "the server still has %d descriptors, not %d", count, most)
        time.sleep(0.2)


def idle(tally, server, options):
    before = status(server)["memory"]["net"]
    many = connect_many(server, options.connections)
    kept = status(server)["memory"]["net"] - before
    print("%d idle connections: %.1f KB each" % (len(many), kept / len(many) / 1e3), flush=True)
    check(kept < len(many) * 8192, "idle connections keep %d bytes each", kept // len(many))
    figures(tally, "idle connections", begin_good(server, options.seconds), server)
    for connection in many[::7]:
        connection.sendall(b"\x94\x00\x02\xa4ping\x90"[:-2])  # never whole
    tally.fault("idle connection", len(many), len(many))
    figures(tally, "and parts of requests", begin_good(server, options.seconds), server)
    close_all(many)


def slow_senders(tally, server, options):
    """A byte now and then: 30 s after it was begun a request must be whole."""
    before = descriptors_of(server)
    slow = [connect(server) for _ in range(options.slow)]
    frame = b"\x94\x00\x07\xa5hello\x91\x81\xa6client\xd9\xff" + b"x" * 255
    for connection in slow:
        connection.sendall(frame[:1])
    good = begin_good(server, options.seconds)
    told, end, at = {}, time.monotonic() + 120, 1
    while len(told) < len(slow) and time.monotonic() < end:
        for connection in slow:
            if connection.fileno() not in told:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(frame[at:at + 1])
        at += 1
        time.sleep(by_size(2, 10, 10))
        for connection in select.select([c for c in slow if c.fileno() not in told], [], [], 0)[0] if len(slow) < 500 else ready(slow, told):
            with contextlib.suppress(ConnectionError):
                told[connection.fileno()] = connection.recv(4096)
            told.setdefault(connection.fileno(), b"")
    figures(tally, "senders of single bytes", good, server)
    equal(len(told), len(slow), "slow senders that were told")
    deadlines = sum(b"DEADLINE" in text for text in told.values())
    tally.fault("sender of single bytes", deadlines, len(slow))
    check(deadlines >= len(slow) * 9 // 10, "what they were told: %r", next(iter(told.values())))
    close_all(slow)
    wait_for_connections(server, before + 5)


def ready(connections, but):
    """select(2) has room for 1,024 descriptors; poll(2) for all."""
    poll, by_fd = select.poll(), {}
    for connection in connections:
        if connection.fileno() not in but:
            poll.register(connection, select.POLLIN)
            by_fd[connection.fileno()] = connection
    return [by_fd[fd] for fd, _ in poll.poll(0)]


def stopped_readers(tally, server, options):
    """Each asks for more than the memory limit is and reads nothing."""
    before = descriptors_of(server)
    client = Client((server.host, server.port))
    questions = b"".join(client.frame(*QUESTION, msgid)[1] for msgid in range(20))
    client.close()
    stopped = []
    for _ in range(options.stopped):
        connection = connect(server)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(questions)
        stopped.append(connection)
    figures(tally, "readers that stopped", begin_good(server, options.seconds), server)
    figures(tally, "and a while later", begin_good(server, options.seconds), server)
    wait_for_connections(server, before + 5, 300)  # they are let go
    tally.fault("reader that stopped", len(stopped), len(stopped))
    close_all(stopped)


def flood(tally, server, options):
    """Connections as fast as two processes can make them."""
    code = ("import socket,sys,time\nend=time.monotonic()+%f\nn=0\nwhile time.monotonic()<end:\n s=socket.socket()\n s.settimeout(5)\n"
            " try:\n  s.connect((%r,%d))\n  n+=1\n except OSError: pass\n s.close()\nprint(n)") % (options.seconds + 1, server.host, server.port)
    floods = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    good = begin_good(server, options.seconds)
    made = sum(int(process.communicate()[0]) for process in floods)
    tally.fault("connection of a flood", made, made)
    figures(tally, "flood of %d connections" % made, good, server)


# Readers that stopped come last: until all of them are let go takes the longest, and the others are to be reached.
CASES = (idle, flood, slow_senders, stopped_readers)


# ---- limits ----------------------------------------------------------------------------------------------------------


def told_on_connecting(server):
    connection = connect(server)
    connection.settimeout(60)
    said = connection.recv(4096)
    connection.close()
    return said


def by_address(tally):
    server = Server(extra=["--connections", "50", "--connections-per-address", "20"]).start()
    before = descriptors_of(server)
    clients = connect_many(server, 20)
    said = told_on_connecting(server)
    check(b"BUSY: " in said and b"your address" in said, "one too many of an address: %r", said)
    close_all(clients)
    wait_for_connections(server, before + 5)
    equal(server.client().call("ping"), "pong", "when some have gone")
    tally.fault("one connection too many", True)
    server.stop()


def descriptors(tally):
    """Connections leave descriptors for journal and snapshot; without any nobody is let in, and the server rests."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200) if hard < 200 else (200, hard))
    server = Server(extra=[])
    binary, server.binary = server.binary, "/bin/sh"
    plain = server.command
    server.command = lambda **options: ["/bin/sh", "-c", 'ulimit -Hn 200; exec "$0" "$@"', binary, *plain(**options)[1:]]
    server.start()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    good = server.client()
    most = good.call("hello")["limits"]["connections_max"]
    check(50 < most < 150, "connections where there are 200 descriptors: %d", most)
    many = [connect(server) for _ in range(most - 1)]
    check(b"BUSY: " in told_on_connecting(server), "one too many")
    equal(good.call("load.customers", {"producer": "p", "seq": 1, "columns": {"customer": ["a", "b"]}})["new"], 2, "a load meanwhile")
    check(good.call("snapshot.save")["bytes"] > 0, "a snapshot meanwhile")
    close_all(many)
    wait_for_connections(server, 199 - most + 20)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, 200))
    waiting = [connect(server) for _ in range(5)]

    def busy_seconds():
        with open("/proc/%d/stat" % server.process.pid) as stat:
            return sum(int(field) for field in stat.read().rsplit(")", 1)[1].split()[11:13]) / os.sysconf("SC_CLK_TCK")

    start, spent = time.monotonic(), busy_seconds()
    while time.monotonic() - start < 3:
        equal(good.call("ping"), "pong", "who is there is served")
        time.sleep(0.05)
    check(busy_seconds() - spent < 1.5, "without descriptors the server spins: %.1f s of 3", busy_seconds() - spent)
    check("accept-failed" in server.log_since(0), "and says so in the log")
    tally.fault("no descriptor", len(waiting), len(waiting))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (200, 200))
    for connection in waiting:
        connection.settimeout(60)
        connection.sendall(b"\x94\x00\x01\xa4ping\x90")
        check(b"pong" in connection.recv(64), "who waited is served then")
    close_all(waiting)
    good.close()
    server.stop()


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--be-good", nargs=3)
    parser.add_argument("--connections", type=int, default=by_size(200, 400, 10000))
    parser.add_argument("--stopped", type=int, default=by_size(20, 40, 1000))
    parser.add_argument("--slow", type=int, default=by_size(20, 40, 1000))
    parser.add_argument("--seconds", type=float, default=by_size(0.5, 1, 10))
    parser.add_argument("--only", help="of idle, flood, stopped_readers, slow_senders, with commas")
    options = parser.parse_args()
    if options.be_good:
        be_good(options.be_good[0], int(options.be_good[1]), float(options.be_good[2]))
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cases = [case for case in CASES if options.only is None or case.__name__ in options.only.split(",")]
    tally = Tally("abuse", len(cases), len(cases), len(cases))
    if options.only is None and tally.cycles == 0:
        for limit in (by_address, descriptors):
            limit(tally)
            print("ok  %s" % limit.__name__.replace("_", " "), flush=True)
    if tally.go_on():
        beside(tally, cases[tally.cycles:], options)
    tally.finish()


def shop():
    server = Server(extra=["--memory", str(MEMORY)]).start()
    client = server.client()
    rows = 20000
    client.call("load.orders", {"producer": "abuse", "seq": 1, "columns": {
        "order": ["o%d" % i for i in range(rows)], "customer": ["c%d" % (i % 500) for i in range(rows)],
        "time": ["2024-05-%02dT10:00:00Z" % (i % 28 + 1) for i in range(rows)], "amount": ["1.50"] * rows, "currency": ["GBP"] * rows}})
    client.close()
    return server


def beside(tally, cases, options):
    """Each case on the same server, as long as there is time."""
    server = shop()
    server.left_alone = shop() if MEASURED else None
    figures(tally, ALONE[0], begin_good(server, options.seconds), server)
    for case in cases:
        if not tally.time_left():
            break
        case(tally, server, options)
        tally.cycles += 1
        print("ok  %s" % case.__name__.replace("_", " "), flush=True)
    figures(tally, ALONE[1], begin_good(server, options.seconds), server)
    if server.left_alone:
        server.left_alone.stop()
    server.stop()


if __name__ == "__main__":
    main(run)
