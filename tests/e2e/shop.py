"""What the tests on the real shop share: how it is loaded, what the issue says must come out, what a server answers about it."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Failed, equal, patron_json, shared, table_rows  # noqa: E402

MAP = ("order=Invoice,product=StockCode,quantity=Quantity,time=InvoiceDate,price=Price,customer=Customer ID,country=Country,"
       "currency:=GBP")
LINES, TAKEN, NO_CUSTOMER, NO_PRICE = 525461, 417503, 107927, 31
ORDERS, REFUNDS, CUSTOMERS, WITH_ORDERS = 19213, 4372, 4381, 4312
LAST_DAY = "2010-12-09"


def data():
    return shared("data", "online_retail_2009_2010", "online_retail_2009_2010.csv.zst")


def load_arguments():
    return ["load", "lines", data(), "--map", MAP]


def load(server):
    """`patron load lines` of the whole file; its report."""
    return patron_json(server, *load_arguments())


def reasons(report):
    """Rejected rows as [(what a report says of the reason, rows)], whatever shape it gives them."""
    given = report.get("reasons", {})
    if isinstance(given, dict):
        return [(str(name), count if isinstance(count, int) else count["rows"]) for name, count in given.items()]
    return [(" ".join(str(value) for key, value in reason.items() if isinstance(value, str)),
             reason.get("rows", reason.get("count"))) for reason in given]


def rejected_for(report, word):
    return sum(rows for text, rows in reasons(report) if word in text.lower())


def check_balance(report):
    """rows = new + updated + duplicate + stale + rejected, and the reasons add up."""
    equal(sum(report[key] for key in ("new", "updated", "duplicate", "stale", "rejected")), report["rows"], "sum of the report")
    equal(sum(rows for _, rows in reasons(report)), report["rejected"], "sum of the reasons")


def check_status(client):
    status = client.call("status")
    got = {table: table_rows(status, table) for table in ("customers", "orders", "lines", "refunds")}
    equal(got, {"customers": CUSTOMERS, "orders": ORDERS, "lines": TAKEN, "refunds": REFUNDS}, "rows in status")
    return status


# What must be the same after a restart, after loading again, after being killed.
QUESTIONS = [
    ("count", {"as_of": LAST_DAY}),
    ("count", {"as_of": LAST_DAY, "where": [">=", "orders", 1]}),
    ("group", {"as_of": LAST_DAY, "by": ["country"], "metrics": ["count", "sum(net)", "sum(orders)", "max(last_order)", "p50(net)"]}),
    ("rfm.grid", {"as_of": LAST_DAY, "window": "365d"}),
    ("rfm.grid", {"as_of": "2010-06-30", "window": "90d"}),
    ("rfm.groups", {"as_of": LAST_DAY}),
    ("rows", {"as_of": LAST_DAY, "fields": ["customer", "net", "orders", "first_order", "last_order"], "order_by": ["-net"],
              "limit": 500}),
]
# Parts of an answer that say when and how it was made, not what is true.
PASSING = ("ms", "lsn", "epoch", "degraded", "cursor")


def answers(client, questions=None):
    """Every question's answer without what changes from one asking to the next."""
    result = []
    for method, params in questions or QUESTIONS:
        answer = {key: value for key, value in client.call(method, params).items() if key not in PASSING}
        for key in ("rows", "cells", "groups"):
            if isinstance(answer.get(key), list) and method != "rows":
                answer[key] = sorted(answer[key], key=repr)
        result.append(answer)
    return result


def same_answers(got, want, when):
    for (method, params), one, other in zip(QUESTIONS, got, want):
        if one != other:
            differing = [key for key in other if one.get(key) != other.get(key)]
            raise Failed("%s: %s %r differs in %s" % (when, method, params, ", ".join(differing)))
