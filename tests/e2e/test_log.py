#!/usr/bin/env python3
"""The log: lines that programs can read, who did what, and never customer data: whatever is loaded, asked, mistaken or
typed as a password stands in no line, at the most talkative level."""

import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, by_size, check, equal, main, program, temp_dir  # noqa: E402

PAIR = re.compile(r'([a-z][a-z0-9_]*)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)')
SECRET = "zq9secret"


def parse_logfmt(line):
    """The pairs of a line, which must consist of nothing else."""
    at, pairs = 0, {}
    while at < len(line):
        match = PAIR.match(line, at)
        check(match is not None, "not logfmt at %d: %r", at, line)
        key, value = match.groups()
        check(key not in pairs, "twice %s: %r", key, line)
        pairs[key] = json.loads(value) if value.startswith('"') else value
        at = match.end()
    return pairs


def events(server, parse):
    lines = [parse(line) for line in server.log_since(0).splitlines()]
    for line in lines:
        check(list(line)[:3] == ["time", "level", "event"], "each line begins alike: %r", line)
        check(re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", line["time"]), "time: %r", line)
    return lines


# A name has no spaces; quotes it may have.
FORGER = 'x"\\"event="forged'


def with_event(lines, event):
    return [line for line in lines if line["event"] == event]


def users_file():
    path = os.path.join(temp_dir(), "users")
    for name, role in (("ana", "reader"), ("leo", "loader"), ("root", "admin")):
        subprocess.run([program("PATRON"), "user", "add", name, "--role", role, "--file", path], check=True, env={**os.environ, "PATRON_PASSWORD": SECRET + "-" + name})
    return path


def command(server, user, *arguments, password=None, expect=0):
    done = subprocess.run([program("PATRON"), "--connect", server.address(), "--user", user, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**os.environ, "PATRON_PASSWORD": password or SECRET + "-" + user}, timeout=120)
    equal(done.returncode, expect, "patron %s; it said %s" % (" ".join(arguments), done.stderr.decode()))


def call(server, user, method, params, expect=0):
    command(server, user, "call", method, json.dumps(params), expect=expect)


def work(server):
    """Some of everything, with a secret wherever a client can put one."""
    for seq in range(3):
        call(server, "leo", "load.orders", {"producer": "till-7", "seq": seq, "meta": SECRET, "columns": {
            "order": [SECRET + str(10 * seq + i) for i in range(4)], "customer": [SECRET + "-cust"] * 4, "time": ["2024-01-05"] * 4,
            "amount": ["12.5"] * 4, "currency": ["GBP"] * 4, "country": [SECRET + "-land"] * 4}})
    call(server, "leo", "load.orders", {"producer": "till-7", "seq": 9, "on_error": "skip", "columns": {
        "order": [SECRET, SECRET + "x"], "customer": [SECRET, SECRET], "time": ["2024-01-05", SECRET], "amount": [SECRET, "1"], "currency": [SECRET, "GBP"]}})
    call(server, "leo", "load.orders", {"producer": "till-7", "seq": 10, "columns": {"order": [SECRET + "\n"]}}, expect=1)
    command(server, "ana", "count", "country = '%s'" % SECRET)
    command(server, "ana", "count", "%s = 1" % SECRET, expect=1)
    command(server, "ana", "count", "net > '%s'" % SECRET, expect=1)
    command(server, "ana", "customer", SECRET + "-cust")
    command(server, "ana", "customer", SECRET, expect=1)
    command(server, "ana", "rows", "country = '%s-land'" % SECRET, "--fields", "customer,net")
    call(server, "ana", "group", {"by": ["customer"]})
    call(server, "ana", "group", {"by": ["country"]})
    call(server, "ana", "count", {"min_lsn": 1 << 40, "deadline_ms": 50}, expect=1)  # slow on any machine
    call(server, "ana", "rows", {"from": "orders", "fields": ["order", "customer"], "limit": 7})
    call(server, "ana", SECRET, {}, expect=1)
    command(server, "ana", "snapshot", expect=1)
    call(server, "ana", "load.orders", {"producer": SECRET, "seq": 1, "columns": {}}, expect=1)
    command(server, "ana", "status", password=SECRET + "-wrong", expect=1)
    command(server, FORGER, "status", password=SECRET, expect=1)
    command(server, "root", "snapshot")
    command(server, "root", "verify")
    command(server, "root", "backup", os.path.join(temp_dir(), "backup"))
    client = server.client()
    client.raw(b"\x94\x00\x01\xa5" + SECRET.encode() + b"\xc1" * 20)
    client.closed_within(30)
    client.close()


def told(server, parse):
    lines = events(server, parse)
    text = server.log_since(0)
    check(SECRET not in text, "the log holds what clients sent: %s", [line for line in text.splitlines() if SECRET in line][:3])
    one = lambda event: with_event(lines, event)[-1]  # noqa: E731
    loaded = with_event(lines, "loaded")
    equal({line["producer"] for line in loaded}, {"till-7"}, "producers")
    equal(sum(int(line["rows"]) for line in loaded), 14, "rows loaded")
    equal(sum(int(line["rejected"]) for line in loaded), 2, "rows rejected")
    check(all(line["user"] == "leo" for line in loaded), "who loaded: %r", loaded)
    exported = with_event(lines, "exported")
    equal(sorted((line["user"], line["method"], int(line["rows"])) for line in exported), [("ana", "group", 1), ("ana", "rows", 1), ("ana", "rows", 7)], "exports")
    equal([(line["user"], int(line["answers"])) for line in with_event(lines, "looked-up")], [("ana", 1)], "look-ups")
    equal(sorted({line["method"] for line in with_event(lines, "refused") if line["user"] == "ana"}), ["load.orders", "snapshot.save"], "what ana may not")
    equal([line["user"] for line in with_event(lines, "login-failed")], ["ana", FORGER], "who failed to log in")
    equal(with_event(lines, "forged"), [], "no event is made up by a client")
    check({"snapshot.save", "verify", "backup.begin", "backup.end"} <= {line["method"] for line in with_event(lines, "called") if line["user"] == "root"}, "what root did")
    check(int(one("backup-begun")["lsn"]) > 0 and one("backup-ended")["reason"] == "done", "the backup")
    logins = with_event(lines, "login")
    check({line["user"] for line in logins} == {"ana", "leo", "root"} and all(int(line["conn"]) > 0 for line in logins), "logins: %r", logins[:3])
    numbers = [line["conn"] for line in with_event(lines, "connected")]
    equal(len(numbers), len(set(numbers)), "each connection has a number of its own")
    check(any(line["conn"] in numbers for line in with_event(lines, "disconnected")), "and an end")
    slow = with_event(lines, "slow")
    check(slow and all(int(line["ms"]) >= 1 and line["method"] for line in slow), "slow questions: %r", slow[:3])
    check(with_event(lines, "recovered") and with_event(lines, "ready") and with_event(lines, "stopped"), "what the server did")


def runs(parse, *extra):
    server = Server(extra=["--users", users_file(), "--log-level", "debug", "--log-slow", "1ms", *extra]).start()
    work(server)
    server.stop()
    told(server, parse)


def quiet():
    """At `error` a good day leaves nothing."""
    server = Server(extra=["--log-level", "error"]).start()
    client = server.client()
    client.call("count")
    client.fails("count", {"where": "nothing = 1"}, code="UNKNOWN_FIELD")
    client.close()
    server.stop()
    equal(server.log_since(0), "", "the log at error")


def many_batches():
    """Thousands of batches are a few lines."""
    server = Server().start()
    client = server.client()
    batches = by_size(300, 1000, 10000)
    for seq in range(batches):
        client.send("load.orders", {"producer": "p", "seq": seq, "columns": {"order": [seq], "customer": [seq % 7], "time": [1700000000000], "amount_minor": [100], "currency": ["GBP"]}})
        if seq % 100 == 99:
            for _ in range(100):
                client.receive()
    # Look-ups that come side by side are counted one by one, those of nobody not at all.
    for seq in range(200):
        client.send("customer", {"customer": seq % 10})
    for _ in range(200):
        client.receive()
    client.close()
    server.stop()
    found = with_event(events(server, parse_logfmt), "looked-up")
    equal(sum(int(line["answers"]) for line in found), 140, "look-ups")
    loaded = with_event(events(server, parse_logfmt), "loaded")
    equal(sum(int(line["batches"]) for line in loaded), batches, "batches")
    check(len(loaded) < batches / 20, "%d lines for %d batches", len(loaded), batches)


def nobody_reads():
    """A log that goes to a pipe which nobody reads is in nobody's way, and says later what is missing."""
    server = Server(extra=["--log-level", "debug"])
    log, server.log_path = server.log_path, server.log_path + ".pipe"
    os.mkfifo(server.log_path)
    reading = os.open(server.log_path, os.O_RDONLY | os.O_NONBLOCK)
    server.start()
    server.log_path = log
    for _ in range(2000):
        client = server.client(timeout=30)
        equal(client.call("ping"), "pong", "while nobody reads the log")
        client.close()
    os.set_blocking(reading, True)
    text = b""
    while b"log-dropped" not in text:
        text += os.read(reading, 1 << 16)
    server.process.send_signal(signal.SIGTERM)
    while piece := os.read(reading, 1 << 16):
        text += piece
    os.close(reading)
    server.stop()
    lines = [parse_logfmt(line) for line in text.decode().splitlines()]
    numbers = [int(line["conn"]) for line in with_event(lines, "connected")]
    equal(numbers, sorted(numbers), "lines in order")
    dropped = [int(line["count"]) for line in with_event(lines, "log-dropped")]
    check(len(dropped) >= 1 and min(dropped) > 0, "what was dropped is counted: %r", dropped)
    talked = sum(len(with_event(lines, event)) for event in ("connected", "disconnected"))
    check(4000 <= talked + sum(dropped) <= 4400, "%d lines and %d dropped for 2000 connections", talked, sum(dropped))
    check(with_event(lines, "stopped"), "the last line is there")


def run():
    runs(parse_logfmt)
    runs(json.loads, "--log-format", "json")
    quiet()
    many_batches()
    nobody_reads()


main(run)
