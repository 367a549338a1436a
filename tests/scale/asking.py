"""Asking the two programs: the naive one line by line, the server with many questions under way on two connections."""

import collections
import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import RpcError, check, equal, patron_json, program  # noqa: E402

# More would wait in the server's queue, fewer would wait for us.
UNDER_WAY = 8


class Naives:
    """Several naive programs with the same rows, which share the questions."""

    def __init__(self, programs, timezone, base):
        self.naive = [Naive(timezone, base) for _ in range(programs)]

    def each(self, work):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(self.naive))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def load(self, files):
        rows = [None] * len(self.naive)

        def one(number):
            rows[number] = self.naive[number].load(files)
        self.each(one)
        check(rows[0] is not None and rows.count(rows[0]) == len(rows), "rows read: %r", rows)

    def ask(self, questions):
        answers, done = [None] * len(questions), []

        def one(number):
            # By day, so that each of them has to know half of the days.
            days = sorted({question.day for question in questions})[number::len(self.naive)]
            places = [k for k, question in enumerate(questions) if question.day in days]
            for place, answer in zip(places, self.naive[number].ask([questions[place] for place in places])):
                answers[place] = answer
            done.append(number)
        self.each(one)
        check(len(done) == len(self.naive), "a naive program failed")
        return answers

    def end(self):
        for naive in self.naive:
            naive.end()


class Naive:
    """The naive program, for one zone and base currency."""

    def __init__(self, timezone, base):
        self.process = subprocess.Popen([program("NAIVE"), base], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=dict(os.environ, TZ=timezone), text=True, encoding="utf-8")

    def say(self, lines):
        """Answers to lines, one after the other; the program gets them all without waiting."""
        def feed():
            for line in lines:
                self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        for _ in lines:
            text = self.process.stdout.readline()
            check(text != "", "the naive program ended with %r", self.process.poll())
            yield json.loads(text)
        feeder.join()

    def load(self, files):
        return [answer["rows"] for answer in self.say(["load %s %s" % file for file in files])]

    def ask(self, questions):
        """Answers by question; asked by day and way to score, since the program keeps what the last question needed."""
        order = sorted(range(len(questions)), key=lambda k: questions[k].alike)
        answers = [None] * len(questions)
        for k, answer in zip(order, self.say([questions[k].line for k in order])):
            answers[k] = answer
        return answers

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        check(code == 0, "the naive program ended with %d", code)


def load(server, files):
    """(table, path) by the command line; nothing may be rejected."""
    for table, path in files:
        tally = patron_json(server, "load", table, path)
        equal(tally["rejected"], 0, "rejected rows of %s: %r" % (path, tally))


def ask_on(client, questions, places, answers, extra):
    waiting, under_way = collections.deque(places), {}
    while waiting or under_way:
        while waiting and len(under_way) < UNDER_WAY:
            place = waiting.popleft()
            under_way[client.send(questions[place].method, dict(questions[place].params, **extra))] = place
        msgid, error, result = client.receive()
        answers[under_way.pop(msgid)] = result if error is None else {"error": RpcError(error).code, "text": str(error)}


def ask_server(server, questions, connections=2, **extra):
    """Answers by question, errors as {"error": code}."""
    answers, failed = [None] * len(questions), []

    def one(number):
        client = server.client()
        try:
            ask_on(client, questions, range(number, len(questions), connections), answers, extra)
        except Exception as error:  # noqa: BLE001 - told where the threads are joined
            failed.append(error)
        client.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return answers


def plain(answer):
    """What stays when the same is asked again."""
    return {key: value for key, value in answer.items() if key not in ("ms", "lsn", "epoch", "cursor")}
