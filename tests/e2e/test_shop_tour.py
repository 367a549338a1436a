#!/usr/bin/python3
"""A tour of the real shop: cohorts by month, revenue by country and month out of orders, a fit with three months held out and its
errors, the top customers, how value is spread. What can be checked is equal to a recomputation straight from the file.

    PATROND=build/dev/patrond PATRON=build/dev/patron SHARED=... tests/e2e/test_shop_tour.py --show     prints it as patron does
"""

import collections
import csv
import datetime
import io
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import shop  # noqa: E402
from patron_test import Server, check, equal, main, patron, patron_json, program  # noqa: E402
from recompute_rfm import Shop  # noqa: E402

LAST = datetime.date.fromisoformat(shop.LAST_DAY)
END, HOLDOUT_END = datetime.date(2010, 9, 9), LAST
TOUR = (
    ("cohort", "--percent"), ("cohort", "--metric", "net"),
    ("group", "--from", "orders", "--by", "month(time)", "--metrics", "count,customers,sum(net)", "--order-by", "month(time)"),
    ("group", "--from", "orders", "--by", "country,month(time)", "--metrics", "count,sum(net)", "--order-by", "-sum(net)", "--limit", "15"),
    ("group", "--from", "refunds", "--by", "month(time)", "--metrics", "count,sum(net)", "--order-by", "month(time)"),
    ("clv", "fit", "--end", str(END), "--holdout-end", str(HOLDOUT_END)),
    ("clv", "top", "--limit", "10"), ("clv", "dist", "--bins", "12"),
)


def month_of(day):
    return "%04d-%02d" % (day.year, day.month)


def months_from(first, last):
    """How many months `last` is after `first`."""
    return (last.year - first.year) * 12 + last.month - first.month


def as_csv(server, *words):
    _, out, _ = patron(server, "--format", "csv", *words, "--as-of", shop.LAST_DAY)
    return list(csv.DictReader(io.StringIO(out, newline="")))


def pence(text):
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(2, "0"))


def cohorts(server, facts):
    """{month of the first order: (customers, {months after: {metric: value}})}"""
    want = {}
    for orders, refunds in facts.customers.values():
        if not orders:
            continue
        first = min(day for day, _ in orders)
        size, months = want.setdefault(month_of(first), [0, {}])
        want[month_of(first)][0] += 1
        for month in {months_from(first, day) for day, _ in orders}:
            months.setdefault(month, collections.Counter())["customers"] += 1
        for sign, some in ((1, orders), (-1, refunds)):
            for day, amount in some:
                if (day.year, day.month) >= (first.year, first.month):  # a cohort begins with its first month
                    months.setdefault(months_from(first, day), collections.Counter())["net"] += sign * amount
    for metric, read in (("customers", int), ("net", pence)):
        got = as_csv(server, "cohort", "--metric", metric)
        equal([row["cohort"] for row in got], sorted(want), "cohorts")
        for row in got:
            size, months = want[row["cohort"]]
            equal(int(row["size"]), size, "size of %s" % row["cohort"])
            known = {int(key): read(value) for key, value in row.items() if key.isdigit() and value}
            equal(known, {month: months.get(month, {}).get(metric, 0) for month in known}, "%s of %s" % (metric, row["cohort"]))
            equal(len(known), months_from(datetime.date.fromisoformat(row["cohort"] + "-01"), LAST) + 1, "months of %s" % row["cohort"])
    print("equal: %d cohorts by month, customers and net" % len(want), flush=True)


def revenue(server, facts):
    want, back = {}, collections.Counter()
    for number, (_, day, amount) in facts.orders.items():
        sums = want.setdefault((facts.order_country[number], month_of(day)), [0, 0])
        sums[0] += 1
        sums[1] += amount
    for _, day, amount in facts.refunds.values():
        back[month_of(day)] += amount
    got = as_csv(server, "group", "--from", "orders", "--by", "country,month(time)", "--metrics", "count,sum(net)")
    equal({(row["country"], row["month(time)"]): [int(row["count"]), pence(row["sum(net)"])] for row in got}, want, "revenue by country and month")
    got = as_csv(server, "group", "--from", "refunds", "--by", "month(time)", "--metrics", "sum(net)")
    equal({row["month(time)"]: pence(row["sum(net)"]) for row in got}, dict(back), "refunds by month")
    whole = as_csv(server, "group", "--metrics", "sum(net)")[0]
    equal(pence(whole["sum(net)"]), sum(sums[1] for sums in want.values()) - sum(back.values()), "orders less refunds are the customers' net")
    print("equal: revenue of %d countries and months, %.2f GBP in all" % (len(want), sum(s[1] for s in want.values()) / 100), flush=True)


def days_between(orders, after, until):
    return len({day for day, _ in orders if after < day <= until})


def fit_and_its_errors(server, client, facts):
    fit = patron_json(server, "clv", "fit", "--end", str(END), "--holdout-end", str(HOLDOUT_END))
    actual = {customer: days_between(orders, END, HOLDOUT_END) for customer, (orders, _) in facts.customers.items()
              if any(day <= END for day, _ in orders)}
    client.call("clv.use", {"name": "default", "horizon": "%dd" % (HOLDOUT_END - END).days})
    rows, cursor = [], None
    while True:
        params = {"fields": ["customer", "expected_orders"], "where": "orders >= 1", "as_of": str(END), "limit": 1000}
        page = client.call("rows", dict(params, cursor=cursor) if cursor else params)
        rows += page["rows"]
        cursor = page.get("cursor")
        if cursor is None:
            break
    equal({customer for customer, _ in rows}, set(actual), "customers of the fit")
    off = [actual[customer] - expected for customer, expected in rows]
    holdout = fit["holdout"]
    equal((holdout["customers"], holdout["actual"]), (len(actual), sum(actual.values())), "customers and days held out")
    for name, want in (("expected", sum(expected for _, expected in rows)), ("mae", sum(map(abs, off)) / len(off)),
                       ("rmse", math.sqrt(sum(x * x for x in off) / len(off)))):
        check(math.isclose(holdout[name], want, rel_tol=1e-6), "hold-out %s: %r, recomputed %r", name, holdout[name], want)
    client.call("clv.use", {"name": "default", "horizon": "365d"})
    print("equal: %d customers held out, %d days, %.1f expected, mean error %.3f, root mean square %.3f" % (
        len(off), holdout["actual"], holdout["expected"], holdout["mae"], holdout["rmse"]), flush=True)


def value(server, client, facts):
    top = as_csv(server, "clv", "top", "--limit", "25")
    worth = [pence(row["clv"]) for row in top]
    equal(worth, sorted(worth, reverse=True), "order of the top customers")
    net = {customer: amount for customer, _, _, _, amount, _ in facts.as_of(LAST, "all")}
    for row in top:
        orders, _ = facts.customers[row["customer"]]
        equal((pence(row["net"]), int(row["orders"]), row["last_order"]),
              (net[row["customer"]], len(orders), max(day for day, _ in orders).isoformat()), "top customer %s" % row["customer"])
    everybody = client.call("rows", {"fields": ["clv"], "where": "orders >= 1", "order_by": ["-clv"], "limit": 10000, "as_of": shop.LAST_DAY})["rows"]
    equal([row[0] for row in everybody[:25]], worth, "nobody is worth more")
    bars = as_csv(server, "clv", "dist", "--bins", "12")
    equal((sum(int(bar["count"]) for bar in bars), sum(pence(bar["sum"]) for bar in bars)),
          (len(everybody), sum(row[0] for row in everybody)), "the bars hold everybody and all value")
    print("equal: value of %d customers, %.2f GBP in all" % (len(everybody), sum(row[0] for row in everybody) / 100), flush=True)


def show(server):
    for words in TOUR:
        asked = words if words[:2] == ("clv", "fit") else words + ("--as-of", shop.LAST_DAY)
        _, out, err = patron(server, *asked)
        print("$ patron %s\n%s%s" % (" ".join(asked), out, err), flush=True)


def run():
    program("PATRON")
    facts = Shop(shop.data())
    server = Server(timezone="Europe/London", currency="GBP").start()
    client = server.client()
    shop.check_balance(shop.load(server))
    cohorts(server, facts)
    revenue(server, facts)
    fit_and_its_errors(server, client, facts)
    value(server, client, facts)
    if "--show" in sys.argv[1:]:
        show(server)
    client.close()
    server.stop()


if __name__ == "__main__":
    main(run)
