#!/usr/bin/env python3
"""`patron generate`: the same shop every time, a shop that adds up, a shop that follows its models, and one that a server
answers about in the same way whether it was streamed or loaded from files.

What is expected of the models is worked out here by numerical integration, from the parameters alone.
"""

import collections
import csv
import datetime
import hashlib
import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import msgpack

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import (Server, Skip, WAIT_SECONDS, by_size, check, equal, main, patron, patron_json, program, size, temp_dir)  # noqa: E402

ALL = ("fx", "customers", "orders", "refunds", "lines")
DIGITS = collections.defaultdict(lambda: 2, JPY=0, KRW=0, KWD=3)


def generate(*arguments, expect=0):
    done = subprocess.run([program("PATRON"), "--format", "json", "generate", *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_SECONDS * 3)
    out, err = done.stdout.decode(), done.stderr.decode()
    equal(done.returncode, expect, "exit status of generate %s; it said %r" % (" ".join(arguments), err))
    if expect != 0:
        equal(out, "", "output of a command that failed")
        return err
    return json.loads(out) if out.startswith("{") else out


def shop(folder, *arguments, tables=ALL):
    """Generates into a folder of its own; gives (folder, summary)."""
    shop.number += 1
    path = os.path.join(folder, "shop%d" % shop.number)
    return path, generate("--out", path, "--tables", ",".join(tables), *arguments)


shop.number = 0


def digests(path):
    return {name: hashlib.sha256(open(os.path.join(path, name), "rb").read()).hexdigest() for name in sorted(os.listdir(path))}


def rows(path, table):
    with open(os.path.join(path, table + ".csv"), newline="") as file:
        return list(csv.DictReader(file))


def minor(text, currency):
    whole, _, fraction = text.partition(".")
    check(len(fraction) == DIGITS[currency], "%s %s has the wrong number of digits", text, currency)
    return int(whole + fraction)


def day_of(text):
    return datetime.date.fromisoformat(text[:10])


def instant(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


# ---- the command line ----------------------------------------------------------------------------------------------


def mistakes(folder):
    for arguments, names in [
        (["--customers", "10"], "--connect"), (["--out", folder, "--discard"], "say where"), (["--out", "-"], "one table"),
        (["--discard", "--customers", "0"], "--customers"), (["--discard", "--tables", "orders,lnes"], "lnes"),
        (["--discard", "--refunds", "7"], "--refunds"), (["--discard", "--start", "2022-02-30"], "--start"),
        (["--discard", "--start", "2022-02-01", "--end", "2022-01-31"], "--end"), (["--discard", "--base", "XYZ"], "--base"),
        (["--discard", "--orders", "10", "--rate-scale", "3"], "one of them"), (["--discard", "--model", "pareto"], "--model"),
        (["--discard", "--order", "size"], "--order"), (["--discard", "--threads", "0"], "--threads"),
        (["--discard", "--batch-rows", "60000"], "--batch-rows"), (["--discard", "--spend-q", "1"], "--spend-q"),
    ]:
        err = generate(*arguments, expect=2)
        check(names in err, "generate %s does not name %r: %r", " ".join(arguments), names, err)
    err = generate("--discard", "--customers", "100", "--orders", "3", expect=1)
    check(err.startswith("BAD_REQUEST: ") and "at the least" in err, "too few orders: %r", err)
    err = generate("--out", os.path.join(folder, "no", "such"), expect=1)
    check(err.startswith("INTERNAL: ") or err.startswith("IO: "), "a folder in nowhere: %r", err)
    # /dev/full takes nothing: the first buffer that is written says so.
    done = subprocess.run([program("PATRON"), "generate", "--customers", "2000", "--tables", "orders", "--out", "-"],
                          stdout=open("/dev/full", "wb"), stderr=subprocess.PIPE, timeout=WAIT_SECONDS)
    equal((done.returncode, done.stderr[:9]), (1, b"NO_SPACE:"), "a full disk")


def dry_run(folder):
    asked = ["--customers", "3000", "--orders", "20000", "--corrections", "3%", "--seed", "9"]
    told = generate("--dry-run", "--tables", ",".join(ALL), *asked)
    equal((told["parameters"]["seed"], told["parameters"]["corrections"], told["expected"]["exact"]), (9, 0.03, True), "dry run")
    path, made = shop(folder, *asked)
    counts = {table["table"]: table["rows"] for table in made["tables"]}
    equal(counts["orders"], told["expected"]["orders"] + told["expected"]["corrected"], "orders told and made")
    equal((counts["refunds"], counts["lines"]), (told["expected"]["refunds"], told["expected"]["lines"]), "refunds and lines")
    check(abs(told["expected"]["orders"] / 20000 - 1) < 0.06, "--orders 20000 made %d", told["expected"]["orders"])
    for table in ALL:
        equal(len(rows(path, table)), counts[table], "rows of %s.csv" % table)
    many = generate("--dry-run", "--customers", "10000000", "--orders", "100000000")
    check(not many["expected"]["exact"], "ten million customers are not all looked at")
    check(abs(many["expected"]["orders"] / 1e8 - 1) < 0.05, "100 M orders: %d", many["expected"]["orders"])


# ---- the same every time -------------------------------------------------------------------------------------------


def deterministic(folder):
    asked = ["--customers", "4000", "--corrections", "5%", "--text-ids", "10%", "--seed", "77", "--batch-rows", "1000"]
    first, _ = shop(folder, *asked, "--threads", "1")
    for threads in ("1", "2", "5"):
        again, _ = shop(folder, *asked, "--threads", threads)
        equal(digests(again), digests(first), "a second time, on %s threads" % threads)
    other, _ = shop(folder, *asked[:-3], "78", *asked[-2:])
    for name, digest in digests(other).items():
        check(digest != digests(first)[name], "another seed gives the same %s", name)
    clustered, _ = shop(folder, *asked, "--order", "customer", "--threads", "3")
    for table in ALL:
        lines = [sorted(open(os.path.join(path, table + ".csv")).readlines()) for path in (first, clustered)]
        check(lines[0] == lines[1], "%s has other rows by customer than by time", table)
    owners = [row["customer"] for row in rows(clustered, "orders")]
    equal(len(set(owners)), 1 + sum(a != b for a, b in zip(owners, owners[1:])), "by customer: each stands in one place")
    # A table alone is the table beside others.
    alone = generate("--out", "-", "--tables", "orders", *asked)
    check(alone == open(os.path.join(first, "orders.csv")).read(), "--out - gives other orders")
    # Nothing hangs on the size of batches.
    small, _ = shop(folder, *asked[:-1], "37")
    check(digests(small)["orders.csv"] == digests(first)["orders.csv"], "another --batch-rows gives other orders")


def many_buckets():
    """A log too long for one piece is in order all the same, on any number of threads."""
    found = set()
    for threads in ("1", "3"):
        text = generate("--customers", "120000", "--tables", "orders", "--out", "-", "--threads", threads)
        times = [line.split(",", 3)[2] for line in text.splitlines()[1:]]
        check(len(times) > 1100000 and times == sorted(times), "%d orders in order of time", len(times))
        found.add(hashlib.sha256(text.encode()).hexdigest())
    equal(len(found), 1, "digests on one and three threads")


def bytes_are_kept(folder):
    """A change of what a seed means must be meant: servers know batches by it (MAKING_VERSION)."""
    path, _ = shop(folder, "--customers", "300", "--corrections", "10%", "--text-ids", "20%", "--seed", "5")
    text = b"".join(open(os.path.join(path, table + ".csv"), "rb").read() for table in ALL)
    equal(hashlib.sha256(text).hexdigest(), KEPT, "digest of a small shop")


KEPT = "e0e43b348dc149bdcaa03dc2c85baf756869d17f25cad9062315178331daa9b9"


# ---- it adds up ----------------------------------------------------------------------------------------------------


def money_and_dates(folder):
    path, _ = shop(folder, "--customers", "6000", "--seed", "3")
    start, end = datetime.date(2022, 1, 1), datetime.date(2024, 12, 31)
    customers = {row["customer"]: row for row in rows(path, "customers")}
    equal(len(customers), 6000, "customers")
    equal(len({row["country"] for row in customers.values()}), 40, "countries")
    equal(len({row["currency"] for row in customers.values()}), 12, "currencies")
    created = [row["created"] for row in customers.values()]
    check(created[0] < "2022-02" and created[-1] > "2024-11", "they come over the whole time")
    for column in ("region", "language", "gender", "birth_year", "acq_channel", "credit", "entity", "consent", "tags"):
        check(len({row[column] for row in customers.values()}) >= 2, "all customers have the same %s", column)

    orders, last, firsts = {}, "", {}
    for row in rows(path, "orders"):
        check(row["order"] not in orders, "order %s twice", row["order"])
        check(row["time"] >= last, "order %s is out of time", row["order"])
        last = row["time"]
        check(start <= day_of(row["time"]) <= end, "order %s at %s", row["order"], row["time"])
        owner = customers[row["customer"]]
        equal(row["currency"], owner["currency"], "currency of order %s" % row["order"])
        row["minor"] = minor(row["amount"], row["currency"])
        for field in ("discount", "shipping", "tax", "cost"):
            check(row[field] == "" or minor(row[field], row["currency"]) >= 0, "%s of %s", field, row["order"])
        check(row["minor"] > 0 and (row["discount"] == "") == (row["promotion"] == ""), "order %r", row)
        check(row["paid"] == "" or row["paid"] > row["time"], "order %s paid before it was made", row["order"])
        check(row["cancelled"] == "" or row["cancelled"] >= row["time"][:10], "order %s cancelled before", row["order"])
        firsts.setdefault(row["customer"], row["time"])
        orders[row["order"]] = row
    # A day's difference is the buyer's zone.
    for customer, first in firsts.items():
        lag = day_of(first) - day_of(customers[customer]["created"])
        check(-1 <= lag.days <= 31, "customer %s came %s and first bought %s", customer, customers[customer]["created"], first)

    back, last, ids = collections.Counter(), "", set()
    for row in rows(path, "refunds"):
        order = orders[row["order"]]
        check(row["refund"] not in ids and row["time"] >= last, "refund %s: twice, or out of time", row["refund"])
        ids.add(row["refund"])
        last = row["time"]
        equal((row["currency"], order["cancelled"]), (order["currency"], ""), "the order of refund %s" % row["refund"])
        check(instant(row["time"]) > instant(order["time"]) and day_of(row["time"]) <= end, "refund %s is not after its order", row["refund"])
        check(minor(row["amount"], row["currency"]) > 0, "refund %s", row["refund"])
        back[row["order"]] += minor(row["amount"], row["currency"])
    for order, amount in back.items():
        check(amount <= orders[order]["minor"], "refunds of order %s: %d of %d", order, amount, orders[order]["minor"])
    check(any(back[o] == orders[o]["minor"] for o in back) and any(back[o] < orders[o]["minor"] for o in back), "full and partial ones")

    sums, numbers = collections.Counter(), collections.Counter()
    for row in rows(path, "lines"):
        numbers[row["order"]] += 1
        equal(int(row["line"]), numbers[row["order"]], "number of a line of order %s" % row["order"])
        check(int(row["quantity"]) >= 1 and minor(row["price"], row["currency"]) >= 1, "line %r", row)
        sums[row["order"]] += int(row["quantity"]) * minor(row["price"], row["currency"])
    equal(dict(sums), {order: row["minor"] for order, row in orders.items()}, "sums of lines")
    rates(path, start, end)


def rates(path, start, end):
    table = rows(path, "fx")
    by_currency = collections.defaultdict(dict)
    for row in table:
        by_currency[row["currency"]][row["day"]] = float(row["rate"])
    days = (end - start).days + 1
    equal((len(table), len(by_currency), "USD" in by_currency), (days * 11, 11, False), "rates")
    for currency, of in by_currency.items():
        equal(len(of), days, "days of %s" % currency)
        steps = [abs(of[b] / of[a] - 1) for a, b in zip(sorted(of), sorted(of)[1:])]
        check(0 < max(steps) < 0.1 and sum(s > 0 for s in steps) > days * 0.5, "%s does not move, or jumps: %g", currency, max(steps))


def base_and_few(folder):
    path, _ = shop(folder, "--customers", "300", "--currencies", "3", "--base", "JPY", "--countries", "5")
    equal({row["currency"] for row in rows(path, "orders")}, {"JPY", "USD", "EUR"}, "three currencies around the yen")
    equal({row["currency"] for row in rows(path, "fx")}, {"USD", "EUR"}, "and their rates")
    check(all(100 < float(row["rate"]) < 200 for row in rows(path, "fx")), "yen for one of them")
    path, _ = shop(folder, "--customers", "50", "--currencies", "1")
    equal({row["currency"] for row in rows(path, "orders")}, {"USD"}, "one currency")
    equal(rows(path, "fx"), [], "has no rates")
    path, _ = shop(folder, "--customers", "2000", "--start", "2024-02-29", "--end", "2024-02-29", "--prospects", "0")
    equal({day_of(row["time"]) for row in rows(path, "orders")}, {datetime.date(2024, 2, 29)}, "a shop of one day")


# ---- it follows its models -----------------------------------------------------------------------------------------


def beta_nodes(a, b, n=2000):
    """Midpoints of equal slices of a beta, by integrating its density in v, p = v^(1/a)."""
    norm, nodes = 0.0, []
    for i in range(n):
        v = (i + 0.5) / n
        p = v ** (1 / a)
        weight = (1 - p) ** (b - 1)
        nodes.append((p, weight))
        norm += weight
    return [(p, weight / norm) for p, weight in nodes]


def expected_repeats(r, alpha, nodes, t):
    return sum(w * (1 - (alpha / (alpha + p * t)) ** r) / p for p, w in nodes)


def follows_bg_nbd(folder):
    r, alpha, a, b, count = 0.6, 5.0, 0.9, 3.0, by_size(None, 20000, 60000)
    path, _ = shop(folder, "--pure", "--customers", str(count), "--currencies", "1", "--rate-shape", str(r), "--rate-scale", str(alpha),
                   "--dropout-a", str(a), "--dropout-b", str(b), "--growth", "0", "--seed", "11", tables=("customers", "orders", "refunds"))
    end = datetime.date(2024, 12, 31)
    days, spent = collections.defaultdict(list), collections.defaultdict(list)
    for row in rows(path, "orders"):
        days[row["customer"]].append(day_of(row["time"]))
        spent[row["customer"]].append(float(row["amount"]))
        equal((row["cancelled"], row["test"], row["paid"], row["promotion"]), ("", "", "", ""), "nothing that the models do not know")
    equal((len(days), rows(path, "refunds")), (count, []), "everybody buys, nothing goes back")
    check(all(len(set(of)) == len(of) for of in days.values()), "one purchase a day at the most")
    nodes = beta_nodes(a, b)
    cache = {}
    for of in days.values():
        weeks = (end - of[0]).days / 7
        if weeks not in cache:
            cache[weeks] = ((alpha + weeks) / alpha) ** -r, expected_repeats(r, alpha, nodes, weeks)
    none = sum(cache[(end - of[0]).days / 7][0] for of in days.values())
    mean = sum(cache[(end - of[0]).days / 7][1] for of in days.values())
    once = sum(len(of) == 1 for of in days.values())
    repeats = sum(len(of) - 1 for of in days.values())
    spread = math.sqrt(sum((len(of) - 1) ** 2 for of in days.values()))
    check(abs(once - none) < 5 * math.sqrt(none), "bought once: %d, expected %.0f", once, none)
    check(abs(repeats - mean) < 5 * spread, "repeat purchases: %d, expected %.0f", repeats, mean)
    # Gamma-gamma with p = q = 4, gamma = 40: means of 53.33; the variance of a customer's mean is P G^2 (..) below 2.2 of its square.
    first = [of[0] for of in spent.values()]
    average = sum(first) / len(first)
    deviation = math.sqrt(sum((x - average) ** 2 for x in first) / len(first) / len(first))
    check(abs(average - 160 / 3) < 6 * deviation, "mean spend %.2f, expected 53.33 within %.2f", average, 6 * deviation)
    # Log-spend of two purchases of a customer goes together: trigamma(q) / (trigamma(p) + trigamma(q)) = 1/2.
    pairs = [(math.log(of[0]), math.log(of[1])) for of in spent.values() if len(of) > 1]
    mx, my = (sum(p[i] for p in pairs) / len(pairs) for i in (0, 1))
    sxy = sum((x - mx) * (y - my) for x, y in pairs)
    r2 = sxy / math.sqrt(sum((x - mx) ** 2 for x, _ in pairs) * sum((y - my) ** 2 for _, y in pairs))
    check(abs(r2 - 0.5) < 5 / math.sqrt(len(pairs)), "correlation of log spend %.3f, expected 0.5", r2)


def bg_nbd_likelihood(patterns, logs):
    """Fader, Hardie, Lee 2005, of (x, t_x, T) -> customers; parameters by their logarithms."""
    r, alpha, a, b = (math.exp(value) for value in logs)
    lg, total, by_x = math.lgamma, 0.0, {}
    for (x, t, T), customers in patterns:
        if x not in by_x:
            head = lg(r + x) - lg(r) + r * math.log(alpha) - lg(a) - lg(b) + lg(a + b) - lg(a + b + x)
            by_x[x] = head, lg(a) + lg(b + x), lg(a + 1) + lg(b + x - 1) if x > 0 else 0.0
        head, alive, gone = by_x[x]
        value = alive - (r + x) * math.log(alpha + T)
        if x > 0:
            other = gone - (r + x) * math.log(alpha + t)
            most = max(value, other)
            value = most + math.log(math.exp(value - most) + math.exp(other - most))
        total += customers * (head + value)
    return total


def solved(matrix, right):
    lines = [row[:] + [value] for row, value in zip(matrix, right)]
    for i in range(len(lines)):
        for j in range(len(lines)):
            if j != i:
                factor = lines[j][i] / lines[i][i]
                lines[j] = [x - factor * y for x, y in zip(lines[j], lines[i])]
    return [row[-1] / row[i] for i, row in enumerate(lines)]


def fits_find_its_parameters(folder):
    """At the true parameters the likelihood's slope is noise: score test, chi square of four degrees."""
    truth = [0.5, 5.0, 0.8, 2.4]
    path, _ = shop(folder, "--pure", "--customers", str(by_size(None, 20000, 100000)), "--currencies", "1", "--rate-shape", "0.5", "--rate-scale", "5",
                   "--dropout-a", "0.8", "--dropout-b", "2.4", "--growth", "0", "--seed", "1", tables=("orders",))
    days, end = collections.defaultdict(set), datetime.date(2024, 12, 31)
    for row in rows(path, "orders"):
        days[row["customer"]].add(row["time"][:10])
    patterns = collections.Counter()
    for of in days.values():
        first, last = day_of(min(of)), day_of(max(of))
        patterns[len(of) - 1, (last - first).days / 7, (end - first).days / 7] += 1
    patterns, step, known = list(patterns.items()), 1e-3, {}

    def at(i=None, j=None, by=1):
        if (i, j, by) not in known:
            logs = [math.log(value) for value in truth]
            for place in (i, j):
                if place is not None:
                    logs[place] += by * step
            known[i, j, by] = bg_nbd_likelihood(patterns, logs)
        return known[i, j, by]

    slope = [(at(i) - at(i, by=-1)) / (2 * step) for i in range(4)]
    curve = [[-(at(i) - 2 * at() + at(i, by=-1)) / step ** 2 if i == j else
              -(at(min(i, j), max(i, j)) - at(i) - at(j) + at()) / step ** 2 for j in range(4)] for i in range(4)]
    score = sum(x * y for x, y in zip(slope, solved(curve, slope)))
    check(0 < score < 23.5, "score test of the true parameters: %.2f, above 23.5 once in 10,000 times", score)


def other_models(folder):
    """Nobody leaves in nbd; of mbg_nbd some leave after the first purchase."""
    once = {}
    for model in ("bg_nbd", "mbg_nbd", "nbd"):
        path, _ = shop(folder, "--pure", "--model", model, "--customers", "5000", "--rate-scale", "2", "--seed", "4",
                       "--dropout-a", "1", "--dropout-b", "1", "--end", "2023-12-31", tables=("orders",))
        counts = collections.Counter(row["customer"] for row in rows(path, "orders"))
        once[model] = sum(n == 1 for n in counts.values()), sum(counts.values())
    equal(once["bg_nbd"][0], once["nbd"][0], "who never comes back: dropout is not before the second purchase")
    stay = 5000 - once["bg_nbd"][0]
    left = once["mbg_nbd"][0] - once["bg_nbd"][0]
    check(abs(left - stay / 2) < 5 * math.sqrt(stay / 4), "of %d who would return %d left at once, expected half", stay, left)
    check(once["nbd"][1] > 5 * once["bg_nbd"][1], "orders without dropout: %r", once)


def shares_and_seasons(folder):
    path, _ = shop(folder, "--customers", "12000", "--seed", "8", "--prospects", "10%", "--late-payments", "20%",
                   "--cancellations", "4%", "--refunds", "8%", "--tests", "1%")
    orders, customers = rows(path, "orders"), rows(path, "customers")
    n = len(orders)

    def near(count, of, share, what):
        check(abs(count - of * share) < 6 * math.sqrt(of * share * (1 - share)), "%s: %d of %d, expected %g", what, count, of, share)

    near(len(customers) - len({row["customer"] for row in orders}), len(customers), 0.1, "prospects")
    near(sum(row["cancelled"] != "" for row in orders), n, 0.04, "cancelled")
    near(sum(row["test"] != "" for row in orders), n, 0.01, "tests")
    near(sum(row["paid"] != "" for row in orders), n, 0.2, "paid later")
    early = [row for row in orders if row["time"] < "2024-11-15" and row["cancelled"] == ""]
    known = {row["order"] for row in early}
    near(len({row["order"] for row in rows(path, "refunds")} & known), len(early), 0.08, "refunded")
    country = {row["customer"]: row["country"] for row in customers}
    near(sum(row["country"] == country[row["customer"]] for row in orders), n, 1 - 1 / 32 * 0.957, "at home")

    by_day = {side: collections.Counter() for side in ("CN", "US")}
    for row in orders:
        home = country[row["customer"]]
        if home in by_day:
            zone = datetime.timedelta(hours=8 if home == "CN" else -6)
            by_day[home][(instant(row["time"]) + zone).date()] += 1
    year = {side: sum(n for day, n in of.items() if day.year == 2024) / 366 for side, of in by_day.items()}
    check(by_day["CN"][datetime.date(2024, 11, 11)] > 4 * year["CN"], "Double 11 in China")
    check(by_day["US"][datetime.date(2024, 11, 29)] > 3 * year["US"], "Black Friday in America")
    check(by_day["CN"][datetime.date(2024, 11, 29)] < 3 * year["CN"], "and not in China")
    equal({row["promotion"] for row in orders if row["time"][5:10] == "11-11"} >= {"double-11"}, True, "its promotion")
    flat, _ = shop(folder, "--customers", "12000", "--seed", "8", "--seasonality", "0", "--growth", "0", tables=("orders",))
    months = collections.Counter(row["time"][:7] for row in rows(flat, "orders") if row["time"] > "2024")
    check(max(months.values()) < 1.4 * min(months.values()), "without seasons months are alike: %r", months)


def corrections_end_right(folder):
    """A shop with corrections is in the end the shop without them."""
    asked = ["--customers", "5000", "--seed", "21"]
    right, _ = shop(folder, *asked)
    path, _ = shop(folder, *asked, "--corrections", "10%")
    for table, key in (("customers", "customer"), ("orders", "order")):
        final, seen, stale = {}, 0, 0
        sent = rows(path, table)
        for row in sent:
            version = int(row.pop("version"))
            seen += version == 1
            old = final.get(row[key])
            stale += old is not None and old[0] > version
            if old is None or old[0] <= version:
                final[row[key]] = version, row
        want = {row[key]: row for row in rows(right, table)}
        equal({k: row for k, (_, row) in final.items()} == want, True, "%s after their corrections" % table)
        share = seen / len(want)
        check(0.08 < share < 0.12, "corrected %s: %.3f", table, share)
        check(table == "customers" or 0 < stale < seen / 2, "%d of %d wrong ones come after the right ones", stale, seen)
    times = [row["time"] for row in rows(path, "orders")]
    check(times != sorted(times), "none comes late")
    for table in ("lines", "refunds", "fx"):
        same = [sorted(open(os.path.join(of, table + ".csv")).readlines()) for of in (right, path)]
        check(same[0] == same[1], "%s do not depend on corrections", table)


EXTRAS = ("--attributes", "--duties", "--rate-corrections", "20%")
DAYS = ("day", "created", "cancelled", "attr.last_visit", "attr.promised", "attr.best_before")
FLAGS = ("attr.newsletter", "attr.gift", "attr.engraved")


def extras_change_nothing_else(folder):
    asked = ["--customers", "4000", "--seed", "17", "--corrections", "3%"]
    plain, _ = shop(folder, *asked)
    path, _ = shop(folder, *asked, *EXTRAS)
    for table in ALL:
        before, after = rows(plain, table), rows(path, table)
        if table == "fx":
            continue
        equal([{key: row[key] for key in old} for old, row in zip(before, after, strict=True)] == before, True, "%s with and without" % table)
        added = [key for key in after[0] if key not in before[0] and key.startswith("attr.")]
        equal(len(added), 0 if table == "refunds" else 7, "attributes of %s" % table)
        for name in added:
            unset = sum(row[name] == "" for row in after) / len(after)
            check(0.02 < unset < 0.6, "%s %s: %.3f are unset", table, name, unset)
            check(len({row[name] for row in after}) > 2, "%s %s says the same of all", table, name)
    country = {row["order"]: row["country"] for row in rows(path, "orders")}
    duty = {row["order"]: row["duty"] for row in rows(path, "orders") if row["duty"]}
    check(duty and not any(country[order] in ("US", "TR", "SG") for order in duty), "duty within the base currency: %r", duty)
    final, right, seen = {}, {(row["day"], row["currency"]): row["rate"] for row in rows(plain, "fx")}, []
    for row in rows(path, "fx"):
        key, version = (row["day"], row["currency"]), int(row["version"])
        seen.append((key, version))
        if version >= final.get(key, (0, ""))[0]:
            final[key] = version, row["rate"]
    equal({key: rate for key, (_, rate) in final.items()} == right, True, "rates after their corrections")
    wrong, first = sum(version == 1 for _, version in seen), {}
    for place, (key, version) in enumerate(seen):
        first.setdefault(key, (place, version))
    check(0.17 < wrong / len(right) < 0.23, "wrong rates: %d of %d", wrong, len(right))
    late = sum(version == 2 and place >= len(right) * 0.85 and key[0] < "2024" for key, (place, version) in first.items())
    check(0.05 < late / len(right) < 0.12, "late rates: %d of %d", late, len(right))
    equal(generate("--dry-run", *asked)["parameters"].keys() & {"attributes", "duties", "rate_corrections"}, set(), "not told, not asked for")


def text_ids(folder):
    path, _ = shop(folder, "--customers", "3000", "--text-ids", "25%", "--seed", "2")
    ids = [row["customer"] for row in rows(path, "customers")]
    share = sum(not i.isdigit() for i in ids) / len(ids)
    check(0.2 < share < 0.3, "text ids: %.3f", share)
    for row in rows(path, "orders"):
        equal(row["order"].isdigit(), row["customer"].isdigit(), "ids of order %s" % row["order"])
    equal({row["customer"] for row in rows(path, "orders")} <= set(ids), True, "orders name customers")
    equal({row["order"] for row in rows(path, "refunds")} <= {row["order"] for row in rows(path, "orders")}, True, "refunds name orders")


# ---- what is sent --------------------------------------------------------------------------------------------------


class Recorder:
    """A server that takes everything and remembers it; the first batch meets a full queue."""

    def __init__(self):
        self.batches, self.busy, self.added = [], 1, []
        self.most, self.socket = 0, socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    def address(self):
        return "127.0.0.1:%d" % self.socket.getsockname()[1]

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        unpacker = msgpack.Unpacker(raw=False, max_buffer_size=1 << 30)
        with peer:
            while True:
                data = peer.recv(1 << 20)
                if not data:
                    return
                unpacker.feed(data)
                asked = list(unpacker)
                self.most = max(self.most, len(asked))
                for _, msgid, method, params in asked:
                    error, result = self.reply(method, params[0] if params else {})
                    peer.sendall(msgpack.packb([1, msgid, error, result], use_bin_type=True))

    def reply(self, method, params):
        if method == "hello":
            return None, {"server": "recorder", "version": "0"}
        if method == "schema.add":
            self.added.append((params["table"], params["name"], params["type"]))
            return None, {}
        if self.busy > 0:
            self.busy -= 1
            return {"code": "BUSY", "message": "later", "retryable": True}, None
        columns = {name: column_values(name, column) for name, column in params["columns"].items()}
        equal(len({len(values) for values in columns.values()}), 1, "columns of different length")
        count = len(next(iter(columns.values())))
        self.batches.append((method[5:], params["producer"], params["seq"], columns, count))
        return None, {"lsn": len(self.batches), "rows": count, "new": count, "updated": 0, "duplicate": 0, "stale": 0, "rejected": 0,
                      "errors": [], "reasons": [], "orders": 0, "refunds": 0, "sync": "always"}


def column_values(name, column):
    if isinstance(column, list):
        return column
    if isinstance(column, bytes):
        width, letter = (4, "i") if name in DAYS else (8, "q")
        return list(struct.unpack("<%d%s" % (len(column) // width, letter), column))
    if "dict" in column:
        width, letter = (1, "B") if len(column["dict"]) <= 256 else (2, "H")
        return [column["dict"][code] for code in struct.unpack("<%d%s" % (len(column["codes"]) // width, letter), column["codes"])]
    values = column_values(name, column["bin"])
    return [None if column["nulls"][i // 8] >> (i % 8) & 1 else value for i, value in enumerate(values)]


def as_csv(name, value, currency):
    if value is None:
        return ""
    if name in ("time", "paid"):
        return (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=value)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if name in FLAGS:
        return "true" if value else "false"
    if name in DAYS:
        return str(datetime.date(1970, 1, 1) + datetime.timedelta(days=value))
    if name.endswith("_minor"):
        digits = DIGITS["USD" if name == "attr.credit_limit_minor" else currency]
        text = str(value).rjust(digits + 1, "0")
        return text if digits == 0 else text[:-digits] + "." + text[-digits:]
    if name == "price":
        return "%.*f" % (DIGITS[currency], value)
    return str(value)


def what_is_sent(folder):
    asked = [*EXTRAS, "--customers", "2500", "--corrections", "4%", "--text-ids", "15%", "--batch-rows", "2000", "--seed", "6"]
    path, _ = shop(folder, *asked)
    server = Recorder()
    done = patron_json(server, "generate", "--tables", ",".join(ALL), *asked)
    equal([seq for _, _, seq, _, _ in sorted(server.batches, key=lambda b: b[2])], list(range(1, done["batches"] + 1)), "seqs")
    equal({producer for _, producer, _, _, _ in server.batches}, {done["producer"]}, "producer")
    check(done["producer"].startswith("generate-"), "producer %s", done["producer"])
    for table in ALL:
        sent = []
        for name, _, _, columns, count in sorted(server.batches, key=lambda b: b[2]):
            if name != table:
                continue
            check(count <= 65536, "a batch of %d rows", count)
            for i in range(count):
                row = {field: values[i] for field, values in columns.items()}
                currency = row.get("currency")
                sent.append({field.replace("_minor", ""): as_csv(field, value, currency) for field, value in row.items()})
        want = rows(path, table)
        equal(len(sent), len(want), "%s sent" % table)
        for got, row in zip(sent, want):
            # A column without a value in the whole batch is left out.
            check(all(got.get(field, "") == value for field, value in row.items()) and set(got) <= set(row),
                  "%s as sent %r, as CSV %r", table, got, row)
    named = [(table, "attr." + name) for table, name, _ in server.added]
    equal(sorted(named), sorted((table, key) for table in ALL for key in rows(path, table)[0] if key.startswith("attr.")), "schema.add")
    equal({kind for _, _, kind in server.added}, {"bool", "int", "decimal", "money", "date", "enum", "set"}, "types of attributes")
    again = Recorder()
    patron_json(again, "generate", "--tables", ",".join(ALL), *asked, "--threads", "3")
    key = lambda b: b[2]  # noqa: E731
    equal(sorted(again.batches, key=key) == sorted(server.batches, key=key), True, "the same batches on other threads")
    check(2 <= max(again.most, server.most) <= 8, "at most eight are on their way: %d", max(again.most, server.most))
    other = Recorder()
    patron_json(other, "generate", "--tables", "customers", "--customers", "10", "--seed", "5")
    check(other.batches[0][1] != done["producer"], "other options, another producer")


def interrupted(folder):
    """Ctrl-C ends it in good order; the temporary file has no name that could be left behind."""
    path = os.path.join(folder, "cut")
    process = subprocess.Popen([program("PATRON"), "generate", "--customers", "5000000", "--out", path],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + WAIT_SECONDS
    while not os.path.exists(os.path.join(path, "customers.csv")) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    equal((process.returncode, out, err[:10]), (1, b"", b"CANCELLED:"), "after an interrupt: %r" % err)
    equal([name for name in os.listdir(path) if not name.endswith(".csv")], [], "files left behind")


# ---- against patrond -----------------------------------------------------------------------------------------------


QUESTIONS = [
    {"by": ["country"], "metrics": ["count", "sum(orders)", "sum(net)", "max(last_order)", "min(first_order)"], "order_by": ["country"]},
    {"by": ["currency", "acq_channel"], "metrics": ["count", "sum(orders)"], "order_by": ["currency", "acq_channel"]},
    {"by": [], "metrics": ["count", "sum(net)", "p50(net)", "avg(orders)"]},
    {"by": ["entity"], "metrics": ["count"], "where": "orders >= 3 AND consent HAS email", "order_by": ["entity"]},
    {"by": ["rfm_group"], "metrics": ["count", "sum(net)"], "as_of": "2023-06-30", "order_by": ["rfm_group"]},
    {"by": ["attr.tier", "attr.newsletter"], "metrics": ["count", "sum(attr.credit_limit)", "avg(attr.rating)", "max(attr.last_visit)"],
     "where": "attr.interests HAS home OR attr.visits > 3", "order_by": ["attr.tier", "attr.newsletter"]},
    {"from": "orders", "by": ["attr.warehouse", "currency"], "metrics": ["count", "sum(attr.insured_minor)", "sum(duty_minor)", "sum(net)"],
     "where": "attr.gift = true AND attr.weight < 7.5", "order_by": ["attr.warehouse", "currency"]},
    {"from": "lines", "by": ["attr.size"], "metrics": ["count", "sum(attr.rebate)", "avg(attr.shelf)", "min(attr.best_before)"],
     "where": "attr.materials HAS wool", "order_by": ["attr.size"]},
]


def answers(server):
    client = server.client()
    out = []
    for question in QUESTIONS:
        answer = client.call("group", {"as_of": "latest", **question})
        out.append({key: answer.get(key) for key in ("columns", "rows", "total", "unpriced")})
    client.close()
    return out


def streamed_and_loaded(folder):
    asked = ["--customers", str(by_size(500, 3000)), "--orders-per-customer", "6", "--seed", "13", "--corrections", "5%", "--text-ids", "10%"]
    asked += EXTRAS
    tables = ("customers", "orders", "refunds", "lines", "fx")
    path, _ = shop(folder, *asked, tables=tables)
    streamed, loaded = (Server(timezone="UTC", currency="USD").start() for _ in range(2))
    attributes = Recorder()
    attributes.busy = 0
    patron_json(attributes, "generate", "--tables", ",".join(tables), "--customers", "1", *EXTRAS)
    client = loaded.client()
    for table, name, kind in attributes.added:
        client.call("schema.add", {"table": table, "name": name, "type": kind})
    client.close()
    done = patron_json(streamed, "generate", "--tables", ",".join(tables), *asked)
    for table in done["tables"]:
        equal(table["rejected"], 0, "rejected %s: %r" % (table["table"], done.get("reasons")))
        equal(table["rows"], sum(table[k] for k in ("new", "updated", "duplicate", "stale")), "totals of %s" % table["table"])
    check(next(t for t in done["tables"] if t["table"] == "orders")["stale"] > 0, "late wrong orders are stale: %r", done["tables"])
    for table in tables:
        report = patron_json(loaded, "load", table, os.path.join(path, table + ".csv"))
        equal(report["rejected"], 0, "rejected %s: %r" % (table, report["reasons"]))
    want = answers(loaded)
    check(sum(len(answer["rows"]) for answer in want) > 50, "the questions have answers")
    for question, got, expected in zip(QUESTIONS, answers(streamed), want):
        equal(got, expected, "streamed against loaded: %r" % question)
    lsn = streamed.client().call("status")["lsn"]
    again = patron_json(streamed, "generate", "--tables", ",".join(tables), *asked, "--threads", "1")
    equal((again["producer"], again["tables"]), (done["producer"], done["tables"]), "streamed again")
    equal(streamed.client().call("status")["lsn"], lsn, "and nothing happened")
    # The shop without corrections, over it, is news to nobody but for its missing versions.
    equal(answers(streamed), want, "answers after that")
    _, out, err = patron(streamed, "generate", "--customers", "500", "--tables", "orders", "--start", "2199-01-01", "--end", "2199-12-31")
    check("FUTURE" in out, "orders of the far future are rejected, with the reason: %r %r", out, err)
    streamed.stop()
    loaded.stop()


def run():
    folder = temp_dir()
    mistakes(folder)
    dry_run(folder)
    print("ok  the command line", flush=True)
    deterministic(folder)
    many_buckets()
    bytes_are_kept(folder)
    print("ok  the same every time", flush=True)
    money_and_dates(folder)
    base_and_few(folder)
    corrections_end_right(folder)
    text_ids(folder)
    extras_change_nothing_else(folder)
    print("ok  it adds up", flush=True)
    other_models(folder)
    if size() != "short":  # statistics of files: a shop is the same in every build, and its code is run above
        follows_bg_nbd(folder)
        fits_find_its_parameters(folder)
        shares_and_seasons(folder)
    print("ok  it follows its models", flush=True)
    what_is_sent(folder)
    interrupted(folder)
    print("ok  what is sent", flush=True)
    try:
        program("PATROND")
    except Skip as reason:
        print("not against patrond: %s" % reason, flush=True)
        return
    streamed_and_loaded(folder)
    print("ok  against patrond", flush=True)


if __name__ == "__main__":
    main(run)
