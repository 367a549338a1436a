#!/usr/bin/python3
"""Lifetime value through the server: the CDNOW sample held to published numbers and to an independent calculation in fifty
digits, fits that survive restarts, the real shop with a hold-out, and what mistakes are told."""

import datetime
import os
import sys
from decimal import Decimal, getcontext

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import shop  # noqa: E402
from patron_test import Server, check, equal, main, patron, patron_json, program, shared  # noqa: E402
from recompute_rfm import Shop  # noqa: E402

CAL, HOLD = "1997-09-30", "1998-06-30"
# SCIENCE.md section 2.
MODELS = {
    "nbd": ({"r": .384766, "alpha": 12.07202}, -9763.6577, None),
    "bg_nbd": ({"r": .2425945, "alpha": 4.4136019, "a": .7929199, "b": 2.4258881}, -9582.429, (1653.4, .785, 1917.3)),
    "mbg_nbd": ({"r": .52484, "alpha": 6.18308, "a": .89136, "b": 1.61400}, -9582.1357, (1576.7, .765, 1057.6)),
}
SPEND = ({"p": 6.24957, "q": 3.74422, "v": 15.44352}, -4055.9177)
MONTHLY = 1.01 ** 12 - 1  # 1 % a month as a rate a year


def near(got, want, relative, what):
    check(got is not None and abs(got - want) <= relative * max(1.0, abs(want)), "%s: got %r, expected %r", what, got, want)


# ---- an independent prediction ---------------------------------------------------------------------------------------


def hyp2f1(a, b, c, z):
    term = total = Decimal(1)
    n = 0
    while abs(term) > Decimal(10) ** -45 * abs(total):
        term *= (a + n) * (b + n) / ((c + n) * (n + 1)) * z
        total += term
        n += 1
    return total


def predict(model, params, x, t_x, T, t):
    """P(alive) and purchases in (T, T + t] by the textbooks' formulas, in fifty digits."""
    getcontext().prec = 50
    r, alpha, a, b = (Decimal(repr(params[k])) for k in ("r", "alpha", "a", "b"))
    x, t_x, T, t = Decimal(x), Decimal(repr(t_x)), Decimal(repr(T)), Decimal(repr(t))
    more = 1 if model == "mbg_nbd" else 0
    died = (a / (b + x + more - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x)) if x + more > 0 else Decimal(0)
    alive = 1 / (1 + died)
    series = hyp2f1(r + x, b + x + more, a + b + x + more - 1, t / (alpha + T + t))
    expected = (a + b + x + more - 1) / (a - 1) * (1 - ((alpha + T) / (alpha + T + t)) ** (r + x) * series) * alive
    return float(alive), float(expected)


def check_predictions(client):
    worst = 0.0
    for model in ("bg_nbd", "mbg_nbd"):
        params = MODELS[model][0]
        for x, t_x, T in ((2, 30.43, 38.86), (0, 0.0, 38.857), (1, 1.71, 38.86), (26, 30.857, 31.0), (25, 20.0, 39.0), (0, 0.0, 0.0)):
            for horizon, weeks in (("1w", 1.0), ("39w", 39.0), ("520w", 520.0)):
                got = client.call("clv.predict", {"model": model, "params": params, "x": x, "t_x": t_x, "T": T, "horizon": horizon})
                for value, want in zip((got["p_alive"], got["expected_orders"]), predict(model, params, x, t_x, T, weeks)):
                    worst = max(worst, abs(value - want) / max(abs(want), 1e-300))
                equal((got["fit"], got["clv_minor"]), (None, None), "fit and value of parameters without spend")
    check(worst < 1e-8, "predictions differ from the independent ones by %r", worst)
    got = client.call("clv.predict", {"model": "bg_nbd", "params": MODELS["bg_nbd"][0], "x": 2, "t_x": 30.43, "T": 38.86, "horizon": "39w"})
    near(got["expected_orders"], 1.22591, 1e-5, "E[Y(39)] of the published customer")
    near(got["p_alive"], .726609, 1e-5, "P(alive) of the published customer")
    print("predictions with given parameters: greatest relative difference %.1e" % worst, flush=True)


# ---- CDNOW ------------------------------------------------------------------------------------------------------------


def load_cdnow(client):
    rows = [line.split() for line in open(shared("data", "cdnow_sample", "CDNOW_sample.txt"))]
    rows = [row for row in rows if row]
    equal(len(rows), 6919, "lines of CDNOW")
    columns = {"order": [str(i) for i in range(len(rows))], "customer": [str(int(row[1])) for row in rows],
               "time": ["%s-%s-%sT12:00:00" % (row[2][:4], row[2][4:6], row[2][6:]) for row in rows],
               "amount": [row[4] for row in rows], "currency": ["USD"] * len(rows)}
    equal(client.call("load.orders", {"producer": "cdnow", "seq": 1, "columns": columns})["new"], len(rows), "orders taken")


def check_fits(client):
    for model, (params, loglik, held) in MODELS.items():
        fit = client.call("clv.fit", {"model": model, "end": CAL, "holdout_end": HOLD, "name": model})
        equal((fit["name"], fit["model"], fit["unit"], fit["end"]), (model, model, "week", CAL), "what was fitted")
        equal((fit["customers"], fit["repeaters"], fit["converged"], fit["boundary"]), (2357, 946, True, None), "fit of " + model)
        near(fit["loglik"], loglik, 1e-3 / abs(loglik), "log-likelihood of " + model)
        for key, want in params.items():
            near(fit["params"][key], want, 1e-3 * abs(want), "%s of %s" % (key, model))
            check(0 < fit["se"][key] < fit["params"][key], "standard error of %s: %r", key, fit["se"])
        for key, want in SPEND[0].items():
            near(fit["spend"][key], want, 1e-3 * want, "spend " + key)
        near(fit["spend"]["loglik"], SPEND[1], 1e-3 / abs(SPEND[1]), "log-likelihood of spend")
        equal(fit["spend"]["customers"], 946, "customers of the spend fit")
        holdout = fit["holdout"]
        equal((holdout["customers"], holdout["actual"]), (2357, 1882), "hold-out of " + model)
        if held is not None:
            near(holdout["expected"], held[0], .06 / held[0], "expected in the hold-out, " + model)
            near(holdout["mae"], held[1], 6e-4, "mean error in the hold-out, " + model)
        equal(fit["in_use"], model == "nbd", "the first fit alone is in use")
        warned = any("bg_nbd" in text for text in fit.get("warnings", []))
        equal(warned, model == "bg_nbd", "warning of bg_nbd with " + model)
        print("%-8s %r LL %.4f, hold-out %.1f of %d" % (model, fit["params"], fit["loglik"], holdout["expected"], holdout["actual"]), flush=True)


def check_where(client):
    """A fit of some, and one as of a day, are those of a shop that has nobody else."""
    whole = client.call("clv.fit", {"end": CAL, "name": "some", "use": False})
    same = client.call("clv.fit", {"as_of": CAL, "name": "some", "where": "orders >= 1", "use": False})
    equal((same["params"], same["end"]), (whole["params"], CAL), "a filter that selects everybody")
    early = client.call("clv.fit", {"end": CAL, "name": "some", "where": "first_order < :d", "args": {"d": "1997-02-01"}, "use": False})
    late = client.call("clv.fit", {"end": CAL, "name": "some", "where": "NOT first_order < '1997-02-01'", "use": False})
    equal(early["customers"] + late["customers"], 2357, "two halves of everybody")
    equal(early["customers"], client.call("count", {"where": "first_order < '1997-02-01'", "as_of": CAL})["count"], "customers of a fit of some")
    check(early["params"] != late["params"], "halves differ")
    check(early["loglik"] + late["loglik"] >= whole["loglik"] - 1e-6, "two fits are no less likely than one")
    client.fails("clv.fit", {"where": "orders > 100000", "name": "some"}, "BAD_REQUEST", ["where", "nothing to fit"])
    client.fails("clv.fit", {"end": CAL, "as_of": CAL}, "BAD_REQUEST", ["end"])


def check_values(client):
    use = client.call("clv.use", {"name": "bg_nbd", "horizon": "12m", "discount_annual": MONTHLY, "margin": 1})
    equal((use["name"], use["horizon"]), ("bg_nbd", "12m"), "what is in use")
    for customer, minor in (("1", 3630), ("2", 464), ("3", 835)):
        got = client.call("clv.predict", {"customer": customer, "as_of": CAL})
        equal((got["clv_minor"], got["fit"], got["end"]), (minor, "bg_nbd", CAL), "value of customer " + customer)
        check("leak" not in got, "no leak: the fit ends on that day")
        card = client.call("customer", {"customer": customer, "as_of": CAL})["clv"]
        equal(card["clv_minor"], minor, "value on the card of customer " + customer)
        row = client.call("rows", {"fields": ["clv", "p_alive", "expected_orders"], "where": "customer = '%s'" % customer, "as_of": CAL})["rows"][0]
        equal(row[0], minor, "field clv of customer " + customer)
        near(row[1], got["p_alive"], 1e-9, "field p_alive")
        near(row[2], got["expected_orders"], 1e-9, "field expected_orders")
    for name in ("bg_nbd", "mbg_nbd"):
        client.call("clv.use", {"name": name, "horizon": "39w"})
        group = client.call("group", {"by": [], "metrics": ["sum(expected_orders)", "sum(p_alive)", "count"], "as_of": CAL})
        held = MODELS[name][2]
        near(group["rows"][0][0], held[0], .06 / held[0], "sum of expected_orders, " + name)
        near(group["rows"][0][1], held[2], .06 / held[2], "sum of p_alive, " + name)
        equal(group["rows"][0][2], 2357, "customers")
        equal(group["fit"], name, "the answer names the fit")
    client.call("clv.use", {"name": "bg_nbd", "horizon": "12m"})
    total = client.call("group", {"by": [], "metrics": ["sum(clv)"], "as_of": CAL})["rows"][0][0]
    near(total / 100, 71550, 5e-5, "value of everybody")


def check_fields(client):
    alive = client.call("count", {"where": "p_alive >= 0.5", "as_of": CAL})["count"]
    less = client.call("count", {"where": "p_alive < 0.5", "as_of": CAL})["count"]
    equal(alive + less, 2357, "every customer has a purchase")
    bins = client.call("group", {"by": ["bin(p_alive, [0.5])"], "metrics": ["count", "avg(clv)", "max(p_alive)"], "as_of": CAL})
    equal(sorted(row[1] for row in bins["rows"]), sorted((alive, less)), "bins of p_alive")
    early = client.call("count", {"where": "clv > 10", "as_of": "1997-03-31"})
    equal(early.get("leak"), True, "a fit from later leaks")
    top = client.call("clv.top", {"limit": 5, "as_of": CAL})
    values = [row[top["columns"].index("clv")] for row in top["rows"]]
    equal(values, sorted(values, reverse=True), "top customers in order")
    rows = client.call("rows", {"fields": ["customer"], "order_by": ["-clv"], "limit": 5, "as_of": CAL})["rows"]
    equal([row[0] for row in rows], [row[0] for row in top["rows"]], "top customers are the first by clv")
    near_one = client.call("clv.top", {"limit": 1, "as_of": CAL, "margin": 0.5})["rows"][0]
    check(abs(near_one[top["columns"].index("clv")] * 2 - values[0]) <= 1, "half the margin, half the value")
    equal(client.call("clv.top", {"limit": 1, "fit": "nbd", "as_of": CAL})["fit"], "nbd", "another fit can be asked")
    # In a batch questions share what they can, and no more.
    calls = [["clv.top", {"limit": 3, "as_of": CAL}], ["clv.top", {"limit": 3, "as_of": CAL, "fit": "nbd"}],
             ["count", {"where": "clv > 50", "as_of": CAL}], ["clv.top", {"limit": 3, "as_of": CAL, "horizon": "90d"}],
             ["count", {"where": "p_alive < 0.5", "as_of": CAL}], ["clv.predict", {"customer": "1", "as_of": CAL}]]
    for call, answer in zip(calls, client.call("batch", {"calls": calls + [["clv.fit", {}]]})["answers"]):
        alone = client.call(*call)
        equal({key: answer[key] for key in answer if key != "ms"}, {key: alone[key] for key in alone if key != "ms"}, "%r in a batch" % call)
    # Before the first purchase nobody has a value, and nothing is counted.
    equal(client.call("clv.top", {"limit": 5, "as_of": "1996-12-31"})["rows"], [], "top before the first purchase")


def check_dist(client, day, customers):
    dist = client.call("clv.dist", {"as_of": day, "bins": 12})
    equal(dist["customers"], customers, "customers with a value")
    equal(sum(bar["count"] for bar in dist["histogram"]), customers, "the bars hold everybody")
    equal(sum(bar["sum_minor"] for bar in dist["histogram"]), dist["total_minor"], "and all value")
    equal(sum(d["sum_minor"] for d in dist["deciles"]), dist["total_minor"], "so do the deciles")
    check(len(dist["histogram"]) <= 12, "%d bars", len(dist["histogram"]))
    near(sum(d["share"] for d in dist["deciles"]), 1, 1e-12, "shares of the deciles")
    group = client.call("group", {"by": [], "metrics": ["sum(clv)", "p50(clv)"], "as_of": day})["rows"][0]
    equal((group[0], group[1]), (dist["total_minor"], dist["median_minor"]), "total and median as group has them")
    lorenz = dist["lorenz"]
    equal((lorenz[0], lorenz[-1]), ([0, 0], [1, 1]), "ends of the Lorenz curve")
    check(all(a[1] <= b[1] + 1e-12 and b[1] <= b[0] + 1e-12 for a, b in zip(lorenz, lorenz[1:])), "the Lorenz curve rises below the diagonal")
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in zip(lorenz, lorenz[1:]))
    near(dist["gini"], 1 - 2 * area, 5e-3, "Gini and the area under the curve")
    edges = client.call("clv.dist", {"as_of": day, "bins": [0, 10, 100]})
    equal([(bar["from_minor"], bar["to_minor"]) for bar in edges["histogram"]], [(0, 1000), (1000, 10000), (10000, None)], "given edges")
    return dist


QUESTIONS = [
    ("clv.fits", {}),
    ("clv.top", {"limit": 200, "as_of": CAL}),
    ("clv.dist", {"as_of": CAL}),
    ("clv.predict", {"customer": "1516", "as_of": CAL}),
    ("group", {"by": ["bin(p_alive, [0.2, 0.8])"], "metrics": ["count", "sum(clv)", "sum(expected_orders)"], "as_of": CAL}),
]


def answers(client):
    found = []
    for method, params in QUESTIONS:
        answer = client.call(method, params)
        for key in ("ms", "epoch"):
            answer.pop(key)
        found.append(answer)
    return found


def check_restarts(server, client):
    # A later fit under the name in use changes nothing until it is taken.
    client.call("clv.fit", {"model": "mbg_nbd", "end": "1997-06-30", "name": "bg_nbd", "use": False})
    fits = client.call("clv.fits")
    equal([fit["in_use"] for fit in fits["fits"] if fit["name"] == "bg_nbd"], [False], "the new one of that name is not in use")
    equal((fits["use"]["model"], fits["use"]["end"]), ("bg_nbd", CAL), "the old one still is")
    before = answers(client)
    client.close()
    server.kill()
    client = server.start().client()
    equal(answers(client), before, "answers after kill -9")
    client.close()
    server.stop()
    client = server.start().client()
    equal(answers(client), before, "answers out of the snapshot")
    client.call("clv.use", {"name": "bg_nbd"})
    equal(client.call("clv.fits")["use"]["model"], "mbg_nbd", "now the later one is in use")
    check(client.call("verify")["ok"], "verify")
    return client


def check_mistakes(client):
    client.fails("clv.predict", {"customer": "1"}, "NO_FIT", ["clv.fit"])
    client.fails("count", {"where": "p_alive > 0.5"}, "NO_FIT", ["clv.fit"])
    client.fails("clv.top", {}, "NO_FIT")
    client.fails("clv.use", {"name": "default"}, "NO_FIT")
    client.fails("clv.fit", {}, "BAD_REQUEST", ["no customer has a purchase"])
    equal(client.call("clv.fits")["fits"], [], "no fit yet")
    load_cdnow(client)
    client.fails("clv.fit", {"model": "bgnbd"}, "BAD_REQUEST", ["bg_nbd"])
    client.fails("clv.fit", {"modell": "bg_nbd"}, "UNKNOWN_FIELD", ["model"])
    client.fails("clv.fit", {"unit": "month"}, "BAD_REQUEST", ["week"])
    client.fails("clv.fit", {"end": "1996-12-31"}, "BAD_REQUEST", ["1996-12-31", "nothing to fit"])
    client.fails("clv.fit", {"end": CAL, "holdout_end": CAL}, "BAD_REQUEST", ["after"])
    client.fails("clv.fit", {"holdout_end": "1997-12-31"}, "BAD_REQUEST", ["1998-06-30", "earlier"])
    client.fails("clv.fit", {"end": CAL, "deadline_ms": 1}, "DEADLINE")
    equal(client.call("clv.fits")["fits"], [], "a fit that was stopped is not kept")
    check_predictions(client)
    check_fits(client)
    client.fails("clv.use", {"name": "bgnbd"}, "NOT_FOUND", ["bg_nbd"])
    client.fails("clv.use", {}, "BAD_REQUEST", ["name"])
    client.fails("clv.use", {"name": "bg_nbd", "margin": 30}, "BAD_REQUEST", ["0.3"])
    client.fails("clv.use", {"name": "bg_nbd", "discount_annual": 10}, "BAD_REQUEST", ["0.1"])
    for horizon in ("all", "soon", "0d", "-5d", "200y", 365):
        client.fails("clv.predict", {"customer": "1", "horizon": horizon}, "BAD_REQUEST", ["365d"])
    client.fails("clv.predict", {}, "BAD_REQUEST", ["customer"])
    client.fails("clv.predict", {"customer": "0", "as_of": CAL}, "NOT_FOUND", ["0"])
    client.fails("clv.predict", {"x": 1, "T": 3}, "BAD_REQUEST", ["t_x"])
    client.fails("clv.predict", {"x": 1, "t_x": 5, "T": 3}, "BAD_REQUEST", ["t_x"])
    client.fails("clv.predict", {"x": 0, "t_x": 1, "T": 3}, "BAD_REQUEST", ["t_x"])
    client.fails("clv.predict", {"x": 1.5, "t_x": 1, "T": 3}, "BAD_REQUEST", ["whole"])
    client.fails("clv.predict", {"x": 1, "t_x": 1, "T": 3, "model": "nbd", "params": {"r": 1, "alfa": 2}}, "BAD_REQUEST", ["alfa", "alpha"])
    client.fails("clv.predict", {"x": 1, "t_x": 1, "T": 3, "model": "nbd", "params": {"r": 1}}, "BAD_REQUEST", ["alpha", "missing"])
    client.fails("clv.predict", {"x": 1, "t_x": 1, "T": 3, "model": "nbd", "params": {"r": 1, "alpha": -2}}, "BAD_REQUEST", ["above zero"])
    client.fails("clv.predict", {"customer": "1", "fit": "nope"}, "NOT_FOUND", ["nope"])
    client.fails("clv.dist", {"bins": 0}, "BAD_REQUEST", ["bars"])
    client.fails("clv.dist", {"bins": [5, 1]}, "BAD_REQUEST", ["rise"])
    client.fails("count", {"where": "p_alife > 0.5"}, "UNKNOWN_FIELD", ["p_alive"])


# ---- the real shop ------------------------------------------------------------------------------------------------------


def history(orders, end, after=None):
    """(x, days from first to last, days from first to end) of the days of `orders`."""
    days = sorted({day for day, _ in orders if day <= end and (after is None or day > after)})
    return days


def check_real_shop():
    server = Server(timezone="Europe/London", currency="GBP").start()
    client = server.client()
    shop.load(server)
    facts = Shop(shop.data())
    end, hold = datetime.date(2010, 9, 9), datetime.date(2010, 12, 9)
    fit = patron_json(server, "clv", "fit", "--end", str(end), "--holdout-end", str(hold))
    days = {customer: history(orders, end) for customer, (orders, _) in facts.customers.items()}
    days = {customer: found for customer, found in days.items() if found}
    later = sum(len(history(facts.customers[customer][0], hold, end)) for customer in days)
    equal((fit["customers"], fit["repeaters"]), (len(days), sum(len(found) > 1 for found in days.values())), "customers of the real shop")
    equal((fit["model"], fit["in_use"], fit["holdout"]["actual"]), ("mbg_nbd", True, later), "fit of the real shop")
    check(fit["loglik"] >= fit["nbd_loglik"], "never below the plain NBD")
    check(fit["converged"], "converged")
    for customer in sorted(days)[:40]:
        got = client.call("clv.predict", {"customer": customer, "as_of": str(end)})
        first, last = days[customer][0], days[customer][-1]
        equal((got["x"], round(got["t_x"] * 7), round(got["T"] * 7)), (len(days[customer]) - 1, (last - first).days, (end - first).days), customer)
    check_dist(client, str(hold), client.call("count", {"as_of": str(hold), "where": "orders >= 1"})["count"])
    print("real shop: %r, hold-out %d actual, %.0f expected, mean error %.3f" % (
        fit["params"], later, fit["holdout"]["expected"], fit["holdout"]["mae"]), flush=True)
    for words in (("fit", "--end", str(end), "--holdout-end", str(hold), "--model", "bg_nbd", "--name", "bg"), ("fits",),
                  ("use", "default", "--horizon", "2y"), ("predict", "13085", "--as-of", "latest"),
                  ("top", "--as-of", "latest", "--limit", "10"), ("dist", "--as-of", "latest", "--bins", "12")):
        _, out, err = patron(server, "clv", *words)
        print("$ patron clv %s\n%s%s" % (" ".join(words), out, err), flush=True)
        patron(server, "--format", "csv", "clv", *words)
    patron(server, "clv", "fitt", expect=2)
    patron(server, "clv", "use", "nothing", expect=1)
    client.close()
    server.stop()


def run():
    program("PATRON")
    shared("data", "cdnow_sample", "CDNOW_sample.txt")
    server = Server(timezone="UTC", currency="USD").start()
    client = server.client()
    check_mistakes(client)
    check_where(client)
    check_values(client)
    check_fields(client)
    check_dist(client, CAL, 2357)
    client = check_restarts(server, client)
    client.close()
    server.stop()
    print("CDNOW: published numbers, fields, restarts", flush=True)
    check_real_shop()


if __name__ == "__main__":
    main(run)
