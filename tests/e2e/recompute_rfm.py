#!/usr/bin/python3
"""An independent recomputation of the real shop, straight from its file: pure Python, exact decimals, dictionaries.

    recompute_rfm.py online_retail_2009_2010.csv.zst 2010-12-09 365d     prints the figures as JSON

Shares no code with the server nor with the naive model. What it does, in words: a line is taken when it has a customer and a price
above zero. An invoice is the exact sum of quantity x price of its taken lines, rounded once to pence, halves away from zero;
below zero it is a refund, else an order. Its day is the day of its earliest line (the file's clock is the shop's).
"""

import csv
import datetime
import io
import json
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal

PENNY = Decimal("0.01")
# Names of cells "RFM", typed in again from SCIENCE.md section 3.
NAMES = {}
for line in """champions 555 554 544 545 454 455 445
loyal 543 444 435 355 354 345 344 335
potential_loyalist 553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 352 351 342 341 333 323
new 512 511 422 421 412 411 311
promising 525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313
need_attention 535 534 443 434 343 334 325 324
about_to_sleep 331 321 312 221 213 231 241 251
at_risk 255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 124
cannot_lose 155 154 144 214 215 115 114 113
hibernating 332 322 233 232 223 222 132 123 122 212 211
lost 111 112 121 131 141 151""".splitlines():
    slug, *cells = line.split()
    for cell in cells:
        NAMES[cell] = slug


class Shop:
    """The file, read once. `lines_read`, `taken`, `no_customer`, `no_price`, and per customer its orders and refunds."""

    def __init__(self, path):
        self.lines_read = self.taken = self.no_customer = self.no_price = 0
        invoices = {}
        for line in self._lines(path):
            self.lines_read += 1
            if not line["Customer ID"]:
                self.no_customer += 1
            elif Decimal(line["Price"]) <= 0:
                self.no_price += 1
            else:
                self.taken += 1
                self._add(invoices, line)
        self.orders, self.refunds = {}, {}  # invoice -> (customer, day, pence)
        self.customers = {}                 # customer -> ([(day, pence)], [(day, pence)])
        self.order_country = {}             # invoice -> where it went
        self.country = {}                   # customer -> (day of the earliest order, its country)
        first = {}
        for number, invoice in invoices.items():
            pence = int((invoice["sum"].copy_abs() / PENNY).to_integral_value(ROUND_HALF_UP))
            day = datetime.date.fromisoformat(invoice["time"][:10])
            back = invoice["sum"] < 0 and pence > 0
            (self.refunds if back else self.orders)[number] = (invoice["customer"], day, pence)
            self.order_country[number] = invoice["country"]
            self.customers.setdefault(invoice["customer"], ([], []))[back].append((day, pence))
            moment = (invoice["time"], number)
            if not back and (invoice["customer"] not in first or moment < first[invoice["customer"]]):
                first[invoice["customer"]] = moment
                self.country[invoice["customer"]] = (day, invoice["country"])

    @staticmethod
    def _lines(path):
        with subprocess.Popen(["zstd", "-dc", path], stdout=subprocess.PIPE) as reader:
            yield from csv.DictReader(io.TextIOWrapper(reader.stdout, encoding="utf-8", newline=""))

    @staticmethod
    def _add(invoices, line):
        invoice = invoices.get(line["Invoice"])
        if invoice is None:
            invoice = invoices[line["Invoice"]] = {"sum": Decimal(0), "time": line["InvoiceDate"],
                                                   "customer": line["Customer ID"], "country": line["Country"]}
        invoice["sum"] += Decimal(line["Quantity"]) * Decimal(line["Price"])
        invoice["time"] = min(invoice["time"], line["InvoiceDate"])

    # ---- figures as of a day

    def as_of(self, day, window):
        """(customer, R, F, M in the window, net, orders up to the day) of every live customer; R None without an order."""
        since = datetime.date.min if window == "all" else day - datetime.timedelta(days=int(window[:-1]) - 1)
        for customer, (orders, refunds) in self.customers.items():
            bought = [fact for fact in orders if fact[0] <= day]
            back = [fact for fact in refunds if fact[0] <= day]
            if not bought and not back:
                continue
            last = max((fact[0] for fact in bought), default=None)
            inside = [fact for fact in bought if fact[0] >= since]
            money = sum(p for _, p in inside) - sum(p for d, p in back if d >= since)
            net = sum(p for _, p in bought) - sum(p for _, p in back)
            yield customer, (day - last).days if last else None, len(inside), money, net, len(bought)

    def rfm(self, day, window):
        """cells {"RFM": {count, net}}, thresholds, groups, unscored: as of `day` in `window`; net is the window's money, M."""
        everybody = list(self.as_of(day, window))
        people = [person for person in everybody if person[2] > 0]
        score = {"r": self._ranks([-p[1] for p in people]), "f": self._ranks([p[2] for p in people]),
                 "m": self._ranks([p[3] for p in people])}
        cells, groups, thresholds = {}, {}, {name: [None] * 4 for name in "rfm"}
        for _, recency, count, money, _, orders in people:
            own = {"r": recency, "f": count, "m": money}
            scores = {"r": score["r"][-recency], "f": score["f"][count], "m": score["m"][money]}
            for name, best in (("r", max), ("f", min), ("m", min)):
                if scores[name] > 1:
                    at, known = scores[name] - 2, thresholds[name][scores[name] - 2]
                    thresholds[name][at] = own[name] if known is None else best(known, own[name])
            key = "%d%d%d" % (scores["r"], scores["f"], scores["m"])
            for table, entry in ((cells, key), (groups, NAMES[key])):
                sums = table.setdefault(entry, {"count": 0, "net": 0, "one_time": 0})
                for name, add in (("count", 1), ("net", money), ("one_time", orders == 1)):
                    sums[name] += add
        out = [person for person in everybody if person[2] == 0]
        return {"scored": len(people), "unscored": {"count": len(out), "net": sum(p[3] for p in out)},
                "thresholds": thresholds, "cells": cells, "groups": groups}

    @staticmethod
    def _ranks(values):
        """value -> score: 1 + floor(5 x strictly worse / all); bigger is better."""
        counts = {}
        for value in values:
            counts[value] = counts.get(value, 0) + 1
        ranks, below = {}, 0
        for value in sorted(counts):
            ranks[value] = 1 + 5 * below // len(values)
            below += counts[value]
        return ranks

    def by_country(self, day):
        """country -> (customers, net)."""
        table = {}
        for customer, _, _, _, net, _ in self.as_of(day, "all"):
            since, country = self.country.get(customer, (None, None))
            sums = table.setdefault(country if since is not None and since <= day else None, [0, 0])
            sums[0] += 1
            sums[1] += net
        return {country: tuple(sums) for country, sums in table.items()}


if __name__ == "__main__":
    shop = Shop(sys.argv[1])
    asked = datetime.date.fromisoformat(sys.argv[2])
    figures = shop.rfm(asked, sys.argv[3])
    figures["by_country"] = {str(country): sums for country, sums in shop.by_country(asked).items()}
    figures["file"] = {"lines": shop.lines_read, "taken": shop.taken, "no_customer": shop.no_customer, "no_price": shop.no_price,
                       "orders": len(shop.orders), "refunds": len(shop.refunds), "customers": len(shop.customers),
                       "with_orders": sum(1 for orders, _ in shop.customers.values() if orders)}
    json.dump(figures, sys.stdout, indent=1, sort_keys=True)
    print()
