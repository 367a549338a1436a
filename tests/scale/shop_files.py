"""The files of a generated shop: what `patron generate` writes, corrections that it does not make, and other orders of the rows."""

import csv
import datetime
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import WAIT_SECONDS, check, program  # noqa: E402

CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CNY", "BRL", "AUD", "CAD", "MXN", "INR", "KRW", "KWD")
TABLES = ("fx", "customers", "orders", "refunds")
START, END = "2022-01-01", "2024-12-31"


def options(seed, base, customers, orders, out=None):
    line = ["generate", "--seed", str(seed), "--base", base, "--customers", str(customers), "--orders", str(orders),
            "--corrections", "4%", "--text-ids", "8%", "--start", START, "--end", END, "--tables", ",".join(TABLES)]
    return line + (["--out", out] if out else [])


def generate(seed, base, customers, orders, out):
    done = subprocess.run([program("PATRON"), *options(seed, base, customers, orders, out)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_SECONDS * 20)
    check(done.returncode == 0, "generate: %s", done.stderr.decode())
    return [(table, os.path.join(out, table + ".csv")) for table in TABLES]


def write(path, fields, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(fields)
        writer.writerows(rows)
    return path


def sample(path, rng, share, fields):
    """Some rows of a file, of each the values of some fields."""
    picked = []
    with open(path, encoding="utf-8") as file:
        names = file.readline().rstrip("\n").split(",")
        places = [names.index(field) for field in fields]
        for line in file:
            if rng.random() < share:
                cells = line.rstrip("\n").split(",")
                picked.append([cells[place] for place in places])
    return picked


def day_after(text, days):
    return (datetime.date.fromisoformat(text[:10]) + datetime.timedelta(days=days)).isoformat()


def corrections(rng, folder, base, customers):
    """Patches without versions, one file each: withdrawn and restored orders, orders that move, cancellations that come
    late, other amounts, withdrawn customers, countries cleared, refunds of nobody's order and of one that never comes,
    rates corrected, withdrawn, and given the other way round."""
    path = lambda name: os.path.join(folder, name + ".csv")  # noqa: E731
    share = max(0.002, min(0.02, 40000 / (customers * 10)))
    orders = sample(path("orders"), rng, share, ("order", "time", "amount", "currency", "customer"))
    people = sample(path("customers"), rng, share, ("customer",))
    rates = sample(path("fx"), rng, 0.02, ("day", "currency", "rate"))
    rng.shuffle(orders)
    part = max(1, len(orders) // 8)
    piece = [orders[k * part:(k + 1) * part] for k in range(8)]
    refunded = [["late-%d" % k, row[0], day_after(row[1], rng.randrange(0, 300)) + "T10:11:12Z", row[2], row[3], "return"]
                for k, row in enumerate(piece[5]) if row[2] not in ("0", "0.00")]
    newest = day_after(END, 40)
    refunded = [row for row in refunded if row[2] < newest]
    free = [["free-%d" % k, row[4], day_after(row[1], rng.randrange(-60, 60)) + "T23:59:59Z", row[2], row[3]]
            for k, row in enumerate(piece[6])]
    waiting = [["wait-%d" % k, "never-%d" % k, row[4], row[1], row[2], row[3]] for k, row in enumerate(piece[7][:50])]
    strangers = [["strange-%d" % k, "stranger-%d" % (k % 40), row[1], row[2], row[3], rng.choice(("BR", "JP", ""))]
                 for k, row in enumerate(piece[7])]
    out = [
        ("orders", write(path("more-strangers"), ("order", "customer", "time", "amount", "currency", "country"), strangers)),
        ("orders", write(path("more-cancelled"), ("order", "cancelled"),
                         [[row[0], day_after(row[1], rng.randrange(0, 120))] for row in piece[0]])),
        ("orders", write(path("more-withdrawn"), ("order", "deleted"), [[row[0], "true"] for row in piece[1]])),
        ("orders", write(path("more-restored"), ("order", "deleted"), [[row[0], "false"] for row in piece[1][::3]])),
        ("orders", write(path("more-moved"), ("order", "customer"),
                         [[row[0], rng.choice(people)[0] if people else row[4]] for row in piece[2]])),
        ("orders", write(path("more-amounts"), ("order", "amount", "currency", "time", "discount", "shipping", "tax", "cost"),
                         [[row[0], "12345", rng.choice(CURRENCIES), row[1], "", "", "", ""] for row in piece[3]])),
        ("orders", write(path("more-tests"), ("order", "test", "cancelled"), [[row[0], rng.choice(("true", "false")), ""] for row in piece[4]])),
        ("customers", write(path("more-countries"), ("customer", "country"), [[row[0], ""] for row in people[::3]])),
        ("customers", write(path("more-gone"), ("customer", "deleted"), [[row[0], "true"] for row in people[1::6]])),
        ("customers", write(path("more-created"), ("customer", "created"), [[row[0], ""] for row in people[2::9]])),
        ("refunds", write(path("more-refunds"), ("refund", "order", "time", "amount", "currency", "kind"), refunded)),
        ("refunds", write(path("more-free"), ("refund", "customer", "time", "amount", "currency"), free)),
        ("refunds", write(path("more-waiting"), ("refund", "order", "customer", "time", "amount", "currency"), waiting)),
        ("fx", write(path("more-rates"), ("day", "currency", "rate"),
                     [[day, currency, "%s7" % rate if "." in rate else rate + ".7"] for day, currency, rate in rates[::3]])),
        ("fx", write(path("more-inverse"), ("day", "currency", "rate", "per"),
                     [[day, currency, "%.6g" % (1 / float(rate)), "base"] for day, currency, rate in rates[1::3] if float(rate) > 0.0002])),
        ("fx", write(path("more-no-rate"), ("day", "currency", "deleted"), [[day, currency, "true"] for day, currency, _ in rates[2::3]])),
    ]
    return [(table, name) for table, name in out if rows_of(name)]


def odd_orders(rng, folder):
    """What a generated shop does not have: a customer with thousands of orders, sums that need all their bits, days that lie
    centuries apart, payments and cancellations years ahead, several orders in one second."""
    newest = (datetime.date.today() - datetime.timedelta(days=1)).isoformat()
    some_day = lambda: day_after(START, rng.randrange(1000))  # noqa: E731
    fields = ("order", "customer", "time", "amount", "currency", "paid", "cancelled", "test", "country")
    rows = [["whale-%d" % k, "whale", "%sT%02d:%02d:00Z" % (some_day(), rng.randrange(24), rng.randrange(60)), str(1 + rng.randrange(900)),
             rng.choice(CURRENCIES), "", rng.choice(("", "", "", some_day())), "", ""] for k in range(5000)]
    rows += [["great-%d" % k, "great-%d" % (k % 7), some_day() + "T01:02:03Z", rng.choice(("999999999999", "21474837", "42949673", "0", "1")),
              rng.choice(CURRENCIES), "", "", "", "KW"] for k in range(60)]
    rows += [["old-%d" % k, "old-%d" % (k % 3), time, "100", "USD", "", "", "true", ""]
             for k, time in enumerate(("1801-02-03T04:05:06Z", "1969-12-31T23:59:59Z", "1935-06-01T00:00:00Z"))]
    rows += [["early-%d" % k, "old-%d" % k, "19%d-03-01T12:00:00Z" % (35 + 20 * k), "100", "USD", "", "", "", ""] for k in range(4)]
    rows += [["ahead-%d" % k, "ahead-%d" % (k % 9), some_day() + "T12:00:00Z", "77", "EUR", rng.choice(("2031-01-01T00:00:00Z", "")),
              rng.choice(("2090-01-01", "")), "", ""] for k in range(40)]
    rows += [["new-%d" % k, "whale", newest + "T00:00:00Z", "5", "GBP", "", "", "", ""] for k in range(3)]
    rows += [[name, "twins", "2023-03-03T03:03:03Z", "9", "USD", "", "", "", country]
             for name, country in (("10", "JP"), ("9", "BR"), ("a", "US"), ("Z", "GB"))]
    rng.shuffle(rows)
    return "orders", write(os.path.join(folder, "more-odd.csv"), fields, rows)


def first_rates_missing(folder, currency, days):
    """Withdraws a currency's first rates, so that its early facts are worth nothing."""
    with open(os.path.join(folder, "fx.csv"), encoding="utf-8") as file:
        rows = [line.split(",") for line in file if "," + currency + "," in line][:days]
    return "fx", write(os.path.join(folder, "more-unpriced.csv"), ("day", "currency", "deleted"), [[row[0], row[1], "true"] for row in rows])


def rows_of(path):
    with open(path, encoding="utf-8") as file:
        return sum(1 for _ in file) - 1


def shuffled(path, seed):
    """The same rows in another order, beside the file."""
    with open(path, encoding="utf-8") as file:
        header, rows = file.readline(), file.readlines()
    random.Random(seed).shuffle(rows)
    with open(path + ".shuffled", "w", encoding="utf-8") as file:
        file.write(header)
        file.writelines(rows)
    return path + ".shuffled"
