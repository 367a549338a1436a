#!/usr/bin/python3
"""The real shop: loaded by the command line, held to the issue's counts and to an independent recomputation."""

import datetime
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import shop  # noqa: E402
from patron_test import Server, by_size, check, equal, main, program  # noqa: E402
from recompute_rfm import Shop  # noqa: E402

DAYS = by_size(("2010-06-30", "2010-12-09"), ("2010-01-15", "2010-03-31", "2010-06-30", "2010-10-31", "2010-12-09"))
WINDOWS = by_size(("365d", "90d"), ("365d", "90d", "all"))


def first_load(server, client):
    report = shop.load(server)
    print("loaded: %r" % {key: value for key, value in report.items() if not isinstance(value, (list, dict))}, flush=True)
    shop.check_balance(report)
    equal(report["rows"], shop.LINES, "lines read")
    # Exact duplicates are lines of their own: they differ in their position.
    equal(report["new"], shop.TAKEN, "lines taken")
    equal(report["rejected"], shop.NO_CUSTOMER + shop.NO_PRICE, "lines rejected")
    equal(shop.rejected_for(report, "customer"), shop.NO_CUSTOMER, "rejected for no customer")
    equal(shop.rejected_for(report, "price"), shop.NO_PRICE, "rejected for their price")
    equal((report["orders"], report["refunds"]), (shop.ORDERS, shop.REFUNDS), "orders and refunds made")
    shop.check_status(client)
    equal(client.call("count", {"as_of": shop.LAST_DAY, "where": "orders >= 1"})["count"], shop.WITH_ORDERS, "with orders")
    equal(client.call("count", {"as_of": shop.LAST_DAY})["of"], shop.CUSTOMERS, "customers")


def compare_grid(client, facts, day, window):
    what = "as of %s in %s" % (day, window)
    want = facts.rfm(datetime.date.fromisoformat(day), window)
    got = client.call("rfm.grid", {"as_of": day, "window": window})
    equal(got["scored"], want["scored"], "scored %s" % what)
    cells = {"%d%d%d" % (c["r"], c["f"], c["m"]): (c["count"], c["net_minor"]) for c in got["cells"]}
    for key in sorted(set(cells) | set(want["cells"])):
        cell = want["cells"].get(key)
        equal(cells.get(key), cell and (cell["count"], cell["net"]), "cell %s %s" % (key, what))
    equal(got["thresholds"], {"r": want["thresholds"]["r"], "f": want["thresholds"]["f"], "m_minor": want["thresholds"]["m"]},
          "thresholds %s" % what)
    equal((got["unscored"]["count"], got["unscored"]["net_minor"]), (want["unscored"]["count"], want["unscored"]["net"]),
          "unscored %s" % what)
    groups = client.call("rfm.groups", {"as_of": day, "window": window})["groups"]
    equal({g["name"]: (g["count"], g["net_minor"], g["one_time"]) for g in groups if g["count"]},
          {name: (g["count"], g["net"], g["one_time"]) for name, g in want["groups"].items()}, "groups %s" % what)
    drill_down(client, day, window, cells)
    print("equal %s: %d customers in %d cells" % (what, got["scored"], len(cells)), flush=True)


def drill_down(client, day, window, cells):
    """A cell's count is the count of a filter that names its scores."""
    for key in sorted(cells)[::25]:
        where = "r = %s AND f = %s AND m = %s" % tuple(key)
        got = client.call("count", {"as_of": day, "where": where, "rfm": {"window": window}})
        equal(got["count"], cells[key][0], "%s as of %s in %s" % (where, day, window))


def compare_countries(client, facts, day):
    want = facts.by_country(datetime.date.fromisoformat(day))
    got = client.call("group", {"as_of": day, "by": ["country"], "metrics": ["count", "sum(net)"]})
    equal({row[0]: (row[1], row[2]) for row in got["rows"]}, want, "revenue by country as of %s" % day)
    equal(got["money"]["currency"], "GBP", "currency of the money")
    print("equal as of %s: revenue of %d countries" % (day, len(want)), flush=True)


def run():
    program("PATRON")
    shop.data()
    server = Server(timezone="Europe/London", currency="GBP").start()
    client = server.client()
    first_load(server, client)

    facts = Shop(shop.data())
    equal((facts.lines_read, facts.taken, facts.no_customer, facts.no_price, len(facts.orders), len(facts.refunds), len(facts.customers)),
          (shop.LINES, shop.TAKEN, shop.NO_CUSTOMER, shop.NO_PRICE, shop.ORDERS, shop.REFUNDS, shop.CUSTOMERS), "the recomputation")
    for day in DAYS:
        compare_countries(client, facts, day)
        for window in WINDOWS:
            compare_grid(client, facts, day, window)

    before = shop.answers(client)
    again = shop.load(server)
    equal(again["rows"], shop.LINES, "lines of the second load")
    shop.check_status(client)
    shop.same_answers(shop.answers(client), before, "after loading again")
    print("loading again changed nothing", flush=True)

    check(client.call("verify")["ok"], "verify")
    client.close()
    server.stop()
    server.start()
    client = server.client()
    shop.check_status(client)
    shop.same_answers(shop.answers(client), before, "after a restart")
    server.kill()
    server.start()
    client = server.client()
    shop.same_answers(shop.answers(client), before, "after kill -9")
    check(client.call("verify")["ok"], "verify after kill -9")
    server.stop()
    print("restarts changed nothing", flush=True)


if __name__ == "__main__":
    main(run)
