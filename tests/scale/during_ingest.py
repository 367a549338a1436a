"""Answers about any day while the facts stream in.

Part of a shop is there; the rest comes in batches, as fast as the server takes them: orders of all times, refunds, and corrections
of what is there. Meanwhile two connections ask about random days and windows. Every answer says which version it saw, and each
batch made one, so afterwards the naive program takes the same batches one by one and is asked the same at the same version.
"""

import csv
import os
import random
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)

import msgpack  # noqa: E402

import shop_files  # noqa: E402
from asking import load  # noqa: E402
from patron_test import RpcError, check, equal  # noqa: E402
from questions import Maker, Shop, difference  # noqa: E402

KINDS = ("count", "rfm.grid", "rfm.groups", "cohort", "group", "facts", "rows")
# Batches sent and not yet answered: enough that the server never waits for us.
BATCHES_UNDER_WAY = 4


class Piece:
    """A batch: a CSV file for the naive program, a frame for the server."""

    def __init__(self, number, table, fields, rows, folder):
        self.table, self.rows = table, len(rows)
        self.path = shop_files.write(os.path.join(folder, "piece-%05d.csv" % number), fields, rows)
        boolean = {"true": True, "false": False}
        columns = {field: [boolean.get(row[k], row[k]) if row[k] != "" else None for row in rows] for k, field in enumerate(fields)}
        for field in ("consent", "tags"):
            if field in columns:
                columns[field] = [value and value.split("|") for value in columns[field]]
        for field in ("version", "birth_year"):
            if field in columns:
                columns[field] = [None if value is None else int(value) for value in columns[field]]
        self.frame = msgpack.packb([0, number, "load." + table, [{"producer": "stream", "seq": number, "columns": columns}]])
        self.lsn = None


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return rows[0], rows[1:]


def split(rng, folder, files, customers, base):
    """(files of the first part, pieces to stream): three orders of five are there at first, with all rates and customers."""
    part = os.path.join(folder, "part")
    os.makedirs(part)
    batch = max(50, customers // 20)
    first, rest = [], []
    for table, path in files:
        fields, rows = read(path)
        stays = [True] * len(rows)
        if table in ("orders", "refunds"):
            stays = [rng.random() < 0.6 for _ in rows]
        first.append((table, shop_files.write(os.path.join(part, table + ".csv"), fields, [row for row, s in zip(rows, stays) if s])))
        later = [row for row, s in zip(rows, stays) if not s]
        rng.shuffle(later)
        rest += [(table, fields, later[k:k + batch]) for k in range(0, len(later), batch)]
    # They patch what is in the first part, and so may come at any time.
    for table, path in [*shop_files.corrections(rng, part, base, customers), shop_files.odd_orders(rng, part)]:
        fields, rows = read(path)
        rest += [(table, fields, rows[k:k + batch]) for k in range(0, len(rows), batch)]
    rng.shuffle(rest)
    return first, [Piece(number, *piece, folder) for number, piece in enumerate(rest, 1)]


def stream(server, pieces, progress):
    client = server.client()
    for at in range(len(pieces) + BATCHES_UNDER_WAY):
        if at < len(pieces):
            client.raw(pieces[at].frame)
        if at >= BATCHES_UNDER_WAY:
            number, error, answer = client.receive()
            check(error is None, "batch %d: %r", number, error)
            check(answer["rejected"] == 0, "batch %d: %r", number, answer)
            pieces[number - 1].lsn = progress["lsn"] = answer["lsn"]
    progress["done"] = True
    client.close()


def ask_along(server, questions, progress, seen, number):
    """Asks until everything is in, and once more about each; [(place, lsn, answer)]."""
    client, rng, at = server.client(), random.Random(number), 0
    left = len(questions)
    while left > 0:
        left -= progress["done"]
        place, acknowledged = (at * 2 + number) % len(questions), progress["lsn"]
        at += 1
        extra = {"min_lsn": acknowledged} if rng.random() < 0.3 and acknowledged else {}
        try:
            answer = client.call(questions[place].method, dict(questions[place].params, **extra))
        except RpcError as error:
            # Money without a rate: it has no version, so it says nothing here.
            check(error.code == "BAD_REQUEST", "%r: %s", questions[place].params, error)
            continue
        check(not extra or answer["lsn"] >= acknowledged, "asked for lsn %d, answered with %d", acknowledged, answer["lsn"])
        seen.append((place, answer["lsn"], answer))
    client.close()


def run_threads(*work):
    failed = []

    def guarded(function, *arguments):
        try:
            function(*arguments)
        except Exception as error:  # noqa: BLE001 - told below, by the thread that waits
            failed.append(error)
            work[0][-1]["done"] = True

    threads = [threading.Thread(target=guarded, args=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def some_of(seen, most, last):
    """At the most so many answers, evenly over the versions, and of equal ones the first."""
    once = list({(place, lsn): (place, lsn, answer) for place, lsn, answer in reversed(seen)}.values())
    moving = sorted((entry for entry in once if entry[1] < last), key=lambda entry: entry[:2])
    step = max(1, len(moving) // most)
    return moving[::step] + [entry for entry in once if entry[1] >= last]


def judge(naive, pieces, begin, questions, seen):
    """Takes the batches one by one and asks at each version that was seen. Gives the differences."""
    at, wrong = 0, []
    by_lsn = {}
    for place, lsn, answer in seen:
        by_lsn.setdefault(lsn, []).append((place, answer))
    for lsn in sorted(by_lsn):
        check(lsn >= begin, "an answer of version %d, before the stream", lsn)
        ready = at
        while at < len(pieces) and pieces[at].lsn <= lsn:
            at += 1
        naive.load([(piece.table, piece.path) for piece in pieces[ready:at]])
        said = naive.ask([questions[place] for place, _ in by_lsn[lsn]])
        for (place, answer), other in zip(by_lsn[lsn], said):
            text = difference(questions[place], answer, other)
            if text:
                wrong.append((lsn, questions[place], text))
    return wrong


def run(server, naive, files, rng, folder, base, customers, most, clock):
    first, pieces = split(rng, folder, files, customers, base)
    shop = Shop(base, shop_files.CURRENCIES, shop_files.START, shop_files.END, customers)
    maker = Maker(rng, shop, days=20)
    maker.days = [day for day in maker.days if day not in ("latest", "now")]
    questions = [maker.ask(KINDS[k % len(KINDS)]) for k in range(20 * len(KINDS))]
    clock.say("split: %d rows in %d batches are to come", sum(piece.rows for piece in pieces), len(pieces))

    load(server, first)
    naive.load(first)
    client = server.client()
    begin = client.call("status")["lsn"]
    clock.say("the first part is there, lsn %d", begin)
    progress, seen = {"lsn": begin, "done": False}, ([], [])
    run_threads((stream, server, pieces, progress), *((ask_along, server, questions, progress, seen[n], n) for n in range(2)))
    last = max(piece.lsn for piece in pieces)
    pieces.sort(key=lambda piece: piece.lsn)
    everything = seen[0] + seen[1]
    between = [lsn for _, lsn, _ in everything if begin < lsn < last]
    clock.say("streamed to lsn %d; %d answers meanwhile, of %d versions", last, len(between), len(set(between)))
    check(len(set(between)) >= min(10, len(pieces) // 4), "too few answers came while batches did")

    picked = some_of(everything, most, last)
    wrong = judge(naive, pieces, begin, questions, picked)
    clock.say("%d answers judged, %d of them from while batches came", len(picked), sum(begin < lsn < last for _, lsn, _ in picked))
    for lsn, question, text in wrong[:8]:
        print("DIFFERENT  at lsn %d: %s %r\n    line %s\n    %.1500s" % (lsn, question.method, question.params, question.line, text))
    check(not wrong, "%d answers differ", len(wrong))
    equal(client.call("verify")["ok"], True, "verify")
    client.close()
