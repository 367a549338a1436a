#!/usr/bin/env python3
"""`patron check`: a data directory verified without a server: what it holds equals what the server said, nothing in it
changes, damage is named with file and offset, and the dump has no customer data unless that is asked for."""

import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, by_size, check, equal, main, program, seed, temp_dir  # noqa: E402

SECRETS = ["cust-SECRET", "order-SECRET", "meta-SECRET"]


def check_dir(path, *options, expect=0):
    done = subprocess.run([program("PATRON"), "--format", "json", "check", path, *options], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    out, err = done.stdout.decode(), done.stderr.decode()
    equal(done.returncode, expect, "exit status of patron check %s %s; it said %s%s" % (path, " ".join(options), out[-2000:], err))
    return out, err


def fill(server, client, chance):
    client.call("schema.add", {"table": "orders", "name": "note", "type": "enum"})
    seq = 0

    def load(table, columns):
        nonlocal seq
        seq += 1
        client.call("load." + table, {"producer": "till", "seq": seq, "columns": columns, "meta": "meta-SECRET"})

    for part in range(6):
        ids = ["order-SECRET-%d-%d" % (part, i) for i in range(50)]
        load("customers", {"customer": ["cust-SECRET-%d" % i for i in range(20)], "tags": [["a", "b"]] * 20})
        load("orders", {"order": ids, "customer": ["cust-SECRET-%d" % chance.randrange(30) for _ in ids], "time": ["2024-03-0%d" % (1 + part)] * 50,
                        "amount_minor": [chance.randrange(1, 10**6) for _ in ids], "currency": [chance.choice(["GBP", "JPY", "KWD"]) for _ in ids],
                        "attr.note": ["n%d" % (i % 3) for i in range(50)]})
        load("refunds", {"refund": ["r-%d-%d" % (part, i) for i in range(5)], "order": ids[:5], "time": ["2024-03-09"] * 5,
                         "amount_minor": [chance.randrange(1, 100) for _ in range(5)], "currency": ["GBP"] * 5, "kind": ["return"] * 5})
        if part in (1, 3):
            client.call("snapshot.save")
    return client.call("status"), {t: client.call("control", {"table": t, "by": "currency"}) for t in ("orders", "refunds")}


def prints(path):
    """What a file system shows of the directory."""
    seen = {}
    for name in sorted(os.listdir(path)):
        info = os.stat(os.path.join(path, name))
        with open(os.path.join(path, name), "rb") as file:
            seen[name] = (info.st_size, info.st_mtime_ns, hashlib.sha256(file.read()).hexdigest())
    return seen


def same_as_the_server(path, status, control):
    before = prints(path)
    out, _ = check_dir(path)
    report = json.loads(out)
    equal(prints(path), before, "check writes nothing")
    check(report["ok"] is True and all(f["ok"] for f in report["files"]) and all(c["ok"] for c in report["checks"]), "all is good: %s", out)
    equal(report["served"]["lsn"], status["lsn"], "lsn")
    equal(report["served"]["rows"], status["rows"], "rows")
    for table in ("orders", "refunds"):
        want = {g["currency"]: (g["rows"], g["amount_minor"][g["currency"]]) for g in control[table]["groups"]}
        got = {m["currency"]: (m["rows"], m["amount_minor"]) for m in report["money"] if m["file"] == "(all together)" and m["table"] == table}
        equal(got, want, "control totals of " + table)
    kinds = [f["kind"] for f in report["files"]]
    check(kinds.count("snapshot") == 2 and kinds.count("journal") >= 2 and kinds[0] == "manifest", "the files: %r", kinds)
    check(all(f["format"] >= 1 and f["bytes"] > 0 for f in report["files"]), "each has a format version: %r", report["files"])
    newest = max((f for f in report["files"] if f["kind"] == "snapshot"), key=lambda f: f["last_lsn"])
    tail = [f for f in report["files"] if f["kind"] == "journal" and f["first_lsn"] and f["first_lsn"] > newest["last_lsn"]]
    equal(newest["orders"] + sum(f["orders"] for f in tail), status["rows"]["orders"], "orders of the newest snapshot and of the journal behind it")
    equal(check_dir(path, "--quick")[1], "", "quick")
    return report


def dumped(path, status):
    out, _ = check_dir(path, "--dump")
    lines = [json.loads(line) for line in out.splitlines()]
    equal([line["lsn"] for line in lines], list(range(lines[0]["lsn"], status["lsn"] + 1)), "lsns without a gap")
    for secret in SECRETS + ["n1", "amount"]:
        check(secret not in out, "the dump holds customer data: %s", secret)
    batches = [line for line in lines if line["kind"] == "batch"]
    check(all(line["producer"] == "till" and line["rows"] > 0 and line["seq"] > 0 for line in batches), "batches: %s", out[:500])
    out, _ = check_dir(path, "--dump", "--rows")
    for secret in SECRETS:
        check(secret in out, "--rows shows %s", secret)
    order = next(json.loads(line) for line in reversed(out.splitlines()) if '"orders"' in line)["data"][0]
    check(order["customer"].startswith("cust-SECRET") and order["attr.note"] == "n0" and order["time"].startswith("2024-03-06"), "a row: %r", order)


def meaning_end(path):
    """Where the records of a journal end: behind them is room that holds nothing, or old bytes. Other files mean all they hold."""
    with open(path, "rb") as file:
        data = file.read()
    if not os.path.basename(path).startswith("journal-"):
        return len(data)
    at, last = 64, struct.unpack_from("<Q", data, 40)[0] - 1
    while at + 56 <= len(data):
        magic, payload, lsn = struct.unpack_from("<IIQ", data, at)
        if magic != 0x524A5450 or lsn != last + (payload > 0):
            break
        at, last = at + 56 + payload, lsn
    return at


def damaged(path, chance):
    """One byte changed anywhere that means something, or a file shortened or gone: exit 1, and the file is named."""
    names = [n for n in sorted(os.listdir(path)) if n == "MANIFEST" or n.startswith(("journal-", "snapshot-"))]
    for round_number in range(by_size(12, 40, 300)):
        copy = os.path.join(temp_dir(), "copy")
        shutil.copytree(path, copy)
        name = names[round_number % len(names)]
        file_path = os.path.join(copy, name)
        how = chance.choice(["flip", "cut", "gone"]) if name != names[-1] else "flip"
        at = chance.randrange(meaning_end(file_path) if how == "flip" else os.path.getsize(file_path))
        if how == "gone":
            os.unlink(file_path)
        else:
            with open(file_path, "r+b") as file:
                if how == "cut":
                    file.truncate(at)
                else:
                    file.seek(at)
                    byte = file.read(1)[0]
                    file.seek(at)
                    file.write(bytes([byte ^ (1 << chance.randrange(8))]))
        _, err = check_dir(copy, expect=1)
        said = err.startswith("CORRUPT: ") or (name == "MANIFEST" and how == "gone")
        check(said and name in err and len(err.splitlines()) == 1, "%s of %s at %d: it said %r", how, name, at, err)
        if name.startswith("snapshot") or (name.startswith("journal") and how == "flip" and "mark" not in err):
            check("lsn" in err and ("offset" in err or how != "flip"), "where and which lsns: %r", err)
        shutil.rmtree(copy)


def refusals(server, path):
    _, err = check_dir(path, expect=1)
    check(err.startswith("CONFLICT: ") and str(server.process.pid) in err, "a served directory: %r", err)
    _, err = check_dir(os.path.join(path, "nothing"), expect=1)
    check(err.startswith("NOT_FOUND: "), "no directory: %r", err)
    empty = temp_dir()
    _, err = check_dir(empty, expect=1)
    check("MANIFEST" in err and os.listdir(empty) == [], "an empty directory stays empty: %r", err)
    for wrong in ((), (path, "--rows"), (path, "--sideways"), (path, "more")):
        done = subprocess.run([program("PATRON"), "check", *wrong], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        equal(done.returncode, 2, "patron check %r" % (wrong,))


def run():
    chance = random.Random(seed())
    server = Server().start()
    client = server.client()
    status, control = fill(server, client, chance)
    refusals(server, server.data)
    client.close()
    server.kill()
    report = same_as_the_server(server.data, status, control)
    equal(report["closed_in_order"], False, "after a kill")
    dumped(server.data, status)
    # The last mark or group behind a kill may be taken for a torn tail; after a clean stop nothing may.
    server.start()
    server.stop()
    equal(same_as_the_server(server.data, status, control)["closed_in_order"], True, "after a stop")
    damaged(server.data, chance)


main(run)
