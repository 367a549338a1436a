#!/usr/bin/python3
"""The naive model held to cases worked out by hand, so that a difference in test_random.py is worth believing."""

import datetime
import os
import sys
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from naive import GROUP_OF, Model, Refused, Zone, half_away, parse_day, print_day  # noqa: E402
from patron_test import check, equal, main  # noqa: E402

NOW = datetime.datetime(2024, 6, 1, 12, tzinfo=datetime.timezone.utc)


def day(text):
    return parse_day(text)


class Shop(Model):
    """A model with a producer that counts for itself."""

    def __init__(self, timezone="UTC", base="EUR"):
        super().__init__(timezone, base, NOW)
        self.seq = 0

    def take(self, table, mode=None, on_error="reject", **columns):
        self.seq += 1
        params = {"producer": "p", "seq": self.seq, "columns": columns, "on_error": on_error}
        if mode:
            params["mode"] = mode
        return self.load(table, params)

    def order(self, order, customer, time, amount, **more):
        more = {key: [value] for key, value in more.items()}
        more.setdefault("currency", ["EUR"])
        return self.take("orders", order=[order], customer=[customer], time=[time], amount=[amount], **more)

    def net(self, customer, at):
        return self.customer({"customer": customer, "as_of": at})["net"]


def counts(answer):
    return tuple(answer[key] for key in ("new", "updated", "duplicate", "stale", "rejected"))


def halves_round_away_from_zero():
    equal([half_away(Fraction(n, 2)) for n in (-5, -3, -1, 0, 1, 3, 5)], [-3, -2, -1, 0, 1, 2, 3], "halves")
    equal([half_away(Fraction(n, 10)) for n in (-26, -24, 24, 26)], [-3, -2, 2, 3], "tenths")


def every_cell_has_one_name():
    equal(len(GROUP_OF), 125, "cells with a name")


def days_are_local():
    london = Zone("Europe/London")
    equal(london.parse_time("2010-06-30T23:30:00Z", "time"), 1277940600, "seconds of an instant")
    equal(london.parse_time(1277940600999, "time"), 1277940600, "milliseconds")
    equal(print_day(london.day_of_instant(london.parse_time("2010-06-30T23:30:00Z", "time"))), "2010-07-01", "summer")
    first = london.parse_time("2023-10-29 01:30:00", "time")
    equal(first, london.parse_time("2023-10-29T00:30:00Z", "time"), "a repeated hour is the first")
    gap = london.parse_time("2023-03-26 01:30:00", "time")
    equal(gap, london.parse_time("2023-03-26 02:30:00", "time"), "a missing hour moves forward")
    apia = Zone("Pacific/Apia")
    equal(print_day(apia.day_of_instant(apia.parse_time("2011-12-30 12:00", "time"))), "2011-12-31", "a missing day")


def patches_replace_nulls_clear_versions_hold():
    shop = Shop()
    equal(counts(shop.order("o1", "c1", "2024-01-01", "10", version=5)), (1, 0, 0, 0, 0), "new")
    equal(counts(shop.order("o1", "c1", "2024-01-01", "11", version=4)), (0, 0, 0, 1, 0), "stale")
    equal(counts(shop.order("o1", "c1", "2024-01-01", "10", version=5)), (0, 0, 1, 0, 0), "duplicate")
    equal(counts(shop.take("orders", order=["o1"], cancelled=["2024-02-01"])), (0, 1, 0, 0, 0), "patch")
    equal(shop.net("c1", "2024-01-31"), 1000, "before it was cancelled")
    equal(shop.net("c1", "2024-02-01"), 0, "on the day of cancelling")
    equal(counts(shop.take("orders", order=["o1"], cancelled=[None])), (0, 1, 0, 0, 0), "null clears")
    equal(shop.net("c1", "2024-02-01"), 1000, "not cancelled any more")
    equal(counts(shop.take("orders", on_error="skip", order=["o9"], cancelled=[None])), (0, 0, 0, 0, 1), "patch of nothing")


def a_pair_is_taken_once():
    shop = Shop()
    params = {"producer": "p", "seq": 7, "columns": {"customer": ["a"], "country": ["BR"]}}
    first = shop.load("customers", params)
    check(shop.load("customers", params) is first, "the same pair gives the first answer")
    try:
        shop.load("customers", dict(params, columns={"customer": ["b"]}))
    except Refused as refused:
        equal(refused.code, "CONFLICT", "other content")
    else:
        check(False, "other content was taken")
    equal(set(shop.live(0)), {"a"}, "customers without any date are always live")


def refunds_count_on_their_own_day():
    shop = Shop()
    shop.take("refunds", refund=["r1"], order=["o1"], time=["2024-03-01"], amount=["4"], currency=["EUR"])
    equal(shop.counts()["pending"], 1, "waits for its order")
    equal(shop.live(day("2024-05-01")), {}, "in no answer")
    shop.order("o1", "c1", "2024-01-01", "10")
    equal([shop.net("c1", d) for d in ("2024-02-29", "2024-03-01")], [1000, 600], "before and on its day")
    shop.take("orders", order=["o1"], cancelled=["2024-04-01"])
    equal([shop.net("c1", d) for d in ("2024-03-31", "2024-04-01")], [600, 0], "of an order cancelled later")
    shop.take("refunds", refund=["r2"], customer=["c1"], time=["2024-03-01"], amount=["1"], currency=["EUR"])
    equal(shop.net("c1", "2024-04-01"), -100, "naming a customer only")


def lines_make_orders_and_refunds():
    shop = Shop()

    def lines(quantities, mode=None, number=None):
        n = len(quantities)
        columns = dict(order=["i1"] * n, customer=["c1"] * n, time=["2024-01-0%d" % (n - k) for k in range(n)],
                       product=["x"] * n, quantity=quantities, price=["0.125"] * n, currency=["EUR"] * n)
        if number:
            columns["line"] = number
        return shop.take("lines", mode=mode, **columns)

    equal(counts(lines(["1", "2"])), (2, 0, 0, 0, 0), "two lines")
    equal(shop.net("c1", "2024-05-01"), 38, "0.375 rounded once")
    equal(print_day(shop.live(day("2024-05-01"))["c1"]["first_order"]), "2024-01-01", "the least time of its lines")
    equal(counts(lines(["-4"], "append", [9])), (1, 0, 0, 0, 0), "append")
    equal((shop.net("c1", "2024-05-01"), shop.counts()["orders"], shop.counts()["refunds"]), (-13, 0, 1), "a refund now")
    lines(["8"])
    equal((shop.net("c1", "2024-05-01"), shop.counts()["orders"], shop.counts()["lines"]), (100, 1, 1), "and back")
    shop.take("orders", order=["i1"], amount=["7"])
    lines(["80"])
    equal(shop.net("c1", "2024-05-01"), 700, "an amount that was given stands")


def other_currencies_count_and_are_worth_nothing():
    shop = Shop()
    shop.order("o1", "c1", "2024-01-01", "500", currency="JPY")
    fields = shop.live(day("2024-05-01"))["c1"]
    equal((fields["orders"], fields["net"], shop.counts()["unpriced"]), (1, 0, 1), "orders, net, unpriced")
    try:
        shop.order("o2", "c1", "2024-01-01", "1.5", currency="JPY")
    except Refused:
        return
    check(False, "1.5 JPY was taken")


def rates_hold_until_the_next():
    shop = Shop()
    shop.order("o1", "c1", "2024-01-05", "500", currency="JPY")
    shop.order("o2", "c1", "2024-01-20", "500", currency="JPY")
    shop.take("fx", day=["2024-01-10"], currency=["JPY"], rate=["0.00625"])
    equal((shop.net("c1", "2024-05-01"), shop.counts()["unpriced"]), (313, 1), "3.125 rounded away from zero")
    shop.take("fx", day=["2024-01-01"], currency=["JPY"], rate=["160"], per=["base"])
    equal((shop.net("c1", "2024-05-01"), shop.counts()["fx"]), (626, 2), "the inverse")
    shop.take("fx", day=["2024-01-10"], currency=["JPY"], rate=["0.01"])
    equal(shop.net("c1", "2024-05-01"), 813, "corrected")
    shop.take("fx", day=["2024-01-10"], currency=["JPY"], deleted=[True])
    equal((shop.net("c1", "2024-05-01"), shop.counts()["fx"]), (626, 1), "withdrawn")
    try:
        shop.take("fx", day=["2024-01-10"], currency=[shop.base], rate=["1"])
    except Refused:
        return
    check(False, "a rate for the base currency was taken")


def quintiles_rank_the_population():
    shop = Shop()
    for n in range(1, 11):
        for k in range(n):
            shop.order("o%d-%d" % (n, k), "c%02d" % n, "2024-01-%02d" % (n + 10), "1")
    at = day("2024-01-31")
    grid = shop.rfm_grid(at, {})
    equal(grid["scored"], 10, "scored")
    equal(sorted(grid["cells"]), [(n, n, n) for n in range(1, 6)], "cells")
    equal(grid["thresholds"], {"r": [18, 16, 14, 12], "f": [3, 5, 7, 9], "m_minor": [300, 500, 700, 900]}, "thresholds")
    equal({name: group[0] for name, group in shop.rfm_groups(at, {}).items()},
          {name: 2 for name in ("lost", "hibernating", "potential_loyalist", "loyal", "champions")}, "groups")
    equal(shop.rfm_grid(at, {"window": "1d"})["scored"], 0, "nobody on the last day")
    equal(shop.rfm_groups(at, {"scoring": "mean"})["important_value"][0], 5, "above the mean in all three")
    cuts = {"r": [15, 14, 13, 12], "f": [2, 4, 6, 8], "m_minor": [100, 200, 300, 100000]}
    equal(sorted(shop.rfm_grid(at, {"scoring": "cuts", "cuts": cuts})["cells"].items())[-1], ((5, 5, 4), [2, 1900]), "cuts")


def a_life_cycle_by_gaps_is_each_customers_own():
    shop = Shop()
    for customer, days in {"a": (1, 11, 21), "b": (1, 1, 1), "c": (21,), "d": (1, 3, 5, 21)}.items():
        for i, of_month in enumerate(days):
            shop.order("%s%d" % (customer, i), customer, "2024-03-%02dT12:00:00Z" % of_month, "1", country="BR")
    at = lambda as_of: {c["customer"]: c["lifecycle"] for c in shop.question(  # noqa: E731
        {"as_of": as_of, "lifecycle": {"gaps": [1, 3]}})[2]}
    # Mean gaps: a 10, d 20/3; b has none above nothing, c none at all: for them the median of BR, 20/3 by nearest rank.
    equal(at("2024-03-21"), {"a": "active", "b": "sleeping", "c": "new", "d": "returned"}, "on the day")
    equal(at("2024-03-31"), {"a": "active", "b": "lost", "c": "sleeping", "d": "sleeping"}, "ten days later")
    equal(at("2024-04-10"), {"a": "sleeping", "b": "lost", "c": "sleeping", "d": "sleeping"}, "twenty days later")
    equal(at("2024-04-11"), {"a": "sleeping", "b": "lost", "c": "lost", "d": "lost"}, "more than three gaps")


def questions_group_and_filter():
    shop = Shop()
    shop.take("customers", customer=["a", "b", "c"], country=["BR", None, "MX"], created=["2024-01-01", None, "2024-03-01"])
    shop.order("o1", "b", "2024-01-05", "10", country="BR")
    shop.order("o2", "c", "2024-04-05", "0.05")
    shop.order("o3", "c", "2024-04-06", "0.10")
    at = "2024-04-30"
    tree = ["not", ["in", "country", ["BR"]]]
    equal(shop.count({"as_of": at, "where": tree}), {"count": 1, "of": 3}, "not in")
    equal(shop.count({"as_of": "2024-02-01"})["of"], 2, "c is not live yet: created and first order are later")
    groups, total = shop.group({"as_of": at, "by": ["country"], "metrics": ["count", "sum(net)", "avg(net)", "p50(net)"]})
    equal(groups, {("BR",): [2, 1000, 500, 0], ("MX",): [1, 15, 15, 15]}, "groups")
    equal(total, [3, 1015, 338, 15], "total")
    equal(shop.group({"as_of": at, "by": ["month(last_order)"], "metrics": ["count"]})[0],
          {(None,): [1], ("2024-01",): [1], ("2024-04",): [1]}, "months")
    equal(shop.count({"as_of": at, "where": [">=", "last_order", {"days": -25}]})["count"], 1, "relative days")
    equal(shop.rows({"as_of": at, "fields": ["customer", "net"], "order_by": ["-net"], "limit": 2}),
          [["b", 1000], ["c", 15]], "rows")


def run():
    for case in (halves_round_away_from_zero, every_cell_has_one_name, days_are_local,
                 patches_replace_nulls_clear_versions_hold, a_pair_is_taken_once, refunds_count_on_their_own_day,
                 lines_make_orders_and_refunds, other_currencies_count_and_are_worth_nothing, rates_hold_until_the_next,
                 quintiles_rank_the_population, a_life_cycle_by_gaps_is_each_customers_own, questions_group_and_filter):
        case()
        print("ok  %s" % case.__name__.replace("_", " "))


if __name__ == "__main__":
    main(run)
