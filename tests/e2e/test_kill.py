#!/usr/bin/python3
"""kill -9 at random moments of the real shop's load: nothing acknowledged is lost, nothing is there twice.

The ledger is kept here, outside the server: which batch was acknowledged, with what answer. The load runs with its batches in
flight several at a time; some kills hit a snapshot being written or the recovery itself. At the end the state must be that of a
server that was never killed. Then the same with `patron load` doing the sending.
"""

import csv
import io
import itertools
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import shop  # noqa: E402
from patron_test import (WAIT_SECONDS, RpcError, Server, by_size, check, equal, main, program, seed,  # noqa: E402
                         table_rows)

KILLS = by_size(8, 50, 200)
PATRON_KILLS = by_size(2, 6, 20)
LINES = by_size(60000, 600000)
BATCH_LINES = by_size(200, 500)
IN_FLIGHT = 8
FIELDS = {"order": "Invoice", "product": "StockCode", "quantity": "Quantity", "time": "InvoiceDate", "price": "Price",
          "customer": "Customer ID", "country": "Country"}


def batches(path):
    """The file as load.lines parameters; an invoice never straddles two batches (its lines lie apart in places)."""
    invoices = {}
    with subprocess.Popen(["zstd", "-dc", path], stdout=subprocess.PIPE) as reader:
        lines = csv.DictReader(io.TextIOWrapper(reader.stdout, encoding="utf-8", newline=""))
        for line in itertools.islice(lines, LINES):
            invoices.setdefault(line["Invoice"], []).append(line)
        reader.stdout.close()
    result, pending = [], []
    for lines in invoices.values():
        pending += lines
        if len(pending) >= BATCH_LINES:
            result.append(pack(len(result) + 1, pending))
            pending = []
    if pending:
        result.append(pack(len(result) + 1, pending))
    return result


def pack(seq, lines):
    columns = {field: [line[name] or None for line in lines] for field, name in FIELDS.items()}
    columns["currency"] = ["GBP"] * len(lines)
    return {"producer": "till", "seq": seq, "on_error": "skip", "columns": columns}


class Ledger:
    """What was acknowledged, by seq, and what may or may not be there: sent without an answer."""

    def __init__(self, everything):
        self.batches = everything
        self.answers = {}
        self.doubtful = set()

    def next_batches(self):
        """What is not acknowledged, doubtful ones included, in order."""
        return [batch for batch in self.batches if batch["seq"] not in self.answers]

    def acknowledge(self, seq, answer):
        known = self.answers.setdefault(seq, answer)
        for key in ("lsn", "new", "updated", "duplicate", "rejected"):
            equal(answer[key], known[key], "batch %d answered again: %s" % (seq, key))
        self.doubtful.discard(seq)

    def lines_taken(self):
        return sum(answer["new"] for answer in self.answers.values())


def feed(client, ledger, stop_after):
    """Sends batches, several in flight, until `stop_after` more are acknowledged or none is left. Gives what is in flight."""
    waiting, acknowledged, queue = {}, 0, iter(ledger.next_batches())
    while True:
        while len(waiting) < IN_FLIGHT and acknowledged < stop_after:
            batch = next(queue, None)
            if batch is None:
                break
            ledger.doubtful.add(batch["seq"])
            waiting[client.send("load.lines", batch)] = batch["seq"]
        if not waiting or acknowledged >= stop_after:
            return waiting
        take_answer(client, ledger, waiting)
        acknowledged += 1


def take_answer(client, ledger, waiting):
    msgid, error, answer = client.receive()
    if msgid not in waiting:  # of a snapshot asked for on the way
        return
    if error is not None:
        raise RpcError(error)
    ledger.acknowledge(waiting.pop(msgid), answer)


def kill_while_feeding(server, ledger, rng, batches_until):
    client = server.client()
    if rng.randrange(4) == 0:
        client.send("snapshot.save")  # the answer may come at any time; the kill may hit the writing
    waiting = feed(client, ledger, batches_until)
    time.sleep(rng.random() * rng.choice((0, 0.001, 0.01, 0.05)))
    server.kill()
    # What the server had answered before it died is acknowledged, whenever it is read.
    try:
        while waiting:
            take_answer(client, ledger, waiting)
    except (ConnectionError, OSError):
        pass
    client.close()


def start_and_check(server, ledger, rng):
    """Starts, now and then killing the recovery first; then holds the state to the ledger."""
    while rng.randrange(5) == 0:
        server.spawn()
        time.sleep(rng.random() * 0.3)
        server.kill()
    server.start()
    client = server.client()
    status = client.call("status")
    greatest = max((answer["lsn"] for answer in ledger.answers.values()), default=0)
    check(status["lsn"] >= greatest, "lsn %d after the start, %d was acknowledged", status["lsn"], greatest)
    check(status["lsn"] <= greatest + len(ledger.doubtful), "lsn %d after the start, at most %d were sent", status["lsn"],
          greatest + len(ledger.doubtful))
    # Each batch whole or not at all: the doubtful ones that are there, are found by sending them again.
    lines = table_rows(status, "lines")
    for seq in sorted(ledger.doubtful):
        ledger.acknowledge(seq, client.call("load.lines", ledger.batches[seq - 1]))
    there = sum(answer["new"] for answer in ledger.answers.values() if answer["lsn"] <= status["lsn"])
    equal(lines, there, "lines after the start, against the batches that were there")
    for seq in rng.sample(sorted(ledger.answers), min(5, len(ledger.answers))):
        ledger.acknowledge(seq, client.call("load.lines", ledger.batches[seq - 1]))
    equal(table_rows(client.call("status"), "lines"), ledger.lines_taken(), "lines against the ledger")
    client.close()


def load_all(server, everything):
    """A server that was never killed, given everything."""
    ledger = Ledger(everything)
    client = server.client()
    check(not feed(client, ledger, len(everything) + 1), "answers are missing")
    client.close()
    return ledger


def reference(everything):
    server = Server().start()
    ledger = load_all(server, everything)
    client = server.client()
    state = counted(client), shop.answers(client)
    server.kill()
    return ledger, state


def counted(client):
    status = client.call("status")
    return {table: table_rows(status, table) for table in ("customers", "orders", "lines", "refunds")}


def same_state(server, state, when):
    client = server.client()
    equal(counted(client), state[0], "rows %s" % when)
    shop.same_answers(shop.answers(client), state[1], when)
    check(client.call("verify")["ok"], "verify %s" % when)
    client.close()


def killed_load(everything, state, rng):
    server, ledger = Server().start(), Ledger(everything)
    kills = 0
    while kills < KILLS:
        left = len(ledger.next_batches())
        if left == 0:  # few batches and many in flight: load another server
            same_state(server, state, "after %d kills" % kills)
            server.stop()
            server, ledger = Server().start(), Ledger(everything)
            left = len(everything)
        # Spread over the load, leaving something for the kills to come.
        kill_while_feeding(server, ledger, rng, rng.randrange(max(1, 2 * left // (KILLS - kills + 1))))
        kills += 1
        start_and_check(server, ledger, rng)
    client = server.client()
    feed(client, ledger, len(everything) + 1)
    client.close()
    print("%d kills, %d batches acknowledged, none lost, none twice" % (kills, len(ledger.answers)), flush=True)
    same_state(server, state, "after %d kills" % kills)
    load_all(server, everything)
    same_state(server, state, "after sending everything again")
    server.stop()


def patron_killed_load(rng):
    """The same with the command line sending: an interrupted load goes on where it stopped when it is said again."""
    server = Server().start()
    for _ in range(PATRON_KILLS):
        sender = subprocess.Popen([program("PATRON"), "--connect", server.address(), *shop.load_arguments()],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        killer = threading.Timer(rng.random() * 2, server.process.kill)
        killer.start()
        _, said = sender.communicate(timeout=WAIT_SECONDS * 5)
        killer.join()
        server.kill()
        if sender.returncode != 0:
            equal(sender.returncode, 1, "exit status of patron when its server dies; it said %r" % said)
            check(said.strip(), "patron said nothing when its server died")
        server.start()
    report = shop.load(server)
    equal(report["rows"], shop.LINES, "lines of the last load")
    client = server.client()
    shop.check_status(client)
    check(client.call("verify")["ok"], "verify")
    client.close()
    server.stop()
    print("%d kills under patron load, final state as it should be" % PATRON_KILLS, flush=True)


def run():
    rng = random.Random(seed())
    everything = batches(shop.data())
    print("%d batches" % len(everything), flush=True)
    _, state = reference(everything)
    killed_load(everything, state, rng)
    if os.environ.get("PATRON"):
        patron_killed_load(rng)


if __name__ == "__main__":
    main(run)
