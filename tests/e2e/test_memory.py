#!/usr/bin/env python3
"""The memory limit: giant questions and loads until NO_MEMORY. What the process takes stays within the limit, it goes on
answering, and what it took comes back."""

import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import RpcError, Server, by_size, check, equal, i64_column, main, program, seed, u64_column  # noqa: E402

MIB = 1 << 20
LIMIT = 192 * MIB
# Beside what is in use, once nobody asks: the program and libraries (20 MB), stacks of the threads, and what the allocator
# keeps of freed blocks (it gives back from 64 MiB on, see src/main). Sanitizers take several times that.
BESIDE = 96 * MIB

GIANTS = [
    ("group", {"by": ["customer"], "metrics": ["count", "sum(net)", "p50(net)"]}),
    ("group", {"from": "orders", "by": ["order"], "metrics": ["count", "sum(amount)"]}),
    ("group", {"from": "orders", "by": ["day", "country", "currency"], "metrics": ["count", "p95(amount)", "customers"]}),
    ("rows", {"fields": ["customer", "net", "orders", "first_order", "last_order", "r", "f", "m"], "order_by": ["-net"], "limit": 10000}),
    ("rows", {"from": "orders", "fields": ["order", "customer", "amount", "time"], "order_by": ["-net"], "limit": 10000}),
    ("cohort", {"by": "month", "metric": "net"}),
    ("rfm.grid", {"window": "all"}),
    ("rfm.groups", {}),
    ("control", {"table": "orders", "by": "day"}),
    ("clv.top", {"limit": 1000}),
    ("clv.dist", {"bins": 100}),
    ("verify", {}),
]


def is_plain():
    """No sanitizer watches the server."""
    with open(program("PATROND"), "rb") as file:
        content = file.read()
    return not any(name in content for name in (b"__asan_init", b"__tsan_init"))


class Loader:
    def __init__(self, server, chance):
        self.server, self.client = server, server.client()
        self.chance, self.seq, self.rows, self.amount = chance, 0, 0, 0

    def batch(self, rows):
        ids = range(self.rows, self.rows + rows)
        amounts = [self.chance.randrange(1, 10**6) for _ in ids]
        self.client.call("load.orders", {"producer": "p", "seq": self.seq + 1, "columns": {
            "order": u64_column(ids), "customer": u64_column([self.chance.randrange(10**6) for _ in ids]),
            "time": i64_column([1600000000000 + 1000 * self.chance.randrange(10**8) for _ in ids]), "amount_minor": i64_column(amounts),
            "currency": {"dict": ["GBP"], "codes": bytes(rows)}}})
        self.seq, self.rows, self.amount = self.seq + 1, self.rows + rows, self.amount + sum(amounts)

    def refused(self, rows):
        """Whether there was no memory for one more batch. Without memory to read a request the connection ends behind the answer."""
        try:
            self.batch(rows)
            return False
        except ConnectionError:
            self.client.close()
            self.client = self.server.client()
        except RpcError as error:
            equal(error.code, "NO_MEMORY", "a batch that does not fit")
        return True


def adds_up(client):
    memory = client.call("status")["memory"]
    parts = sum(v for k, v in memory.items() if k not in ("used", "limit", "budget", "resident", "resident_max", "overhead"))
    check(abs(parts - memory["used"]) <= MIB, "the gauges add up to what is used: %d, %r", parts, memory)
    check(memory["overhead"] == memory["resident"] - memory["used"], "what is beside: %r", memory)
    return memory


def flood(server, refused, stop, chance):
    client = server.client()
    while not stop.is_set():
        method, params = chance.choice(GIANTS)
        try:
            client.call(method, params)
            refused["answered"] = refused.get("answered", 0) + 1
        except ConnectionError:
            client.close()
            client = server.client()
        except RpcError as error:
            refused[error.code] = refused.get(error.code, 0) + 1
            if error.code not in ("NO_MEMORY", "NO_FIT", "BUSY", "TOO_LARGE"):
                refused["mistaken"] = "%s: %s" % (method, error)
                break
    client.close()


def run():
    chance = random.Random(seed())
    server = Server(extra=["--memory", "%d" % LIMIT, "--workers", "2"]).start()
    client = server.client()
    loader = Loader(server, chance)
    loader.batch(20000)
    client.call("clv.fit", {"end": "latest"})
    adds_up(client)
    stop, refused, threads = threading.Event(), {}, []
    for _ in range(3):
        threads.append(threading.Thread(target=flood, args=(server, refused, stop, random.Random(chance.random())), daemon=True))
        threads[-1].start()
    refusals = 0
    while refusals < by_size(3, 5, 20) and loader.rows < 20_000_000:
        refusals += loader.refused(20000)
    stop.set()
    for thread in threads:
        thread.join(300)
        check(not thread.is_alive(), "a question never ended")
    check("mistaken" not in refused, "questions are right, whether there is memory or not: %r", refused)
    check(refusals > 0 and refused.get("answered", 0) > 0, "limits were met and questions answered: %r", refused)
    memory = adds_up(client)
    print("%d rows; questions: %r; used %d MiB of %d, resident %d MiB, at most %d MiB" % (
        loader.rows, refused, memory["used"] // MIB, LIMIT // MIB, memory["resident"] // MIB, memory["resident_max"] // MIB))
    check(memory["used"] <= LIMIT, "within the limit: %r", memory)
    if is_plain():
        check(memory["resident_max"] <= LIMIT, "resident at most: %d MiB", memory["resident_max"] // MIB)
    # It goes on: what was acknowledged is there, and small questions are answered.
    total = client.call("control", {"table": "orders", "by": "currency"})["groups"][0]
    equal((total["rows"], total["amount_minor"]["GBP"]), (loader.rows, loader.amount), "every acknowledged row")
    check(client.call("count", {"where": "orders >= 2"})["count"] >= 0, "a small question")
    # It comes back: with nobody asking, scratch is gone.
    deadline = time.monotonic() + 60
    while client.call("status")["memory"]["query"] > 4 * MIB and time.monotonic() < deadline:
        time.sleep(0.1)
    memory = adds_up(client)
    check(memory["query"] <= 4 * MIB, "scratch is given back: %r", memory)
    if is_plain():
        check(memory["resident"] <= memory["used"] + BESIDE, "and so is what the process took: %r", memory)
    client.close()
    server.stop()


main(run)
