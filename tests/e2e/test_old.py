#!/usr/bin/python3
"""Directories that earlier versions wrote (old/vN, left behind by `kill -9`) open, answer as they did, take batches, and open again; and
what --salvage makes of one that is damaged."""

import glob
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import RpcError, Server, check, equal, flip, main, temp_dir  # noqa: E402

OLD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "old")
GROUPS = ("group", {"as_of": "2024-12-31", "by": ["country"], "metrics": ["count", "sum(net)", "sum(orders)"]})
# What the server that wrote it answered.
ROWS = {"customers": 3, "orders": 31, "lines": 3, "refunds": 3, "fx": 3}
BY_COUNTRY = [["BR", 1, 8220, 11], ["DE", 1, 16630, 14], [None, 1, -194, 5]]


def order(seq):
    return {"producer": "later", "seq": seq, "columns": {"order": ["n%d" % seq], "customer": ["anna"], "time": ["2024-06-01T00:00:00Z"],
                                                         "amount": ["1.25"], "currency": ["EUR"]}}


def copy_of(folder):
    data = os.path.join(temp_dir(), "data")
    shutil.copytree(folder, data)
    return data


def opens(folder):
    data = copy_of(folder)
    server = Server(data=data, timezone="UTC", currency="EUR").start()
    client = server.client()
    status = client.call("status")
    equal(status["state"], "serving", "its state")
    equal((status["lsn"], status["rows"]), (48, ROWS), "what is in it")
    equal(client.call(*GROUPS)["rows"], BY_COUNTRY, "groups")
    equal(client.call("load.orders", dict(order(6), columns=dict(order(6)["columns"], time=["2024-06-06T00:00:00Z"])))["lsn"], 48,
          "a batch that was sent before, sent again")
    equal(client.call("load.orders", order(7))["lsn"], 49, "a new batch")
    equal(client.call("verify")["ok"], True, "verify")
    server.kill()
    server = Server(data=data, timezone="UTC", currency="EUR").start()
    client = server.client()
    equal(client.call("status")["lsn"], 49, "after a kill")
    client.call("snapshot.save")
    client.call("load.orders", order(8))
    client.call("snapshot.save")
    equal(client.call("verify")["ok"], True, "verify")
    server.stop()
    server = Server(data=data, timezone="UTC", currency="EUR").start()
    equal(server.client().call("status")["lsn"], 50, "after a stop")
    server.stop()


def salvages():
    server = Server(timezone="UTC", currency="EUR").start()
    client = server.client()
    for seq in range(1, 6):
        client.call("load.orders", order(seq))
    server.kill()
    journal = glob.glob(os.path.join(server.data, "journal-*.pj"))[0]
    with open(journal, "rb") as file:
        place = file.read().index(b"n2")
    flip(journal, place, 4)
    said = Server(data=server.data, timezone="UTC", currency="EUR").refused_or_up()
    check(said is not None and "lsns 2 to 5 (4 rows)" in said[1] and "--salvage" in said[1], "without --salvage: %r", said)
    before = {path: open(path, "rb").read() for path in glob.glob(os.path.join(server.data, "*")) if not path.endswith("lock")}
    server = Server(data=server.data, timezone="UTC", currency="EUR", extra=("--salvage",)).start()
    client = server.client()
    lost = [{"from_lsn": 2, "to_lsn": 2, "rows": 1, "file": os.path.basename(journal)}]
    for method, params in (("status", {}), ("count", {}), GROUPS, ("schema", {}), ("batch", {"calls": [["count", {}]]})):
        degraded = client.call(method, params)["degraded"]
        equal([{key: entry[key] for key in lost[0]} for entry in degraded], lost, method)
    status = client.call("status")
    equal((status["state"], status["lsn"], status["rows"]["orders"]), ("salvage", 5, 4), "status")
    for method, params in (("load.orders", order(9)), ("snapshot.save", {})):
        try:
            client.call(method, params)
            check(False, "%s: taken", method)
        except RpcError as error:
            equal(error.code, "READONLY", method)
    server.stop()
    for path, content in before.items():
        check(open(path, "rb").read() == content, "%s was written to", path)


def run():
    for folder in sorted(glob.glob(os.path.join(OLD, "v*"))):
        opens(folder)
        print("%s opens" % os.path.basename(folder), flush=True)
    salvages()


if __name__ == "__main__":
    main(run)
