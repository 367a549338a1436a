#!/usr/bin/python3
"""The wire as its specification has it, and how the program starts, refuses and stops."""

import os
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import msgpack  # noqa: E402
from patron_test import (Client, RpcError, Server, check, dict_column, equal, i64_column, main, seed, temp_dir,  # noqa: E402
                         u64_column)

CODES = {"BAD_REQUEST", "UNKNOWN_METHOD", "UNKNOWN_FIELD", "NOT_FOUND", "CONFLICT", "NO_FIT", "AUTH", "READONLY", "NO_MEMORY",
         "NO_SPACE", "BUSY", "TOO_LARGE", "DEADLINE", "CANCELLED", "EXPIRED", "CORRUPT", "INTERNAL"}


def orders(seq, first, count, **more):
    columns = {"order": list(range(first, first + count)), "customer": [1 + k % 7 for k in range(count)],
               "time": ["2024-03-%02dT12:00:00Z" % (1 + k % 28) for k in range(count)], "amount": ["10.50"] * count,
               "currency": ["GBP"] * count}
    columns.update(more)
    return {"producer": "wire", "seq": seq, "columns": columns}


def says_hello(server, client):
    hello = client.call("hello", {"client": "tests"})
    equal(hello["version"], server.version, "version in hello and in the ready line")
    for key in ("server", "limits", "features"):
        check(key in hello, "hello has no %s: %r", key, hello)
    equal(client.call("ping"), "pong", "ping")
    schema = client.call("schema")
    for noun in ("customers", "orders", "lines", "refunds", "rfm.grid", "champions"):
        check(noun in repr(schema), "schema does not mention %s", noun)


def params_may_be_missing(server, client):
    for params in (b"\x90", b"\x91\x80", b"\x91\xc0"):
        client.raw(b"\x94\x00\x07\xa4ping" + params)
        equal(client.receive(), (7, None, "pong"), "ping with params %r" % params)
    for params in (b"\x92\x80\x80", b"\x91\x05", b"\x91\x90"):
        client.raw(b"\x94\x00\x08\xa6status" + params)
        msgid, error, _ = client.receive()
        check(msgid == 8 and error and error.startswith("BAD_REQUEST: "), "status with params %r: %r", params, error)


def method_names_may_be_bin(server, client):
    client.raw(b"\x94\x00\xcd\x12\x34\xc4\x04ping\x90")
    equal(client.receive(), (0x1234, None, "pong"), "a method as bin")
    client.raw(msgpack.packb([0, 1, b"count", [{b"as_of": "2024-01-01"}]], use_bin_type=True))
    check(client.receive()[1] is None, "map keys as bin")


def answers_match_requests(server, client):
    """Pipelined; they may overtake each other, but each comes once."""
    sent = {}
    for number in range(300):
        method = ("ping", "status", "count", "group", "nonsense")[number % 5]
        params = {"by": ["country"], "metrics": ["count"]} if method == "group" else None
        sent[client.send(method, params)] = method
    while sent:
        msgid, error, result = client.receive()
        method = sent.pop(msgid)
        check((error is not None) == (method == "nonsense"), "%s answered %r, %r", method, error, result)


def bytes_may_trickle(server, client):
    _, frame = client.frame("ping", msgid=99)
    for byte in frame + client.frame("load.orders", orders(900, 900000, 2), msgid=100)[1]:
        client.raw(bytes([byte]))
        time.sleep(0.0005)
    got = {msgid: error for msgid, error, _ in (client.receive(), client.receive())}
    equal(got, {99: None, 100: None}, "answers to frames that came byte by byte")


def big_msgids_come_back(server, client):
    for msgid in (0, 127, 128, 255, 256, 65535, 65536, (1 << 32) - 1):
        client.raw(client.frame("ping", msgid=msgid)[1])
        equal(client.receive(), (msgid, None, "pong"), "msgid")


# MessagePack that no parameter is made of.
STRANGE = ({1: "one", 2: {None: 3}}, msgpack.ExtType(5, b"x" * 300), msgpack.Timestamp(1700000000, 5), {(1, "two"): 3.5},
           {"deep": [{"a": {True: msgpack.ExtType(1, b"")}}]}, {b"k": {-1: 0, 1 << 40: 0, 2.5: 0}})


def strange_parameters_are_a_mistake(server, client):
    for number, strange in enumerate(STRANGE):
        client.raw(msgpack.packb([0, 500 + number, "count", [strange]]))
        msgid, error, result = client.receive()
        equal((msgid, result), (500 + number, None), "answer to %r" % (strange,))
        check(error.startswith("BAD_REQUEST: "), "%r was answered %r", strange, error)
    equal(client.call("ping"), "pong", "a call behind strange parameters")


def notifications_are_ignored(server, client):
    client.notify("nobody.knows", 1, [2], {"three": 4}, "five")
    client.raw(msgpack.packb([2, b"nvim_set_client_info", ["x", {}, "remote", {}, {}]], use_bin_type=True))
    client.notify("ping")
    for strange in STRANGE:
        client.raw(msgpack.packb([2, "nobody.knows", [strange, strange]]))
    equal(client.call("ping"), "pong", "a call behind notifications")


def errors_name_the_nearest(server, client):
    error = client.fails("cuont", code="UNKNOWN_METHOD", names=["cuont", "count"])
    check(re.match(r"^[A-Z_]+: .+$", error.raw), "an error is 'CODE: text' on one line: %r", error.raw)
    client.fails("count", {"where": "contry = 'BR'"}, "UNKNOWN_FIELD", ["contry", "country"])
    client.fails("count", {"wehre": "country = 'BR'"}, ("UNKNOWN_FIELD", "BAD_REQUEST"), ["wehre", "where"])
    client.fails("group", {"by": ["country"], "metrics": ["sum(nett)"]}, ("UNKNOWN_FIELD", "BAD_REQUEST"), ["nett", "net"])
    client.fails("count", {"where": "country = "}, "BAD_REQUEST")
    client.fails("customer", {"customer": "nobody"}, "NOT_FOUND", ["nobody"])
    columns = orders(901, 1, 1)["columns"]
    columns["custmer"] = columns.pop("customer")
    client.fails("load.orders", {"producer": "wire", "seq": 901, "columns": columns}, ("UNKNOWN_FIELD", "BAD_REQUEST"),
                 ["custmer", "customer"])


def errors_may_be_maps(server, client):
    other = server.client()
    other.call("hello", {"errors": "map"})
    error = other.fails("count", {"where": "orders >= 1 AND contry = 'BR'"}, "UNKNOWN_FIELD").raw
    check(isinstance(error, dict), "not a map: %r", error)
    for key in ("code", "message", "field", "row", "offset", "retryable", "retry_after_ms"):
        check(key in error, "the error has no %s: %r", key, error)
    equal(error["offset"], 16, "byte of the unknown name")
    error = other.fails("load.orders", orders(902, 1, 3, time=["2024-01-01", "2024-02-30", "2024-01-01"])).raw
    equal((error["field"], error["row"]), ("time", 1), "field and row of a rejected batch")
    check(error["code"] in CODES, "code %r", error["code"])
    other.close()
    check(isinstance(client.fails("nonsense").raw, str), "another connection keeps its own form of errors")


def columns_may_be_binary(server, client):
    count = 1000
    plain, packed = orders(1, 1, count), orders(2, 1, count)
    packed["columns"].update(order=u64_column(range(1, count + 1)), currency=dict_column(["GBP"] * count),
                             time=i64_column([1709294400000 + (k % 28) * 86400000 for k in range(count)]))
    packed["columns"]["amount_minor"] = i64_column([1050] * count)
    del packed["columns"]["amount"]
    equal(client.call("load.orders", plain)["new"], count, "new from arrays")
    equal(client.call("load.orders", packed)["duplicate"], count, "the same rows as binary columns")
    client.fails("load.orders", dict(packed, seq=3, columns=dict(packed["columns"], time=b"\0" * 7)), "BAD_REQUEST", ["time"])
    shorter = dict(packed["columns"], amount_minor=i64_column([1050] * (count - 1)))
    client.fails("load.orders", dict(packed, seq=3, columns=shorter), "BAD_REQUEST", ["amount_minor"])


def ids_are_strings(server, client):
    rows = client.call("rows", {"fields": ["customer", "orders"], "limit": 3, "order_by": ["customer"]})["rows"]
    check(rows and all(isinstance(row[0], str) for row in rows), "ids in rows: %r", rows)
    equal(client.call("customer", {"customer": 1})["customer"], "1", "customer asked for by a number")
    equal(client.call("customer", {"customer": "1"})["customer"], "1", "the same as text")


def pairs_are_taken_once(server, client):
    batch = dict(orders(10, 5000, 5), meta="topic/3@77")
    first = client.call("load.orders", batch)
    again = client.call("load.orders", batch)
    for key in ("lsn", "rows", "new", "updated", "duplicate", "stale", "rejected"):
        equal(again[key], first[key], "%s of the repeated batch" % key)
    client.fails("load.orders", orders(10, 5000, 6), "CONFLICT", ["10"])
    state = client.call("load.state", {"producer": "wire"})
    equal((state["seq"], state["lsn"], state["meta"]), (10, first["lsn"], "topic/3@77"), "load.state")
    client.fails("load.orders", orders(11, 6000, 2, amount=["1", "one"]))
    equal(client.call("load.orders", orders(11, 6000, 2))["new"], 2, "a refused batch does not use up its seq")
    skipped = client.call("load.orders", dict(orders(12, 7000, 3, amount=["1", "one", "2"]), on_error="skip"))
    equal((skipped["new"], skipped["rejected"], skipped["errors"][0]["row"], skipped["errors"][0]["field"]), (2, 1, 1, "amount"),
          "a skipped row")
    equal(skipped["sync"], "always", "sync in the answer")


def facts_come_with_their_customer(server, client):
    answer = client.call("customer", {"customer": 1, "with": ["orders", "refunds", "lines"], "as_of": "2024-12-31"})
    for key in ("orders", "net_minor", "first_order", "last_order", "recency_days", "rfm"):
        check(key in answer, "customer has no %s: %r", key, answer)
    order = client.call("order", {"order": 1, "with": ["lines", "refunds"]})
    equal((order["order"], order["amount_minor"], order["currency"]), ("1", 1050, "GBP"), "an order")


# What one may ask of a customer, in every order, and what is no good question.
LOOK_UPS = [lambda who: {"customer": who}, lambda who: {"customer": who, "as_of": "2024-03-20"},
            lambda who: {"as_of": "latest", "customer": who, "lifecycle": {"cuts": [10, 20]}},
            lambda who: {"rfm": {"scoring": "mean"}, "customer": who}, lambda who: {"customer": who, "rfm": {"map": "none"}},
            lambda who: {"customer": who, "with": ["orders"]}, lambda who: {"customer": who, "deadline_ms": 60000},
            lambda who: {"customer": who, "min_lsn": 1}, lambda who: {"customer": who, "colour": 1},
            lambda who: {"customer": who, "rfm": {"population": "orders >= 1"}}, lambda who: {"of": who}]
WHO = [1, 2, 3, 7, "3", "03", 200, 70000, 1 << 40, (1 << 64) - 1, -4, "anna", "b\u00e4r", "x y", "a\tb", "", "n" * 64, "n" * 65, None, 1.5]


def without_clock(answer):
    return {key: value for key, value in answer.items() if key != "ms"} if isinstance(answer, dict) else answer


def look_ups_may_come_side_by_side(server, client):
    """Series of them in the same words, cut anywhere: each is answered as when it comes alone."""
    rng = random.Random(seed())
    client.call("load.orders", {"producer": "side", "seq": 1, "columns": {
        "order": ["s1", "s2", "s3"], "customer": ["anna", "b\u00e4r", "n" * 64], "time": ["2024-03-02T12:00:00Z"] * 3,
        "amount": ["1", "2", "3"], "currency": ["GBP"] * 3}})
    for hello in ({}, {"errors": "map"}, {"bigint": "string"}):
        other = server.client()
        other.call("hello", hello)
        asked = []
        while len(asked) < 600:
            words = rng.choice(LOOK_UPS)
            asked += [words(rng.choice(WHO)) for _ in range(rng.choice((1, 2, 3, 70)))]
        alone = {}
        for params in asked:
            packed = msgpack.packb(params)
            if packed in alone:
                continue
            other.raw(msgpack.packb([0, 7, "customer", [params]]))
            alone[packed] = other.receive()[1:]
        # As many at once as may be unanswered: nobody reads meanwhile.
        for first in range(0, len(asked), 200):
            part = asked[first:first + 200]
            stream = b"".join(msgpack.packb([0, 1000 + k, "customer", [params]]) for k, params in enumerate(part))
            cut = rng.randrange(len(stream))
            other.raw(stream[:cut])
            time.sleep(rng.choice((0, 0.01)))
            other.raw(stream[cut:])
            got = dict((msgid, rest) for msgid, *rest in (other.receive() for _ in part))
            equal(sorted(got), list(range(1000, 1000 + len(part))), "each is answered once")
            for k, params in enumerate(part):
                error, result = alone[msgpack.packb(params)]
                equal([got[1000 + k][0], without_clock(got[1000 + k][1])], [error, without_clock(result)],
                      "the answer to %r" % params)
        other.close()


def one_of_several_look_ups_may_be_cancelled(server, client):
    frames = [msgpack.packb([0, 100 + k, "customer", [{"customer": 1 + k % 7}]]) for k in range(20)]
    client.raw(b"".join(frames) + msgpack.packb([0, 500, "cancel", [{"msgid": 105}]]) + frames[0])
    got = [client.receive() for _ in range(22)]
    stopped = [result["cancelled"] for msgid, _, result in got if msgid == 500][0]
    for msgid, error, result in got:
        if msgid == 105 and stopped:
            check(error.startswith("CANCELLED: "), "cancelled, and answered with %r", error)
        elif msgid != 500:
            check(error is None and result["customer"] == str(1 + (msgid - 100) % 7), "look-up %d: %r %r", msgid, error, result)


def limits_are_said(server, client):
    client.fails("load.orders", dict(orders(30, 1, 1), meta="m" * 257), ("BAD_REQUEST", "TOO_LARGE"), ["meta"])
    client.fails("count", {"where": "orders = 1 OR " * 6000 + "orders = 2"}, ("BAD_REQUEST", "TOO_LARGE"))
    client.fails("count", {"where": "NOT " * 500 + "orders = 1"}, ("BAD_REQUEST", "TOO_LARGE"))
    client.fails("group", {"by": ["country", "gender", "language", "rfm_group", "orders"], "metrics": ["count"]},
                 ("BAD_REQUEST", "TOO_LARGE"))
    rows = 65537
    client.fails("load.customers", {"producer": "wire", "seq": 31, "columns": {"customer": u64_column(range(rows))}},
                 ("BAD_REQUEST", "TOO_LARGE"))
    client.fails("load.state", {"producer": "p" * 5000}, ("BAD_REQUEST", "TOO_LARGE", "NOT_FOUND"))
    equal(client.call("ping"), "pong", "after all that")


def frames_that_are_broken_end_their_connection_only(server, client):
    for data in (b"\xc1", b"\x93\x00\x01\xa4ping", b"\x94\x05\x01\xa4ping\x90", b"\xdd\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"):
        other = server.client()
        other.raw(data)
        check(other.closed_within(30), "the connection stays open after %r", data)
        other.close()
    equal(client.call("ping"), "pong", "the good connection")


def reads_its_writes(server, client):
    lsn = client.call("load.orders", orders(40, 8000, 3))["lsn"]
    check(client.call("count", {"min_lsn": lsn})["lsn"] >= lsn, "an answer from before its own write")


def batches_go_to_the_disk_together(server, client):
    """More of them than there are requests of other kinds: each is answered once, in the order of its lsn."""
    before = client.call("status")["groups"]
    frames = [client.frame("load.orders", orders(7000 + k, 7000000 + k, 1)) for k in range(1500)]
    client.raw(b"".join(frame for _, frame in frames))
    sent, lsns = [msgid for msgid, _ in frames], {}
    for _ in sent:
        msgid, error, result = client.receive()
        check(error is None and result["new"] == 1 and msgid not in lsns, "batch %r: %r, %r", msgid, error, result)
        lsns[msgid] = result["lsn"]
    equal([lsns[msgid] for msgid in sent], sorted(lsns.values()), "lsns in the order of the batches")
    after = client.call("status")["groups"]
    equal(after["batches"] - before["batches"], 1500, "batches in groups")
    check(after["count"] - before["count"] < 750, "%d groups for 1500 batches", after["count"] - before["count"])


def filters_are_parsed_both_ways(server, client):
    text = "country IN ('BR', 'MX') AND orders >= 2 AND NOT net < 100"
    parsed = client.call("filter.parse", {"text": text})
    equal(client.call("filter.parse", {"text": parsed["text"]})["tree"], parsed["tree"], "canonical text means the same")
    equal(client.call("filter.parse", {"tree": parsed["tree"]})["text"], parsed["text"], "and so does the tree")
    equal(sorted(parsed["fields"]), ["country", "net", "orders"], "fields")
    equal(client.call("count", {"where": "orders >= :n", "args": {"n": 1}})["count"],
          client.call("count", {"where": [">=", "orders", 1]})["count"], "args")
    unknown = client.call("count", {"where": "country = 'Atlantis'"})
    equal(unknown["count"], 0, "an unknown value selects nobody")
    check("Atlantis" in repr(unknown.get("warnings")), "no warning about Atlantis: %r", unknown)


def rfm_maps_are_proved(server, client):
    cells = [r * 100 + f * 10 + m for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
    client.fails("rfm.map.save", {"name": "half", "groups": {"some": cells[:-1]}}, "BAD_REQUEST", ["555"])
    client.fails("rfm.map.save", {"name": "twice", "groups": {"one": cells, "two": [111]}}, "BAD_REQUEST", ["111"])
    client.call("rfm.map.save", {"name": "halves", "groups": {"good": [c for c in cells if c >= 300],
                                                              "bad": [c for c in cells if c < 300]}})
    asked = {"window": "all", "as_of": "2024-12-31"}
    groups = client.call("rfm.groups", dict(asked, map="halves"))["groups"]
    check({g["name"] for g in groups if g["count"]} <= {"good", "bad"}, "groups of the new map: %r", groups)
    equal(sum(g["count"] for g in groups), client.call("rfm.grid", asked)["scored"], "everybody is in a group")


def random_splits(server, client):
    """The stream cut anywhere means the same."""
    rng = random.Random(seed())
    stream = b"".join(client.frame(method, params, msgid)[1] for msgid, (method, params) in enumerate(
        [("ping", None), ("status", None), ("count", {"where": "orders >= 1"}), ("load.orders", orders(50, 9000, 50))] * 5))
    for _ in range(20):
        at = 0
        while at < len(stream):
            step = rng.choice((1, 2, 3, 7, 100, 1460, 5000))
            client.raw(stream[at:at + step])
            at += step
        got = sorted(client.receive()[0] for _ in range(20))
        equal(got, list(range(20)), "answers to a stream cut at random")


# ---- start and stop ------------------------------------------------------------------------------------------------


def unix_sockets_serve():
    path = os.path.join(temp_dir(), "patron.sock")
    server = Server(extra=["--unix", path]).start()
    check(any(path in address for address in server.addresses), "the ready line does not name %s: %r", path, server.addresses)
    equal(Client(path).call("ping"), "pong", "over the unix socket")
    server.stop()
    check(not os.path.exists(path), "the socket is still there after a clean stop")


def one_connection_too_many_is_told():
    server = Server(extra=["--connections", "300"]).start()
    clients = [server.client()]
    most = clients[0].call("hello")["limits"]["connections_max"]
    equal(most, 300, "connections_max")
    clients += [server.client() for _ in range(most - 1)]
    equal(clients[-1].call("ping"), "pong", "the last connection that is taken")
    msgid, error, result = server.client().receive()
    equal((msgid, result), (0, None), "the answer to one connection too many")
    check(error.startswith("BUSY: "), "one connection too many was told %r", error)
    if os.environ.get("PATRON"):
        said = subprocess.run([os.environ["PATRON"], "--connect", server.addresses[0], "count"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)
        check(said.returncode == 1 and "BUSY: " in said.stderr, "patron said %d %r", said.returncode, said.stderr)
    for client in clients:
        client.close()
    server.stop()


def stops_with_a_snapshot_and_starts_where_it_was():
    server = Server().start()
    client = server.client()
    client.call("load.orders", orders(1, 1, 500))
    lsn = client.call("status")["lsn"]
    server.stop()
    names = os.listdir(server.data)
    check(any(name.startswith("snapshot-") and name.endswith(".ps") for name in names), "no snapshot after SIGTERM: %r", names)
    server.start()
    client = server.client()
    equal(client.call("status")["lsn"], lsn, "lsn")
    check(client.call("snapshot.list"), "no generations")
    equal(client.call("load.orders", orders(1, 1, 500))["new"], 500, "a batch from before the stop gets its first answer")
    equal(client.call("status")["lsn"], lsn, "and is not applied again")
    equal(client.call("load.state", {"producer": "wire"})["seq"], 1, "load.state")
    server.stop()


def one_process_per_directory():
    server = Server().start()
    second = Server(data=server.data)
    second.log_path += ".2"
    said = second.refused()
    check(said is not None, "a second process on the same directory came up")
    check(said[0] != 0 and server.data in said[1] or "use" in said[1], "the second process said %r", said)
    equal(server.client().call("ping"), "pong", "the first one")
    server.stop()


def zone_and_currency_belong_to_the_data():
    server = Server(timezone="Europe/London", currency="GBP").start()
    server.stop()
    for zone, currency, word in (("Europe/Paris", "GBP", "Europe/Paris"), ("Europe/London", "EUR", "EUR")):
        server.timezone, server.currency = zone, currency
        said = server.refused()
        check(said is not None and said[0] != 0, "started with %s, %s: %r", zone, currency, said)
        check(word in said[1], "what it said does not name %s: %r", word, said[1])
    server.timezone, server.currency = "Europe/London", "GBP"
    server.start()
    server.stop()


def refuses_what_it_cannot_promise():
    for options, word in (
            ({"listen": ["0.0.0.0:0"]}, "0.0.0.0"), ({"listen": ["[::]:0"]}, "::"),
            ({"extra": ["--nonsense"]}, "nonsense"), ({"extra": ["--memory", "lots"]}, "memory"),
            ({"extra": ["--sync", "sometimes"]}, "sync")):
        said = Server().refused(**options)
        check(said is not None and said[0] != 0, "started with %r: %r", options, said)
        check(word in said[1], "what it said of %r does not name it: %r", options, said[1])
    for zone, currency, word in (("Mars/Olympus", "GBP", "Mars/Olympus"), ("UTC", "XYZ", "XYZ"), ("../../etc/passwd", "GBP", "zone")):
        said = Server(timezone=zone, currency=currency).refused()
        check(said is not None and said[0] != 0 and word in said[1], "%s, %s: %r", zone, currency, said)


def run():
    server = Server().start()
    client = server.client()
    for case in (says_hello, params_may_be_missing, method_names_may_be_bin, columns_may_be_binary, answers_match_requests,
                 bytes_may_trickle, big_msgids_come_back, strange_parameters_are_a_mistake, notifications_are_ignored,
                 errors_name_the_nearest, errors_may_be_maps,
                 ids_are_strings, pairs_are_taken_once, facts_come_with_their_customer, look_ups_may_come_side_by_side,
                 one_of_several_look_ups_may_be_cancelled, limits_are_said,
                 frames_that_are_broken_end_their_connection_only, reads_its_writes, batches_go_to_the_disk_together,
                 filters_are_parsed_both_ways, rfm_maps_are_proved, random_splits):
        try:
            case(server, client)
        except RpcError as error:
            check(False, "%s: %s", case.__name__, error)
        print("ok  %s" % case.__name__.replace("_", " "), flush=True)
    server.stop()
    for case in (unix_sockets_serve, one_connection_too_many_is_told, stops_with_a_snapshot_and_starts_where_it_was,
                 one_process_per_directory, zone_and_currency_belong_to_the_data, refuses_what_it_cannot_promise):
        case()
        print("ok  %s" % case.__name__.replace("_", " "), flush=True)


if __name__ == "__main__":
    main(run)
