#!/usr/bin/env python3
"""The command line: what it takes, how it reads CSV, what it sends, what it prints, how it ends.

Three parts: without a server (--help, mistakes, CSV through --dry-run), against a small server written here that keeps what it
was sent and misbehaves on request, and against patrond.
"""

import csv
import fcntl
import gzip
import io
import json
import os
import pty
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import unicodedata

import msgpack

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, WAIT_SECONDS, by_size, check, equal, main, patron, patron_json, program, seed, temp_dir  # noqa: E402

COMMANDS = ("call", "load", "count", "rows", "group", "customer", "order", "rfm", "clv", "cohort", "control", "status", "schema", "snapshot",
            "verify")


class Nowhere:
    """An address where nothing listens."""

    def address(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return "127.0.0.1:%d" % probe.getsockname()[1]


def write(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())
    return path


def run_cli(*arguments, data=None):
    done = subprocess.run([program("PATRON"), *arguments], input=data if data is not None else b"",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_SECONDS)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


# ---- without a server ----------------------------------------------------------------------------------------------


def help_and_mistakes():
    code, out, err = run_cli("--help")
    equal((code, err), (0, ""), "patron --help")
    check(len(out.splitlines()) <= 24 and max(map(len, out.splitlines())) <= 80, "--help does not fit 80 x 24: %s", out)
    for command in COMMANDS:
        check(command in out, "--help does not list %s", command)
        code, text, err = run_cli(command, "--help")
        equal((code, err), (0, ""), "patron %s --help" % command)
        check("Example:" in text and "patron " + command in text, "%s --help has no example", command)
        equal([line for line in text.partition("Example:")[0].splitlines() if len(line) > 80], [], "long lines of %s --help" % command)
    equal(run_cli("--version")[0], 0, "--version")
    mistakes = [
        (["cuont"], "count"), (["count", "--as-off", "latest"], "--as-of"), (["lod"], "load"), ([], "--help"),
        (["load", "lnes", "x.csv"], "lines"), (["load", "lines"], "TABLE FILE"), (["rows", "--limit", "0"], "--limit"),
        (["count", "a", "--where", "b"], "twice"), (["count", "--format", "xml"], "--format"), (["count", "a", "b"], "too many"),
        (["count", "--limit"], "--limit"), (["call", "ping", "{]"], "JSON"), (["call", "ping", "[1]"], "object"),
        (["load", "orders", "x.csv", "--delimiter", "ab"], "--delimiter"), (["load", "orders", "x.csv", "--map", "ordr=a"], "'order'"),
        (["load", "orders", "x.csv", "--map", "order=a,order=b"], "twice"), (["load", "orders", "x.csv", "--no-header"], "--map"),
        (["load", "orders", "x.csv", "--max-rejects", "many"], "--max-rejects"), (["flows"], "command"),
        (["clv"], "VERB"), (["clv", "fitt"], "fit"), (["clv", "fit", "a", "--name", "b"], "twice"), (["clv", "top", "a"], "too many"),
        (["count", '["=", "country"'], "JSON"), (["count", "--where", "[1"], "JSON"),
    ]
    for arguments, names in mistakes:
        code, out, err = run_cli(*arguments)
        equal((code, out), (2, ""), "patron %s: it said %r" % (" ".join(arguments), err))
        check(names in err and "--help" in err, "patron %s does not name %r: %r", " ".join(arguments), names, err)
    code, out, err = run_cli("--connect", Nowhere().address(), "status")
    equal((code, out), (1, ""), "patron status without a server")
    check(re.match(r"^[A-Z_]+: [^\n]+\n$", err) and "running" in err, "without a server: %r", err)


def dry(path, *options, table="orders", expect=0):
    code, out, err = run_cli("load", table, path, "--dry-run", "--format", "json", *options)
    equal(code, expect, "dry run of %s; it said %r" % (path, err))
    return json.loads(out) if expect == 0 else err


HEADER = "order,customer,time,amount,currency\n"


def reasons(report):
    return {(r["field"], r["code"]): (r["rows"], r.get("line")) for r in report["reasons"]}


def csv_as_people_have_it(folder):
    good = HEADER + "1,a,2020-01-01,1.50,EUR\n2,b,2020-01-02 10:00:00,2,EUR\n"
    forms = {
        "plain": good, "no newline at the end": good[:-1], "CRLF": good.replace("\n", "\r\n"), "CR": good.replace("\n", "\r"),
        "byte-order mark": "\ufeff" + good, "blank lines": good.replace("\n", "\n\n"),
        "quoted": HEADER + '"1","a","2020-01-01","1.50","EUR"\n"2","b","2020-01-02","2","EUR"\n',
        "semicolons": good.replace(",", ";"), "tabs": good.replace(",", "\t"),
    }
    options = {"semicolons": ["--delimiter", ";"], "tabs": ["--delimiter", "tab"]}
    for name, text in forms.items():
        report = dry(write(folder, "form.csv", text), *options.get(name, ()))
        equal((report["rows"], report["good"], report["rejected"]), (2, 2, 0), name)
    for name, pack in (("x.csv.gz", gzip.compress), ("named.csv", gzip.compress), ("two.gz", lambda b: gzip.compress(b[:20]) + gzip.compress(b[20:]))):
        equal(dry(write(folder, name, pack(good.encode())))["rows"], 2, name)
    code, out, err = run_cli("load", "orders", "-", "--dry-run", "--format", "json", data=good.encode())
    equal((code, json.loads(out)["rows"]), (0, 2), "standard input: %r" % err)

    tricky = HEADER + '1,"a ""quoted"", name\nwith a newline",2020-01-01,1,EUR\n2,b\n3,c,2020-01-01,1,EUR,more\n4,d,2020-13-01,1,EUR\n'
    tricky += '5,e,2020-01-01,x,EUR\n6,f,2020-01-01,1,EURO\n7,,2020-01-01,1,EUR\n8,"h"x,2020-01-01,1,EUR\n9,i,2020-01-01,1,EUR\n'
    report = dry(write(folder, "tricky.csv", tricky))
    equal((report["rows"], report["good"], report["rejected"]), (9, 1, 8), "tricky rows")
    equal(reasons(report), {("customer", "BAD_ID"): (1, 2), ("", "BAD_ROW"): (3, 4), ("time", "BAD_TIME"): (1, 6), ("amount", "BAD_MONEY"): (1, 7),
                            ("currency", "BAD_CURRENCY"): (1, 8), ("customer", "MISSING"): (1, 9)}, "reasons and their lines")
    latin = HEADER.encode() + b"1,J\xf6rg,2020-01-01,1,EUR\n2,b,2020-01-01,1,EUR\n"
    equal(reasons(dry(write(folder, "latin.csv", latin))), {("customer", "BAD_VALUE"): (1, 2)}, "a cell in latin-1")
    latin = b"order,customer,time,amount,currency,note\n1,a,2020-01-01,1,EUR,J\xf6rg\n"
    equal(dry(write(folder, "latin.csv", latin))["good"], 1, "latin-1 in a column that nobody takes")
    err = dry(write(folder, "strict.csv", tricky), "--on-error", "reject", expect=1)
    check("line 2: " in err, "--on-error reject does not name the line: %r", err)


def no_csv_at_all(folder):
    files = {
        "picture.csv": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 40, "JPEG"),
        "sheet.csv": (b"PK\x03\x04" + bytes(100), "save it as CSV"),
        "utf16.csv": (("\ufeff" + HEADER).encode("utf-16-le"), "UTF-16"),
        "nul.csv": (HEADER.encode() + b"1,a,2020-01-01,1,EUR\n2,\x00,b,c\n", "line 3"),
        "open.csv": (HEADER.encode() + b'1,a,2020-01-01,1,EUR\n2,"b,c\nd\n', "line 3"),
        "huge.csv": (HEADER.encode() + b'1,"' + b"x" * (3 << 20), "line 2"),
        "cut.csv.gz": (gzip.compress(os.urandom(5000))[:-100], "cut off"),
        "cut.csv.zst": (b"\x28\xb5\x2f\xfd\x04\x00\x10\x00\x00", ""),
        "empty.csv": (b"", "empty"),
    }
    for name, (data, says) in files.items():
        err = dry(write(folder, name, data), expect=1)
        check(re.match(r"^[A-Z_]+: [^\n]+\n$", err) and says in err, "%s: %r", name, err)
    err = dry(folder, expect=1)
    check(err.startswith("IO: ") and "directory" in err, "a directory: %r", err)
    err = dry(os.path.join(folder, "nowhere.csv"), expect=1)
    check(err.startswith("NOT_FOUND: ") and "nowhere.csv" in err, "a missing file: %r", err)


def mappings(folder):
    path = write(folder, "shop.csv", "Order No,Who,When,Total,Paid?\n1,a,31/12/2020 8:05,\"1.234,50\",J\n2,b,01/02/2021 23:59,7,N\n")
    given = ["--map", "order=Order No,customer=Who,time=When,amount=Total,test=Paid?,currency:=EUR"]
    reading = ["--time-format", "%d/%m/%Y %H:%M", "--decimal-comma", "--map-values", "test:J=false,N=true"]
    report = dry(path, *given, *reading)
    equal((report["rows"], report["good"]), (2, 2), "a German shop")
    equal(dry(path, *given)["rejected"], 2, "without --time-format the times are wrong")
    code, _, err = run_cli("load", "orders", path, "--dry-run", "--map", "order=Ordr No")
    check(code == 2 and "'Order No'" in err, "a column that is not there: %d %r", code, err)
    code, _, err = run_cli("load", "orders", path, "--dry-run")
    check(code == 2 and "--map" in err, "no column called like a field: %d %r", code, err)
    for delimiter, says in ((";", "--delimiter ';'"), ("\t", "--delimiter tab")):
        code, _, err = run_cli("load", "orders", write(folder, "cells.csv", HEADER.replace(",", delimiter)), "--dry-run")
        check(code == 2 and says in err and "note" not in err, "cells between %r: %d %r", delimiter, code, err)
    for format in ("%d.%q", "time=%D", "dd.mm.yyyy", "%"):
        code, _, err = run_cli("load", "orders", write(folder, "one.csv", HEADER), "--dry-run", "--time-format", format)
        check(code == 2 and "%d/%m/%Y" in err, "--time-format %s: %d %r", format, code, err)
    report = dry(write(folder, "comma.csv", HEADER + '1,a,2020-01-01,"1,50",EUR\n2,b,2020-01-01,-1,EUR\n'))
    check(report["rejected"] == 2 and '"1,50"' in report["reasons"][0]["message"] and "--decimal-comma" in report["reasons"][0]["message"],
          "a bad cell is shown, and what helps: %r", report)
    report = dry(write(folder, "comma.csv", HEADER + "1,a,2020-01-01,1,EUR\n"), table="lines")
    equal(reasons(report), {("product", "MISSING"): (1, 2)}, "lines without product")
    code, _, err = run_cli("load", "orders", write(folder, "head.csv", HEADER), "--dry-run")
    check(code == 0 and "no rows" in err, "a header and no rows: %d %r", code, err)
    path = write(folder, "extra.csv", "order,customer,time,amount,currency,colour\n1,a,2020-01-01,1,EUR,red\n")
    code, _, err = run_cli("load", "orders", path, "--dry-run")
    check(code == 0 and "colour" in err, "an ignored column is not named: %d %r", code, err)
    path = write(folder, "bare.csv", "1,a,2020-01-01,5\n2,b,2020-01-02,6\n")
    report = dry(path, "--no-header", "--map", "order=1,customer=2,time=3,amount=4,currency:=EUR")
    equal((report["rows"], report["good"]), (2, 2), "--no-header")
    path = write(folder, "mixed.csv", "order,customer,time,amount\n1,a,2020-01-01,5\n")
    equal(dry(path, "--map", "currency:=EUR")["good"], 1, "a constant beside columns called like fields")
    lines = "\n  order = Order No,\n\tcustomer = Customer,\n  time = Date ,amount = Total,\n  currency := GBP ,\n"
    path = write(folder, "spread.csv", "Order No,Customer,Date,Total,Kind\n1,a,2020-01-01,1.5,M\n2,b,2020-01-01,2,F\n")
    equal(dry(path, "--map", lines)["good"], 2, "a --map of many lines")
    values = "\n customer : a = c ,\n b = d,\n currency: GBP = \"BHD\" \n"
    equal(dry(path, "--map", lines, "--map-values", values)["good"], 2, "--map-values of many lines")
    values = values.replace("BHD", "nothing")
    equal(reasons(dry(path, "--map", lines, "--map-values", values)), {("currency", "BAD_CURRENCY"): (2, 2)}, "they are applied")
    code, _, err = run_cli("load", "orders", path, "--dry-run", "--map", "order=Nope")
    check(code == 2 and "did you mean" not in err, "what is nothing like a column: %r", err)
    path = write(folder, "digits.csv", HEADER + "1,a,2020-01-01,2.555,GBP\n2,a,2020-01-01,2.555,KWD\n3,a,2020-01-01,2.5,JPY\n"
                 "4,a,2020-01-01,2.550,GBP\n5,a,2020-01-01,2000000000000000,JPY\n6,a,2020-01-01,0.1234567890123456,GBP\n")
    report = dry(path)
    equal((report["good"], reasons(report)), (2, {("amount", "BAD_MONEY"): (4, 2)}), "amounts and the digits of their currency")


# ---- against a small server ----------------------------------------------------------------------------------------


class Recorder:
    """Answers as a server would, keeps the batches it gets. `plan` may say what to do at the n-th batch, from 1."""

    def __init__(self, plan=None, answers=None, rejects_odd=False):
        self.plan, self.answers, self.rejects_odd = plan or {}, answers or {}, rejects_odd
        self.calls, self.batches = [], []
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    def address(self):
        return "127.0.0.1:%d" % self.socket.getsockname()[1]

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def close(self):
        self.socket.close()

    def talk(self, peer):
        unpacker = msgpack.Unpacker(raw=False, max_buffer_size=1 << 30)
        late = b""
        with peer:
            while True:
                try:
                    data = peer.recv(1 << 16)
                except OSError:
                    return
                if not data:
                    return
                unpacker.feed(data)
                for _, msgid, method, params in unpacker:
                    reply = self.reply(method, params[0] if params else {})
                    if reply is None:
                        return
                    answer = msgpack.packb([1, msgid, *reply[:2]], use_bin_type=True)
                    if reply[2:] == ("late",):  # behind the next one
                        late = answer
                    else:
                        peer.sendall(answer + late)
                        late = b""

    def reply(self, method, params):
        if method == "hello":
            return None, {"server": "recorder", "version": "0"}
        self.calls.append((method, params))
        if method == "load.state":
            return None, {"seq": None}
        if not method.startswith("load."):
            return None, self.answers.get(method, {})
        do = self.plan.pop(len(self.batches) + 1, None)
        if do == "close":
            return None
        if do is not None and do != "late":
            return do, None
        rows = column_rows(params["columns"])
        self.batches.append((params, rows))
        count = len(rows)
        answer = {"lsn": len(self.batches), "rows": count, "new": count, "updated": 0, "duplicate": 0, "stale": 0,
                      "rejected": 0, "errors": [], "reasons": [], "orders": 0, "refunds": 0, "sync": "always"}

        if self.rejects_odd:
            self.with_odd_rejected(answer, rows)
        return (None, answer, "late") if do == "late" else (None, answer)

    def with_odd_rejected(self, answer, rows):
        odd = [at for at, row in enumerate(rows) if int(row["order"]) % 2]
        errors = [{"row": at, "field": "order", "code": "ODD", "message": "odd"} for at in odd]
        answer.update(new=len(rows) - len(odd), rejected=len(odd), errors=errors,
                      reasons=[{"field": "order", "code": "ODD", "rows": len(odd)}])
        return answer


def column_values(column, name):
    if isinstance(column, list):
        return column
    if isinstance(column, bytes):
        is_id = name in ("order", "customer", "refund", "product")
        return [str(v) if is_id else v for v in struct.unpack("<%dq" % (len(column) // 8), column)]
    if "dict" in column:
        width = "B" if len(column["dict"]) <= 256 else "H" if len(column["dict"]) <= 65536 else "I"
        size = struct.calcsize("<" + width)
        return [column["dict"][c] for c in struct.unpack("<%d%s" % (len(column["codes"]) // size, width), column["codes"])]
    values = column_values(column["bin"], name)
    return [None if column["nulls"][i // 8] >> (i % 8) & 1 else value for i, value in enumerate(values)]


def column_rows(columns):
    values = {name: column_values(column, name) for name, column in columns.items()}
    equal(len({len(v) for v in values.values()}), 1, "columns of different length")
    return [dict(zip(values, row)) for row in zip(*values.values())]


def what_is_sent(folder):
    text = "order,customer,time,amount,currency,version,deleted\n"
    text += "1,a,2020-01-01T10:00:00Z,1.50,EUR,3,\n007,,1577872800000,2,EUR,,yes\n"
    server = Recorder()
    report = patron_json(server, "load", "orders", write(folder, "sent.csv", text))
    equal((report["rows"], report["new"], report["rejected"]), (2, 2, 0), "report")
    params, rows = server.batches[0]
    equal((params["seq"], params["on_error"], params["meta"], "mode" in params), (1, "skip", "line=4", False), "parameters")
    equal(rows, [{"order": "1", "customer": "a", "time": 1577872800000, "amount_minor": 150, "currency": "EUR",
                  "version": 3, "deleted": None},
                 {"order": "007", "customer": None, "time": 1577872800000, "amount_minor": 200, "currency": "EUR",
                  "version": None, "deleted": True}], "rows as sent")
    first = params["producer"]
    os.rename(os.path.join(folder, "sent.csv"), os.path.join(folder, "renamed.csv"))
    patron_json(server, "load", "orders", os.path.join(folder, "renamed.csv"))
    equal(server.batches[1][0], params, "the same file under another name is sent in the same way")
    patron_json(server, "load", "orders", os.path.join(folder, "renamed.csv"), "--on-error", "reject")
    check(server.batches[2][0]["producer"] != first, "other options must give another producer")
    done = subprocess.run([program("PATRON"), "--connect", server.address(), "load", "orders", "-"], input=text.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_SECONDS)
    equal((done.returncode, server.batches[3][0]), (0, params), "standard input gives the same batch")
    server.close()


def any_cell(pick, field):
    """Mostly as people write it, now and then at the edge of what is read many at a time, or no such thing at all."""
    odd = pick.random() < 0.01
    if field in ("order", "customer"):
        return pick.choice(["007", "0", "-1", "A7", "1" * 17, "9223372036854775808", "12x45678", ""]) if odd else \
            str(pick.randrange(10 ** pick.randrange(1, 17)))
    if field in ("time", "paid"):
        day = "2022-%02d-%02d" % (pick.randrange(1, 13), pick.randrange(1, 29))
        clock = "%02d:%02d:%02d" % (pick.randrange(24), pick.randrange(60), pick.randrange(60))
        return pick.choice([day, day + "T24:00:00Z", day + "t" + clock + "z", day + "T23:59:60Z", day + "T12:0a:00Z",
                            day + " " + clock, day + "T" + clock + "+01:00", "2022-02-30T10:00:00Z", "1650000000000", ""]) \
            if odd else day + "T" + clock + "Z"
    if field in ("amount", "tax"):
        return pick.choice(["-1.00", "1e2", ".50", "5.", "1.5", "1.005", "1.2.3", "123456789.12", "0.00", "00.10", "x", ""]) \
            if odd else "%d.%02d" % (pick.randrange(10 ** pick.randrange(1, 6)), pick.randrange(100))
    if field == "currency":
        return "JPY" if odd else "USD"
    if field == "promotion":
        return "p%d" % pick.randrange(10 ** 6)
    return pick.choice(["", "web", "bank_transfer", "sixteen bytes xx", "one byte more 17", "w\udcffb"]) if odd else \
        pick.choice(["web", "app", "", "marketplace"])


def plain_and_quoted(folder, pick):
    """Rows without quotes are read many at a time, others one by one: the same batches, reasons and lines come of both."""
    fields = ["order", "customer", "time", "amount", "currency", "paid", "tax", "channel", "promotion"]
    rows = [[any_cell(pick, field) for field in fields] for _ in range(6000)]
    for row in pick.sample(rows, 20):
        row.pop()
    ways = {"plain": (0, "\n"), "quoted": (1, "\n"), "windows": (0, "\r\n"), "mixed": (0.3, "\n")}
    first = None
    for way, (share, end) in ways.items():
        text = ",".join(fields) + end
        for row in rows:
            quoted = pick.random() < share
            text += ",".join(['"%s"' % row[0] if quoted else row[0]] + row[1:]) + end
        path = os.path.join(folder, way + ".csv")
        with open(path, "wb") as out:
            out.write(text.encode("utf-8", "surrogateescape"))
        server = Recorder()
        report = patron_json(server, "load", "orders", path, "--batch-rows", "1111")
        sent = [dict(params, producer=None) for params, _ in sorted(server.batches, key=lambda b: b[0]["seq"])]
        reasons = sorted(json.dumps(reason, sort_keys=True) for reason in report["reasons"])
        server.close()
        first = first or (sent, reasons)
        check(len(sent) >= 5 and len(reasons) >= 2, "some is sent and some is not")
        equal(sent == first[0], True, way + " batches are those of the plain file")
        equal(reasons, first[1], way + " rows are rejected for the same reasons")


def big_columns(folder):
    """Numbers go as 64-bit words, names as dictionaries, whatever repeats or not; nothing is lost on the way."""
    count = 40000
    rows = [(str(i * 7), "" if i % 5 == 0 else "c%d" % (i % 3000), "2020-01-01", "%d.%02d" % (i, i % 100), "EUR",
             "x" + str(i) if i % 2 else "") for i in range(count)]
    text = "order,customer,time,amount,currency,channel\n" + "".join(",".join(row) + "\n" for row in rows)
    server = Recorder()
    report = patron_json(server, "load", "orders", write(folder, "big.csv", text), "--batch-rows", "10000")
    equal((report["rows"], report["batches"]), (count, 4), "report")
    sent = [row for _, batch in sorted(server.batches, key=lambda b: b[0]["seq"]) for row in batch]
    want = [dict(zip(("order", "customer", "time", "amount_minor", "currency", "channel"), (v or None for v in row))) for row in rows]
    for row in want:
        row["amount_minor"] = int(row["amount_minor"].replace(".", ""))
    equal(sent == want, True, "40,000 rows arrive as they are")
    check(isinstance(server.batches[1][0]["columns"]["order"], bytes), "ids that are numbers go as bin")
    check(isinstance(server.batches[1][0]["columns"]["amount_minor"], bytes), "amounts whose currency is known go as bin")
    check("dict" in server.batches[0][0]["columns"]["currency"], "names that repeat go as dictionaries")
    server.close()


def csv_of_another_writer(folder, rng):
    """Random cells as Python's csv module writes them, in every dialect, packed in every way, arrive as they were."""
    alphabet = ["a", "Z", "7", " ", ",", ";", "\t", '"', "\n", "\r\n", "\u00f6", "\u4e2d", "\U0001f600", "'", "\\"]
    for turn in range(12):
        delimiter, end = rng.choice([",", ";", "\t", "|"]), rng.choice(["\n", "\r\n"])
        rows = [["".join(rng.choices(alphabet, k=rng.choice([0, 1, 3, 10, 60]))) for _ in range(5)] for _ in range(rng.choice([1, 50, 3000]))]
        rows = [["x" + row[0], *row[1:]] for row in rows]
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
        writer.writerows([["order", "customer", "country", "channel", "payment"], *rows])
        data = text.getvalue().encode()
        path = write(folder, "other.csv", gzip.compress(data, 1) if turn % 3 == 0 else data)
        server = Recorder()
        report = patron_json(server, "load", "orders", path, "--delimiter", delimiter, "--batch-rows", "1000")
        equal((report["rows"], report["rejected"]), (len(rows), 0), "rows of another writer")
        sent = [list(row.values()) for _, batch in sorted(server.batches, key=lambda b: b[0]["seq"]) for row in batch]
        differing = [(got, want) for got, want in zip(sent, rows) if got != [cell or None for cell in want]]
        equal(differing[:1], [], "first row that differs (delimiter %r, line end %r)" % (delimiter, end))
        server.close()


def orders_are_not_cut(folder):
    """Lines: an order goes whole in one batch, unless it comes back more than 1,024 rows later: those rows are appended."""
    lines, position = [], {}
    for i in range(3000):
        order = "o%d" % (i // 7) if i % 50 else "o%d" % (i // 100)
        lines.append(order)
    text = "order,product,quantity,price,customer,time,currency\n"
    text += "".join("%s,p%d,1,2.5,c,2020-01-01,EUR\n" % (order, i) for i, order in enumerate(lines))
    server = Recorder()
    path = write(folder, "lines.csv", text)
    report = patron_json(server, "load", "lines", path, "--batch-rows", "100")
    batches = sorted(server.batches, key=lambda b: b[0]["seq"])
    equal([b[0]["seq"] for b in batches], list(range(1, len(batches) + 1)), "seqs")
    check(max(len(rows) for _, rows in batches) <= 100, "whole orders do not make batches larger than asked for")
    replaced, got = {}, []
    for params, rows in batches:
        for row in rows:
            order = row["order"]
            if params.get("mode") == "append":
                check(order in replaced and replaced[order] < params["seq"], "%s is appended before its batch", order)
            else:
                equal(replaced.setdefault(order, params["seq"]), params["seq"], "batch that replaces the lines of %s" % order)
            got.append((order, row["line"], row["product"]))
    want = []
    for i, order in enumerate(lines):
        position[order] = position.get(order, 0) + 1
        want.append((order, position[order], "p%d" % i))
    equal(sorted(got), sorted(want), "every line once, with its position in its order")
    equal(report["appended"], sum(len(rows) for params, rows in batches if params.get("mode") == "append"), "appended")
    late, last = set(), {}
    for i, order in enumerate(lines):
        if i - last.get(order, i) > 1024:
            late.add(order)
        last[order] = i
    equal({row["order"] for params, rows in batches if params.get("mode") == "append" for row in rows}, late, "orders appended to")
    check(len(late) > 5, "the file was meant to have orders that come back late")
    for rows_per_batch in ("1", "37", "65536"):
        other = Recorder()
        patron_json(other, "load", "lines", path, "--batch-rows", rows_per_batch)
        first = {}
        for params, rows in other.batches:
            for row in rows:
                equal(first.setdefault(row["order"], params["seq"]) == params["seq"] or row["order"] in late, True, "%s is cut" % row["order"])
        other.close()
    again = Recorder()
    patron_json(again, "load", "lines", path, "--batch-rows", "100")
    equal(sorted(again.batches, key=lambda b: b[0]["seq"]), batches, "the same file gives the same batches")
    again.close()
    server.close()


def wide_rows(folder):
    """Rows of 50 KB: what is held stays bounded, so orders are cut early, and still every line comes once."""
    text = "order,product,quantity,price,customer,time,currency,note\n"
    text += "".join("o%d,p%d,1,1,c,2020-01-01,EUR,%s\n" % (i % 900, i, "x" * 50000) for i in range(1100))
    server = Recorder()
    report = patron_json(server, "load", "lines", write(folder, "wide.csv", text), "--rejects", os.path.join(folder, "wide_rejects.csv"))
    equal((report["rows"], report["appended"] > 0), (1100, True), "wide rows")
    replaced, got = {}, []
    for params, rows in sorted(server.batches, key=lambda b: b[0]["seq"]):
        for row in rows:
            if params.get("mode") == "append":
                check(replaced.get(row["order"], params["seq"]) < params["seq"], "%s is appended before its batch", row["order"])
            else:
                equal(replaced.setdefault(row["order"], params["seq"]), params["seq"], "batch that replaces the lines of %s" % row["order"])
            got.append((row["product"], row["line"]))
    equal(sorted(got), sorted(("p%d" % i, 1 + i // 900) for i in range(1100)), "every line once")
    server.close()


def order_larger_than_a_batch(folder):
    count = 150000
    text = "order,product,quantity,price,customer,time,currency\n" + "big,p,1,1,c,2020-01-01,EUR\n" * count
    server = Recorder()
    report = patron_json(server, "load", "lines", write(folder, "giant.csv", text))
    equal((report["rows"], report["new"]), (count, count), "an order larger than any batch")
    modes = [params.get("mode") for params, _ in sorted(server.batches, key=lambda b: b[0]["seq"])]
    equal((modes[0], set(modes[1:])), (None, {"append"}), "its first part replaces, the others append")
    lines = sorted(row["line"] for _, rows in server.batches for row in rows)
    equal(lines == list(range(1, count + 1)), True, "its lines are numbered through")
    server.close()


def many_rows(folder, count=5000):
    text = HEADER + "".join("%d,c%d,2020-01-01,1,EUR\n" % (i, i) for i in range(count))
    return write(folder, "many.csv", text)


def servers_that_misbehave(folder):
    path = many_rows(folder)
    server = Recorder(plan={3: "close"})
    code, out, err = patron(server, "load", "orders", path, "--batch-rows", "100", expect=None)
    equal((code, out), (1, ""), "a lost connection")
    # Two batches were answered; closing with unread bytes is a reset, which may take back answers that are on their way.
    acknowledged = re.search(r"\b(0|100|200) rows were acknowledged", err)
    check(re.match(r"^[A-Z_]+: [^\n]+\n$", err) and acknowledged and "same command" in err, "a lost connection: %r", err)
    server = Recorder(plan={2: {"code": "BAD_REQUEST", "message": "row 7: no", "row": 7, "field": "time", "retryable": False}})
    code, _, err = patron(server, "load", "orders", path, "--batch-rows", "100", "--on-error", "reject", expect=None)
    check(code == 1 and err.startswith("BAD_REQUEST: line 109: "), "a refused batch: %d %r", code, err)
    server = Recorder(plan={2: {"code": "BUSY", "message": "queue full", "retryable": True}})
    report = patron_json(server, "load", "orders", path, "--batch-rows", "100")
    equal((report["rows"], len(server.batches)), (5000, 50), "a busy server is asked again")
    server = Recorder(plan={1: "READONLY: the journal cannot take batches"})
    code, _, err = patron(server, "load", "orders", path, expect=None)
    check(code == 1 and err.startswith("READONLY: "), "READONLY: %d %r", code, err)


def limits_on_rejects(folder):
    text = HEADER + "".join("%d,c,%s,1,EUR\n" % (i, "2020-01-01" if i % 2 else "01.01.2020") for i in range(1000))
    path = write(folder, "half.csv", text)
    server = Recorder()
    options = ["--time-format", "%d.%m.%Y"]
    rejects = os.path.join(folder, "rejects.csv")
    report = patron_json(server, "load", "orders", path, "--rejects", rejects, *options)
    equal((report["rows"], report["new"], report["rejected"]), (1000, 500, 500), "half of the rows")
    with open(rejects, newline="") as file:
        rows = list(csv.reader(file))
    equal(rows[0], ["line", "field", "code", "message", "record"], "head of the rejects file")
    equal((len(rows), rows[1][:3], rows[1][4]), (501, ["3", "time", "BAD_TIME"], "1,c,2020-01-01,1,EUR"), "rejects")
    overtaking = Recorder(plan={2: "late", 5: "late"}, rejects_odd=True)
    path = write(folder, "mixed.csv", HEADER + "".join("%d,c%s,%s,1,EUR\n" % (
        i, "\n" if i % 5 == 0 else "", "01.01.2020" if i % 3 else "2020-01-01") for i in range(1000)).replace("c\n", '"c\n"'))
    report = patron_json(overtaking, "load", "orders", path, "--rejects", rejects, "--batch-rows", "50", *options)
    with open(rejects, newline="") as file:
        rows = list(csv.reader(file))[1:]
    lines = [int(row[0]) for row in rows]
    equal(len(lines), report["rejected"], "lines of the rejects file")
    equal(lines == sorted(set(lines)), True, "they are in order")
    records = [next(csv.reader(io.StringIO(row[4], newline="")))[0] for row in rows]
    equal(records, [str(i) for i in range(1000) if i % 2 or i % 3 == 0], "and each has its record")
    path = write(folder, "half.csv", text)
    code, _, err = patron(server, "load", "orders", path, "--max-rejects", "499", *options, expect=None)
    check(code == 1 and "--max-rejects 499" in err, "--max-rejects 499: %d %r", code, err)
    patron(server, "load", "orders", path, "--max-rejects", "500", *options)
    patron(server, "load", "orders", path, "--max-rejects", "50%", *options)
    patron(server, "load", "orders", path, "--max-rejects", "49.9%", *options, expect=1)
    server.close()


def interrupted(folder):
    """Ctrl-C while standard input stays open: an orderly end that says how far it came."""
    server = Recorder()
    process = subprocess.Popen([program("PATRON"), "--connect", server.address(), "load", "orders", "-", "--producer", "p",
                                "--batch-rows", "100"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    text = HEADER + "".join("%d,c%d,2020-01-01,1,EUR\n" % (i, i) for i in range(120000))
    process.stdin.write(text.encode())
    process.stdin.flush()
    deadline = time.monotonic() + WAIT_SECONDS
    while len(server.batches) < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    code = process.wait(WAIT_SECONDS)
    err = process.stderr.read().decode()
    process.stdin.close()
    check(code == 1 and err.startswith("CANCELLED: ") and "acknowledged" in err, "Ctrl-C: %d %r", code, err)
    server.close()


def columns_of(text):
    return sum(2 if unicodedata.east_asian_width(c) == "W" else 1 for c in text)


def on_terminal(columns, *arguments):
    """What a terminal of that many columns shows, line by line, without colours."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen([program("PATRON"), *arguments], stdout=slave, stderr=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"})
    data = b""
    while True:
        # What was written last can be lost when its writer's end is the last to close: ours stays open until nothing more comes.
        gone = process.poll() is not None
        while select.select([master], [], [], 0 if gone else 0.02)[0]:
            data += os.read(master, 65536)
        if gone:
            break
    os.close(slave)
    os.close(master)
    equal(process.wait(WAIT_SECONDS), 0, "exit of patron on a terminal")
    return data.decode().replace("\r\n", "\n").rstrip("\n").split("\n")


def printing():
    money = {"currency": "GBP", "digits": 2, "columns": ["sum(net)"]}
    common = {"lsn": 7, "epoch": 1, "as_of": "2010-12-09", "ms": 1.25}
    group = {"columns": ["country", "count", "sum(net)"], "rows": [["United Kingdom", 3969, 123456789], [None, 1, -50], ["a,\"b\"", 0, 0]],
             "total": [None, 3970, 123456739], "money": money, "warnings": ["country has no value 'ZZ'"], "unpriced": 3, **common}
    groups = {"groups": [{"name": "champions", "count": 1200, "share": 0.25, "net_minor": 100050, "one_time": 0},
                         {"name": "lost", "count": 5, "share": 0.75, "net_minor": -7, "one_time": 5}], "currency": "GBP", "digits": 2,
              "thresholds": {"r": [90, 60, 30, 7], "f": [2, 3, 4, None], "m_minor": [1, 2, 3, 400000]},
              "unscored": {"count": 69, "net_minor": 1234}, **common}
    grid = {"cells": [{"r": 5, "f": 5, "m": 5, "count": 1000, "net_minor": 5}, {"r": 5, "f": 5, "m": 4, "count": 200, "net_minor": 5},
                      {"r": 1, "f": 2, "m": 4, "count": 3, "net_minor": 5}], "scored": 1203, "currency": "GBP", "digits": 2, **common}
    customer = {"customer": "13085", "country": "UK", "birth_year": 1970, "net_minor": 1234567, "currency": "GBP", "digits": 2, "tags": ["a", "b"],
                "rfm": {"r": 5, "f": 5, "m": 5, "group": "champions"},
                "orders_list": [{"order": "1", "amount_minor": 500, "currency": "JPY", "digits": 0}], **common}
    server = Recorder(answers={"group": group, "rfm.groups": groups, "rfm.grid": grid, "customer": customer, "count": {"count": 5, "of": 4381, **common},
                               "verify": {"ok": False, "checks": []}, "ping": "pong"})
    _, out, err = patron(server, "group", "--by", "country", "--metrics", "count,sum(net)")
    check("sum(net) (GBP)" in out and "1,234,567.89" in out and "-0.50" in out and "3,969" in out, "table: %s", out)
    check("total" in out and "1,234,567.39" in out and "as of 2010-12-09" in out and "3 rows" in out, "table: %s", out)
    check("no value 'ZZ'" in err and "3 facts" in err and "warning" not in out, "warnings: %r", err)
    _, out, _ = patron(server, "--format", "csv", "group", "--by", "country")
    equal(list(csv.reader(io.StringIO(out, newline=""))), [["country", "count", "sum(net)"], ["United Kingdom", "3969", "1234567.89"],
                                                           ["", "1", "-0.50"], ["a,\"b\"", "0", "0.00"]], "CSV")
    code, out, err = patron(server, "--format", "csv", "group", "--by", "country")
    check("no value 'ZZ'" in err and "3 facts" in err, "CSV has its warnings on stderr, too: %r", err)
    server.answers["group"] = {**group, "rest": [None, 1, 5]}
    check("--limit" in patron(server, "--format", "csv", "group", "--by", "country")[2], "CSV says that there are more groups")
    server.answers["rows"] = {"columns": ["customer"], "rows": [["a"]], "cursor": "xyz", **common}
    check("--all" in patron(server, "--format", "csv", "rows")[2], "CSV says that there are more rows")
    server.answers["group"] = group
    equal(patron_json(server, "group"), group, "JSON is the server's answer")
    equal(server.calls[-1], ("group", {"by": [], "metrics": ["count"]}), "group without options")
    _, out, _ = patron(server, "rfm")
    check("champions" in out and "1,000.50" in out and "25.0 %" in out and "4,000.00" in out and "69 customers" in out, "rfm: %s", out)
    _, out, _ = patron(server, "rfm", "--grid", "--window", "all", "--cuts", '{"r":[1,2,3,4]}')
    check(re.search(r"R5 +0 +0 +0 +0 +1,200", out) and re.search(r"R1 +0 +3 +0", out), "grid: %s", out)
    equal(server.calls[-1][1], {"window": "all", "scoring": "cuts", "cuts": {"r": [1, 2, 3, 4]}}, "parameters of rfm")
    _, out, _ = patron(server, "customer", "13085", "--with", "orders,lines")
    check("12,345.67" in out and "1970" in out and "champions" in out and "a, b" in out and re.search(r"^1 +500 ", out, re.M), "customer: %s", out)
    equal(server.calls[-1][1], {"customer": "13085", "with": ["orders", "lines"]}, "parameters of customer")
    patron(server, "count", "country = :c AND net > :n", "--arg", "c=BR", "--arg", "n=5", "--as-of", "latest", "--rfm", '{"window":"all"}')
    equal(server.calls[-1][1], {"where": "country = :c AND net > :n", "args": {"c": "BR", "n": 5}, "as_of": "latest", "rfm": {"window": "all"}},
          "parameters of count")
    patron(server, "count", '["=", "country", "BR"]')
    equal(server.calls[-1][1], {"where": ["=", "country", "BR"]}, "a filter as a tree")
    patron(server, "rows", "--fields", "customer,net", "--order-by", "-net", "--limit", "3", "--from", "customers")
    equal(server.calls[-1][1], {"fields": ["customer", "net"], "from": "customers", "order_by": ["-net"], "limit": 3}, "parameters of rows")
    code, _, err = patron(server, "verify", expect=None)
    check(code == 1 and err.startswith("CORRUPT: "), "verify that found something: %d %r", code, err)
    equal(patron(server, "call", "ping")[1], '"pong"\n', "call")
    own = {"columns": ["order", "net", "amount_minor", "attr.weight", "sum(x)"],
           "rows": [["17", 1250, 500, "2.5", "0.75"], ["18", None, 7, None, "12"]],
           "money": {"currency": "GBP", "digits": 2, "columns": ["net"]}, **common}
    server.answers["rows"] = own
    _, out, _ = patron(server, "rows", "--from", "orders")
    equal([line.split() for line in out.splitlines() if line[:2] in ("17", "18")],
          [["17", "12.50", "500", "2.5", "0.75"], ["18", "-", "7", "-", "12"]], "money of the rows' own currencies stays in minor units")
    check("amount_minor" in out and re.search(r"^17   ", out, re.M) and re.search(r" 0\.75$", out, re.M), "heading and sides: %s", out)
    text = "a text of several words, \u4e2d\u6587 among them, longer than the terminal is wide"
    server.answers["group"] = {"columns": ["country", "sum(net)"], "rows": [[text, 123456789], ["", 1]], "money": money, **common}
    out = on_terminal(40, "--connect", server.address(), "group", "--by", "country")
    table = out[:5] + [line for line in out[5:] if "as of" not in line]
    check(max(map(columns_of, table)) <= 40, "a table wider than the terminal: %r", out)
    words = " ".join(line[:24].strip() for line in out if "\u2500" not in line)
    check("1,234,567.89" in "".join(out) and "several words," in words and "wide" in words, "cells that take lines lose nothing: %r", out)
    server.close()


def triangles():
    """Cohorts on terminals of all widths; control totals for people and for programs."""
    common = {"lsn": 7, "epoch": 1, "as_of": "2010-12-09", "ms": 1.25}
    months = [{"cohort": "2010-%02d" % (i + 1), "size": 1000 + i, "values": [(1000 + i) * 10 ** 4 // (k + 1) for k in range(13 - i)]}
              for i in range(12)]
    amounts = [{"month": "2010-01", "rows": 3, "amount_minor": {"GBP": 150, "JPY": 7}, "first": "2010-01-01T00:00:00Z",
                "last": "2010-01-31T00:00:00Z", "digest": "0f"}, {"month": "2010-02", "rows": 1, "amount_minor": {"JPY": 1000}, "digest": "01"}]
    server = Recorder(answers={"cohort": {"cohorts": months, "money": {"currency": "GBP", "digits": 2, "columns": ["values"]}, **common},
                               "control": {"groups": amounts, "total": dict(amounts[0], rows=4), "digits": {"GBP": 2, "JPY": 0}, **common}})
    for width, options, first, shown in ((170, (), "100,000.00", 13), (132, (), "100k", 13), (80, (), "100k", 13), (50, (), "100k", 7),
                                         (80, ("--percent",), "100%", 13), (140, ("--percent",), "100.0 %", 13)):
        out = on_terminal(width, "--connect", server.address(), "cohort", "--metric", "net", *options)
        check(max(map(columns_of, out)) <= max(width, 75), "a triangle wider than %d columns: %r", width, out)
        check(max(map(columns_of, out[:15])) <= width and first in out[2], "%d columns: %r", width, out[:3])
        equal(len(out[2].replace(" %", "%").split()), 2 + shown, "months in %d columns" % width)
        equal(any("%d more months" % (13 - shown) in line for line in out), shown < 13, "what is not shown is said")
    _, out, _ = patron(server, "--format", "csv", "cohort", "--metric", "net")
    equal(out.split("\r\n")[0:2], ["cohort,size," + ",".join(map(str, range(13))), "2010-01,1000," + ",".join(
        "%.2f" % (value / 100) for value in months[0]["values"])], "cohorts as CSV")
    _, out, _ = patron(server, "control", "orders")
    check("1.50 GBP, 7 JPY" in out and "1,000 JPY" in out, "control: %s", out)
    _, out, _ = patron(server, "--format", "csv", "control", "orders")
    equal(out.split("\r\n"), ["month,rows,amount_GBP,amount_JPY,first,last,digest",
                              "2010-01,3,1.50,7,2010-01-01T00:00:00Z,2010-01-31T00:00:00Z,0f", "2010-02,1,,1000,,,01", ""], "control as CSV")
    server.close()


# ---- against patrond -----------------------------------------------------------------------------------------------


def small_shop(folder):
    server = Server(timezone="Europe/Berlin", currency="EUR").start()
    lines = "order,product,quantity,price,customer,time,country,currency\n"
    for i in range(600):
        order = i // 3 if i % 40 else i // 80
        customer = "" if i % 97 == 0 else "c%d" % (order % 40)
        lines += "o%d,p%d,%d,%s,%s,2020-%02d-%02d 10:00:00,DE,EUR\n" % (
            order, i % 20, 1 + i % 3, "-1" if i % 101 == 0 else "2.50", customer, 1 + order % 12, 1 + order % 28)
    path, rejects = write(folder, "lines.csv", lines), os.path.join(folder, "rejected.csv")
    report = patron_json(server, "load", "lines", path, "--batch-rows", "50", "--rejects", rejects)
    equal(report["rows"], 600, "rows read")
    equal(sum(report[k] for k in ("new", "updated", "duplicate", "stale", "rejected")), 600, "the totals add up")
    equal(sum(r["rows"] for r in report["reasons"]), report["rejected"], "the reasons add up")
    check(report["rejected"] > 0 and report["batches"] > 5, "the file was meant to have both: %r", report)
    equal(report["appended"], 0, "orders come back within 1,024 rows: they go whole")
    with open(rejects, newline="") as file:
        named = list(csv.reader(file))[1:]
    equal(len(named), report["rejected"], "rows in the file of rejected rows")
    text = lines.splitlines()
    equal([row for row in named if text[int(row[0]) - 1] != row[4]], [], "rejects name the line they stand on")
    before = patron_json(server, "group", "--by", "country", "--metrics", "count,sum(net)")["rows"]
    again = patron_json(server, "load", "lines", path, "--batch-rows", "50")
    equal(again["batches_known"], again["batches"], "loading again finds every batch there")
    other = patron_json(server, "load", "lines", path, "--batch-rows", "37")
    equal((other["new"], other["updated"]), (0, 0), "cut in another way it is all duplicates: %r" % other)
    equal(patron_json(server, "group", "--by", "country", "--metrics", "count,sum(net)")["rows"], before, "loading again changes nothing")
    late = "order,product,quantity,price,customer,time,country,currency\n"
    late += "".join("l%d,p%d,1,1,c%d,2021-01-%02d,DE,EUR\n" % (i // 5 % 300, i, i // 5 % 30, 1 + i // 5 % 28) for i in range(3000))
    report = patron_json(server, "load", "lines", write(folder, "late.csv", late), "--batch-rows", "200")
    equal((report["new"], report["orders"], report["appended"] > 0), (3000, 300, True), "orders that come back after 1,500 rows: %r" % report)
    equal(len(patron_json(server, "order", "l7", "--with", "lines")["facts"]["lines"]), 10, "lines of an order that came back")
    customers = write(folder, "customers.csv", "customer,created,country,birth_year,tags\nc1,01.02.2019,DE,1980,vip;mail\nc2,02.03.2019,FR,,\n")
    report = patron_json(server, "load", "customers", customers, "--time-format", "%d.%m.%Y")
    equal((report["rows"], report["rejected"]), (2, 0), "customers: %r" % report)
    for arguments in (["count"], ["count", "orders >= 1"], ["rows", "--limit", "5"], ["rows", "--from", "orders", "--limit", "5"],
                      ["group", "--by", "country", "--metrics", "count,sum(net),p50(net)"], ["customer", "c1", "--with", "orders,refunds,lines"],
                      ["order", "o1", "--with", "lines"], ["rfm", "--as-of", "latest"], ["rfm", "--grid", "--as-of", "latest"],
                      ["rfm", "--scoring", "mean", "--as-of", "latest"], ["status"], ["schema"], ["schema", "orders"], ["snapshot"], ["verify"]):
        for form in ("table", "json", "csv"):
            _, out, _ = patron(server, "--format", form, *arguments)
            check(out.strip(), "patron --format %s %s printed nothing", form, " ".join(arguments))
            if form == "json":
                json.loads(out)
    code, out, err = patron(server, "count", "contry = 'DE'", expect=None)
    check((code, out) == (1, "") and re.match(r"^UNKNOWN_FIELD: [^\n]*country[^\n]*\n$", err), "an unknown field: %d %r", code, err)
    code, _, err = patron(server, "customer", "nobody", expect=None)
    check(code == 1 and err.startswith("NOT_FOUND: "), "an unknown customer: %d %r", code, err)
    server.stop()


# Ids, moments and amounts as files have them, good ones and others.
AWKWARD = {
    "order": ["17", "0", "007", "-3", "9223372036854775807", "9223372036854775808", "A1", "1 2", "\u00e4"],
    "customer": ["1", "12", "c1", "", "01", "99999999999999999999"],
    "time": ["2020-03-29 02:30:00", "2020-10-25 02:30:00", "2020-01-01", "2020-06-01T10:00:00Z", "2020-06-01 10:00+05:30",
             "2020-06-01 10:00:00.750", "1577872800000", "1969-12-31T23:59:59.5Z", "2020-02-30", "2999-01-01", "noon", "0001-01-01 00:00"],
    "amount": ["1", "1.5", "1.50", "-2", "1e3", "0.001", "12.345", "1000000000000000", "1,5", "", "0", "+4"],
    "currency": ["EUR", "JPY", "KWD", "USD", "EUR", "EUR", "", "XXY"],
}
# Cells that no row is taken with, whatever chance does to the others.
HOPELESS = [("customer", "", "MISSING"), ("time", "noon", "BAD_TIME"), ("time", "2020-02-30", "BAD_TIME"), ("amount", "1,5", "BAD_MONEY"),
            ("currency", "XXY", "BAD_CURRENCY")]
BATCH_ROWS, BAD_BATCHES = 20, (2, 7, 12, 17)


def awkward_rows(rng, every):
    """400 orders, one awkward cell in `every` of most; in a few batches each hopeless cell once, in the others often no bad one."""
    names, rows = list(AWKWARD), []
    for i in range(400):
        good = [str(i), "c%d" % (i % 7) if every == 5 else str(i % 7), "2020-05-01 10:00:00", "1.25", "EUR"]
        batch, k = divmod(i, BATCH_ROWS)
        if batch in BAD_BATCHES and k < len(HOPELESS):
            good[names.index(HOPELESS[k][0])] = HOPELESS[k][1]
            rows.append(good)
        else:
            rows.append([rng.choice(AWKWARD[n]) if rng.randrange(every) == 0 else g for n, g in zip(names, good)])
    return rows


def words_like_texts(folder, rows, zone, every):
    names = list(AWKWARD)
    text = ",".join(names) + "\n" + "".join(",".join('"%s"' % c for c in row) + "\n" for row in rows)
    by_file, by_wire = Server(timezone=zone, currency="EUR").start(), Server(timezone=zone, currency="EUR").start()
    report = patron_json(by_file, "load", "orders", write(folder, "awkward.csv", text), "--batch-rows", str(BATCH_ROWS))
    client = by_wire.client()
    told = {}
    for seq, at in enumerate(range(0, len(rows), BATCH_ROWS), 1):
        columns = {n: [row[c] or None for row in rows[at:at + BATCH_ROWS]] for c, n in enumerate(names)}
        columns["time"] = [int(v) if v.isdigit() else v for v in columns["time"]]  # so has it always been
        answer = client.call("load.orders", {"producer": "wire", "seq": seq, "on_error": "skip", "columns": columns})
        for key in ("rows", "new", "updated", "duplicate", "stale", "rejected"):
            told[key] = told.get(key, 0) + answer[key]
        for reason in answer["reasons"]:
            told[(reason["field"], reason["code"])] = told.get((reason["field"], reason["code"]), 0) + reason["rows"]
    ours = {key: report[key] for key in ("rows", "new", "updated", "duplicate", "stale", "rejected")}
    ours.update({(r["field"], r["code"]): r["rows"] for r in report["reasons"]})
    equal(ours, told, "what became of the rows, %s, one awkward cell in %d" % (zone, every))
    check(told["new"] > 100, "the file was meant to have good rows: %r", told)
    for field, _, code in HOPELESS:
        check(told.get((field, code), 0) >= len(BAD_BATCHES), "the file was meant to have %s of %s: %r", code, field, told)
    ask = {"from": "orders", "fields": ["order", "customer", "time", "amount", "currency"], "order_by": ["order"], "limit": 1000}
    equal(by_file.client().call("rows", ask)["rows"], client.call("rows", ask)["rows"], "orders, " + zone)
    by_file.stop()
    by_wire.stop()


def words_mean_what_texts_mean(folder, rng):
    """What the command line reads as numbers is what the server reads in the same texts, in every zone."""
    # Awkward cells everywhere; now and then, so that some columns go as words.
    cases = [(zone, every) for zone in ("Europe/Berlin", "UTC") for every in (5, 40)]
    for zone, every in by_size((cases[0], cases[3]), cases):
        words_like_texts(folder, awkward_rows(rng, every), zone, every)


def run():
    program("PATRON")
    folder = temp_dir()
    help_and_mistakes()
    csv_as_people_have_it(folder)
    no_csv_at_all(folder)
    mappings(folder)
    print("ok  without a server", flush=True)
    what_is_sent(folder)
    big_columns(folder)
    plain_and_quoted(folder, random.Random(seed()))
    csv_of_another_writer(folder, random.Random(seed()))
    orders_are_not_cut(folder)
    wide_rows(folder)
    order_larger_than_a_batch(folder)
    servers_that_misbehave(folder)
    limits_on_rejects(folder)
    interrupted(folder)
    printing()
    triangles()
    print("ok  against a small server", flush=True)
    small_shop(folder)
    words_mean_what_texts_mean(folder, random.Random(seed()))
    print("ok  against patrond", flush=True)


if __name__ == "__main__":
    main(run)
