#!/usr/bin/python3
"""The memory limit holds for data, buffers and questions together: a server with little memory is loaded until it says NO_MEMORY, then
asked giant questions by many clients, some of whom never read their answers. It says NO_MEMORY, its resident memory never passes
the limit, and those who ask little stay served.

A cycle is one round of questions; a fault is a request that asked for a lot, and hit when it was refused for want of memory.
"""

import concurrent.futures
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import (RpcError, Server, check, dict_column, equal, i64_column, main, table_rows, u64_column)  # noqa: E402
from tally import Tally  # noqa: E402

LIMIT_MIB = 64
BATCH_ROWS = 10000
CUSTOMERS = 50000
BATCHES_MAX = 2000
STOPPED = 12
ASKING = 6
# What a giant question may be refused with.
REFUSALS = ("NO_MEMORY", "BUSY", "DEADLINE", "TOO_LARGE")
GIANT = [
    ("rows", {"fields": ["customer", "net", "orders", "first_order", "last_order", "country", "r", "f", "m"], "limit": 10000}),
    ("rows", {"from": "orders", "fields": ["order", "customer", "time", "net"], "order_by": ["-net"], "limit": 10000}),
    ("group", {"from": "orders", "by": ["customer"], "metrics": ["count", "sum(net)", "p50(net)", "p99(net)"], "limit": 10000}),
    ("group", {"from": "orders", "by": ["customer", "day(time)"], "metrics": ["count", "sum(amount)"], "limit": 10000}),
    ("rfm.grid", {"window": "all", "as_of": "2024-06-30"}),
    ("cohort", {"by": "month", "metric": "customers"}),
    ("clv.fit", {"model": "mbg_nbd", "unit": "day", "end": "2024-12-31", "use": False}),
]


def peak_bytes(server):
    """Resident at the most since its start."""
    with open("/proc/%d/status" % server.process.pid) as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM of the server")


def orders(rng, number):
    first = number * BATCH_ROWS
    return {"producer": "filler", "seq": number + 1, "columns": {
        "order": u64_column(range(first, first + BATCH_ROWS)),
        "customer": u64_column([rng.randrange(CUSTOMERS) for _ in range(BATCH_ROWS)]),
        "time": i64_column([1704067200000 + rng.randrange(31536000) * 1000 for _ in range(BATCH_ROWS)]),
        "amount_minor": i64_column([rng.randrange(1, 100000) for _ in range(BATCH_ROWS)]),
        "currency": dict_column(["GBP"] * BATCH_ROWS), "country": dict_column([rng.choice(("BR", "MX", "DE")) for _ in range(BATCH_ROWS)])}}


def fill(client, rng):
    """Loads until a batch is refused. Gives the rows that were taken."""
    for number in range(BATCHES_MAX):
        try:
            client.call("load.orders", orders(rng, number))
        except RpcError as error:
            equal(error.code, "NO_MEMORY", "error of a load that does not fit: %s" % error)
            return number * BATCH_ROWS
    raise AssertionError("%d MiB took %d rows" % (LIMIT_MIB, BATCHES_MAX * BATCH_ROWS))


def stop_reading(server, rng):
    """A client that asks for a lot and reads none of it."""
    client = server.client()
    client.socket.settimeout(2)
    try:
        for _ in range(40):
            client.send(*rng.choice(GIANT[:4]))
    except OSError:
        pass  # the server reads no more from it, either
    return client


def ask_one_giant_after_the_other(server, questions):
    """Who takes nothing for three seconds is let go when memory is short: these read all the while."""
    client, codes = server.client(), []
    for question in questions:
        client.send(*question)
    for _ in questions:
        _, error, _ = client.receive()
        codes.append(error.partition(":")[0] if error else None)
    client.close()
    return codes


def ask_giants(tally, server, rng):
    questions = [[rng.choice(GIANT) for _ in range(4)] for _ in range(ASKING)]
    with concurrent.futures.ThreadPoolExecutor(ASKING) as pool:
        for codes in pool.map(lambda some: ask_one_giant_after_the_other(server, some), questions):
            for code in codes:
                check(code is None or code in REFUSALS, "a giant question was answered %s", code)
                tally.fault("giant question", code == "NO_MEMORY")


def round_of_questions(tally, server, taken, rng):
    stopped = [stop_reading(server, rng) for _ in range(STOPPED)]
    ask_giants(tally, server, rng)
    client = server.client()
    try:
        client.call("load.orders", orders(rng, taken // BATCH_ROWS))
        tally.fault("load", False)
    except RpcError as error:
        equal(error.code, "NO_MEMORY", "error of a load that does not fit")
        tally.fault("load", True)
    client.close()  # the server ends a connection that it has no memory to read from
    for other in stopped:
        other.close()
    # Those who ask little are served again, at the latest when the others are gone.
    deadline = time.monotonic() + 60
    while True:
        client = server.client()
        try:
            equal(client.call("ping"), "pong", "ping")
            count = client.call("count", {"where": "orders >= 1", "as_of": "2025-01-01"})["count"]
            break
        except (RpcError, ConnectionError) as error:
            refused = isinstance(error, ConnectionError) or error.code in REFUSALS
            check(refused and time.monotonic() < deadline, "a small question was answered %s", error)
            client.close()
    check(count > 0, "nobody is there")
    client.close()
    check(server.alive(), "the server is gone")


def within_limit(tally, server):
    tally.extra["peak"] = "%.1f MiB of %d" % (peak_bytes(server) / 1048576, LIMIT_MIB)
    check(peak_bytes(server) <= LIMIT_MIB << 20, "resident at the most %d bytes, the limit is %d", peak_bytes(server), LIMIT_MIB << 20)


def run():
    tally = Tally("memory", 2, 4, 50)
    rng = tally.rng(0)
    server = Server(extra=["--memory", "%dM" % LIMIT_MIB, "--workers", "2"]).start()
    client = server.client()
    taken = fill(client, rng)
    tally.extra["filled"] = "%d orders, then NO_MEMORY; resident %.1f MiB" % (taken, peak_bytes(server) / 1048576)
    while tally.go_on():
        tally.holds(round_of_questions, tally, server, taken, tally.rng(tally.cycles + 1))
        tally.cycles += 1
    tally.holds(within_limit, tally, server)
    rows = table_rows(client.call("status"), "orders")
    check(rows >= taken, "%d orders are there, %d were acknowledged", rows, taken)
    tally.extra["refused"] = "%d of %d" % (tally.hit, tally.injected)
    client.close()
    server.stop()
    tally.finish()


if __name__ == "__main__":
    main(run)
