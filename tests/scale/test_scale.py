#!/usr/bin/python3
"""A generated shop in twelve currencies with corrections: thousands of random questions, each answer equal to that of a plain C
program that shares no code with the server, before and after restarts; and the identities that hold of any data.

    test_scale.py                          PATRON_TEST_SIZE says how big: short, normal or full (1 M customers, 10 M orders)
    test_scale.py --size 100000,1000000,2000   customers, orders, questions
    test_scale.py --during-ingest          questions about any day while the shop streams in
    test_scale.py --keep DIR               the files go there, and stay
"""

import collections
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)

import during_ingest  # noqa: E402
import shop_files  # noqa: E402
from asking import Naive, Naives, ask_server, load, plain  # noqa: E402
from identities import hold, hold_after_changes  # noqa: E402
from patron_test import Server, by_size, check, equal, main, patron, patron_json, program, seed, temp_dir  # noqa: E402
from questions import Maker, Shop, difference, name_the_day  # noqa: E402

ZONES = ("Europe/London", "America/Sao_Paulo", "Asia/Kathmandu", "Asia/Tokyo", "UTC", "America/New_York")
SHOWN = 8
DURING_INGEST = "--during-ingest" in sys.argv


class Clock:
    """Prints how long each step took."""

    def __init__(self):
        self.began = time.monotonic()

    def say(self, text, *args):
        spent, self.began = time.monotonic() - self.began, time.monotonic()
        print("%8.1f s  %s" % (spent, text % args if args else text), flush=True)


def argument(name, otherwise=None):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else otherwise


def sizes():
    given = argument("--size")
    if given:
        return tuple(map(int, given.split(",")))
    if DURING_INGEST:
        return by_size((2000, 20000, 150), (10000, 100000, 400), (100000, 1000000, 1500))
    return by_size((2000, 20000, 300), (20000, 200000, 1000), (10**6, 10**7, 10**4))


def digests(client):
    """What the server holds, without regard to how it came."""
    out = {}
    for table, by in (("customers", "day"), ("orders", "day"), ("orders", "currency"), ("refunds", "month")):
        out[table, by] = plain(client.call("control", {"table": table, "by": by}))
    return out


def streamed_or_loaded(first, base, timezone, made, clock):
    """A shop streamed by `patron generate` is the shop of its files."""
    server = Server(timezone=timezone, currency=base).start()
    patron(server, *shop_files.options(*made))
    client = server.client()
    equal(digests(client), digests(first), "control totals of the streamed and the loaded shop")
    client.close()
    server.stop()
    clock.say("streamed to another server; control totals and digests are equal")


def another_way(first, base, timezone, files, clock):
    """In another order of rows and tables, in other batches, and some of it twice."""
    server = Server(timezone=timezone, currency=base).start()
    for number, (table, path) in enumerate(reversed(files)):
        rows = shop_files.shuffled(path, number)
        patron_json(server, "load", table, rows)
        if number % 2 == 0:
            patron_json(server, "load", table, path)
    client = server.client()
    equal(digests(client), digests(first), "control totals after loading in another order")
    client.close()
    clock.say("loaded in another order, half of it twice: control totals are equal")
    return server


def compare(questions, answers, said):
    wrong = [(question, text) for question, got, other in zip(questions, answers, said)
             for text in [difference(question, got, other)] if text]
    for question, text in wrong[:SHOWN]:
        print("DIFFERENT  %s %r\n    line %s\n    %.1500s" % (question.method, question.params, question.line, text), flush=True)
    bad = collections.Counter(question.kind for question, _ in wrong)
    errors = sum("error" in answer for answer in answers)
    for kind in sorted({question.kind for question in questions}):
        spent = sorted(answer.get("ms", 0) for question, answer in zip(questions, answers) if question.kind == kind)
        print("            %-10s %5d asked, %d differ; a server's median %.1f ms, longest %.1f ms" % (
            kind, len(spent), bad[kind], spent[len(spent) // 2], spent[-1]), flush=True)
    print("            %d questions were refused, by both" % errors, flush=True)
    return wrong


def ask_both(server, naive, questions, rng, clock):
    """A thousand at a time, so that a long run can be watched: days together for the naive program, in any order for the server."""
    answers, said = [None] * len(questions), []
    for at in range(0, len(questions), 1000):
        places = list(range(at, min(at + 1000, len(questions))))
        rng.shuffle(places)
        for place, answer in zip(places, ask_server(server, [questions[place] for place in places])):
            answers[place] = answer
        part = slice(at, at + len(places))
        clock.say("%d questions answered by the server", len(places))
        name_the_day(questions[part], answers[part])
        said += naive.ask(questions[part])
        wrong = sum(difference(*both) is not None for both in zip(questions[part], answers[part], said[part]))
        clock.say("and by the naive program: %d differ", wrong)
    return answers, said


def same_again(questions, before, server, what, clock):
    after = ask_server(server, questions)
    for question, first, again in zip(questions, before, after):
        equal(plain(again), plain(first), "%s %r %s" % (question.method, question.params, what))
    clock.say("%d questions %s: the same answers", len(questions), what)


def in_batches(questions, before, client, clock):
    """A dozen at a time, which share what they have in common."""
    for at in range(0, len(questions), 12):
        some = questions[at:at + 12]
        got = client.call("batch", {"calls": [[question.method, question.params] for question in some]})["answers"]
        for question, first, again in zip(some, before[at:at + 12], got):
            if "error" in first:
                equal(again["error"]["code"], first["error"], "%s %r in a batch" % (question.method, question.params))
            else:
                equal(plain(again), plain(first), "%s %r in a batch" % (question.method, question.params))
    clock.say("%d questions in batches: the same answers", len(questions))


def run():
    program("PATROND"), program("PATRON"), program("NAIVE")
    number = seed()
    rng = random.Random(number)
    customers, orders, count = sizes()
    folder = argument("--keep") or temp_dir()
    os.makedirs(folder, exist_ok=True)
    base, timezone = rng.choice(shop_files.CURRENCIES), rng.choice(ZONES)
    print("%d customers, %d orders, %d questions; base %s, zone %s" % (customers, orders, count, base, timezone), flush=True)
    clock = Clock()
    made = (rng.randrange(1 << 30), base, customers, orders)
    files = shop_files.generate(*made, folder)
    clock.say("generated")

    server = Server(timezone=timezone, currency=base).start()
    if DURING_INGEST:
        naive = Naive(timezone, base)
        during_ingest.run(server, naive, files, rng, folder, base, customers, count, clock)
        naive.end()
        server.stop()
        return
    load(server, files)
    client = server.client()
    clock.say("loaded: %s", client.call("status")["rows"])
    streamed_or_loaded(client, base, timezone, made, clock)
    hold(client, rng, clock)
    if orders <= 2 * 10**6:
        other = another_way(client, base, timezone, files, clock)
        questions = [Maker(rng, Shop(base, shop_files.CURRENCIES, shop_files.START, shop_files.END, customers)).ask() for _ in range(40)]
        same_again(questions, ask_server(server, questions), other, "after loading in another order", clock)
        other.stop()

    more = shop_files.corrections(rng, folder, base, customers)
    more.append(shop_files.odd_orders(rng, folder))
    more.append(shop_files.first_rates_missing(folder, "EUR" if base != "EUR" else "USD", 45))
    load(server, more)
    clock.say("corrected: %d files", len(more))
    naive = Naives(1 if orders < 10**6 else 2, timezone, base)
    naive.load(files + more)
    clock.say("the naive program has read the same")

    maker = Maker(rng, Shop(base, shop_files.CURRENCIES, shop_files.START, shop_files.END, customers), by_size(25, 60, 80))
    questions = sorted((maker.ask() for _ in range(count)), key=lambda question: question.alike)
    answers, said = ask_both(server, naive, questions, rng, clock)
    wrong = compare(questions, answers, said)
    check(not wrong, "%d answers of %d differ (seed %d)", len(wrong), count, number)

    share = [rng.randrange(count) for _ in range(max(20, count // 10))]
    again, before = [questions[k] for k in share], [answers[k] for k in share]
    same_again(again, before, server, "at once", clock)
    in_batches(again, before, client, clock)
    equal(client.call("verify")["ok"], True, "verify")
    client.close()
    for way, options in (("stop", ()), ("kill", ()), ("stop", ("--cpu", "scalar", "--workers", "1"))):
        getattr(server, way)()
        server.start(extra=options)
        same_again(again, before, server, "after %s and start %s" % (way, " ".join(options)), clock)
    client = server.client()
    hold_after_changes(client, rng, base, clock)
    client.close()
    naive.end()
    server.stop()


if __name__ == "__main__":
    main(run)
