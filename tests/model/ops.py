"""Operations on a patrond and on the naive model side by side: making them up, running them, writing them down.

An operation is a JSON object: config (first), load, ask, snapshot, restart, kill. What is expected is never written down;
the model says it each time, so a sequence can be cut anywhere and still means something.
"""

import datetime
import json
import math
import os
import re
import sys
from collections import Counter
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from naive import DIGITS, Model, Refused, print_day, print_decimal  # noqa: E402
from patron_test import (Failed, RpcError, Server, check, dict_column, equal, i64_column, table_rows)  # noqa: E402

ZONES = ("Europe/London", "America/Sao_Paulo", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "UTC")
LIFECYCLES = ("prospect", "new", "returned", "active", "sleeping", "lost")
COUNTRIES = ("BR", "MX", "DE", "United Kingdom", "Côte d'Ivoire")
# Wall clocks around which zones do something odd.
ODD_TIMES = ("2024-03-31 01:30:00", "2024-10-27 01:30:00", "2024-03-10 02:30", "2024-11-03T01:59:59", "2018-11-04 00:00:00",
             "2011-12-30 12:00:00", "2024-02-29 23:59:59.999")
DAY_ZERO = datetime.date(2024, 1, 1)
# Attributes that a sequence may add, table by table.
ATTRIBUTES = {
    "customers": {"tier": "enum", "points": "int", "ratio": "decimal", "wallet": "money", "since": "date", "seen": "time",
                  "vip": "bool", "likes": "set"},
    "orders": {"gift": "enum", "fee": "money", "urgent": "bool", "weight": "decimal"},
    "lines": {"size": "enum", "margin": "money", "fragile": "bool"},
    "refunds": {"note": "enum", "handling": "money"},
    "fx": {"source": "enum", "spread": "money"},
}


# ---- making them up ------------------------------------------------------------------------------------------------


class Maker:
    """Random operations over small id spaces, so that rows meet. Uses nothing but its own random numbers.

    Orders come in three kinds, because RULES leave open what happens when order rows and lines contradict each other about
    anything but the amount: a* by order rows only, b* by lines only (sums may go below zero), x* by both, with customer, time
    and currency that follow from the id. Refunds name a* and x* only: what one means for an order that is a refund is open.
    """

    def __init__(self, rng):
        self.rng = rng
        self.base = rng.choice(("EUR", "JPY", "GBP"))
        self.others = ("USD", "KWD", "BRL", "JPY" if self.base != "JPY" else "GBP")
        self.seq = 0
        self.loads = []
        self.map_saved = False
        self.attributes = {table: {} for table in ATTRIBUTES}  # added so far
        self.rates_sent = []

    def config(self):
        return {"op": "config", "timezone": self.rng.choice(ZONES), "base": self.base}

    def chance(self, percent):
        return self.rng.randrange(100) < percent

    # -- values

    def customer(self):
        return self.rng.choice(("c%02d" % self.rng.randrange(14), 100 + self.rng.randrange(8), "kündin-%d" % self.rng.randrange(3)))

    def day(self):
        day = DAY_ZERO + datetime.timedelta(days=self.rng.randrange(-380, 380))
        return day.isoformat()

    def time(self):
        kind = self.rng.randrange(10)
        if kind == 0:
            return self.rng.choice(ODD_TIMES)
        if kind == 1:
            return self.day()
        if kind == 2:
            return self.rng.randrange(1672531200, 1735689600) * 1000 + self.rng.randrange(1000)
        clock = "%02d:%02d:%02d" % (self.rng.randrange(24), self.rng.randrange(60), self.rng.randrange(60))
        return self.day() + self.rng.choice("T ") + clock + self.rng.choice(("", "Z", "+05:45", "-03:00"))

    def amount(self, currency, floor=0):
        minor = self.rng.choice((floor, self.rng.randrange(1, 40), self.rng.randrange(1, 30000), 5000, 10 ** 11))
        unit = 10 ** DIGITS[currency]
        return str(minor) if unit == 1 else "%d.%0*d" % (minor // unit, DIGITS[currency], minor % unit)

    def currency(self):
        return self.rng.choice(self.others) if self.chance(25) else self.base

    # -- attributes

    def schema_add(self):
        table = self.rng.choice(tuple(ATTRIBUTES))
        name = self.rng.choice(tuple(ATTRIBUTES[table]))
        kind = ATTRIBUTES[table][name]
        if self.chance(10):
            kind = "int" if kind == "enum" else "enum"
            if name not in self.attributes[table]:
                name += "_other"
        else:
            self.attributes[table][name] = kind
        return {"op": "schema_add", "params": {"table": table, "name": name, "type": kind}}

    def attribute_value(self, kind, currency):
        if self.chance(20):
            return None
        return {"enum": lambda: self.rng.choice(("gold", "silver", "très bon")), "int": lambda: self.rng.randrange(-3, 40),
                "decimal": lambda: self.rng.choice(("0.5", "2", "12.25", "-1.125")), "money": lambda: self.amount(currency),
                "date": self.day, "time": self.time, "bool": lambda: self.chance(50),
                "set": lambda: self.rng.sample(("cups", "pots", "toys"), self.rng.randrange(1, 4))}[kind]()

    def put_attributes(self, table, columns):
        """Columns of attributes behind the others."""
        n = len(next(iter(columns.values())))
        currencies = [c if c in DIGITS else self.base for c in columns.get("currency", [self.base] * n)]
        for name, kind in self.attributes[table].items():
            if not self.chance(40):
                continue
            if kind == "money" and ("currency" not in columns and table != "customers" or self.chance(30)):
                columns["attr.%s_minor" % name] = [self.rng.choice((None, self.rng.randrange(2000))) for _ in range(n)]
            else:
                columns["attr." + name] = [self.attribute_value(kind, currencies[k]) for k in range(n)]
        if self.chance(2):
            columns["attr.nobody_added_this"] = [None] * n

    # -- loads

    def load(self, table, columns, **options):
        self.seq += 1
        self.put_attributes(table, columns)
        params = {"producer": self.rng.choice(("shop", "ünit")), "seq": self.seq, "columns": columns,
                  "on_error": self.rng.choice(("skip", "skip", "reject")), **options}
        if self.chance(10):
            params["meta"] = "at %d" % self.seq
        operation = {"op": "load", "table": table, "params": params}
        wire = {field: "dict" for field in ("country", "currency", "product", "attr.tier", "attr.gift", "attr.size")
                if field in columns and self.chance(30) and all(isinstance(v, str) for v in columns[field])}
        for field in ("time", "amount_minor", "attr.points", "attr.fee_minor"):
            if field in columns and all(isinstance(v, int) for v in columns[field]):
                wire[field] = "bin"
        if wire:
            operation["wire"] = wire
        self.loads.append(operation)
        return operation

    def spoil(self, columns, bads):
        """Now and then a row that must be rejected."""
        if self.chance(15):
            field, values = self.rng.choice(bads)
            if field in columns:
                columns[field][self.rng.randrange(len(columns[field]))] = self.rng.choice(values)

    BAD_TIME = ("time", ("2023-02-30", "yesterday", "2024-13-01 00:00", "2024-01-01 25:00", "2999-01-01T00:00:00Z"))
    BAD_CURRENCY = ("currency", ("EURO", "XXXXXXXXXX", "e"))

    def load_customers(self):
        n = self.rng.randrange(1, 7)
        columns = {"customer": [self.customer() for _ in range(n)]}
        makers = {
            "country": lambda: self.rng.choice(COUNTRIES + (None,)), "language": lambda: self.rng.choice(("pt", "de", None)),
            "gender": lambda: self.rng.choice(("f", "m", None)), "birth_year": lambda: self.rng.choice((1950, 1984, 2001, None)),
            "created": lambda: self.rng.choice((self.day(), self.day(), None)),
            "acq_channel": lambda: self.rng.choice(("mail", "search", None)),
            "tags": lambda: self.rng.choice((["vip"], ["vip", "b2b"], ["b2b", "new"], None)),
        }
        for field, make in makers.items():
            if self.chance(45):
                columns[field] = [make() for _ in range(n)]
        if self.chance(15):
            columns["deleted"] = [self.rng.choice((True, False)) for _ in range(n)]
        if self.chance(20):
            columns["version"] = [self.rng.randrange(1, 6) for _ in range(n)]
        self.spoil(columns, (("customer", ("", "x" * 65, "a\tb")), ("created", ("2023-02-29", "soon"))))
        return self.load("customers", columns)

    def load_orders(self):
        n = self.rng.randrange(1, 9)
        columns = {"order": ["a%02d" % self.rng.randrange(40) for _ in range(n)]}
        columns["customer"] = [self.customer() for _ in range(n)]
        columns["time"] = [self.time() for _ in range(n)]
        columns["currency"] = [self.currency() for _ in range(n)]
        columns["country"] = [self.rng.choice(COUNTRIES) for _ in range(n)]
        if self.chance(30):
            columns["amount_minor"] = [self.rng.randrange(50000) for _ in range(n)]
        else:
            columns["amount"] = [self.amount(currency) for currency in columns["currency"]]
        self.order_extras(columns, n)
        if self.chance(20):
            columns["version"] = [self.rng.randrange(1, 6) for _ in range(n)]
        self.spoil(columns, (self.BAD_TIME, self.BAD_CURRENCY, ("order", ("", "o" * 65)), ("customer", ("",)),
                             ("amount", ("ten", "-1", "0.0001", "NaN"))))
        return self.load("orders", columns)

    def order_extras(self, columns, n):
        if self.chance(25):
            columns["paid"] = [self.rng.choice((self.time(), None)) for _ in range(n)]
        if self.chance(25):
            columns["cancelled"] = [self.rng.choice((self.day(), None, None)) for _ in range(n)]
        if self.chance(10):
            columns["test"] = [self.chance(30) for _ in range(n)]
        if self.chance(10):
            columns["deleted"] = [self.chance(50) for _ in range(n)]

    def patch_orders(self):
        n = self.rng.randrange(1, 5)
        columns = {"order": [self.rng.choice(("a%02d" % self.rng.randrange(40), "x%02d" % self.rng.randrange(8))) for _ in range(n)]}
        self.order_extras(columns, n)
        if self.chance(30):
            columns["amount"] = [str(self.rng.randrange(1000)) for _ in range(n)]
        if self.chance(20):
            columns["order"] = ["a%02d" % self.rng.randrange(40) for _ in range(n)]
            columns["customer"] = [self.customer() for _ in range(n)]
        if self.chance(15):
            columns["version"] = [self.rng.randrange(1, 6) for _ in range(n)]
        return self.load("orders", columns)

    def both(self, order):
        """Customer, time, currency and country of an x* order: always the same."""
        number = int(order[1:])
        return {"customer": "c%02d" % number, "time": "2024-0%d-11T10:00:00Z" % (1 + number), "currency": self.base,
                "country": COUNTRIES[number % len(COUNTRIES)]}

    def load_both_orders(self):
        orders = ["x%02d" % self.rng.randrange(8) for _ in range(self.rng.randrange(1, 4))]
        columns = {"order": orders, "amount": [self.amount(self.base) for _ in orders]}
        for field in ("customer", "time", "currency", "country"):
            columns[field] = [self.both(order)[field] for order in orders]
        return self.load("orders", columns)

    def load_lines(self):
        both = self.chance(35)
        columns = {field: [] for field in ("order", "customer", "time", "currency", "country", "product", "quantity", "price",
                                           "category")}
        append = self.chance(25)
        if self.chance(50):
            columns["line"] = []
        if self.chance(50):
            columns["deleted"] = []
        prefix, count = ("x", 8) if both else ("b", 14)
        for k in sorted(self.rng.sample(range(count), self.rng.randrange(1, 4))):
            self.order_lines(columns, "%s%02d" % (prefix, k), both)
        # One version for all: whether an order's lines of several versions are judged together or singly is not said.
        if not append and self.chance(20):
            columns["version"] = [self.rng.randrange(1, 6)] * len(columns["order"])
        self.spoil(columns, (("price", ("0", "-2.5", "free")), ("quantity", ("0", "many")), ("order", ("", "i" * 65))))
        if self.chance(30):
            self.shuffle_rows(columns)
        options = {"mode": "append"} if append else {}
        return self.load("lines", columns, **options)

    def order_lines(self, columns, order, both):
        fixed = self.both(order) if both else {"customer": self.customer(), "currency": self.currency(),
                                               "country": self.rng.choice(COUNTRIES)}
        for number in self.rng.sample(range(1, 6), self.rng.randrange(1, 5)):
            row = dict(fixed, order=order, product="p%d" % self.rng.randrange(5), line=number, deleted=self.chance(15),
                       quantity=self.rng.choice(("1", "2", "3", "0.5", "12")), category=self.rng.choice(("toys", None)),
                       price=self.rng.choice(("1", "2.5", "0.125", "19.99", "100", "0.333333")))
            row.setdefault("time", self.time())
            if not both and self.chance(30):
                row["quantity"] = "-" + row["quantity"]
            for field, column in columns.items():
                column.append(row[field])

    def shuffle_rows(self, columns):
        order = list(range(len(columns["order"])))
        self.rng.shuffle(order)
        for field, column in columns.items():
            columns[field] = [column[k] for k in order]

    def load_refunds(self):
        n = self.rng.randrange(1, 6)
        columns = {"refund": ["r%02d" % self.rng.randrange(24) for _ in range(n)], "time": [self.time() for _ in range(n)],
                   "currency": [self.currency() for _ in range(n)]}
        columns["amount"] = [self.amount(currency, 1) for currency in columns["currency"]]
        if self.chance(70):
            columns["order"] = [self.rng.choice(("a%02d" % self.rng.randrange(40), "x%02d" % self.rng.randrange(8)))
                                for _ in range(n)]
        else:
            columns["customer"] = [self.customer() for _ in range(n)]
        if self.chance(20):
            columns["version"] = [self.rng.randrange(1, 6) for _ in range(n)]
        self.spoil(columns, (self.BAD_TIME, self.BAD_CURRENCY, ("amount", ("0", "-3", "1e-9")), ("refund", ("", None))))
        return self.load("refunds", columns)

    def patch_refunds(self):
        n = self.rng.randrange(1, 4)
        columns = {"refund": ["r%02d" % self.rng.randrange(24) for _ in range(n)]}
        if self.chance(50):
            columns["deleted"] = [self.chance(50) for _ in range(n)]
        else:
            columns["reason"] = [self.rng.choice(("late", "size", None)) for _ in range(n)]
        return self.load("refunds", columns)

    def rate(self):
        return self.rng.choice((str(self.rng.randrange(1, 30)), "%d.%04d" % (self.rng.randrange(3), self.rng.randrange(1, 10000)),
                                "0.5", "1.0875", "0.000123456789012", "150.57", self.rng.randrange(1, 4096) / 1024))

    def load_fx(self):
        n = self.rng.randrange(1, 7)
        # Few days at the ends of the facts' two years, so that rates meet, and all the rest in between.
        days = [self.rng.choice((self.day(), (DAY_ZERO + datetime.timedelta(days=self.rng.randrange(-40, 40) * 10)).isoformat()))
                for _ in range(n)]
        columns = {"day": days, "currency": [self.rng.choice(self.others) for _ in range(n)]}
        if self.chance(80) or not self.rates_sent:
            columns["rate"] = [self.rate() for _ in range(n)]
            self.rates_sent += zip(columns["day"], columns["currency"])
        else:
            known = [self.rng.choice(self.rates_sent) for _ in range(n)]
            columns.update(day=[day for day, _ in known], currency=[currency for _, currency in known])
        if self.chance(40):
            columns["per"] = [self.rng.choice(("unit", "base", None)) for _ in range(n)]
        if self.chance(25) or "rate" not in columns:
            columns["deleted"] = [self.chance(60) for _ in range(n)]
        if self.chance(20):
            columns["version"] = [self.rng.randrange(1, 6) for _ in range(n)]
        self.spoil(columns, (self.BAD_CURRENCY, ("currency", (self.base,)), ("rate", ("0", "-1.5", "much", None)),
                             ("per", ("euro",)), ("day", ("2023-02-29", None))))
        return self.load("fx", columns)

    def again(self):
        """A batch sent before, as it was, or under its number with another row."""
        operation = self.rng.choice(self.loads[-60:])
        if self.chance(25):
            operation = json.loads(json.dumps(operation))
            operation.pop("wire", None)
            columns = operation["params"]["columns"]
            for field in columns:
                columns[field] = columns[field] + columns[field][-1:]
        return operation

    # -- questions

    def tree(self, depth=2):
        if depth and self.chance(45):
            op = self.rng.choice(("and", "or", "not"))
            parts = [self.tree(depth - 1) for _ in range(1 if op == "not" else self.rng.randrange(2, 4))]
            return [op, *parts]
        if self.attributes["customers"] and self.chance(30):
            return self.attribute_tree()
        compare = self.rng.choice(("=", "<>", "<", "<=", ">", ">="))
        money = self.rng.choice((0, 10, 100, {"money": "50", "currency": self.base},
                                 {"money": "7.5", "currency": self.rng.choice(self.others)}))
        return self.rng.choice((
            [self.rng.choice(("=", "<>")), "country", self.rng.choice(COUNTRIES + ("XX",))],
            ["in", "country", self.rng.sample(COUNTRIES, 2)],
            ["in", "customer", [str(self.customer()), str(self.customer())]],
            [compare, "orders", self.rng.randrange(4)], [compare, "net", money], [compare, "birth_year", 1984],
            ["between", "orders", 1, self.rng.randrange(1, 4)], ["has", "tags", self.rng.choice(("vip", "b2b"))],
            [compare, "last_order", self.rng.choice((self.day(), {"days": -self.rng.randrange(200)}))],
            [compare, "first_order", self.day()], [compare, "created", {"days": -self.rng.randrange(300)}],
            [compare, "recency_days", self.rng.randrange(200)],
            ["is_null", self.rng.choice(("country", "last_order", "gender", "created", "tags"))],
            [compare, self.rng.choice("rfm"), self.rng.randrange(1, 6)],
            ["=", "rfm_group", self.rng.choice(("champions", "lost", "hibernating", "new"))],
            ["in", "lifecycle", self.rng.sample(LIFECYCLES, 2)], ["<>", "lifecycle", self.rng.choice(LIFECYCLES)],
        ))

    def attribute_tree(self):
        name, kind = self.rng.choice(tuple(self.attributes["customers"].items()))
        field, compare = "attr." + name, self.rng.choice(("=", "<>", "<", "<=", ">", ">="))
        if self.chance(15):
            return ["is_null", field]
        if kind == "enum":
            return self.rng.choice((["=", field, "gold"], ["<>", field, "silver"], ["in", field, ["gold", "tin"]]))
        if kind == "set":
            return ["has", field, self.rng.choice(("cups", "pots", "hats"))]
        if kind == "bool":
            return [self.rng.choice(("=", "<>")), field, self.chance(50)]
        if kind == "money" and self.chance(40):
            return [compare, field + "_minor", self.rng.randrange(3000)]
        literal = {"int": self.rng.randrange(20), "decimal": self.rng.choice((0.5, 2, 12.25, 3)),
                   "money": self.rng.choice((0, 10, {"money": "50", "currency": self.base})),
                   "date": self.rng.choice((self.day(), {"days": -self.rng.randrange(300)})),
                   "time": self.day() + "T11:30:00Z"}[kind]
        return [compare, field, literal]

    def profile_tree(self):
        """A filter for populations: without scores, and without money that needs a rate, which is missed only when scores are."""
        foreign = tuple('"currency": "%s"' % currency for currency in self.others)
        while True:
            tree = self.tree()
            if not any(word in json.dumps(tree) for word in ('"r"', '"f"', '"m"', '"rfm_group"') + foreign):
                return tree

    def rfm(self):
        spec = {}
        if self.chance(50):
            spec["window"] = self.rng.choice(("365d", "90d", "30d", "12w", "all", "1d"))
        if self.chance(25):
            spec["scoring"] = "cuts"
            spec["cuts"] = {"r": [300, 200, 100, 30], "f": [1, 2, 3, 5], "m_minor": [-100, 1000, 5000, 20000]}
        if self.chance(25):
            spec["population"] = self.profile_tree()
        return spec

    def common(self):
        params = {"as_of": "now" if self.chance(10) else self.day()}
        if self.chance(60):
            params["where"] = self.tree()
        if self.chance(30):
            params["rfm"] = self.rfm()
        if self.chance(25):
            params["lifecycle"] = self.lifecycle()
        return params

    def lifecycle(self):
        spec = {}
        if self.chance(30):
            spec["cuts"] = self.rng.choice(([30, 90], [0, 200], [120, 120]))
        if self.chance(80):
            spec["gaps"] = self.rng.choice(([1, 3], [1.5, 2.25], [0.001, 1000], [2, 2], [0.5, 10]))
        return spec

    def of_customer(self, tree):
        """The same of a fact's customer."""
        if tree[0] in ("and", "or", "not"):
            return [tree[0], *map(self.of_customer, tree[1:])]
        return [tree[0], "customer." + tree[1], *tree[2:]]

    def fact_tree(self, table, depth=1):
        if depth and self.chance(45):
            op = self.rng.choice(("and", "or", "not"))
            parts = [self.fact_tree(table, depth - 1) for _ in range(1 if op == "not" else 2)]
            return [op, *parts]
        compare = self.rng.choice(("=", "<>", "<", "<=", ">", ">="))
        own = [[compare, "net", self.rng.choice((0, 1, 10, 100))], [compare, "day", self.rng.choice((self.day(), {"days": -90}))],
               ["=", "currency", self.base], ["is_null", "net"], ["in", "customer", [str(self.customer()), str(self.customer())]]]
        if table != "refunds":
            own += [[self.rng.choice(("=", "<>")), "country", self.rng.choice(COUNTRIES)], ["is_null", "country"]]
        if table == "lines":
            own += [["=", "product", "p1"], ["<>", "category", "toys"]]
        for name, kind in self.attributes[table].items():
            own += {"enum": [["=", "attr." + name, "gold"], ["is_null", "attr." + name]], "decimal": [[compare, "attr." + name, 2]],
                    "bool": [["=", "attr." + name, True], ["<>", "attr." + name, True]]}.get(kind, [])
        return self.of_customer(self.tree(1)) if self.chance(35) else self.rng.choice(own)

    def ask_facts(self):
        table = self.rng.choice(("orders", "orders", "refunds", "lines"))
        params = self.common()
        params.pop("where", None)
        by = ["month(time)", "year(time)", "day(time)", "currency", "customer", "bin(net, [0, 10, 100])", "customer.country",
              "customer.lifecycle", "customer.rfm_group", "month(customer.first_order)"]
        metrics = ["count", "customers", "sum(net)", "avg(net)", "min(net)", "max(net)", "p50(net)", "p90(net)"]
        if table != "refunds":
            by += ["country", "country"]
        if table == "lines":
            by += ["product", "category", "bin(quantity, [0.5, 1, 2.25])"]
            metrics += ["sum(quantity)", "min(quantity)", "max(quantity)", "avg(quantity)", "p50(quantity)"]
        for prefix, source in (("attr.", table), ("customer.attr.", "customers")):
            by += [prefix + name for name, kind in self.attributes[source].items() if kind in ("enum", "bool", "set")]
        shapes = {"decimal": "bin(%sattr.%s, [0.25, 2.5, 12.25])", "int": "bin(%sattr.%s, [0, 10])", "date": "month(%sattr.%s)"}
        for prefix, source in (("", table), ("customer.", "customers")):
            by += [shapes[kind] % (prefix, name) for name, kind in self.attributes[source].items() if kind in shapes]
        metrics += ["%s(attr.%s)" % (what, name) for name, kind in self.attributes[table].items() if kind == "decimal"
                    for what in ("sum", "avg", "max", "p50")]
        params.update({"from": table, "by": self.rng.sample(sorted(set(by)), self.rng.choice((0, 1, 1, 2))),
                       "metrics": self.rng.sample(metrics, 4)})
        if "currency" in params["by"]:
            params["metrics"] += ["sum(amount_minor)", "p50(amount_minor)"]
            params["metrics"] += ["sum(attr.%s_minor)" % name for name, kind in self.attributes[table].items() if kind == "money"]
        if self.chance(60):
            days = sorted((self.day(), self.day()))
            params["between"] = self.rng.choice((days, [None, days[1]], [days[0], None]))
        if self.chance(60):
            params["where"] = self.fact_tree(table)
        return {"op": "ask", "method": "group", "params": params, "text": self.chance(30)}

    def attribute_dimensions(self):
        added = self.attributes["customers"]
        shapes = {"date": ("month(attr.%s)", "attr.%s"), "int": ("bin(attr.%s, [0, 10])", "attr.%s"),
                  "money": ("bin(attr.%s, [1, 50])", "attr.%s"), "decimal": ("bin(attr.%s, [-1.5, 0.25, 2, 12.25])", "attr.%s"), "time": ()}
        return tuple(shape % name for name, kind in added.items() for shape in shapes.get(kind, ("attr.%s",)))

    def attribute_metrics(self):
        shapes = {"int": ("sum(attr.%s)", "avg(attr.%s)", "p90(attr.%s)"), "decimal": ("sum(attr.%s)", "avg(attr.%s)", "p50(attr.%s)"),
                  "money": ("sum(attr.%s)", "avg(attr.%s)", "min(attr.%s)"),
                  "date": ("max(attr.%s)", "min(attr.%s)")}
        return tuple(shape % name for name, kind in self.attributes["customers"].items() for shape in shapes.get(kind, ()))

    def ask_cohort(self):
        params = dict(self.common(), by="month", metric=self.rng.choice(("customers", "orders", "net")))
        if self.chance(40):
            params["start"] = self.rng.choice(("created", "first_order"))
        if self.chance(50):
            params["periods"] = self.rng.randrange(1, 20)
        return {"op": "ask", "method": "cohort", "params": params}

    def ask(self):
        if self.chance(25):
            return self.ask_facts()
        if self.chance(10):
            return self.ask_cohort()
        kind = self.rng.randrange(100)
        params = self.common()
        if kind < 22:
            return {"op": "ask", "method": "count", "params": params, "text": self.chance(50)}
        if kind < 47:
            metrics = ("count", "sum(net)", "avg(net)", "min(net)", "max(net)", "p50(net)", "p90(net)", "sum(orders)",
                       "avg(orders)", "max(last_order)", "min(first_order)", "p75(recency_days)", "p99(orders)")
            by = ("country", "gender", "language", "rfm_group", "r", "month(last_order)", "month(first_order)", "orders",
                  "acq_channel", "lifecycle", "bin(net, [0, 10, 100])", "bin(orders, [1, 3])")
            by, metrics = by + self.attribute_dimensions(), metrics + self.attribute_metrics()
            params.update(by=self.rng.sample(by, self.rng.choice((0, 1, 1, 2, 3))), metrics=self.rng.sample(metrics, 4))
            return {"op": "ask", "method": "group", "params": params}
        if kind < 62:
            params.pop("rfm", None)
            params.update(self.rfm())
            return {"op": "ask", "method": "rfm.grid", "params": params}
        if kind < 74:
            params.pop("rfm", None)
            params.update(self.rfm())
            if self.chance(30):
                params.pop("cuts", None)
                params["scoring"] = "mean"
                params.pop("where", None)
            return {"op": "ask", "method": "rfm.groups", "params": params}
        if kind < 86:
            params.update(fields=["customer", "net", "orders", "first_order", "last_order", "country", "r", "f", "m", "rfm_group"],
                          order_by=self.rng.choice((["-net"], ["orders", "-net"], ["customer"])), limit=self.rng.randrange(1, 30))
            params["fields"] += ["attr." + name for name, kind in self.attributes["customers"].items() if kind != "time"]
            return {"op": "ask", "method": "rows", "params": params}
        if kind < 96:
            params.pop("where", None)
            return {"op": "ask", "method": "customer", "params": dict(params, customer=self.customer())}
        return {"op": "ask", "method": "order", "params": {"order": self.rng.choice("abx") + "%02d" % self.rng.randrange(20),
                                                          "with": ["lines"]}}

    def batch(self):
        """Several questions at once, about the same days and filters now and then."""
        calls = [self.ask() for _ in range(self.rng.randrange(1, 6))]
        if self.chance(60):
            shared = self.common()
            for call in calls:
                if call["method"] in ("count", "group", "rows", "cohort") and call["params"].get("from", "customers") == "customers":
                    call["params"].update(shared)
        return {"op": "batch", "calls": calls}

    def pages(self):
        """All rows in pages, with loads between them."""
        params = dict(self.common(), fields=["customer", "net", "orders", "first_order", "country", "lifecycle", "rfm_group"],
                      order_by=self.rng.choice((["-net"], ["orders", "-net"], ["customer"], ["-first_order"], ["country", "-orders"])),
                      limit=self.rng.randrange(1, 9))
        makers = (self.load_customers, self.load_orders, self.patch_orders, self.load_lines, self.load_refunds)
        return {"op": "pages", "params": params, "loads": [self.rng.choice(makers)() for _ in range(self.rng.randrange(4))]}

    def next(self):
        """The next few operations."""
        if self.chance(4):
            return [self.batch()]
        if self.chance(4):
            return [self.pages()]
        kind = self.rng.randrange(1000)
        if kind < 4:
            return [{"op": "snapshot"}]
        if kind < 8:
            return [{"op": "restart"}]
        if kind < 12:
            return [{"op": "kill"}]
        if kind < 50:
            return [self.schema_add()]
        if kind < 90 and self.loads:
            return [self.again()]
        if kind < 560:
            makers = (self.load_customers, self.load_orders, self.load_orders, self.patch_orders, self.load_lines, self.load_lines,
                      self.load_both_orders, self.load_refunds, self.load_refunds, self.patch_refunds, self.load_fx, self.load_fx)
            return [self.rng.choice(makers)()]
        return [self.ask()] + ([{"op": "counts"}] if self.chance(20) else [])


# ---- filters as text -----------------------------------------------------------------------------------------------


def quote(text):
    return "'%s'" % text.replace("'", "''")


def literal_text(literal):
    if isinstance(literal, dict):
        return "%dd" % literal["days"] if "days" in literal else "%s %s" % (literal["money"], literal["currency"])
    if isinstance(literal, bool):
        return str(literal).lower()
    return quote(literal) if isinstance(literal, str) else str(literal)


def filter_text(tree):
    """The text form of a tree, with every parenthesis."""
    op, rest = tree[0], tree[1:]
    if op in ("and", "or"):
        return "(%s)" % (" %s " % op.upper()).join(map(filter_text, rest))
    if op == "not":
        return "NOT (%s)" % filter_text(rest[0])
    if op == "is_null":
        return "%s IS NULL" % rest[0]
    if op == "in":
        return "%s IN (%s)" % (rest[0], ", ".join(map(literal_text, rest[1])))
    if op == "between":
        return "%s BETWEEN %s AND %s" % (rest[0], literal_text(rest[1]), literal_text(rest[2]))
    return "%s %s %s" % (rest[0], op.upper(), literal_text(rest[1]))


# ---- running them --------------------------------------------------------------------------------------------------


def same(got, want):
    """Integers and texts exactly; what the model has as a fraction may come as a double."""
    if isinstance(want, Fraction) and want.denominator == 1:
        want = int(want)
    if isinstance(want, Fraction) or isinstance(got, float) and isinstance(want, int):
        return isinstance(got, (int, float)) and math.isclose(got, float(want), rel_tol=1e-12, abs_tol=1e-12)
    return got == want


def plain(value):
    """A key that equal values share: 5 and 5.0 alike."""
    if isinstance(value, Fraction):
        value = float(value)
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, float):
        value = float("%.11g" % value)
        return int(value) if value.is_integer() else value
    return value


def normal(rows):
    return Counter(tuple(map(plain, row)) for row in rows)


def attributes_of(answer):
    return {field: value for field, value in answer.items() if field.startswith("attr.") and field != "attr.seen"}


class Pair:
    """A server and the model beside it."""

    def __init__(self):
        self.server = self.client = self.model = None

    def run(self, operations):
        """Runs until the end or the first difference (Failed, with the number of the operation)."""
        try:
            for index, operation in enumerate(operations):
                try:
                    getattr(self, "do_" + operation["op"])(operation)
                except (Failed, RpcError, ConnectionError, KeyError, TypeError, ValueError) as problem:
                    raise Failed("operation %d, %.2000s: %s: %s" % (
                        index, json.dumps(operation, ensure_ascii=False), type(problem).__name__, problem)) from problem
            if self.server:
                self.server.stop()
        finally:
            if self.client:
                self.client.close()
            if self.server:
                self.server.kill()

    def do_config(self, operation):
        self.server = Server(timezone=operation["timezone"], currency=operation["base"]).start()
        self.client = self.server.client()
        self.model = Model(operation["timezone"], operation["base"])

    def _again(self):
        self.client.close()
        lsn = self.lsn
        self.server.start()
        self.client = self.server.client()
        equal(self.client.call("status")["lsn"], lsn, "lsn after a start")

    def do_restart(self, operation):
        self.lsn = self.client.call("status")["lsn"]
        self.server.stop()
        self._again()

    def do_kill(self, operation):
        self.lsn = self.client.call("status")["lsn"]
        self.server.kill()
        self._again()

    def do_snapshot(self, operation):
        answer = self.client.call("snapshot.save")
        equal(answer["lsn"], self.client.call("status")["lsn"], "lsn of the snapshot")

    def do_schema_add(self, operation):
        try:
            want = self.model.schema_add(operation["params"])
        except Refused as refused:
            self.client.fails("schema.add", operation["params"], refused.code)
            return
        equal(self.client.call("schema.add", operation["params"])["added"], want, "added")

    def do_counts(self, operation):
        status, counts = self.client.call("status"), self.model.counts()
        for table in ("customers", "orders", "lines", "refunds", "fx"):
            equal(table_rows(status, table), counts[table], "status, rows of %s" % table)
        for key, name in (("pending", "pending_refunds"), ("unpriced", "unpriced")):
            if name in status:
                equal(status[name], counts[key], "status, %s" % name)

    def do_load(self, operation):
        params = dict(operation["params"])
        wire = operation.get("wire", {})
        encode = {"bin": i64_column, "dict": dict_column}
        params["columns"] = {field: encode[wire[field]](column) if field in wire else column
                             for field, column in params["columns"].items()}
        self._fresh_clock()
        try:
            want = self.model.load(operation["table"], operation["params"])
        except Refused as refused:
            self.client.fails("load." + operation["table"], params, refused.code)
            return
        got = self.client.call("load." + operation["table"], params)
        keys = ["rows", "new", "stale", "rejected"] + ([] if want["unsure"] else ["updated", "duplicate"])
        equal({key: got[key] for key in keys}, {key: want[key] for key in keys}, "tally")
        equal(got["updated"] + got["duplicate"], want["updated"] + want["duplicate"], "updated and duplicate together")
        equal(sorted(error["row"] for error in got.get("errors", [])), [row for row, _ in want["errors"]], "rejected rows")

    def _fresh_clock(self):
        self.model.now = datetime.datetime.now(datetime.timezone.utc)

    def do_ask(self, operation):
        self._fresh_clock()
        params = dict(operation["params"])
        if operation.get("text") and "where" in params:
            params["where"] = filter_text(params["where"])
        compare = getattr(self, "ask_" + operation["method"].replace(".", "_"))
        try:
            self._check_attributes(operation["params"])
            want = compare(operation["params"], None)
        except Refused as refused:
            self.client.fails(operation["method"], params, refused.code)
            return
        got = self.client.call(operation["method"], params)
        compare(operation["params"], got, want)

    def _check_attributes(self, params):
        asked = {key: value for key, value in params.items() if key not in ("rfm", "population")}
        about = {key: params[key] for key in params if key not in asked}
        for table, part in ((params.get("from", "customers"), asked), ("customers", about)):
            self.model.check_attributes(table, re.findall(r"(?:customer\.)?attr\.\w+", json.dumps(part)))

    def do_batch(self, operation):
        self._fresh_clock()
        wants, calls = [], []
        for ask in operation["calls"]:
            compare = getattr(self, "ask_" + ask["method"].replace(".", "_"))
            try:
                wants.append((compare, ask["params"], compare(ask["params"], None)))
            except Refused as refused:
                wants.append((None, None, refused.code))
            calls.append([ask["method"], ask["params"]])
        got = self.client.call("batch", {"calls": calls})
        for answer, (compare, params, want) in zip(got["answers"], wants, strict=True):
            if compare is None:
                equal(answer["error"]["code"], want, "error in a batch")
                continue
            check("error" not in answer, "%r in a batch: %r", params, answer)
            equal(answer["lsn"], got["lsn"], "version of an answer in a batch")
            compare(params, answer, want)

    def do_pages(self, operation):
        self._fresh_clock()
        params, loads = operation["params"], list(operation["loads"])
        try:
            want = self.model.rows(dict(params, limit=10 ** 9))
        except Refused as refused:
            self.client.fails("rows", params, refused.code)
            for load in loads:
                self.do_load(load)
            return
        rows, lsns, cursor = [], set(), None
        while True:
            got = self.client.call("rows", dict(params, cursor=cursor) if cursor else params)
            rows += got["rows"]
            lsns.add(got["lsn"])
            cursor = got.get("cursor")
            if cursor is None:
                break
            check(len(got["rows"]) == params["limit"], "a page of %d rows that is not the last", len(got["rows"]))
            if loads:
                self.do_load(loads.pop(0))
        equal(len(lsns), 1, "versions of the pages: %r" % lsns)
        equal(rows, want, "rows of all pages")
        for load in loads:
            self.do_load(load)

    # Each ask_*: with got None gives what the model says; else compares.

    def ask_count(self, params, got, want=None):
        if got is None:
            return self.model.count(params)
        return equal({key: got[key] for key in want}, want, "count")

    def ask_group(self, params, got, want=None):
        if got is None:
            return self.model.group(params)
        groups, total = want
        n = len(params["by"])
        equal(got["columns"], params["by"] + params["metrics"], "columns")
        binned = [i for i, text in enumerate(params["by"]) if text.startswith("bin(")]  # how a bin is named is the server's
        unbinned = [[v for i, v in enumerate(row) if i not in binned] for row in got["rows"]]
        expected = [[v for i, v in enumerate(key) if i not in binned] + values for key, values in groups.items()]
        check(normal(unbinned) == normal(expected), "groups: got %r, expected %r", unbinned, expected)
        whole = got.get("total")
        if isinstance(whole, dict):
            whole = [whole[m] for m in params["metrics"]]
        if isinstance(whole, list):
            whole = whole[-len(params["metrics"]):]
            # Money of several currencies has no total.
            pairs = [(g, w) for g, w, m in zip(whole, total, params["metrics"]) if g is not None or "_minor" not in m]
            check(all(same(g, w) for g, w in pairs), "total: got %r, expected %r", whole, total)
        return equal(n, len(params["by"]), "dimensions")

    def ask_cohort(self, params, got, want=None):
        if got is None:
            return self.model.cohort(params)
        return equal({c["cohort"]: (c["size"], c["values"]) for c in got["cohorts"]}, want, "cohorts")

    def ask_rfm_grid(self, params, got, want=None):
        if got is None:
            return self.model.rfm_grid(self._day(params), params, params.get("where"))
        equal(got["scored"], want["scored"], "scored")
        equal({(c["r"], c["f"], c["m"]): (c["count"], c["net_minor"]) for c in got["cells"]},
              {cell: tuple(sums) for cell, sums in want["cells"].items()}, "cells")
        equal((got["unscored"]["count"], got["unscored"]["net_minor"]), want["unscored"], "unscored")
        if params.get("scoring", "quintile") == "quintile":
            equal(got["thresholds"], want["thresholds"], "thresholds")
        return None

    def ask_rfm_groups(self, params, got, want=None):
        if got is None:
            return self.model.rfm_groups(self._day(params), params, params.get("where"))
        groups = {g["name"]: (g["count"], g["net_minor"], g["one_time"]) for g in got["groups"] if g["count"]}
        equal(groups, {name: tuple(sums) for name, sums in want.items()}, "groups")
        everybody = sum(group[0] for group in want.values())
        for group in got["groups"]:
            if everybody:
                check(math.isclose(group["share"], group["count"] / everybody, abs_tol=1e-9), "share of %r", group)
        return None

    def _day(self, params):
        return self.model.question({"as_of": params["as_of"]})[0]

    def ask_rows(self, params, got, want=None):
        if got is None:
            return self.model.rows(params)
        equal(got["columns"], params["fields"], "columns")
        return equal(got["rows"], want, "rows")

    def ask_customer(self, params, got, want=None):
        if got is None:
            return self.model.customer(params)
        check(got["customer"] == want["customer"] and got["orders"] == want["orders"] and got["net_minor"] == want["net"],
              "customer: got %r, expected %r", got, {k: v for k, v in want.items() if k[0] != "_"})
        for field in ("recency_days", "country", "gender", "birth_year", "lifecycle"):
            equal(got.get(field), want[field], field)
        equal(attributes_of(got), self._attributes("customers", want), "attributes of the customer")
        if "rfm" in got and got["rfm"]:
            equal([got["rfm"].get(key) for key in ("r", "f", "m", "group")], [want[k] for k in ("r", "f", "m", "rfm_group")], "rfm")
        return None

    def ask_order(self, params, got, want=None):
        if got is None:
            return self.model.order(params)
        equal((got["order"], got["customer"], got.get("refund")), (want["id"], want["customer"], want.get("refund")), "order")
        if "refund" not in want:
            equal((got["currency"], got["amount_minor"]), (want["currency"], want["amount"]), "money of the order")
            equal(attributes_of(got), self._attributes("orders", want["row"]), "attributes of the order")
            lines = {line["line"]: attributes_of(line) for line in got["facts"]["lines"]}
            equal(lines, {number: self._attributes("lines", line) for number, line in want["row"].lines.items()
                          if not line["deleted"]}, "attributes of the lines")
        return None

    def _attributes(self, table, record):
        """The set attributes of a record as an answer has them, but for times, whose text is the server's."""
        shown = {}
        for field, kind in self.model.attributes[table].items():
            value = record.get(field)
            if value is None or kind == "time":
                continue
            shown[field + ("_minor" if kind == "money" else "")] = (
                print_decimal(value) if kind == "decimal" else print_day(value) if kind == "date" else
                list(value) if kind == "set" else value)
        return shown


# ---- keeping and shrinking -----------------------------------------------------------------------------------------


def write_ops(path, operations):
    with open(path, "w", encoding="utf-8") as out:
        for operation in operations:
            out.write(json.dumps(operation, ensure_ascii=False) + "\n")


def read_ops(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip() and not line.startswith("#")]


def fails(operations):
    """What goes wrong with these operations on a fresh server, or None."""
    try:
        Pair().run(operations)
    except Failed as problem:
        return str(problem)
    return None


def shrink(operations, say=print):
    """Drops operations, in ever smaller pieces, then rows of batches, while it still fails."""
    piece = max(1, len(operations) // 2)
    while True:
        at = 1  # config stays
        while at < len(operations):
            shorter = operations[:at] + operations[at + piece:]
            if len(shorter) < len(operations) and fails(shorter):
                operations = shorter
                say("%d operations left" % len(operations))
            else:
                at += piece
        if piece == 1:
            return shrink_rows(operations)
        piece //= 2


def shrink_rows(operations):
    for index, operation in enumerate(operations):
        if operation["op"] != "load":
            continue
        row = 0
        while True:
            columns = operation["params"]["columns"]
            count = len(next(iter(columns.values())))
            if row >= count or count == 1:
                break
            smaller = json.loads(json.dumps(operation))
            smaller["params"]["columns"] = {field: column[:row] + column[row + 1:] for field, column in columns.items()}
            if fails(operations[:index] + [smaller] + operations[index + 1:]):
                operation = operations[index] = smaller
            else:
                row += 1
    return operations
