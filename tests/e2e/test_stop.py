#!/usr/bin/env python3
"""Between SIGTERM and the end: what was taken in is answered, nothing new is taken, and whoever asks is told that it stops."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import WAIT_SECONDS, Server, check, equal, main  # noqa: E402

FAR = 1 << 40


def orders(seq):
    return {"producer": "stop", "seq": seq, "columns": {
        "order": ["%d-%d" % (seq, k) for k in range(50)], "customer": list(range(50)), "time": ["2024-01-05"] * 50,
        "amount_minor": [1] * 50, "currency": ["GBP"] * 50}}


def until_stopping(client):
    deadline = time.monotonic() + WAIT_SECONDS
    while client.call("status")["state"] != "stopping":
        check(time.monotonic() < deadline, "never said that it stops")
        time.sleep(0.02)


def states_to_the_end(client):
    """What status says until the connection ends."""
    states = []
    try:
        while True:
            states.append(client.call("status")["state"])
    except (ConnectionError, OSError, EOFError):
        return states


def asked_while_it_stops():
    server = Server().start()
    client, waiter = server.client(), server.client()
    equal(client.call("status")["state"], "serving", "state")
    client.call("load.orders", orders(1))
    # A question that was taken in and waits keeps the server until it is answered.
    waits = waiter.send("count", {"min_lsn": FAR, "deadline_ms": 600000})
    client.call("ping")
    taken = waiter.send("load.orders", orders(2))
    equal(waiter.receive()[0], taken, "the batch overtakes the question")
    server.process.send_signal(signal.SIGTERM)
    until_stopping(client)
    check("answered" in client.call("status")["reason"], "reason: %r", client.call("status"))
    equal(client.call("ping"), "pong", "ping")
    check(client.call("schema")["tables"], "schema")
    client.fails("load.orders", orders(3), code="BUSY", names=["stopping"])
    client.fails("count", {}, code="BUSY", names=["stopping"])
    client.fails("snapshot.save", {}, code="BUSY", names=["stopping"])
    late = server.client()
    equal((late.call("ping"), late.call("status")["state"]), ("pong", "stopping"), "somebody new")
    late.close()
    cancel = waiter.send("cancel", {"msgid": waits})
    answers = dict((msgid, error) for msgid, error, _ in (waiter.receive(), waiter.receive()))
    equal(answers[cancel], None, "cancel")
    check(answers[waits].startswith("CANCELLED"), "the question that waited: %r", answers[waits])
    check(set(states_to_the_end(client)) <= {"stopping"}, "states to the end")
    equal(server.process.wait(WAIT_SECONDS), 0, "exit status; log: %s" % server.log_tail())
    server.kill()
    server.start()
    client = server.client()
    equal(client.call("load.state", {"producer": "stop"})["seq"], 2, "what was taken in before the signal, and no more")
    equal(client.call("status")["recovery"]["records"], 0, "all is in the last snapshot")
    server.stop()


def a_second_signal_ends_it():
    server = Server().start()
    client = server.client()
    client.send("count", {"min_lsn": FAR, "deadline_ms": 600000})
    other = server.client()
    other.call("ping")
    server.process.send_signal(signal.SIGTERM)
    until_stopping(other)
    server.process.send_signal(signal.SIGTERM)
    equal(server.process.wait(WAIT_SECONDS), 1, "exit status")
    server.kill()


def run():
    asked_while_it_stops()
    a_second_signal_ends_it()
    print("ok  stopping", flush=True)


if __name__ == "__main__":
    main(run)
