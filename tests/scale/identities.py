"""What must hold of any data, asked of the server alone."""

import datetime
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)

from asking import plain  # noqa: E402
from patron_test import check, equal  # noqa: E402
from shop_files import END, START  # noqa: E402

FILTERS = ("country = DE", "orders >= 2 AND net > 100", "lifecycle IN (active, new)", "tags IS NULL OR r = 5", "rfm_group = lost",
           "NOT (last_order < -90d OR birth_year > 1980)", "currency IN (JPY, EUR) AND f >= 3")


def some_day(rng, least=0, most=0):
    start, end = datetime.date.fromisoformat(START), datetime.date.fromisoformat(END)
    return (start + datetime.timedelta(days=rng.randrange(least, (end - start).days - most))).isoformat()


def whole_and_parts(client, rng):
    for where in FILTERS:
        day, window = some_day(rng), rng.choice(("365d", "90d", "all"))
        ask = {"as_of": day, "rfm": {"window": window}}
        inside, outside = (client.call("count", dict(ask, where=text)) for text in (where, "NOT (%s)" % where))
        equal(inside["count"] + outside["count"], inside["of"], "count(A) + count(NOT A), A = %s" % where)
        for by in (["country"], ["lifecycle", "gender"], ["rfm_group"], ["month(first_order)", "currency"], ["bin(net, [0, 100])"]):
            got = client.call("group", dict(ask, where=where, by=by, metrics=["count", "sum(net)", "sum(orders)"], limit=10000))
            for k in range(len(by), len(by) + 3):
                equal(sum(row[k] for row in got["rows"]), got["total"][k], "groups of %r add up" % by)
            equal(got["total"][len(by)], inside["count"], "the whole of groups is the count")
        grid = client.call("rfm.grid", dict(ask, where=where))
        equal(sum(cell["count"] for cell in grid["cells"]), grid["scored"], "grid sum = scored")
        equal(grid["scored"] + grid["unscored"]["count"], inside["count"], "scored and unscored are all")
        for cell in rng.sample(grid["cells"], min(2, len(grid["cells"]))):
            named = "(%s) AND r = %d AND f = %d AND m = %d" % (where, cell["r"], cell["f"], cell["m"])
            equal(client.call("count", dict(ask, where=named))["count"], cell["count"], "a cell is the count of its scores")
        cohorts = client.call("cohort", dict(ask, where=where, metric="orders"))
        total = client.call("group", dict(ask, where=where, by=[], metrics=["sum(orders)"]))["total"][0]
        equal(sum(v for c in cohorts["cohorts"] for v in c["values"] if v is not None), total, "orders of all cohorts")


def totals_of_facts(client, rng):
    """Holds while no customer is withdrawn, whose facts stay."""
    for day in ("latest", some_day(rng), some_day(rng)):
        sums = [client.call("group", {"from": table, "by": [], "metrics": ["sum(net)"], "as_of": day})["total"][0]
                for table in ("orders", "refunds", "customers")]
        equal(sums[2], sums[0] - sums[1], "base total as of %s = orders less refunds" % day)
        by_day = client.call("group", {"from": "orders", "by": ["currency", "month(time)"], "metrics": ["sum(net)"], "as_of": day, "limit": 10000})
        equal(sum(row[2] for row in by_day["rows"]), sums[0], "sums by currency and month")


def hold(client, rng, clock):
    whole_and_parts(client, rng)
    totals_of_facts(client, rng)
    equal(client.call("verify")["ok"], True, "verify: kept aggregates = recomputation")
    clock.say("identities hold: parts and wholes, grid and cells, cohorts, totals of facts, verify")


# ---- as of D, and refunds ------------------------------------------------------------------------------------------


def any_day_answers(client, day):
    return [plain(client.call(method, dict(params, as_of=day))) for method, params in (
        ("count", {"where": "orders >= 2 AND net > 50"}), ("rfm.grid", {"window": "180d"}), ("rfm.groups", {}),
        ("group", {"by": ["lifecycle", "month(last_order)"], "metrics": ["count", "sum(net)", "p90(net)"], "limit": 10000}),
        ("group", {"from": "orders", "by": ["country"], "metrics": ["count", "customers", "sum(net)"], "limit": 10000}),
        ("cohort", {"metric": "net"}), ("rows", {"fields": ["customer", "net", "r", "f", "m"], "order_by": ["-net"], "limit": 50}))]


def load(client, table, number, **columns):
    answer = client.call("load." + table, {"producer": "identities", "seq": number, "columns": columns})
    equal(answer["rejected"], 0, "rejected")
    return answer


def later_facts_change_nothing(client, rng, base):
    day = some_day(rng, 200, 200)
    later = [(datetime.date.fromisoformat(day) + datetime.timedelta(days=1 + rng.randrange(150))).isoformat() for _ in range(300)]
    before = any_day_answers(client, day)
    some = client.call("rows", {"from": "orders", "fields": ["order", "customer"], "as_of": day, "order_by": ["-net"], "limit": 200,
                                "where": "test = false AND cancelled IS NULL"})["rows"]
    load(client, "orders", 1, order=["after-%d" % k for k in range(300)], time=[text + "T12:00:00Z" for text in later],
         customer=[some[k % len(some)][1] if k % 2 else "after-%d" % k for k in range(300)],
         amount=[str(1 + k) for k in range(300)], currency=[base] * 300)
    load(client, "refunds", 2, refund=["after-%d" % k for k in range(len(some))], order=[row[0] for row in some],
         time=[later[k] + "T12:00:00Z" for k in range(len(some))], amount=["1"] * len(some), currency=[base] * len(some))
    load(client, "orders", 3, order=[row[0] for row in some[::2]], cancelled=later[:len(some[::2])])
    for first, again in zip(before, any_day_answers(client, day)):
        first.pop("unpriced", None), again.pop("unpriced", None)
        equal(again, first, "an answer as of %s after facts dated later" % day)


def refunds_count_from_their_day(client, rng, base):
    for number in range(12):
        day = some_day(rng, 100, 100)
        bought = datetime.date.fromisoformat(day) - datetime.timedelta(days=20)
        who, refund_minor = "refunded-%d" % number, 1 + rng.randrange(500)
        load(client, "orders", 100 + number, order=[who], customer=[who], time=[bought.isoformat() + "T12:00:00Z"],
             amount_minor=[1000], currency=[base])
        load(client, "refunds", 200 + number, refund=[who], order=[who], time=[day + "T12:00:00Z"], amount_minor=[refund_minor],
             currency=[base])
        for shift in (-21, -20, -1, 0, 1, 400):
            asked = (datetime.date.fromisoformat(day) + datetime.timedelta(days=shift)).isoformat()
            want = 0 if shift < -20 else 1000 if shift < 0 else 1000 - refund_minor
            ask = {"as_of": asked, "where": ["=", "customer", who]}
            got = client.call("group", dict(ask, by=[], metrics=["sum(net)"]))["total"][0]
            equal(got, want, "net of a refunded customer, %d days from the refund" % shift)
            # The window holds the refund only while its own day is in it.
            grid = client.call("rfm.grid", dict(ask, window="10d"))
            money = grid["unscored"]["net_minor"] + sum(cell["net_minor"] for cell in grid["cells"])
            equal(money, 1000 if shift == -20 else -refund_minor if 0 <= shift < 10 else 0, "M of ten days, %d from the refund" % shift)


def hold_after_changes(client, rng, base, clock):
    later_facts_change_nothing(client, rng, base)
    refunds_count_from_their_day(client, rng, base)
    verified = client.call("verify")
    check(verified["ok"], "verify: %r", verified)
    clock.say("identities hold: facts dated later change no answer, refunds count from their day, verify")
