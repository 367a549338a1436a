#!/usr/bin/python3
"""A flood of questions about the whole base, while short ones come by: those wait for a part of a long one at the most.

Nothing here looks at a clock. What is counted is how many long answers came while one short question waited: with all
long ones before it that would be as many as are under way."""

import os
import random
import selectors
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import RpcError, by_size, check, equal, main, patron, seed, serving  # noqa: E402

CUSTOMERS = by_size(20000, 100000, 300000)
ROUNDS = by_size(25, 60, 200)
CLIENTS = 6  # that flood
DEPTH = 8    # questions each of them has under way: more than it may have with the workers
# Of CLIENTS * DEPTH long ones under way this many may be answered while one short question is. It shares the processors
# with them, and `customer` looks at much of the base itself, so it is not none.
BETWEEN_MAX = 8


def long_question(rng):
    """No two alike, so that nothing can be kept from one for the other."""
    day = "2024-%02d-%02d" % (rng.randint(1, 12), rng.randint(1, 28))
    method, params = rng.choice([
        ("rfm.grid", {}),
        ("rfm.groups", {"where": "orders >= %d" % rng.randint(1, 4)}),
        ("group", {"from": "orders", "by": ["month(time)"], "metrics": ["count", "sum(net)", "p95(net)", "customers"]}),
        ("group", {"from": "orders", "by": ["customer"], "metrics": ["count", "sum(net)"], "limit": 10}),
        ("cohort", {}),
        ("rows", {"fields": ["customer", "net"], "where": "net > %d" % rng.randint(0, 500), "order_by": ["-net"],
                  "limit": 20}),
    ])
    params = dict(params, as_of=day)
    if rng.random() < 0.1:
        params["deadline_ms"] = 3  # some stop half-way
    return method, params


class Flood:
    """Connections that always have long questions under way."""

    def __init__(self, server, rng):
        self.server, self.rng, self.answers, self.stopped = server, rng, 0, 0
        self.selector = selectors.DefaultSelector()
        self.clients = [self.join() for _ in range(CLIENTS)]

    def join(self):
        client = self.server.client()
        self.selector.register(client.socket, selectors.EVENT_READ, client)
        client.pending = 0
        self.refill(client)
        return client

    def refill(self, client):
        while client.pending < DEPTH:
            client.send(*long_question(self.rng))
            client.pending += 1

    def take(self, client):
        """Whatever has come for one of the clients; it asks for as much again. How many answers that were not stopped."""
        client.unpacker.feed(client.socket.recv(1 << 20))
        errors = [error for _, _, error, _ in client.unpacker]
        stopped = [error for error in errors if error is not None]
        for error in stopped:
            check(error.startswith("DEADLINE"), "a long question fails: %r", error)
        client.pending -= len(errors)
        self.stopped += len(stopped)
        self.answers += len(errors) - len(stopped)
        self.refill(client)
        return len(errors) - len(stopped)

    def leave_one(self):
        """A client that goes away with all it asked for, and another in its place."""
        client = self.clients.pop(0)
        self.selector.unregister(client.socket)
        client.close()
        self.clients.append(self.join())

    def until_one(self):
        """Long questions get their turn, too."""
        while self.answers == 0:
            for key, _ in self.selector.select():
                self.take(key.data)

    def until_answered(self, client, msgid):
        """How many long answers came before the one to `msgid`, which is looked for first each time."""
        self.selector.register(client.socket, selectors.EVENT_READ, None)
        between = 0
        while True:
            ready = [key.data for key, _ in self.selector.select()]
            if None in ready:
                break
            between += sum(self.take(other) for other in ready)
        self.selector.unregister(client.socket)
        return between, client.wait(msgid)


def ask_short(flood, client, rng, worst):
    for method, params in (("ping", None), ("count", {}), ("count", {"where": "country = 'DE'"}),
                           ("customer", {"customer": str(rng.randint(1, CUSTOMERS))}), ("clv.fits", None)):
        try:
            between, _ = flood.until_answered(client, client.send(method, params))
        except RpcError as error:
            equal(error.code, "NOT_FOUND", "%s %r" % (method, params))
            continue
        worst[method] = max(worst.get(method, 0), between)
        check(between <= BETWEEN_MAX, "%d long answers came while one %s waited", between, method)


def flood_with(workers, rng):
    worst = {}
    with serving(extra=["--workers", str(workers)], timezone="UTC") as (server, client):
        patron(server, "generate", "--customers", str(CUSTOMERS), "--orders", str(10 * CUSTOMERS), "--seed", "7")
        flood = Flood(server, rng)
        for number in range(ROUNDS):
            ask_short(flood, client, rng, worst)
            if number % 10 == 9:
                flood.leave_one()
        flood.until_one()
        print("%d workers: %d long answers, %d stopped; at most, while one short question waited: %r"
              % (workers, flood.answers, flood.stopped, worst))


def run():
    rng = random.Random(seed())
    for workers in (2, 3, 1):
        flood_with(workers, rng)


main(run)
