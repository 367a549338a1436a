#!/usr/bin/env python3
"""`patron check`: a data directory verified without a server: what it holds equals what the server said, nothing in it
changes, damage is named with file and offset, and the dump has no customer data unless that is asked for."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, by_size, check, equal, flip, main, program, seed, temp_dir  # noqa: E402

SECRETS = ["cust-SECRET", "order-SECRET", "meta-SECRET"]


def check_dir(path, *options, expect=0):
    done = subprocess.run([program("PATRON"), "--format", "json", "check", path, *options], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    out, err = done.stdout.decode(), done.stderr.decode()
    equal(done.returncode, expect, "exit status of patron check %s %s; it said %s%s" % (path, " ".join(options), out[-2000:], err))
    return out, err


def copied(path):
    """A copy to damage; the room of journal files stays a hole."""
    copy = os.path.join(temp_dir(), "copy")
    subprocess.run(["cp", "-r", "--sparse=always", path, copy], check=True)
    return copy


def journals(report):
    return {file["file"]: file for file in report["files"] if file["kind"] == "journal"}


def used_in(report):
    return {name: file["used_bytes"] for name, file in journals(report).items()}


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


def damaged(path, chance, used):
    """One byte changed anywhere in what a file holds, or a file shortened or gone: exit 1, and the file is named."""
    names = [n for n in sorted(os.listdir(path)) if n == "MANIFEST" or n.startswith(("snapshot", "journal-"))]
    for round_number in range(by_size(12, 40, 300)):
        copy = copied(path)
        name = names[round_number % len(names)]
        file_path = os.path.join(copy, name)
        how = chance.choice(["flip", "cut", "gone"])
        at = chance.randrange(os.path.getsize(file_path) if how == "cut" else used.get(name, os.path.getsize(file_path)))
        if how == "gone":
            os.unlink(file_path)
        elif how == "cut":
            os.truncate(file_path, at)
        else:
            flip(file_path, at, chance.randrange(8))
        _, err = check_dir(copy, expect=1)
        said = err.startswith("CORRUPT: ") or (name == "MANIFEST" and how == "gone")
        check(said and name in err and len(err.splitlines()) == 1, "%s of %s at %d: it said %r", how, name, at, err)
        if name.startswith("snapshot") or (name.startswith("journal") and how == "flip" and "mark" not in err):
            check("lsn" in err and ("offset" in err or how != "flip"), "where and which lsns: %r", err)
        shutil.rmtree(copy)


def room(path, chance, used):
    """Behind its records a journal file has room, with zeros or old bytes in it: no record, so whatever is there is no damage."""
    for name, end in sorted(used.items()):
        copy = copied(path)
        file_path = os.path.join(copy, name)
        size = os.path.getsize(file_path)
        check(size > end, "%s has room: %d of %d bytes used", name, end, size)
        at = chance.randrange(end, size)
        flip(file_path, at, chance.randrange(8))
        with open(file_path, "r+b") as file:
            file.seek(chance.randrange(end, size - 4096))
            file.write(chance.randbytes(4096))
        out, _ = check_dir(copy)
        report = json.loads(out)
        told = [file["torn_bytes"] for file in report["files"] if "torn_bytes" in file] + [report["served"]["torn_bytes"]]
        equal((used_in(report), told), (used, [0]), "%s, at %d: what is used, what is torn" % (name, at))
        shutil.rmtree(copy)


def torn(path, used, status):
    """A last group that is not whole, and of which nothing says that it was acknowledged: a server notes it and serves what
    is before, and so it is told."""
    copy = copied(path)
    name = max(used)
    last = json.loads(check_dir(copy, "--dump")[0].splitlines()[-1])
    equal((last["file"], last["lsn"]), (name, status["lsn"]), "the last record")
    file_path = os.path.join(copy, name)
    end = last["offset"] + last["bytes"]
    with open(file_path, "r+b") as file:
        file.seek(end)
        file.write(bytes(used[name] - end))
    report = json.loads(check_dir(copy)[0])
    check("torn_bytes" not in journals(report)[name], "without its mark it is as good: %r", journals(report))
    flip(file_path, end - 1, 3)
    report = json.loads(check_dir(copy)[0])
    told = journals(report)[name]
    check(told["torn_bytes"] > 0 and told["used_bytes"] == last["offset"], "the file: %r", told)
    served = report["served"]
    check(served["lsn"] == status["lsn"] - 1 and served["torn_bytes"] > 0 and name in served["note"], "what is served: %r", served)
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
    torn(server.data, used_in(report), status)
    room(server.data, chance, used_in(report))
    # The last mark or group behind a kill may be taken for a torn tail; after a clean stop nothing may.
    server.start()
    server.stop()
    report = same_as_the_server(server.data, status, control)
    equal(report["closed_in_order"], True, "after a stop")
    damaged(server.data, chance, used_in(report))
    room(server.data, chance, used_in(report))


main(run)
