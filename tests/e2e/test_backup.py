#!/usr/bin/env python3
"""`patron backup` and `patron restore`: a backup taken while batches stream in holds exactly what was acknowledged up to its
lsn; killed on either side it is whole or not there; a restored directory is served, verified, and has another epoch."""

import json
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import RpcError, Server, by_size, check, equal, i64_column, main, program, seed, temp_dir, u64_column  # noqa: E402

ROWS = 2000
CURRENCIES = ["GBP", "JPY", "USD"]


def patron(server, *arguments, expect=0):
    address = ["--connect", server.address()] if server is not None else []
    done = subprocess.run([program("PATRON"), *address, "--format", "json", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300)
    out, err = done.stdout.decode(), done.stderr.decode()
    equal(done.returncode, expect, "exit status of patron %s; it said %s%s" % (" ".join(arguments), out[-1500:], err))
    return json.loads(out) if expect == 0 else err


class Stream:
    """Batches as fast as they are acknowledged, and a ledger: sums by currency after each lsn."""

    def __init__(self, server, chance):
        self.server, self.chance = server, chance
        self.ledger = {}
        self.last_lsn, self.seq, self.next_id = 0, 0, 1
        self.sums = {c: [0, 0] for c in CURRENCIES}
        self.stop, self.broken = threading.Event(), None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        client = self.server.client()
        try:
            while not self.stop.is_set():
                self.batch(client)
        except (ConnectionError, OSError) as end:
            self.broken = end
        client.close()

    def batch(self, client):
        codes = [self.chance.randrange(len(CURRENCIES)) for _ in range(ROWS)]
        amounts = [self.chance.randrange(1, 10**6) for _ in range(ROWS)]
        columns = {"order": u64_column(range(self.next_id, self.next_id + ROWS)), "customer": u64_column([self.chance.randrange(5000) for _ in range(ROWS)]),
                   "time": i64_column([1700000000000 + 1000 * i for i in range(ROWS)]), "amount_minor": i64_column(amounts),
                   "currency": {"dict": CURRENCIES, "codes": bytes(codes)}}
        self.seq += 1
        answer = client.call("load.orders", {"producer": "stream", "seq": self.seq, "columns": columns})
        self.next_id += ROWS
        for code, amount in zip(codes, amounts):
            self.sums[CURRENCIES[code]][0] += 1
            self.sums[CURRENCIES[code]][1] += amount
        self.ledger[answer["lsn"]] = {c: tuple(v) for c, v in self.sums.items()}
        self.last_lsn = answer["lsn"]

    def reach(self, batches):
        deadline = time.monotonic() + 120
        while len(self.ledger) < batches and self.broken is None and time.monotonic() < deadline:
            time.sleep(0.01)

    def end(self):
        self.stop.set()
        self.thread.join(120)


def totals(client):
    groups = client.call("control", {"table": "orders", "by": "currency"})["groups"]
    return {g["currency"]: (g["rows"], g["amount_minor"][g["currency"]]) for g in groups}


def served_is(path, stream, lsn, epoch_before):
    """Starts the restored directory: exactly the ledger's state at that lsn; then it goes on."""
    server = Server(data=path).start()
    client = server.client()
    status = client.call("status")
    equal(status["lsn"], lsn, "lsn of the restored server")
    check(status["epoch"] != epoch_before and status["epoch"] > epoch_before, "the epoch must change: %r", status["epoch"])
    equal(totals(client), stream.ledger[lsn], "control totals at lsn %d" % lsn)
    check(client.call("verify")["ok"], "the restored server verifies")
    answer = client.call("count", {"unless": {"epoch": epoch_before, "lsn": lsn}})
    check("unchanged" not in answer, "a client that remembers the old epoch is answered anew")
    # The producer's place came along: what it sends again changes nothing, what is new is taken.
    state = client.call("load.state", {"producer": "stream"})
    equal(state["lsn"], lsn, "where the producer stands")
    client.call("load.orders", {"producer": "later", "seq": 1, "columns": {"order": ["later"], "customer": [1], "time": ["2024-01-01"], "amount": ["1"], "currency": ["GBP"]}})
    client.call("snapshot.save")
    client.close()
    server.kill()
    server.start()
    client = server.client()
    equal(client.call("status")["lsn"], lsn + 1, "after more and a kill")
    client.close()
    server.stop()
    patron(None, "check", path)


def during_ingest(server, chance):
    stream = Stream(server, chance)
    folder = temp_dir()
    client = server.client()
    stream.thread.start()
    taken = []
    for i in range(by_size(2, 3, 10)):
        stream.reach(15 * (i + 1))
        before = stream.last_lsn
        path = os.path.join(folder, "backup-%d" % i)
        report = patron(server, "backup", path)
        check(before <= report["lsn"], "the backup holds what was acknowledged before it began: %d, %r", before, report)
        check(report["verified"] is True, "verified: %r", report)
        taken.append((path, report))
    more = len(stream.ledger)
    stream.reach(more + 5)
    check(stream.broken is None and len(stream.ledger) >= more + 5, "ingest goes on: %r", stream.broken)
    stream.end()
    epoch = client.call("status")["epoch"]
    for path, report in taken:
        target = os.path.join(folder, "restored-" + os.path.basename(path))
        restored = patron(None, "restore", path, target, "--full")
        equal(restored["lsn"], report["lsn"], "lsn of the restored directory")
        check(sorted(os.listdir(path)) == sorted(os.listdir(target)), "the same files")
        served_is(target, stream, report["lsn"], epoch)
    # The newest snapshot, without writing one: now that nothing comes in, the same state twice.
    first = patron(server, "backup", os.path.join(folder, "again"))
    second = patron(server, "backup", "--newest", os.path.join(folder, "newest"))
    equal((second["lsn"], second["bytes"]), (first["lsn"], first["bytes"]), "nothing new, nothing written")
    equal(first["lsn"], stream.last_lsn, "all there is")
    client.close()
    return stream, taken[0][0]


def refusals(server, backup):
    folder = temp_dir()
    with open(os.path.join(folder, "mine"), "w") as file:
        file.write("x")
    check("not empty" in patron(server, "backup", folder, expect=1), "a directory with something in it")
    check("not empty" in patron(None, "restore", backup, folder, expect=1), "the same for restore")
    equal(os.listdir(folder), ["mine"], "nothing is touched")
    check(patron(None, "restore", server.data, os.path.join(folder, "x"), expect=1).startswith("CONFLICT: "), "a served directory")
    check(not os.path.exists(os.path.join(folder, "x")), "nothing is left behind")
    damaged = os.path.join(folder, "damaged")
    os.mkdir(damaged)
    for name in os.listdir(backup):
        with open(os.path.join(backup, name), "rb") as source, open(os.path.join(damaged, name), "wb") as copy:
            data = bytearray(source.read())
            if name.startswith("snapshot"):
                data[len(data) // 2] ^= 4
            copy.write(data)
    said = patron(None, "restore", damaged, os.path.join(folder, "x"), expect=1)
    check(said.startswith("CORRUPT: ") and "snapshot-" in said and "offset" in said, "a damaged backup: %r", said)
    check(not os.path.exists(os.path.join(folder, "x")), "nothing is left behind")
    client = server.client()
    client.fails("backup.read", {"backup": 999, "file": 0, "offset": 0}, code="EXPIRED")
    begun = client.call("backup.begin", {"newest": True})
    client.fails("backup.read", {"backup": begun["backup"], "file": 3, "offset": 0}, code="NOT_FOUND")
    client.fails("backup.read", {"backup": begun["backup"], "file": "../../etc/passwd", "offset": 0}, code="BAD_REQUEST")
    client.fails("backup.read", {"backup": begun["backup"], "file": 0, "offset": 0, "bytes": 1 << 30}, code="BAD_REQUEST")
    equal(client.call("backup.read", {"backup": begun["backup"], "file": 0, "offset": begun["files"][0]["bytes"]})["data"], b"", "behind the end")
    answers = client.call("batch", {"calls": [["backup.read", {"backup": begun["backup"], "file": 0, "offset": 0}]]})["answers"]
    check("error" in answers[0], "not in a batch: %r", answers)
    others = [client.call("backup.begin", {"newest": True})["backup"] for _ in range(3)]
    client.fails("backup.begin", {"newest": True}, code="BUSY")
    for number in others + [begun["backup"]]:
        client.call("backup.end", {"backup": number})
    client.fails("backup.end", {"backup": begun["backup"]}, code="EXPIRED")
    client.close()


def whole_or_not_there(path, stream):
    if not os.path.exists(path):
        return False
    report = patron(None, "check", path)
    lsn = report["served"]["lsn"]
    got = {m["currency"]: (m["rows"], m["amount_minor"]) for m in report["money"] if m["file"] == "(all together)" and m["table"] == "orders"}
    equal(got, stream.ledger[lsn], "control totals of a backup that a kill came close to, lsn %d" % lsn)
    return True


def killed(server, stream, chance):
    """The client, then the server, killed at random moments of a backup; afterwards it works in the same place."""
    folder = temp_dir()
    start, whole = time.monotonic(), 0
    patron(server, "backup", os.path.join(folder, "timed"))
    took = time.monotonic() - start
    rounds = by_size(4, 8, 60)
    for i in range(rounds):
        path = os.path.join(folder, "b%d" % (i // 2))  # twice at one place: what was left is used again
        if os.path.exists(path):
            continue
        process = subprocess.Popen([program("PATRON"), "--connect", server.address(), "backup", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.random() * 1.5 * took)
        if i % 2 == 0:
            process.kill()
            process.wait(60)
        else:
            server.kill()
            check(process.wait(60) in (0, 1), "the client says why it ends")
            server.start()
        whole += whole_or_not_there(path, stream)
        client = server.client()
        equal(totals(client), stream.ledger[stream.last_lsn], "the server lost nothing")
        client.close()
    print("%d of %d backups were done before the kill" % (whole, rounds))
    final = os.path.join(folder, "b0")
    if not os.path.exists(final):
        patron(server, "backup", final)
    check(whole_or_not_there(final, stream), "in the end there is one")
    check(not os.path.exists(final + ".unfinished"), "and nothing beside it")


def empty_server():
    server = Server().start()
    folder = temp_dir()
    report = patron(server, "backup", os.path.join(folder, "empty/"))
    equal(report["lsn"], 0, "nothing yet")
    server.stop()
    patron(None, "restore", os.path.join(folder, "empty"), os.path.join(folder, "new"))
    again = Server(data=os.path.join(folder, "new")).start()
    again.stop()


def run():
    chance = random.Random(seed())
    server = Server().start()
    stream, backup = during_ingest(server, chance)
    refusals(server, backup)
    killed(server, stream, chance)
    server.stop()
    empty_server()


main(run)
