#!/usr/bin/python3
"""Questions as a dashboard asks them: pages while loading, batches, unless, limits of time; and what must hold of any data."""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import RpcError, Server, by_size, check, equal, main, patron, seed, serving  # noqa: E402

COUNTRIES = ("BR", "MX", "DE", "FR")
DAY = "2024-06-30"
READING = [
    ("customer", {"customer": "c1"}), ("order", {"order": "o1"}), ("count", {}), ("rows", {"fields": ["customer"]}),
    ("group", {"by": []}), ("cohort", {}), ("control", {"table": "orders", "by": "day"}), ("rfm.grid", {}), ("rfm.groups", {}),
    ("verify", {}), ("batch", {"calls": [["count", {}]]}),
]


class Shop:
    """Random orders and refunds of a few hundred customers, sent in any order and any batches."""

    def __init__(self, rng, customers, orders):
        self.customers = [("c%d" % k, rng.choice(COUNTRIES + (None,)), "2024-01-%02d" % rng.randrange(1, 28)) for k in range(customers)]
        self.orders = [("o%d" % k, "c%d" % rng.randrange(customers), "2024-%02d-%02dT10:00:00Z" % (rng.randrange(1, 7), rng.randrange(1, 28)),
                        rng.randrange(1, 100000), rng.choice(COUNTRIES), rng.randrange(1000)) for k in range(orders)]
        self.refunds = [("r%d" % k, "o%d" % rng.randrange(orders), "2024-06-%02dT10:00:00Z" % rng.randrange(1, 28), rng.randrange(1, 5000))
                        for k in range(orders // 10)]

    FIELDS = {"customers": ("customer", "country", "created"), "orders": ("order", "customer", "time", "amount_minor", "country", "version"),
              "refunds": ("refund", "order", "time", "amount_minor")}

    def load(self, client, rng=None, producer="shop", rows_per_batch=200, seq=0):
        """With rng: rows and batches in its order, some of them twice."""
        work = []
        for table in ("customers", "orders", "refunds"):
            rows = list(getattr(self, table))
            if rng:
                rng.shuffle(rows)
            work += [(table, rows[k:k + rows_per_batch]) for k in range(0, len(rows), rows_per_batch)]
        if rng:
            work += rng.sample(work, len(work) // 3)
            rng.shuffle(work)
        for table, rows in work:
            columns = {field: [row[k] for row in rows] for k, field in enumerate(self.FIELDS[table])}
            extra = {"currency": ["GBP"] * len(rows)} if table != "customers" else {}
            seq += 1
            client.call("load." + table, {"producer": producer, "seq": seq, "columns": dict(columns, **extra)})


def plain(answer):
    """An answer without what differs from one asking to the next."""
    return {key: value for key, value in answer.items() if key not in ("ms", "lsn", "epoch", "cursor")}


# ---- what must hold of any data (PRODUCT.md, section 5) ------------------------------------------------------------


def identities(client, rng):
    filters = ["country = BR", "orders >= 2 AND net > 100", "lifecycle IN (active, new)", "country IS NULL OR r = 5", "NOT customer < 5"]
    for where in rng.sample(filters, len(filters)):
        day = rng.choice((DAY, "2024-03-15", "2024-05-01"))
        inside, outside = (client.call("count", {"where": text, "as_of": day}) for text in (where, "NOT (%s)" % where))
        equal(inside["count"] + outside["count"], inside["of"], "count(A) + count(NOT A), A = %s" % where)
        for by in (["country"], ["lifecycle"], ["rfm_group"], ["month(first_order)", "country"], ["bin(net, [0, 100])"]):
            got = client.call("group", {"by": by, "metrics": ["count", "sum(net)", "sum(orders)"], "where": where, "as_of": day})
            for k in range(3):
                equal(sum(row[len(by) + k] for row in got["rows"]), got["total"][len(by) + k], "groups of %r add up" % by)
            equal(got["total"][len(by)], inside["count"], "group total is the count")
        grid = client.call("rfm.grid", {"where": where, "as_of": day})
        equal(sum(cell["count"] for cell in grid["cells"]), grid["scored"], "grid sum = scored")
        equal(grid["scored"] + grid["unscored"]["count"], inside["count"], "scored and unscored are all")
        cohorts = client.call("cohort", {"metric": "orders", "where": where, "as_of": day})
        orders = client.call("group", {"by": [], "metrics": ["sum(orders)"], "where": where, "as_of": day})["total"][0]
        equal(sum(v for c in cohorts["cohorts"] for v in c["values"] if v is not None), orders, "orders of all cohorts")
    facts = [client.call("group", {"from": table, "by": [], "metrics": ["sum(net)"]})["total"][0] for table in ("orders", "refunds")]
    equal(client.call("group", {"by": [], "metrics": ["sum(net)"]})["total"][0], facts[0] - facts[1], "base total = sum of the facts")
    control = client.call("control", {"table": "orders", "by": "month"})
    equal(control["total"]["amount_minor"], {"GBP": facts[0]}, "control total")
    equal(sum(group["rows"] for group in control["groups"]), control["total"]["rows"], "rows of control")


def batches_are_order_free(shop, rng):
    answers = []
    for shuffled in (None, rng, rng):
        with serving() as (_, client):
            shop.load(client, shuffled, rows_per_batch=200 if shuffled is None else rng.randrange(1, 300))
            answers.append([plain(client.call(method, params)) for method, params in (
                ("group", {"by": ["country", "lifecycle"], "metrics": ["count", "sum(net)", "p90(net)"], "as_of": DAY}),
                ("group", {"from": "orders", "by": ["country", "month(time)"], "metrics": ["sum(net)", "customers"]}),
                ("rows", {"fields": ["customer", "net", "first_order", "r", "f", "m"], "order_by": ["-net"], "limit": 500, "as_of": DAY}),
                ("cohort", {"metric": "net", "as_of": DAY}), ("control", {"table": "orders", "by": "day"}),
                ("control", {"table": "refunds", "by": "currency"}))])
            if shuffled is None:
                identities(client, rng)
    equal(answers[1], answers[0], "answers after loading in another order")
    equal(answers[2], answers[0], "answers after loading in another order, once more")
    print("ok  identities hold, whatever the order of rows and batches", flush=True)


# ---- pages ---------------------------------------------------------------------------------------------------------


def read_pages(client, params, load):
    """Every page, with a load before each one but the first."""
    rows, cursor, lsn = [], None, set()
    while True:
        got = client.call("rows", dict(params, cursor=cursor) if cursor else params)
        rows += got["rows"]
        lsn.add(got["lsn"])
        cursor = got.get("cursor")
        if cursor is None:
            equal(len(lsn), 1, "versions of the pages")
            equal(len(rows), got["count"], "rows of all pages")
            return rows
        check(load() > max(lsn), "a load made no new version")


def pages_while_loading(server, client, shop):
    loader, seq = server.client(), [10 ** 6]

    def load():
        """Changes an order that is there, and adds one."""
        seq[0] += 1
        k = seq[0] % len(shop.orders)
        return loader.call("load.orders", {"producer": "more", "seq": seq[0], "columns": {
            "order": ["o%d" % k, "n%d" % seq[0]], "customer": ["c%d" % (seq[0] % 90), "x%d" % seq[0]], "currency": ["GBP"] * 2,
            "time": ["2024-05-01T00:00:00Z", "2024-06-02T00:00:00Z"], "amount_minor": [seq[0] % 977, 5]}})["lsn"]

    for source, key, orders in (("customers", "customer", (["-net"], ["orders", "country"], ["customer"], [])),
                                ("orders", "order", (["-net"], ["time"], ["country", "-time"]))):
        for order_by in orders:
            params = {"from": source, "fields": [key, "net"], "order_by": order_by, "as_of": DAY}
            want = client.call("rows", dict(params, limit=10000))["rows"]
            rows = read_pages(client, dict(params, limit=37), load)
            equal(rows, want, "pages of %s by %r" % (source, order_by))
            equal(len({row[0] for row in rows}), len(rows), "rows that came twice, by %r" % order_by)
    loader.close()
    print("ok  pages of one version while loads go on", flush=True)


def cursors_end(server, client):
    params = {"fields": ["customer"], "limit": 5}

    def first_page(k):
        client.call("load.customers", {"producer": "pages", "seq": 10 ** 7 + k, "columns": {"customer": ["new%d" % k]}})
        return client.call("rows", params)["cursor"]

    cursor = first_page(0)
    client.fails("rows", dict(params, cursor=cursor[:-1] + ("0" if cursor[-1] != "0" else "1")), "BAD_REQUEST", ["cursor"])
    client.fails("rows", dict(params, cursor="next"), "BAD_REQUEST", ["cursor"])
    client.fails("rows", dict(params, order_by=["net"], cursor=cursor), "BAD_REQUEST", ["another question"])
    client.fails("batch", {"calls": "rows"}, "BAD_REQUEST")
    in_batch = client.call("batch", {"calls": [["rows", dict(params, cursor=cursor)]]})["answers"][0]
    equal(in_batch["error"]["code"], "BAD_REQUEST", "a cursor in a batch")
    equal(len(client.call("rows", dict(params, cursor=cursor, limit=7))["rows"]), 7, "a longer page")
    # One that somebody reads on is kept, while first pages come and go; the oldest of those ends.
    waiting = [first_page(k) for k in range(1, 40)]
    client.call("rows", dict(params, cursor=cursor))
    client.call("rows", dict(params, cursor=waiting[-1]))
    client.fails("rows", dict(params, cursor=waiting[0]), "EXPIRED", ["first page"])
    check(client.call("status")["state"] == "serving", "status")
    server.stop()
    server.start()
    again = server.client()
    again.fails("rows", dict(params, cursor=cursor), "EXPIRED")
    print("ok  cursors: checked, bounded, gone with the server", flush=True)
    return again


def all_rows_by_command_line(server, client):
    count = client.call("count", {})["count"]
    lines = patron(server, "--format", "csv", "rows", "--all", "--fields", "customer,net")[1].splitlines()
    equal((lines[0].split(",")[0], len(lines) - 1, len(set(lines)) - 1), ("customer", count, count), "rows --all as CSV")
    out = patron(server, "--format", "json", "rows", "--all", "--fields", "customer")[1]
    equal(out.count("\"c1\""), 1, "rows --all as JSON")
    patron(server, "rows", "--all", "--limit", "3", expect=2)
    print("ok  rows --all", flush=True)


# ---- batches, unless, limits ---------------------------------------------------------------------------------------


def batches(client):
    asked = [(method, dict(params, **({"as_of": DAY} if method not in ("control", "verify") else {})))
             for method, params in READING[:8]]
    asked += [("group", {"by": ["country"], "where": "orders >= 1", "as_of": DAY}), ("count", {"where": "orders >= 1", "as_of": DAY}),
              ("count", {"where": "cuntry = BR"}), ("cuont", {}), ("load.orders", {}), ("count", {"where": "lifecycle = lost"}),
              ("count", {"where": "orders >= 1", "rfm": {"population": "country = XX"}, "as_of": DAY}),
              ("group", {"by": ["rfm_group"], "rfm": {"population": "country = XX"}, "as_of": DAY}),
              ("rfm.grid", {"population": "country = XX", "as_of": DAY}), ("count", {"where": "country = YY", "as_of": "2024-06-29"})]
    got = client.call("batch", {"calls": [list(call) for call in asked]})
    for (method, params), answer in zip(asked, got["answers"], strict=True):
        if "error" in answer:
            error = client.fails(method, params, answer["error"]["code"] if method != "load.orders" else None)
            check(method == "load.orders" or answer["error"]["message"] == error.text, "%r: %r, alone %s", params, answer, error)
        else:
            equal(plain(answer), plain(client.call(method, params)), "%s %r in a batch" % (method, params))
            equal((answer["lsn"], answer["epoch"]), (got["lsn"], got["epoch"]), "version")
    equal(sum("error" in answer for answer in got["answers"]), 3, "errors")
    client.fails("batch", {"calls": []}, "BAD_REQUEST")
    client.fails("batch", {"calls": [["count"]] * 65}, "BAD_REQUEST")
    print("ok  a batch answers as its questions do alone", flush=True)


def same_filter_costs_less(client):
    """Measured, not judged: machines differ."""
    where = "orders >= 1 AND net > 10 AND country IN ('BR','MX') AND lifecycle <> lost"
    calls = [["count", {"where": where, "as_of": "2024-05-01"}]] + [
        ["group", {"by": [by], "metrics": ["count", "sum(net)"], "where": where, "as_of": "2024-05-01"}]
        for by in ("country", "lifecycle", "rfm_group", "r", "f", "m", "month(first_order)")]
    alone, together = [], []
    for _ in range(by_size(5, 20)):
        began = time.monotonic()
        for call in calls:
            client.call(*call)
        alone.append(time.monotonic() - began)
        began = time.monotonic()
        client.call("batch", {"calls": calls})
        together.append(time.monotonic() - began)
    print("    %d questions with one filter: %.2f ms one by one, %.2f ms in a batch" % (
        len(calls), min(alone) * 1000, min(together) * 1000), flush=True)


def unchanged_and_late(client):
    for method, params in READING:
        got = client.call(method, params)
        known = {"epoch": got["epoch"], "lsn": got["lsn"]}
        if method != "verify":
            equal(client.call(method, dict(params, unless=known)).get("unchanged"), True, "%s unless what is known" % method)
            check("unchanged" not in client.call(method, dict(params, unless=dict(known, lsn=known["lsn"] + 1))), "%s: other lsn", method)
            check("unchanged" not in client.call(method, dict(params, unless=dict(known, epoch=known["epoch"] + 1))), "%s: other epoch", method)
            check("unchanged" not in client.call(method, dict(params, unless=dict(known, as_of="2001-01-01"))), "%s: other day", method)
        later = dict(params, min_lsn=got["lsn"] + 1000)
        patient, hasty = client.send(method, dict(later, deadline_ms=60000)), client.send(method, dict(later, deadline_ms=50))
        msgid, error, _ = client.receive()
        equal((msgid, str(error).partition(":")[0]), (hasty, "DEADLINE"), "%s waits for min_lsn until its own deadline" % method)
        client.call("cancel", {"msgid": patient})
        try:
            client.wait(patient)
            check(False, "%s was answered though cancelled", method)
        except RpcError as error:
            equal(error.code, "CANCELLED", "%s cancelled" % method)
    print("ok  unless, min_lsn, deadline_ms, cancel: every reading method", flush=True)


def run():
    rng = random.Random(seed())
    shop = Shop(rng, *by_size((90, 600), (200, 3000), (2000, 50000)))
    batches_are_order_free(shop, rng)
    server = Server().start()
    client = server.client()
    shop.load(client)
    batches(client)
    same_filter_costs_less(client)
    unchanged_and_late(client)
    pages_while_loading(server, client, shop)
    client = cursors_end(server, client)
    all_rows_by_command_line(server, client)
    client.close()
    server.stop()


if __name__ == "__main__":
    main(run)
