"""What was sent and what was acknowledged, kept outside the server, and whether the server holds exactly that.

Every batch has a day of its own, so that `control` by day says of each batch how many of its rows are there, their sum and the
digest of their ids. Shares no code with the server: the digest is libxxhash's, called from here; where that library is
missing, rows and sums alone are compared.
"""

import ctypes
import ctypes.util
import datetime
import decimal
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import check, equal  # noqa: E402

DAY_FIRST = datetime.date(1975, 1, 1)
# Days up to 2024: batches that one server may be given.
BATCHES_MAX = 18000
TABLES = ("orders", "refunds")
PRODUCERS = ("till", "web", "market")
# Sum of ids' digests, as `control` gives it.
DIGEST_MODULUS = 1 << 128


class _Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def _xxh3_128():
    name = ctypes.util.find_library("xxhash") or "libxxhash.so.0"
    try:
        function = ctypes.CDLL(name).XXH3_128bits
    except (OSError, AttributeError):
        return None
    function.argtypes, function.restype = [ctypes.c_char_p, ctypes.c_size_t], _Hash128
    return function


XXH3_128 = _xxh3_128()


def digest_of(ids):
    total = 0
    for text in ids:
        data = text.encode()
        value = XXH3_128(data, len(data))
        total += (value.high << 64) + value.low
    return total % DIGEST_MODULUS


class Batch:
    """One load: what is sent, and what the server must say that it holds of it."""

    def __init__(self, number, producer, seq, table, params, ids, amounts):
        self.number, self.producer, self.seq, self.table, self.params = number, producer, seq, table, params
        self.day = (DAY_FIRST + datetime.timedelta(days=number)).isoformat()
        self.rows, self.amount = len(ids), sum(amounts)
        self.digest = digest_of(ids) if XXH3_128 else None
        self.lsn = None  # once acknowledged

    def found(self, group):
        return (group["rows"], group["amount_minor"].get("GBP", 0), int(group["digest"], 16) if XXH3_128 else None)

    def whole(self):
        return self.rows, self.amount, self.digest


class Ledger:
    def __init__(self, rng, rows_max=12, customers=200):
        self.rng, self.rows_max, self.customers = rng, rows_max, customers
        self.batches = []
        self.last_seq = {producer: 0 for producer in PRODUCERS}
        self.doubtful = {}  # (producer, seq) -> batch: sent, not answered
        self.acknowledged = {}
        self.orders_known = []  # acknowledged, for refunds
        self.other_writes = 0  # of whoever uses this: fits and the like take an lsn, too

    # ---- sending

    def full(self):
        return len(self.batches) >= BATCHES_MAX

    def next(self):
        """A batch never sent before; it counts as sent from here on."""
        number, rng = len(self.batches), self.rng
        producer = rng.choice(PRODUCERS)
        self.last_seq[producer] += 1
        seq = self.last_seq[producer]
        table = "refunds" if self.orders_known and rng.randrange(4) == 0 else "orders"
        rows = rng.randrange(1, self.rows_max + 1)
        day = (DAY_FIRST + datetime.timedelta(days=number)).isoformat()
        ids = ["%s%d-%d" % (table[0], number, k) for k in range(rows)]
        amounts = [rng.randrange(1, 100000) for _ in range(rows)]
        columns = {"time": [day] * rows, "amount_minor": amounts, "currency": ["GBP"] * rows}
        if table == "orders":
            columns["order"] = ids
            columns["customer"] = [rng.choice((k, "c%d" % k)) for k in (rng.randrange(self.customers) for _ in range(rows))]
            columns["country"] = [rng.choice(("BR", "MX", "DE")) for _ in range(rows)]
        else:
            columns["refund"] = ids
            columns["order"] = [rng.choice(self.orders_known) for _ in range(rows)]
        params = {"producer": producer, "seq": seq, "meta": "batch %d" % number, "columns": columns}
        batch = Batch(number, producer, seq, table, params, ids, amounts)
        self.batches.append(batch)
        self.doubtful[producer, seq] = batch
        return batch

    def acknowledge(self, batch, answer):
        """The server says that it has taken this batch: the same answer each time, however often it is sent."""
        if answer.get("repeated"):
            equal(answer["lsn"], batch.lsn or answer["lsn"], "lsn of batch %s %d answered again" % (batch.producer, batch.seq))
        else:
            equal((answer["rows"], answer["new"], answer["rejected"]), (batch.rows, batch.rows, 0),
                  "answer to batch %s %d" % (batch.producer, batch.seq))
            if "sync" in answer:
                equal(answer["sync"], "always", "durability of the answer")
        if batch.lsn is not None:
            equal(answer["lsn"], batch.lsn, "lsn of batch %s %d answered again" % (batch.producer, batch.seq))
            return
        batch.lsn = answer["lsn"]
        self.doubtful.pop((batch.producer, batch.seq), None)
        self.acknowledged[batch.producer, batch.seq] = batch
        if batch.table == "orders":
            self.orders_known += batch.params["columns"]["order"][:2]

    # ---- judging

    def judge(self, client):
        """Every acknowledged batch once and whole, none that was not sent, doubtful ones whole or not at all. Gives the doubtful
        ones that are there."""
        greatest = max((batch.lsn for batch in self.acknowledged.values()), default=0)
        calls = [["control", {"table": table, "by": "day"}] for table in TABLES]
        answer = client.call("batch", {"calls": calls, "min_lsn": greatest})
        check(answer["lsn"] >= greatest, "lsn %d, but %d was acknowledged", answer["lsn"], greatest)
        equal(answer.get("degraded"), None, "degraded")
        there = []
        for table, control in zip(TABLES, answer["answers"]):
            there += self._judge_table(table, control)
        equal(answer["lsn"], len(self.acknowledged) + len(there) + self.other_writes, "lsn against the batches that are there")
        return there

    def _judge_table(self, table, control):
        """Gives the doubtful batches of this table that are there."""
        groups, there = {group["day"]: group for group in control["groups"]}, []
        for batch in self.batches:
            if batch.table != table:
                continue
            group = groups.pop(batch.day, None)
            name = "batch %s %d (lsn %s, %s of %s)" % (batch.producer, batch.seq, batch.lsn, table, batch.day)
            check(group is not None or batch.lsn is None, "%s was acknowledged and is lost", name)
            if group is None:
                continue
            equal(batch.found(group), batch.whole(), "rows, sum and digest of " + name)
            if batch.lsn is None:
                there.append(batch)
        check(not groups, "%s of days on which nothing was sent: %r", table, sorted(groups)[:5])
        return there

    def judge_aggregates(self, client):
        """Aggregates equal to a recount, by the server and by sums from both sides of one version."""
        verified = client.call("verify")
        check(verified["ok"], "verify says %r", verified)
        answer = client.call("batch", {"calls": [
            ["group", {"by": [], "metrics": ["sum(orders)", "sum(net)"], "as_of": "2025-01-01"}],
            ["group", {"from": "orders", "by": [], "metrics": ["count", "sum(amount)"], "as_of": "2025-01-01"}],
            ["group", {"from": "refunds", "by": [], "metrics": ["count", "sum(amount)"], "as_of": "2025-01-01"}]]})
        (orders, net), (count, sold), (_, refunded) = (one_row(result) for result in answer["answers"])
        equal((orders, net), (count, minor(sold) - minor(refunded)), "orders and net over customers, against orders less refunds")

    def resolve(self, client, there):
        """Sends every doubtful batch again, with the same pair: those that were there are repeats."""
        for batch in sorted(self.doubtful.values(), key=lambda one: one.number):
            before = client.call("status")["lsn"] if batch in there else None
            self.acknowledge(batch, client.call("load." + batch.table, batch.params))
            if before is not None:
                check(batch.lsn <= before, "batch %s %d was there and was taken again, as lsn %d", batch.producer, batch.seq, batch.lsn)

    def repeat_some(self, client, count):
        known = sorted(self.acknowledged)
        for key in self.rng.sample(known, min(count, len(known))):
            batch = self.acknowledged[key]
            self.acknowledge(batch, client.call("load." + batch.table, batch.params))


def one_row(result):
    """The numbers of a question that has one row; nothing where there is no row."""
    return tuple(value or 0 for value in result["rows"][0]) if result["rows"] else (0, 0)


def minor(amount):
    """An amount in major units, as text, in minor ones."""
    return int(decimal.Decimal(amount) * 100)
