#!/usr/bin/python3
"""Nothing from outside is trusted: random and mutated packets, frames made to hurt, and every kind of mistake in a request.

The server stays up and does not grow. A mistake in a request gets an error that names what is wrong, and the connection lives; a
broken frame ends its own connection and no other.
"""

import os
import random
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import msgpack  # noqa: E402
from patron_test import (Client, Server, by_size, check, equal, i64_column, main, patron, seed, temp_dir)  # noqa: E402

PACKETS = by_size(20000, 200000, 1000000)
PACKETS_PER_CONNECTION = 8
# Between two looks at the memory; the first look counts as warm.
LOOK_EVERY = 5000
GROWTH_BYTES = 96 << 20
# AddressSanitizer keeps 256 MB of what was freed.
GROWTH_BYTES_SANITIZED = 700 << 20


def order(**more):
    columns = {"order": ["g1"], "customer": ["c"], "time": ["2024-01-01"], "amount": ["1.00"], "currency": ["GBP"]}
    columns.update(more)
    return columns


def request(method, params=None, msgid=1):
    return msgpack.packb([0, msgid, method, [] if params is None else [params]], use_bin_type=True)


def good_frames():
    """What mutations start from: every method, every kind of value."""
    load = {"producer": "g", "seq": 1, "on_error": "skip", "meta": b"\x01\x02", "columns": order()}
    binary = {"producer": "g", "seq": 2, "columns": order(time=i64_column([1704067200000]), country={"dict": ["BR"], "codes": b"\0"})}
    tree = ["and", ["in", "country", ["BR", "MX"]], ["not", ["<", "net", {"money": "5", "currency": "GBP"}]]]
    line = {"order": ["g2"], "customer": ["c"], "time": ["2024-01-01"], "product": ["p"], "quantity": [2], "price": [1.5], "currency": ["GBP"]}
    frames = [
        ("hello", {"client": "x", "errors": "map", "bigint": "string"}), ("ping", None), ("status", None), ("schema", None),
        ("cancel", {"msgid": 7}), ("load.orders", load), ("load.orders", binary), ("load.lines", dict(load, columns=line, mode="append")),
        ("load.customers", dict(load, columns={"customer": ["c", 7], "tags": [["a", "b"], None], "created": ["2024-01-01", 19000]})),
        ("load.refunds", dict(load, columns={"refund": ["r"], "order": ["g1"], "time": ["2024-01-02"], "amount_minor": [5], "currency": ["GBP"]})),
        ("load.state", {"producer": "g"}), ("count", {"where": "country IN ('BR','MX') AND NOT (net < 100 OR last_order < -90d)"}),
        ("count", {"where": tree, "as_of": "2024-02-01", "rfm": {"window": "90d", "population": "orders >= 1"}}),
        ("count", {"where": "orders >= :n", "args": {"n": 1}, "min_lsn": 0, "deadline_ms": 1000}),
        ("group", {"by": ["country", "month(last_order)", "bin(net, [0, 10])"], "metrics": ["count", "sum(net)", "p99.9(net)"], "limit": 5}),
        ("rows", {"fields": ["customer", "net"], "order_by": ["-net"], "limit": 10}), ("customer", {"customer": "c", "with": ["orders", "lines"]}),
        ("order", {"order": "g1"}), ("rfm.grid", {"window": "all", "scoring": "quintile"}),
        ("rfm.groups", {"scoring": "cuts", "cuts": {"r": [90, 60, 30, 10], "f": [1, 2, 3, 4], "m_minor": [1, 2, 3, 4]}}),
        ("filter.parse", {"text": "NOT country IS NULL"}), ("filter.parse", {"tree": tree}), ("snapshot.list", None),
    ]
    return [request(*frame) for frame in frames] + [msgpack.packb([2, "note", [1, {"a": None}]])]


# ---- packets -------------------------------------------------------------------------------------------------------

NASTY = [b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff",
         b"\xcf" + b"\xff" * 8, b"\xd3\x80" + b"\0" * 7, b"\xcb\x7f\xf0" + b"\0" * 6, b"\xcb\x7f\xf8" + b"\0" * 6, b"\xd4\x01\x00", b"\x91" * 20,
         b"\xa2\xc3\x28", b"\x82\xa1a\x01\xa1a\x02", b"\xc0", b"\xdc\xff\xff", b"\xde\xff\xff", b"\xd9\xff"]


def mutate(rng, frames):
    """A packet that was a good one, or never was."""
    kind = rng.randrange(12)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 200))
    data = bytearray(rng.choice(frames))
    if kind == 1:
        return bytes(data)
    if kind == 2:
        return bytes(data[:rng.randrange(len(data))])
    if kind == 3:
        other = rng.choice(frames)
        return bytes(data[:rng.randrange(len(data))]) + other[rng.randrange(len(other)):]
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(data))
        if kind in (4, 5):
            data[at] = rng.randrange(256)
        elif kind in (6, 7):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 8:
            data[at:at] = rng.randbytes(rng.randrange(1, 5))
        elif kind == 9:
            del data[at:at + rng.randrange(1, 5)]
        else:
            data[at:at + 1] = rng.choice(NASTY)
        if not data:
            return b"\xc0"
    return bytes(data)


def throw(path, packets):
    """All packets on one connection, then nothing more; reads until the server closes, which it must."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(60)
        sock.connect(path)
        try:
            sock.sendall(b"".join(packets))
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(1 << 16):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        except TimeoutError:
            check(False, "the connection is still open 60 s after the client's end; packets: %r", packets)


class Memory:
    """Looks at the server now and then: it lives, answers, and is not larger than when it was warm."""

    def __init__(self, server):
        self.server = server
        with open(server.binary, "rb") as binary:
            sanitized = b"__asan_init" in binary.read()
        self.allowed = GROWTH_BYTES_SANITIZED if sanitized else GROWTH_BYTES
        self.warm = None

    def look(self, what):
        check(self.server.alive(), "the server is gone after %s; log:\n%s", what, self.server.log_tail())
        client = self.server.client()
        equal(client.call("ping"), "pong", "ping after %s" % what)
        memory = client.call("status")["memory"]
        client.close()
        size = self.server.rss_bytes()
        if self.warm is None:
            self.warm = size
        check(size <= self.warm + self.allowed, "after %s the server has %d MB, %d when it was warm; by purpose: %r", what, size >> 20,
              self.warm >> 20, memory)
        return size


def flood(server, path, rng):
    frames, memory = good_frames(), Memory(server)
    thrown = looked = 0
    while thrown < PACKETS:
        packets = [mutate(rng, frames) for _ in range(rng.randrange(1, PACKETS_PER_CONNECTION + 1))]
        throw(path, packets)
        thrown += len(packets)
        if thrown - looked >= LOOK_EVERY:
            memory.look("%d packets" % thrown)
            looked = thrown
    last = memory.look("all packets")
    print("%d packets; %d MB when warm, %d MB at the end" % (thrown, (memory.warm or last) >> 20, last >> 20), flush=True)


# ---- frames made to hurt -------------------------------------------------------------------------------------------


def crafted():
    """(what it is, bytes, does the connection have to end)."""
    deep = b"\x94\x00\x01\xa4ping\x91" + b"\x91" * 200 + b"\xc0"
    # 155 bytes that ask msgpack-c to reserve 248 GiB: an array of arrays, each of which claims the most.
    nested = b"\x94\x00\x01\xa4ping" + b"\xdd\xff\xff\xff\xff" * 30
    yield "five bytes that announce 4 Gi elements", b"\xdd\xff\xff\xff\xff", True
    yield "155 bytes of announcements", nested[:155], True
    yield "a map of 4 Gi entries", b"\x94\x00\x01\xa4ping\x91\xdf\xff\xff\xff\xff", True
    yield "a string of 4 GiB", b"\x94\x00\x01\xdb\xff\xff\xff\xff", True
    yield "a bin of 4 GiB", b"\x94\x00\x01\xa4ping\x91\xc6\xff\xff\xff\xff", True
    yield "an ext of 4 GiB", b"\x94\x00\x01\xa4ping\x91\xc9\xff\xff\xff\xff\x01", True
    yield "a small ext", b"\x94\x00\x01\xa4ping\x91\xd4\x01\x00", False
    yield "the byte that is never used", b"\x94\x00\x01\xa4ping\x91\xc1", True
    yield "depth 200", deep, True
    yield "a scalar", b"\x2a", True
    yield "scalars, one after another", b"\xc0\x01\xc3\xca\x00\x00\x00\x00", True
    yield "an empty array", b"\x90", True
    yield "an array of five", b"\x95\x00\x01\xa4ping\x90\x00", True
    yield "type 9", b"\x94\x09\x01\xa4ping\x90", True
    yield "bad UTF-8 in the method", b"\x94\x00\x01\xa2\xc3\x28\x90", True
    yield "bad UTF-8 in a value", b"\x94\x00\x01\xa5count\x91\x81\xa5where\xa2\xc3\x28", True
    yield "a key twice", b"\x94\x00\x01\xa5count\x91\x82\xa5where\xa0\xa5where\xa0", True
    yield "a key that is a number", b"\x94\x00\x01\xa5count\x91\x81\x01\x02", False
    yield "HTTP", b"POST /v1/count HTTP/1.1\r\nHost: x\r\n\r\n{}", True
    yield "a method that is a number", b"\x94\x00\x01\x2a\x90", False
    yield "a message id that is text", b"\x94\x00\xa1x\xa4ping\x90", False
    yield "an answer to nothing", b"\x94\x01\x01\xc0\xc0", False
    yield "a message id of 64 bits", b"\x94\x00\xcf" + b"\xff" * 8 + b"\xa4ping\x90", False


def frames_made_to_hurt(server):
    memory = Memory(server)
    memory.look("nothing")
    for what, data, ends in crafted():
        client = server.client()
        client.raw(data)
        if ends:
            check(client.closed_within(30), "the connection is open after %s", what)
        else:  # either is fine, as long as it does not hang with a half-dead connection
            try:
                client.raw(request("ping", msgid=77))
                client.wait(77)
            except (ConnectionError, OSError):
                pass
        client.close()
        memory.look(what)
    print("ok  frames made to hurt", flush=True)


def trickle_is_not_quadratic(server):
    """A frame of 2 MB in 64-byte pieces: each byte is looked at once."""
    client = server.client()
    columns = {"customer": ["customer-%07d" % k for k in range(60000)]}
    frame = request("load.customers", {"producer": "trickle", "seq": 1, "columns": columns})
    for at in range(0, len(frame), 64):
        client.raw(frame[at:at + 64])
    equal(client.receive()[1], None, "error of a trickled load")
    client.close()
    print("ok  a frame in pieces", flush=True)


# ---- mistakes in requests ------------------------------------------------------------------------------------------


def batch(columns, table="orders", **more):
    return "load." + table, dict({"producer": "m", "seq": 1, "columns": columns}, **more)


def mistakes():
    """(method, params, codes, what the error must name)."""
    bad, field, both = "BAD_REQUEST", "UNKNOWN_FIELD", ("BAD_REQUEST", "UNKNOWN_FIELD")
    line = {"order": ["x"], "customer": ["c"], "time": ["2024-01-01"], "product": ["p"], "quantity": [1], "price": ["1"], "currency": ["GBP"]}
    # Rows
    yield *batch(order(time=["2024-02-30"])), bad, ["time"]
    yield *batch(order(time=["2023-02-29T10:00:00Z"])), bad, ["time"]
    yield *batch(order(time=["2024-01-01T24:61:00Z"])), bad, ["time"]
    yield *batch(order(time=["2999-01-01"])), bad, ["time"]
    yield *batch(order(time=[{"a": 1}])), bad, ["time"]
    yield *batch(order(time=[None])), bad, ["time"]
    yield *batch(order(time=[1 << 62])), bad, ["time"]
    yield *batch(order(amount=[float("nan")])), bad, ["amount"]
    yield *batch(order(amount=[float("inf")])), bad, ["amount"]
    yield *batch(order(amount=["NaN"])), bad, ["amount"]
    yield *batch(order(amount=["12,50"])), bad, ["amount"]
    yield *batch(order(amount=["1.005"])), bad, ["amount"]
    yield *batch(order(amount=[-1])), bad, ["amount"]
    yield *batch(order(amount=["9" * 40])), bad, ["amount"]
    yield *batch(order(amount=[True])), bad, ["amount"]
    yield *batch(dict(order(), amount_minor=[100])), bad, ["amount"]
    yield *batch(order(currency=["ABCDEFGHIJ"])), bad, ["currency", "ABCDEFGHIJ"]
    yield *batch(order(currency=["gbp"])), bad, ["currency", "GBP"]
    yield *batch(order(currency=[826])), bad, ["currency"]
    yield *batch(order(order=["x" * 65])), bad, ["order"]
    yield *batch(order(order=[""])), bad, ["order"]
    yield *batch(order(order=["a\nb"])), bad, ["order"]
    yield *batch(order(order=[1.5])), bad, ["order"]
    yield *batch(order(order=[["x"]])), bad, ["order"]
    yield *batch(order(customer=[None])), bad, ["customer"]
    yield *batch(order(test=["maybe"])), bad, ["test"]
    yield *batch(order(cancelled=["2024-13-01"])), bad, ["cancelled"]
    yield *batch(order(country=["x" * 300])), bad, ["country"]
    yield *batch(order(version=["first"])), bad, ["version"]
    yield *batch(dict(line, price=["0"]), "lines"), bad, ["price"]
    yield *batch(dict(line, price=["free"]), "lines"), bad, ["price"]
    yield *batch(dict(line, quantity=[0]), "lines"), bad, ["quantity"]
    yield *batch(dict(line, line=[-1]), "lines"), bad, ["line"]
    yield *batch({"refund": ["r"], "time": ["2024-01-01"], "amount": [0], "customer": ["c"], "currency": ["GBP"]}, "refunds"), bad, ["amount"]
    yield *batch({"refund": ["r"], "time": ["2024-01-01"], "amount": [1], "currency": ["GBP"]}, "refunds"), bad, ["order", "customer"]
    yield *batch({"customer": ["c"], "birth_year": ["old"]}, "customers"), bad, ["birth_year"]
    yield *batch({"customer": ["c"], "tags": ["vip", 5]}, "customers"), bad, []
    # Shapes of batches
    yield *batch(order(custmer=["c"])), both, ["custmer", "customer"]
    yield *batch(order(time=["2024-01-01", "2024-01-02"])), bad, ["time"]
    yield *batch(order(time="2024-01-01")), bad, ["time"]
    yield *batch(order(time=b"1234567")), bad, ["time"]
    yield *batch(order(country={"dict": ["BR"], "codes": b"\x01"})), bad, ["country"]
    yield *batch(order(country={"dict": ["BR"], "codes": b"\x00\x00"})), bad, ["country"]
    yield *batch({}), bad, []
    yield *batch([]), bad, ["columns"]
    yield "load.orders", {"seq": 1, "columns": order()}, bad, ["producer"]
    yield "load.orders", {"producer": "m", "columns": order()}, bad, ["seq"]
    yield *batch(order(), seq=-1), bad, ["seq"]
    yield *batch(order(), on_error="ignore"), bad, ["on_error"]
    yield *batch(order(), mode="append"), bad, ["mode"]
    yield *batch(order(), meta="m" * 300), ("BAD_REQUEST", "TOO_LARGE"), ["meta"]
    yield *batch(order(), producer=""), bad, ["producer"]
    yield *batch(order(), sekwence=1), both, ["sekwence"]
    # Questions
    yield "count", {"where": 5}, bad, ["where"]
    yield "count", {"where": "country ="}, bad, []
    yield "count", {"where": "country == 'BR'"}, bad, []
    yield "count", {"where": "country = 'BR"}, bad, []
    yield "count", {"where": "(country = 'BR'"}, bad, []
    yield "count", {"where": "country LIKE 'B%'"}, bad, ["LIKE"]
    yield "count", {"where": "contry = 'BR'"}, field, ["contry", "country"]
    yield "count", {"where": ["=", "contry", "BR"]}, field, ["contry", "country"]
    yield "count", {"where": ["=="]}, bad, []
    yield "count", {"where": ["frobnicate", "country"]}, bad, ["frobnicate"]
    yield "count", {"where": "orders = 'many'"}, bad, ["orders"]
    yield "count", {"where": "net > 5 XYZ"}, bad, ["XYZ"]
    yield "count", {"where": "last_order > '2024-02-30'"}, bad, ["2024-02-30"]
    yield "count", {"where": "country = NULL"}, bad, ["IS NULL"]
    yield "count", {"where": "orders >= :n"}, bad, ["n"]
    yield "count", {"where": "orders >= 1", "args": {"n": 1}}, bad, ["n"]
    yield "count", {"as_of": "yesterday"}, bad, ["as_of", "yesterday"]
    yield "count", {"as_of": "2023-02-29"}, bad, ["as_of"]
    yield "count", {"as_of": 1.5}, bad, ["as_of"]
    yield "count", {"rfm": {"window": "soon"}}, bad, ["window"]
    yield "count", {"rfm": {"windw": "90d"}}, both, ["windw", "window"]
    yield "count", {"deadline_ms": -5}, bad, ["deadline_ms"]
    yield "rfm.grid", {"window": "0d"}, bad, ["window"]
    yield "rfm.grid", {"scoring": "best"}, bad, ["scoring"]
    yield "rfm.grid", {"scoring": "cuts"}, bad, ["cuts"]
    yield "rfm.grid", {"scoring": "cuts", "cuts": {"r": [1, 2, 3], "f": [1, 2, 3, 4], "m_minor": [1, 2, 3, 4]}}, bad, ["r"]
    yield "rfm.groups", {"map": "nowhere"}, ("BAD_REQUEST", "NOT_FOUND"), ["nowhere"]
    yield "group", {"by": ["contry"], "metrics": ["count"]}, both, ["contry", "country"]
    yield "group", {"by": ["country"], "metrics": ["median(net)"]}, both, ["median"]
    yield "group", {"by": ["country"], "metrics": ["sum(country)"]}, bad, ["country"]
    yield "group", {"by": ["country"], "metrics": ["p101(net)"]}, both, ["p101"]
    yield "group", {"by": ["bin(net, [5, 1])"], "metrics": ["count"]}, bad, ["bin"]
    yield "group", {"by": ["month(country)"], "metrics": ["count"]}, bad, ["country"]
    yield "rows", {"fields": ["custmer"]}, both, ["custmer", "customer"]
    yield "rows", {"fields": ["customer"], "limit": -1}, bad, ["limit"]
    yield "rows", {"fields": ["customer"], "from": "nothing"}, both, ["from"]
    yield "customer", {}, bad, ["customer"]
    yield "customer", {"customer": ""}, ("BAD_REQUEST", "NOT_FOUND"), []
    yield "customer", {"customer": "nobody"}, "NOT_FOUND", ["nobody"]
    yield "customer", {"customer": "x" * 65}, ("BAD_REQUEST", "NOT_FOUND"), []
    yield "order", {"order": "nothing"}, "NOT_FOUND", ["nothing"]
    yield "hello", {"errors": "poem"}, bad, ["errors"]
    yield "filter.parse", {"text": "a = "}, bad, []
    yield "filter.parse", {}, bad, []
    yield "rfm.map.save", {"name": "No Slug!", "groups": {}}, bad, ["name"]
    yield "cuont", {}, "UNKNOWN_METHOD", ["cuont", "count"]
    yield "load.ordres", {}, "UNKNOWN_METHOD", ["load.ordres", "load.orders"]
    yield "", {}, "UNKNOWN_METHOD", []


def mistakes_get_errors(server):
    client = server.client()
    client.call("load.customers", {"producer": "m0", "seq": 1, "columns": {"customer": ["c"], "country": ["BR"]}})
    lsn = client.call("status")["lsn"]
    problems = []
    count = 0
    for method, params, codes, names in mistakes():
        count += 1
        try:
            error = client.fails(method, params, codes, names)
            check("\n" not in error.raw and len(error.text) >= 10, "%s %r: an error that says nothing: %r", method, params, error.raw)
        except AssertionError as problem:  # all of them at once: they are mended together
            problems.append("%.400s" % problem)
        except ConnectionError as problem:
            problems.append("%s %r: %s" % (method, params, problem))
            client = server.client()
    check(not problems, "%d of %d mistakes are not answered well:\n%s", len(problems), count, "\n".join(problems))
    equal(client.call("ping"), "pong", "the connection after all mistakes")
    equal(client.call("status")["lsn"], lsn, "lsn: a refused batch changes nothing")
    print("ok  %d mistakes in requests" % count, flush=True)


def files_that_are_no_csv(server):
    if not os.environ.get("PATRON"):
        print("skipped: PATRON is not set")
        return
    folder = temp_dir()
    picture = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xdb\x00\x43\x00" + random.Random(1).randbytes(20000)
    files = {"picture.csv": picture, "empty.csv": b"", "picture.csv.gz": picture, "picture.csv.zst": picture,
             "quote.csv": b'order,customer\n"never closed,' + b"x" * 100000, "zeros.csv": b"\0" * 5000}
    for name, data in files.items():
        path = os.path.join(folder, name)
        with open(path, "wb") as out:
            out.write(data)
        for arguments in (["load", "orders", path], ["load", "orders", path, "--map", "order=a,customer=b"]):
            code, out, err = patron(server, *arguments, expect=None)
            check(code in (1, 2), "patron %s on %s: exit %d, it said %r %r", " ".join(arguments[:2]), name, code, out, err)
            check(0 < len(err.strip()) < 5000, "patron on %s said %.300r", name, err)
            check(all(c >= " " and c != "\ufffd" or c in "\n\t" for c in err), "patron on %s wrote raw bytes: %.300r", name, err)
    code, _, err = patron(server, "load", "orders", os.path.join(folder, "nowhere.csv"), expect=None)
    check(code in (1, 2) and "nowhere.csv" in err, "a missing file: exit %d, %r", code, err)
    print("ok  files that are no CSV", flush=True)


def run():
    rng = random.Random(seed())
    path = os.path.join(temp_dir(), "s")
    server = Server(extra=["--unix", path]).start()
    mistakes_get_errors(server)
    frames_made_to_hurt(server)
    trickle_is_not_quadratic(server)
    files_that_are_no_csv(server)
    flood(server, path, rng)
    equal(Client(path).call("ping"), "pong", "at the end")
    check(server.client().call("verify")["ok"], "verify after all that")
    server.stop()


if __name__ == "__main__":
    main(run)
