"""Random questions about a generated shop: each as a request for the server and as a line for the naive program.

The line says the same in parentheses, so that the naive program needs no parser of filters or of metrics: ("group", ...) is
(group (as_of "2024-05-06") (by (month time)) (metrics (sum net)) (limit 50)).
"""

import datetime
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model"))

from ops import filter_text  # noqa: E402

# Those about facts cost the naive program a pass over all orders each, so they are asked half as often.
KINDS = ("count", "group", "rows", "rfm.grid", "rfm.groups", "cohort") * 2 + ("facts", "fact_rows")
CONTROL_PERCENT = 2
COUNTRIES = ("US", "GB", "DE", "BR", "JP", "CN", "AU", "PT", "FR", "XX")
LIFECYCLES = ("prospect", "new", "returned", "active", "sleeping", "lost")
GROUPS = ("champions", "loyal", "potential_loyalist", "new", "promising", "need_attention", "at_risk", "cannot_lose",
          "hibernating", "lost")
CHANNELS = ("web", "phone", "aliexpress", "amazon", "app")
COMPARE = ("=", "<>", "<", "<=", ">", ">=")


class Shop:
    """What questions need to know of a shop: its base currency, the others, its days, some ids."""

    def __init__(self, base, currencies, start, end, customers):
        self.base, self.currencies, self.customers = base, currencies, customers
        self.start, self.end = datetime.date.fromisoformat(start), datetime.date.fromisoformat(end)


class Question:
    """`alike`: equal for questions of one day that score alike."""

    def __init__(self, kind, method, params, line, scoring):
        self.kind, self.method, self.params, self.line = kind, method, params, line
        self.day = params.get("as_of", "")
        self.alike = (self.day, scoring)


# ---- the naive program's form --------------------------------------------------------------------------------------


def word(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return '"%s"' % value
    if '"' in value:
        raise ValueError("a quote in %r" % value)
    return '"%s"' % value


def literal(value):
    if isinstance(value, dict):
        return "(days %d)" % value["days"] if "days" in value else "(money %s %s)" % (word(value["money"]), value["currency"])
    return word(value)


def tree_line(tree):
    op, rest = tree[0], tree[1:]
    if op in ("and", "or", "not"):
        return "(%s %s)" % (op, " ".join(map(tree_line, rest)))
    if op == "is_null":
        return "(is_null %s)" % rest[0]
    if op == "in":
        return "(in %s (%s))" % (rest[0], " ".join(map(literal, rest[1])))
    return "(%s %s %s)" % (op, rest[0], " ".join(map(literal, rest[1:])))


def rfm_of(method, params):
    return params if method in ("rfm.grid", "rfm.groups") else params.get("rfm")


def rfm_line(spec):
    window = spec.get("window", "365d")
    days = 0 if window == "all" else int(window[:-1]) * (7 if window[-1] == "w" else 1)
    parts = ["(window %d)" % days]
    if "scoring" in spec:
        parts.append("(scoring %s)" % spec["scoring"])
    if "cuts" in spec:
        parts.append("(cuts %s)" % " ".join("(%s %s)" % (name, " ".join(map(str, spec["cuts"][name]))) for name in ("r", "f", "m_minor")))
    if "population" in spec:
        parts.append("(population %s)" % tree_line(spec["population"]))
    return "(rfm %s)" % " ".join(parts)


def dimension_line(text):
    name, _, inside = text.partition("(")
    if not inside:
        return "(field %s)" % name
    field, _, edges = inside.rstrip(")").partition(",")
    return "(%s %s%s)" % (name, field, "".join(' "%s"' % edge.strip(" []") for edge in edges.split(",") if edge.strip()))


def metric_line(text):
    name, _, inside = text.partition("(")
    if name[0] == "p" and name[1:].replace(".", "").isdigit():
        return '(p "%s" %s)' % (name[1:], inside.rstrip(")"))
    return "(%s %s)" % (name, inside.rstrip(")")) if inside else "(%s)" % name


def order_line(texts, by, metrics):
    parts = []
    for text in texts:
        plain = text.lstrip("-")
        place = ("m", metrics.index(plain)) if plain in metrics else ("d", by.index(plain))
        parts.append("(%s %s %d)" % ("desc" if text[0] == "-" else "asc", *place))
    return " ".join(parts)


def line_of(method, params):
    parts = ["(as_of %s)" % (params["as_of"] if params["as_of"] == "latest" else '"%s"' % params["as_of"])]
    rfm = rfm_of(method, params)
    if rfm:
        parts.append(rfm_line(rfm))
    if "lifecycle" in params:
        way, cuts = next(iter(params["lifecycle"].items()))
        parts.append('(lifecycle %s "%s" "%s")' % (way, *cuts))
    for name in ("from", "start", "metric", "periods", "limit"):
        if name in params:
            parts.append("(%s %s)" % (name, params[name]))
    if "where" in params:
        parts.append("(where %s)" % tree_line(params["where"]))
    if "between" in params:
        parts.append("(between %s)" % " ".join("open" if day is None else '"%s"' % day for day in params["between"]))
    if method == "group":
        parts.append("(by %s)" % " ".join(map(dimension_line, params["by"])))
        parts.append("(metrics %s)" % " ".join(map(metric_line, params["metrics"])))
        if "order_by" in params:
            parts.append("(order_by %s)" % order_line(params["order_by"], params["by"], params["metrics"]))
    if method == "rows":
        parts.append("(fields %s)" % " ".join(params["fields"]))
        parts.append("(order_by %s)" % " ".join(params.get("order_by", [])))
    return "(%s %s)" % (method, " ".join(parts))


# ---- making them up ------------------------------------------------------------------------------------------------


class Maker:
    """Random questions; the same numbers give the same questions. `days`: how many different ones there are, and of ways to
    score a dozen: the naive program, asked in their order, has to work each of them out once."""

    def __init__(self, rng, shop, days=60):
        self.rng, self.shop = rng, shop
        self.specs = [self.new_spec() for _ in range(12)]
        span = (shop.end - shop.start).days
        self.days = [(shop.start + datetime.timedelta(days=rng.randrange(-20, span + 60))).isoformat() for _ in range(days)]
        self.days += ["latest", "now", (shop.start - datetime.timedelta(days=3)).isoformat()]

    def chance(self, percent):
        return self.rng.randrange(100) < percent

    def day(self):
        span = (self.shop.end - self.shop.start).days
        return (self.shop.start + datetime.timedelta(days=self.rng.randrange(span))).isoformat()

    def money(self, foreign=True):
        if foreign and self.chance(40):
            amount = self.rng.choice(("50", "7.5", "199.99", "1000", "0.01", "3333"))
            return {"money": amount, "currency": self.rng.choice(self.shop.currencies)}
        return self.rng.choice((0, 10, 100, 250.5, 1000, -5))

    def customer(self):
        return str(self.rng.randrange(1, self.shop.customers + 1))

    def atom(self, scores, foreign):
        compare = self.rng.choice(COMPARE)
        kinds = [
            lambda: [self.rng.choice(("=", "<>")), "country", self.rng.choice(COUNTRIES)],
            lambda: ["in", "country", self.rng.sample(COUNTRIES, 3)],
            lambda: [self.rng.choice(("=", "<>")), "currency", self.rng.choice(self.shop.currencies)],
            lambda: [compare, "birth_year", self.rng.randrange(1950, 2005)],
            lambda: ["between", "birth_year", 1970, self.rng.randrange(1970, 2000)],
            lambda: ["=", self.rng.choice(("gender", "entity")), self.rng.choice(("female", "male", "company", "person"))],
            lambda: ["has", "consent", self.rng.choice(("email", "sms", "post", "fax"))],
            lambda: ["has", "tags", self.rng.choice(("staff", "vip", "b2b"))],
            lambda: ["is_null", self.rng.choice(("gender", "tags", "credit", "birth_year", "country", "last_order", "created"))],
            lambda: ["=", "acq_channel", self.rng.choice(("organic", "search_ads", "offline"))],
            lambda: [self.rng.choice(("<", ">=")), "created", self.rng.choice((self.day(), {"days": -self.rng.randrange(400)}))],
            lambda: ["in", "customer", [self.customer() for _ in range(4)]],
            lambda: [compare, "orders", self.rng.choice((0, 1, 2, 5, 20))],
            lambda: ["between", "orders", 1, self.rng.randrange(1, 12)],
            lambda: [compare, "net", self.money(foreign)],
            lambda: ["between", "net", 20, self.rng.choice((50, 300, 2000))],
            lambda: [compare, "last_order", self.rng.choice((self.day(), {"days": -self.rng.randrange(500)}))],
            lambda: [compare, "first_order", self.rng.choice((self.day(), {"days": -self.rng.randrange(900)}))],
            lambda: [compare, "recency_days", self.rng.choice((0, 7, 30, 90, 365))],
            lambda: ["in", "lifecycle", self.rng.sample(LIFECYCLES, 2)],
            lambda: ["<>", "lifecycle", self.rng.choice(LIFECYCLES)],
        ]
        if scores:
            kinds += [lambda: [compare, self.rng.choice("rfm"), self.rng.randrange(1, 6)],
                      lambda: ["in", "rfm_group", self.rng.sample(GROUPS, 2)]] * 2
        return self.rng.choice(kinds)()

    def tree(self, depth=2, scores=True, foreign=True):
        if depth and self.chance(50):
            op = self.rng.choice(("and", "and", "or", "not"))
            return [op, *(self.tree(depth - 1, scores, foreign) for _ in range(1 if op == "not" else self.rng.randrange(2, 4)))]
        return self.atom(scores, foreign)

    def of_customer(self, tree):
        if tree[0] in ("and", "or", "not"):
            return [tree[0], *map(self.of_customer, tree[1:])]
        return [tree[0], "customer." + tree[1], *tree[2:]]

    def fact_tree(self, table, depth=1):
        if depth and self.chance(45):
            op = self.rng.choice(("and", "or", "not"))
            return [op, *(self.fact_tree(table, depth - 1) for _ in range(1 if op == "not" else 2))]
        if self.chance(35):
            return self.of_customer(self.tree(1))
        compare = self.rng.choice(COMPARE)
        own = [[compare, "net", self.rng.choice((0, 1, 10, 100))], [compare, "net", self.money()], ["between", "net", 20, 80.5],
               [compare, "day", self.rng.choice((self.day(), {"days": -90}))], ["is_null", "net"],
               ["in", "currency", self.rng.sample(self.shop.currencies, 2)], ["in", "customer", [self.customer(), self.customer()]]]
        if table == "orders":
            own += [["=", "country", self.rng.choice(COUNTRIES)], ["is_null", "promotion"], ["is_null", "country"],
                    ["in", "channel", self.rng.sample(CHANNELS, 2)], ["<>", "payment", "card"], ["=", "payment", "paypal"]]
        else:
            own += [["=", "kind", self.rng.choice(("return", "allowance"))], ["is_null", "reason"], ["<>", "reason", "lost"]]
        return self.rng.choice(own)

    def rfm(self):
        return dict(self.rng.choice(self.specs))

    def new_spec(self):
        spec = {}
        if self.chance(60):
            spec["window"] = self.rng.choice(("365d", "90d", "30d", "12w", "all", "1d", "730d"))
        if self.chance(20):
            spec["scoring"] = "cuts"
            spec["cuts"] = {"r": [300, 120, 60, 14], "f": [2, 3, 6, 12], "m_minor": [-100, 2000, 20000, 90000]}
        if self.chance(20):
            spec["population"] = self.tree(1, scores=False, foreign=False)
        return spec

    def common(self, rfm=True):
        params = {"as_of": self.rng.choice(self.days)}
        if self.chance(65):
            params["where"] = self.tree()
        if rfm and self.chance(25):
            params["rfm"] = self.rfm()
        if self.chance(8):
            params["lifecycle"] = self.rng.choice(({"cuts": [30, 180]}, {"cuts": [60, 60]}, {"cuts": [0, 1000]}, {"gaps": [1, 3]},
                                                   {"gaps": [0.5, 2.125]}))
        return params

    # -- one of each kind

    def count(self):
        return "count", self.common()

    def finish_group(self, params, by, metrics):
        params["by"] = self.rng.sample(by, self.rng.choice((0, 1, 1, 2, 2, 3)))
        params["metrics"] = self.rng.sample(metrics, self.rng.randrange(1, 5))
        params["limit"] = self.rng.choice((5, 40, 100, 10000))
        if params["by"] and self.chance(40):
            params["order_by"] = [self.rng.choice(("", "-")) + text
                                  for text in self.rng.sample(params["by"] + params["metrics"], self.rng.randrange(1, 3))]
        return "group", params

    def group(self):
        by = ["country", "currency", "gender", "language", "acq_channel", "entity", "lifecycle", "rfm_group", "r", "m", "orders",
              "month(last_order)", "month(first_order)", "year(first_order)", "month(created)", "bin(net, [0, 10, 100, 500])",
              "bin(orders, [1, 3, 10])", "bin(recency_days, [30, 90])", "birth_year"]
        metrics = ["count", "sum(net)", "avg(net)", "min(net)", "max(net)", "p50(net)", "p90(net)", "p99.9(net)", "sum(orders)",
                   "avg(orders)", "p75(recency_days)", "avg(recency_days)", "max(last_order)", "min(first_order)",
                   "p50(first_order)", "p99(orders)", "avg(birth_year)", "max(orders)"]
        return self.finish_group(self.common(), by, metrics)

    def facts(self):
        table = self.rng.choice(("orders", "orders", "refunds"))
        params = self.common()
        params.pop("where", None)
        params["from"] = table
        by = ["month(time)", "year(time)", "day(time)", "currency", "bin(net, [0, 10, 100])", "customer.country",
              "customer.lifecycle", "customer.rfm_group", "month(customer.first_order)", "customer.gender"]
        by += ["country", "country", "channel", "payment", "promotion"] if table == "orders" else ["kind", "reason"]
        metrics = ["count", "customers", "sum(net)", "avg(net)", "min(net)", "max(net)", "p50(net)", "p90(net)", "max(day)"]
        if self.chance(65):
            params["where"] = self.fact_tree(table)
        if self.chance(60):
            days = sorted((self.day(), self.day()))
            params["between"] = self.rng.choice((days, [None, days[1]], [days[0], None]))
        method, params = self.finish_group(params, by, metrics)
        if "currency" in params["by"] and "order_by" not in params:
            params["metrics"] += ["sum(amount_minor)", "p50(amount_minor)"]
        return method, params

    def rows(self):
        params = self.common()
        params["fields"] = ["customer", "net", "orders", "first_order", "last_order", "recency_days", "country", "created",
                            "lifecycle"] + (["r", "f", "m", "rfm_group"] if self.chance(40) else [])
        params["order_by"] = self.rng.choice((["-net"], ["orders", "-net"], ["customer"], ["-last_order", "country"],
                                              ["-recency_days"], ["country", "-orders", "net"], ["birth_year"]))
        params["limit"] = self.rng.choice((1, 10, 50))
        return "rows", params

    def fact_rows(self):
        params = self.common()
        params.pop("where", None)
        params["from"] = table = self.rng.choice(("orders", "orders", "refunds"))
        if self.chance(70):
            params["where"] = self.fact_tree(table)
        params["fields"] = ["order", "customer", "day", "net", "amount_minor", "currency", "customer.orders", "customer.lifecycle"]
        params["fields"] += ["country", "cancelled", "test"] if table == "orders" else ["refund", "kind", "reason"]
        params["order_by"] = self.rng.choice((["-net"], ["day"], ["order"], ["-day", "net"], ["currency", "-net"]))
        params["limit"] = self.rng.choice((1, 10, 50))
        return "rows", params

    def grid(self):
        params = self.common(rfm=False)
        params.update(self.rfm())
        if "cuts" not in params and self.chance(15):
            params["scoring"] = "mean"
        return params

    def cohort(self):
        params = self.common()
        params["by"] = "month"
        params["metric"] = self.rng.choice(("customers", "orders", "net"))
        if self.chance(40):
            params["start"] = self.rng.choice(("created", "first_order"))
        if self.chance(40):
            params["periods"] = self.rng.randrange(1, 30)
        return "cohort", params

    def control(self):
        """It asks about no day; the naive program is given one that it knows."""
        params = {"table": self.rng.choice(("orders", "orders", "refunds")), "by": self.rng.choice(("day", "month", "currency"))}
        if self.chance(60):
            params["from"], params["to"] = sorted((self.day(), self.day()))
        between = ' (between "%(from)s" "%(to)s")' % params if "from" in params else ""
        line = '(control (as_of "%s") (from %s) (by %s)%s)' % (self.days[0], params["table"], params["by"], between)
        return Question("control", "control", params, line, "")

    def ask(self, kind=None):
        kind = kind or ("control" if self.chance(CONTROL_PERCENT) else self.rng.choice(KINDS))
        if kind == "control":
            return self.control()
        if kind in ("rfm.grid", "rfm.groups"):
            method, params = kind, self.grid()
        else:
            method, params = getattr(self, kind)()
        line = line_of(method, {key: value for key, value in params.items() if not (method == "cohort" and key == "by")})
        if "where" in params and self.chance(30):
            params = dict(params, where=filter_text(params["where"]))
        rfm = rfm_of(method, params)
        return Question(kind, method, params, line, str(params.get("lifecycle")) + (rfm_line(rfm) if rfm else ""))


def name_the_day(questions, answers):
    """Tells the naive program, which has no clock, what day "now" was."""
    for question, answer in zip(questions, answers):
        if question.day == "now":
            question.line = question.line.replace('(as_of "now")', '(as_of "%s")' % answer.get("as_of", datetime.date.today()))


# ---- comparing -----------------------------------------------------------------------------------------------------


def whole(value):
    """An average as the server has it: the nearest double of the sum by the count."""
    return value["sum"] / value["n"] if isinstance(value, dict) else value


def told(question, got):
    """What the naive program says too, out of the server's answer, in the naive program's form."""
    method, params = question.method, question.params
    if method == "count":
        return {"count": got["count"], "of": got["of"]}
    if method == "group":
        n = len(params["by"])
        out = {"groups": got["groups"], "rows": got["rows"], "total": got["total"][n:]}
        if "rest" in got:
            out["rest"] = got["rest"][n:]
        return out
    if method == "rows":
        return {"count": got["count"], "rows": got["rows"]}
    if method == "control":
        return {"groups": {group[params["by"]]: [group["rows"], group["amount_minor"]] for group in got["groups"]},
                "rows": got["total"]["rows"]}
    if method == "cohort":
        return {"cohorts": {c["cohort"]: [c["size"], *c["values"]] for c in got["cohorts"]}, "outside": got["outside"]}
    out = {"scored": got["scored"], "unscored": [got["unscored"]["count"], got["unscored"]["net_minor"]],
           "thresholds": got["thresholds"]}
    if method == "rfm.grid":
        out["cells"] = [[c["r"], c["f"], c["m"], c["count"], c["net_minor"]] for c in got["cells"]]
    else:
        out["groups"] = {g["name"]: [g["count"], g["net_minor"], g["one_time"], g["orders"]] for g in got["groups"] if g["count"]}
    return out


def expected(question, said):
    """The naive program's answer with its sums over counts made doubles; money of several currencies has no total."""
    if question.method != "group" or "error" in said:
        return said
    out = {"groups": said["groups"], "rows": [[whole(value) for value in row] for row in said["rows"]]}
    own = [name.endswith("(amount_minor)") for name in question.params["metrics"]]
    for name in ("total", "rest"):
        if name in said:
            out[name] = [None if mine else whole(value) for value, mine in zip(said[name], own)]
    return out


def hide_mixed(question, got):
    """Sums of several currencies are null in the server's total; where there is one currency only, they are not compared."""
    got = dict(got)
    for name in ("total", "rest"):
        if question.method == "group" and name in got:
            n = len(question.params["by"])
            got[name] = got[name][:n] + [None if metric.endswith("(amount_minor)") else value
                                         for metric, value in zip(question.params["metrics"], got[name][n:])]
    return got


def difference(question, got, said):
    """None, or what differs. `got`: the server's answer, or its error's code as {"error": code}."""
    if "error" in got or "error" in said:
        return None if got.get("error") == said.get("error") else "server %r, naive %r" % (got, said)
    server, naive = told(question, hide_mixed(question, got)), expected(question, said)
    if server == naive:
        return None
    parts = ["%s: server %r, naive %r" % (key, server.get(key), naive.get(key)) for key in sorted(set(server) | set(naive))
             if server.get(key) != naive.get(key)]
    return "\n    ".join(parts)
