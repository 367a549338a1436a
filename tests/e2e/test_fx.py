#!/usr/bin/python3
"""Real monthly exchange rates and the real shop, whose money is in pounds, in a server that counts in dollars: every base value
equal to an independent recomputation with exact fractions, when rates come late, are corrected, and are withdrawn."""

import csv
import datetime
import io
import os
import subprocess
import sys
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import shop  # noqa: E402
from patron_test import Server, check, equal, main, patron, patron_json, program, shared, table_rows  # noqa: E402
from recompute_rfm import Shop  # noqa: E402

# The file names countries and tells units of their currency for one dollar. Venezuela's digits were cut three times on the way;
# the file is in those of today.
CODES = {
    "Australia": "AUD", "Austria": "ATS", "Belgium": "BEF", "Brazil": "BRL", "Canada": "CAD", "China": "CNY", "Denmark": "DKK",
    "Euro": "EUR", "Finland": "FIM", "France": "FRF", "Germany": "DEM", "Greece": "GRD", "Hong Kong": "HKD", "India": "INR",
    "Ireland": "IEP", "Italy": "ITL", "Japan": "JPY", "Malaysia": "MYR", "Mexico": "MXN", "Netherlands": "NLG",
    "New Zealand": "NZD", "Norway": "NOK", "Portugal": "PTE", "Singapore": "SGD", "South Africa": "ZAR", "South Korea": "KRW",
    "Spain": "ESP", "Sri Lanka": "LKR", "Sweden": "SEK", "Switzerland": "CHF", "Taiwan": "TWD", "Thailand": "THB",
    "United Kingdom": "GBP", "Venezuela": "VES",
}
MAP = "day=Date,currency=Country,rate=Exchange rate,per:=base"
MAP_VALUES = "currency:" + ",".join("%s=%s" % pair for pair in CODES.items())
ROWS, CURRENCIES = 17237, 34


def rates_file():
    return shared("data", "fx_monthly", "monthly.csv.zst")


def read_rates():
    """currency -> {day: dollars for one unit}"""
    text = subprocess.run(["zstd", "-dcq", rates_file()], check=True, stdout=subprocess.PIPE).stdout.decode()
    rates = {}
    for row in csv.DictReader(io.StringIO(text)):
        day = datetime.date.fromisoformat(row["Date"])
        rates.setdefault(CODES[row["Country"]], {})[day] = 1 / Fraction(row["Exchange rate"])
    return rates


def cents(pence, day, rates):
    """What a fact in pounds is worth by the latest rate on or before its day, rounded once, halves away from zero."""
    worth = pence * rates[max(when for when in rates if when <= day)]
    return (2 * abs(worth.numerator) + worth.denominator) // (2 * worth.denominator) * (1 if worth >= 0 else -1)


def recomputed(facts, rates):
    """Net in cents by country."""
    net = {}
    for sign, some in ((1, facts.orders), (-1, facts.refunds)):
        for customer, day, pence in some.values():
            country = facts.country.get(customer, (None, None))[1]
            net[country] = net.get(country, 0) + sign * cents(pence, day, rates)
    return net


def compare(client, facts, rates, when):
    want = recomputed(facts, rates)
    got = client.call("group", {"as_of": shop.LAST_DAY, "by": ["country"], "metrics": ["sum(net)"]})
    equal({row[0]: row[1] for row in got["rows"]}, want, "net by country, %s" % when)
    check("unpriced" not in got, "unpriced facts %s", when)
    whole = client.call("group", {"as_of": shop.LAST_DAY, "by": [], "metrics": ["sum(net)"]})
    equal(whole["rows"], [[sum(want.values())]], "net of all, %s" % when)
    equal(whole["money"]["currency"], "USD", "currency")
    check(client.call("verify")["ok"], "verify %s", when)
    print("equal %s: %d cents" % (when, sum(want.values())), flush=True)


def late_rates(server, client):
    """The facts are there first: counted, worth nothing, and every answer says so."""
    shop.load(server)
    facts = shop.ORDERS + shop.REFUNDS
    equal(client.call("status")["unpriced"], facts, "unpriced before there are rates")
    answer = client.call("group", {"as_of": shop.LAST_DAY, "by": [], "metrics": ["sum(net)", "sum(orders)"]})
    equal((answer["rows"], answer["unpriced"]), ([[0, shop.ORDERS]], facts), "answer without rates")
    report = patron_json(server, "load", "fx", rates_file(), "--map", MAP, "--map-values", MAP_VALUES)
    shop.check_balance(report)
    equal({key: report[key] for key in ("rows", "new", "rejected")}, {"rows": ROWS, "new": ROWS, "rejected": 0}, "load of rates")
    status = client.call("status")
    equal((table_rows(status, "fx"), status["unpriced"]), (ROWS, 0), "rates, unpriced")


def look(server, client, rates):
    answer = client.call("fx", {"as_of": "latest"})
    listed = {about["currency"]: about for about in answer["currencies"]}
    equal(set(listed), set(rates), "currencies of fx as of %s" % answer["as_of"])
    for currency, dated in rates.items():
        known = [day for day in dated if day <= datetime.date.fromisoformat(answer["as_of"])]
        about = listed[currency]
        equal((about["rates"], about["first"], about["last"], about["per"]),
              (len(known), min(known).isoformat(), max(known).isoformat(), "base"), "fx of %s" % currency)
        equal(1 / Fraction(about["latest"]), dated[max(known)], "latest rate of %s" % currency)
        days = sorted(known)
        gaps = [(a.isoformat(), b.isoformat()) for a, b in zip(days, days[1:]) if (b - a).days > 45]
        equal([(gap["from"], gap["to"]) for gap in about["gaps"]], gaps, "gaps of %s" % currency)
    _, out, _ = patron(server, "--format", "csv", "fx")
    table = {row["currency"]: row for row in csv.DictReader(io.StringIO(out))}
    equal({currency: int(row["rates"]) for currency, row in table.items()},
          {currency: len(dated) for currency, dated in rates.items()}, "patron fx")
    rows = client.call("rows", {"from": "fx", "fields": ["day", "currency", "rate", "per"],
                                "where": "currency = GBP AND day >= DATE '2010-11-01'", "as_of": "2010-12-31"})["rows"]
    equal([(row[0], row[1], 1 / Fraction(row[2]), row[3]) for row in rows],
          [(day.isoformat(), "GBP", rates["GBP"][day], "base")
           for day in (datetime.date(2010, 11, 1), datetime.date(2010, 12, 1))], "rows of fx")


def warnings_of_gaps(client):
    """On the wire, too, a load says where rates are missing, and nothing where none are."""
    seq = iter(range(1, 100))

    def send(currency, *days, **more):
        columns = {"day": list(days), "currency": [currency] * len(days)}
        columns.update({name: [value] * len(days) for name, value in more.items()} or {"rate": ["1.25"] * len(days)})
        return client.call("load.fx", {"producer": "gaps", "seq": next(seq), "columns": columns}).get("warnings", [])

    equal(send("RUB", "2010-01-01", "2010-02-15"), [], "45 days")
    equal(send("RUB", "2010-04-02"), ["RUB: no rate between 2010-02-15 and 2010-04-02 (46 days)"], "46 days")
    equal(send("RUB", "2010-03-01"), [], "a rate between them")
    equal(send("RUB", "2009-01-01"), ["RUB: no rate between 2009-01-01 and 2010-01-01 (365 days)"], "before all others")
    equal(send("RUB", "2010-02-15", deleted=True), ["RUB: no rate between 2010-01-01 and 2010-03-01 (59 days)"], "one withdrawn")
    equal(send("PLN", "2010-06-01"), [], "a single one of another currency")
    many = send("PLN", *["%d-06-01" % year for year in range(1980, 2010)])
    equal((len(many), many[-1]), (21, "10 more gaps, see fx"), "thirty gaps")
    equal(send("PLN", "2010-06-15"), [], "old gaps are not told again")


def corrections(server, client, facts, pounds):
    june, july = datetime.date(2010, 6, 1), datetime.date(2010, 7, 1)
    send = {"producer": "by hand", "seq": 1, "columns": {"day": ["2010-06-01"], "currency": ["GBP"], "rate": ["1.5"], "per": ["unit"]}}
    equal(client.call("load.fx", send)["updated"], 1, "corrected")
    pounds[june] = Fraction(3, 2)
    compare(client, facts, pounds, "after a correction")
    send = {"producer": "by hand", "seq": 2, "columns": {"day": ["2010-06-17"], "currency": ["GBP"], "rate": ["1.4797"]}}
    equal(client.call("load.fx", send)["new"], 1, "late")
    pounds[datetime.date(2010, 6, 17)] = Fraction("1.4797")
    compare(client, facts, pounds, "after a late rate")
    send = {"producer": "by hand", "seq": 3, "columns": {"day": ["2010-06-01", "2010-06-17", "2010-07-01"], "currency": ["GBP"] * 3,
                                                         "deleted": [True] * 3}}
    equal(client.call("load.fx", send)["updated"], 3, "withdrawn")
    for day in (june, july, datetime.date(2010, 6, 17)):
        del pounds[day]
    compare(client, facts, pounds, "after a gap")
    gap = [about["gaps"] for about in client.call("fx")["currencies"] if about["currency"] == "GBP"]
    equal(gap, [[{"from": "2010-05-01", "to": "2010-08-01", "days": 92}]], "the gap")
    _, _, err = patron(server, "fx")
    check("GBP: no rate between 2010-05-01 and 2010-08-01" in err, "patron fx does not warn: %r", err)


def literals(client, pounds):
    """500 GBP in a filter is what they are worth on the day asked for."""
    for day in (shop.LAST_DAY, "2010-07-20"):
        worth = cents(50000, datetime.date.fromisoformat(day), pounds)
        counts = [client.call("count", {"as_of": day, "where": where})["count"]
                  for where in ("net >= 500 GBP", "net >= %d.%02d USD" % divmod(worth, 100))]
        check(counts[0] == counts[1] > 0, "customers over 500 pounds as of %s: %r", day, counts)
    client.fails("count", {"as_of": "2010-07-20", "where": "net >= 500 CLP"}, "BAD_REQUEST")


def run():
    program("PATRON")
    shop.data()
    rates = read_rates()
    equal((sum(map(len, rates.values())), len(rates)), (ROWS, CURRENCIES), "the file of rates")
    server = Server(timezone="Europe/London", currency="USD").start()
    client = server.client()
    late_rates(server, client)
    look(server, client, rates)
    facts = Shop(shop.data())
    pounds = rates["GBP"]
    compare(client, facts, pounds, "after late rates")
    corrections(server, client, facts, pounds)
    literals(client, pounds)
    warnings_of_gaps(client)
    client.close()
    server.kill()
    server.start()
    client = server.client()
    compare(client, facts, pounds, "after kill -9")
    client.close()
    server.stop()
    server.start()
    client = server.client()
    compare(client, facts, pounds, "after a restart")
    client.close()
    server.stop()


if __name__ == "__main__":
    main(run)
