"""What the rows with kills have in common: feeding a server with several batches in flight, starting it again, holding it to the
ledger."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import ledger as ledgers  # noqa: E402
from patron_test import RpcError, Server  # noqa: E402

# Every so many cycles aggregates are recounted, too.
AGGREGATES_EVERY = 10
# A server's base stays small, so that its cycles stay short.
BATCHES_PER_SERVER = 1500
QUESTIONS = (
    ("group", {"by": ["country"], "metrics": ["count", "sum(net)", "p50(net)"], "as_of": "2025-01-01"}),
    ("rfm.grid", {"window": "all", "as_of": "2025-01-01"}),
    ("rows", {"fields": ["customer", "net"], "order_by": ["-net"], "limit": 50}),
    ("control", {"table": "orders", "by": "month"}),
)


class Flight:
    """Requests sent on one connection and not answered yet."""

    def __init__(self, server, book):
        self.client, self.book, self.waiting = server.client(), book, {}

    def load(self, batch):
        self.waiting[self.client.send("load." + batch.table, batch.params)] = batch

    def send(self, method, params=None):
        self.waiting[self.client.send(method, params)] = None

    def take(self):
        """One answer. Batches that were refused stay doubtful."""
        msgid, error, answer = self.client.receive()
        batch = self.waiting.pop(msgid)
        if batch is None:
            return
        if error is not None and "the server is stopping" in error:
            return
        if error is not None:
            raise RpcError(error)
        self.book.acknowledge(batch, answer)

    def drain(self):
        """What the server had answered before it died is acknowledged, whenever it is read. Gives how many got no answer."""
        try:
            while self.waiting:
                self.take()
        except (ConnectionError, OSError):
            pass
        self.client.close()
        return len(self.waiting)


def feed(flight, book, rng, batches):
    """Sends batches, a few of them again, questions and now and then a snapshot; reads some answers between."""
    if rng.randrange(3) == 0:
        flight.send("snapshot.save")
    for _ in range(batches):
        flight.load(book.next())
        kind = rng.randrange(24)
        if kind < 3:
            flight.send(*rng.choice(QUESTIONS))
        elif kind == 3:
            flight.send("snapshot.save")
        elif kind == 4 and book.acknowledged:
            flight.load(book.acknowledged[rng.choice(list(book.acknowledged))])
        while flight.waiting and rng.randrange(3) == 0:
            flight.take()


class Life:
    """A server and its ledger; a new pair once the ledger is long."""

    def __init__(self, tally, **options):
        self.tally, self.options = tally, options
        self.server = self.book = None

    def fresh(self, rng):
        self.end()
        self.server = Server(**self.options).start()
        self.book = ledgers.Ledger(rng)
        return self

    def worn(self):
        return self.server is None or len(self.book.batches) >= BATCHES_PER_SERVER

    def end(self):
        if self.server is not None:
            self.server.forget()

    def judge(self, cycle):
        """The server is up again: exactly what the ledger says, then the doubtful batches once more."""
        client = self.server.client()
        there = self.book.judge(client)
        self.book.resolve(client, there)
        self.book.repeat_some(client, 2)
        if cycle % AGGREGATES_EVERY == 0:
            self.book.judge_aggregates(client)
            self.book.judge(client)
        client.close()


def nap(rng, longest):
    """A random while, often none at all."""
    time.sleep(rng.random() * rng.choice((0, longest / 20, longest / 4, longest)))
