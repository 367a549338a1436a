#!/usr/bin/python3
"""Typical mistakes of somebody new, on the command line and on the wire: each text names the place and says what to do.

    test_mistakes.py           checks them
    test_mistakes.py --list    prints them as a table as well: the mistake, and what Patron says
"""

import json
import os
import subprocess
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Client, RpcError, Server, WAIT_SECONDS, check, equal, main, program, temp_dir  # noqa: E402

HEADER = "order,customer,time,amount,currency\n"
FILES = {
    "shop.csv": HEADER + "o1,c1,2024-01-01,10.00,GBP\no2,c2,2024-02-01,20.00,EUR\n",
    "header.csv": "order,Kunde,time,amount,currency\no3,c1,2024-01-01,10.00,GBP\n",
    "no-header.csv": "o3,c1,2023-01-02,10.50,EUR\no4,c1,2023-01-02,10.50,EUR\n",
    "dates.csv": HEADER + "o3,c1,31/12/2023,10.00,GBP\n",
    "semicolon.csv": "order;customer;time;amount;currency\no3;c1;2023-01-02;10.00;GBP\n",
    "typo.csv": HEADER + "o3,c1,2023-01-02,10.00,EURO\n",
    "no-currency.csv": "order,customer,time,amount\no3,c1,2023-01-02,10.00\n",
    "comma.csv": HEADER + 'o3,c1,2023-01-02,"10,50",EUR\n',
    "future.csv": HEADER + "o3,c1,2199-01-02,10.50,EUR\n",
    "digits.csv": HEADER + "o3,c1,2023-01-02,10.50,JPY\n",
    "long-id.csv": HEADER + "%065d,c1,2023-01-02,10.50,EUR\n" % 7,
    "patch.csv": "order,cancelled\nnot-there,2023-01-02\n",
    "quote.csv": HEADER + 'o3,"c1,2023-01-02,10.50,EUR\n',
    "refund.csv": "refund,time,amount,currency\nr1,2023-01-02,10.50,EUR\n",
    "base.csv": "day,currency,rate\n2024-01-01,GBP,1.1\n",
}


class Shop:
    """A server with two orders, and the files above."""

    def __init__(self):
        self.folder = temp_dir()
        for name, text in FILES.items():
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        self.server = Server().start()
        self.run(0, "load", "orders", "shop.csv")

    def run(self, code, *arguments, address=None):
        """What patron says, all on a line; `code` is its exit status."""
        line = [program("PATRON"), "--connect", address or self.server.address(), *arguments]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT_SECONDS,
                              cwd=self.folder)
        text = " ".join(done.stdout.decode("utf-8", "replace").split())
        equal(done.returncode, code, "exit status of patron %s: %s" % (" ".join(arguments), text))
        return text

    def call(self, method, params):
        client = Client((self.server.host, self.server.port))
        try:
            client.call(method, params)
        except RpcError as error:
            return str(error)
        finally:
            client.close()
        return ""

    def start_another(self, *arguments):
        """What a patrond says that must not come up."""
        line = [program("PATROND"), *arguments]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_SECONDS)
        check(done.returncode != 0, "patrond %s came up", " ".join(arguments))
        return done.stderr.decode("utf-8", "replace").strip().splitlines()[-1]

    def rejected(self, file, table="orders", *more):
        """Of a load that takes other rows: the note, the reason, and where it stands."""
        text = self.run(0, "load", table, file, *more)
        notes = text.split(" rows read ")[0] if text.startswith("note:") else ""
        check(" (as at line " in text, "no reason: %s", text)
        reason = text.split(" (as at ")[1].split(" --rejects ")[0][:-1]
        return (notes + " " + reason).strip()

    def expired(self):
        """A cursor of a first page, after many others."""
        client = Client((self.server.host, self.server.port))
        ask = {"fields": ["order"], "from": "orders", "limit": 1}
        cursor = client.call("rows", ask)["cursor"]
        for k in range(40):
            client.call("load.customers", {"producer": "pages", "seq": k, "columns": {"customer": ["page-%d" % k]}})
            client.call("rows", ask)
        client.close()
        return self.call("rows", dict(ask, cursor=cursor))


def order(**more):
    return {"producer": "me", "seq": more.pop("seq", 1), "columns": dict(
        {"order": ["w1"], "customer": ["c1"], "time": ["2024-01-01"], "amount": ["5"], "currency": ["GBP"]}, **more)}


def conflicting(shop):
    equal(shop.call("load.orders", order(seq=7)), "", "a batch")
    return shop.call("load.orders", order(seq=7, amount=["6"]))


# (the mistake, what it does and what is said, what the text must name, what it must say to do)
MISTAKES = [
    ("a filter with a field that is spelled wrong", lambda s: s.run(1, "count", "contry = 'BR'"), ["contry", "offset 0"], ["did you mean \"country\""]),
    ("a quote that is not closed", lambda s: s.run(1, "count", "country = 'BR"), ["byte 10"], ["expected another '"]),
    ("a parenthesis that is not closed", lambda s: s.run(1, "count", "(country = BR"), ["byte 13", "byte 0"], ["expected AND, OR or \")\""]),
    ("== as in programs", lambda s: s.run(1, "count", "country == BR"), ["byte 8"], ["written with one \"=\""]),
    ("LIKE as in SQL", lambda s: s.run(1, "count", "country LIKE 'B%'"), ["byte 8", "LIKE"], ["expected =, <>"]),
    ("= NULL", lambda s: s.run(1, "count", "country = NULL"), ["byte 10"], ["write IS NULL"]),
    ("a date without quotes", lambda s: s.run(1, "count", "last_order > 2024-02-30"), ["byte 17"], ["in quotes, '2010-12-09'"]),
    ("text where a number belongs", lambda s: s.run(1, "count", "orders >= many"), ["orders", "many", "offset 10"], ["give a number"]),
    ("money in a currency without a rate", lambda s: s.run(1, "count", "net > 50 EUR", "--as-of", "2024-06-01"),
     ["50 EUR", "2024-06-01", "offset 6"], ["load.fx", "amount in GBP"]),
    ("a day in words", lambda s: s.run(1, "count", "orders > 1", "--as-of", "yesterday"), ["as_of", "yesterday"], ["YYYY-MM-DD"]),
    ("a window without a unit", lambda s: s.run(1, "rfm", "--window", "365"), ["window", "\"365\""], ["365d"]),
    ("an RFM map that nobody saved", lambda s: s.call("rfm.groups", {"map": "mine"}), ["mine"], ["rfm.map.save"]),
    ("lifetime value before a fit", lambda s: s.run(1, "clv", "top"), ["NO_FIT"], ["clv.fit makes one"]),
    ("a metric that does not exist", lambda s: s.run(1, "group", "--by", "country", "--metrics", "median(net)"),
     ["median(net)"], ["p50(field)"]),
    ("a sum over several currencies", lambda s: s.run(1, "group", "--from", "orders", "--by", "customer.country", "--metrics", "sum(amount)"),
     ["amount"], ["add \"currency\" to by", "ask for net"]),
    ("a customer that is not there", lambda s: s.run(1, "customer", "nobody", "--as-of", "2024-06-01"), ["nobody", "2024-06-01"], ["no customer"]),
    ("a command that is spelled wrong", lambda s: s.run(2, "cuont"), ["cuont"], ["did you mean 'count'"]),
    ("an option that is spelled wrong", lambda s: s.run(2, "count", "--wher", "orders > 1"), ["--wher"], ["did you mean --where"]),
    ("a method that does not exist", lambda s: s.call("cuont", {}), ["UNKNOWN_METHOD", "cuont"], ["did you mean \"count\""]),
    ("a parameter that is spelled wrong", lambda s: s.call("count", {"wehre": "orders > 1"}), ["wehre", "count"], ["did you mean \"where\""]),
    ("a file that is not there", lambda s: s.run(1, "load", "orders", "nowhere.csv"), ["nowhere.csv"], ["No such file"]),
    ("a table that is spelled wrong", lambda s: s.run(2, "load", "ordres", "shop.csv"), ["ordres"], ["did you mean 'orders'"]),
    ("another delimiter", lambda s: s.run(2, "load", "orders", "semicolon.csv"), ["one column"], ["--delimiter ';'"]),
    ("no line of names at the top", lambda s: s.run(2, "load", "orders", "no-header.csv"), ["'o3'"], ["--map"]),
    ("a column with a name of its own", lambda s: s.rejected("header.csv"), ["Kunde", "customer", "line 2"], ["--map customer=COLUMN"]),
    ("--map to a field that is spelled wrong", lambda s: s.run(2, "load", "orders", "shop.csv", "--map", "custmer=customer"),
     ["--map", "custmer"], ["did you mean 'customer'"]),
    ("a date the other way round", lambda s: s.rejected("dates.csv"), ["31/12/2023", "line 2"], ["--time-format"]),
    ("a decimal comma", lambda s: s.rejected("comma.csv"), ["10,50", "line 2"], ["--decimal-comma"]),
    ("a currency that is spelled wrong", lambda s: s.rejected("typo.csv"), ["EURO", "line 2"], ["did you mean EUR"]),
    ("money without a currency", lambda s: s.rejected("no-currency.csv"), ["currency", "line 2"], ["currency:=VALUE"]),
    ("more digits than the currency has", lambda s: s.rejected("digits.csv"), ["10.5", "JPY", "line 2"], ["round it"]),
    ("an order in the future", lambda s: s.rejected("future.csv"), ["2199-01-02", "line 2"], ["is the year right"]),
    ("an id that is too long", lambda s: s.rejected("long-id.csv"), ["line 2", "id"], ["at most 64 bytes"]),
    ("a patch of an order that was never loaded", lambda s: s.rejected("patch.csv"), ["line 2", "not known yet"], ["\"customer\" is required"]),
    ("a refund of nothing", lambda s: s.rejected("refund.csv", "refunds"), ["line 2"], ["needs its order or its customer"]),
    ("a rate for the base currency", lambda s: s.rejected("base.csv", "fx"), ["GBP", "line 2"], ["its rate is always 1"]),
    ("a quote in a file that is not closed", lambda s: s.run(1, "load", "orders", "quote.csv"), ["line 2"], ["never closed"]),
    ("a batch without a producer", lambda s: s.call("load.orders", {"seq": 1, "columns": {}}), ["load.orders", "producer"], ["the name of whoever"]),
    ("columns of different lengths", lambda s: s.call("load.orders", order(time=["2024-01-01", "2024-01-02"])), ["time", "2"], ["1"]),
    ("the same seq for other rows", conflicting, ["CONFLICT", "\"me\"", "7"], ["other content"]),
    ("a cursor of long ago", lambda s: s.expired(), ["EXPIRED"], ["first page"]),
    ("a port where nobody is", lambda s: s.run(1, "status", address="127.0.0.1:1"), ["127.0.0.1:1"], ["is patrond running there"]),
    ("an address that is none", lambda s: s.run(1, "status", address="127.0.0.1:seven"), ["127.0.0.1:seven"], ["expected HOST:PORT"]),
    ("a second server on a directory", lambda s: s.start_another("--data", s.server.data, "--listen", "127.0.0.1:0"),
     ["in use by process %d"], ["choose another directory"]),
    ("a port that is taken", lambda s: s.start_another("--data", os.path.join(s.folder, "other"), "--listen", s.server.address()),
     ["address already in use"], ["port 0 is any free one"]),
    ("a server for everybody", lambda s: s.start_another("--data", os.path.join(s.folder, "other"), "--listen", "0.0.0.0:0"),
     ["0.0.0.0:0"], ["127.0.0.1"]),
    ("a zone without its continent", lambda s: s.start_another("--data", os.path.join(s.folder, "zone"), "--timezone", "London"),
     ["London"], ["Europe/London"]),
]


def other_settings(shop):
    """Last, since it needs the directory: the server is stopped."""
    shop.server.stop()
    return shop.start_another("--data", shop.server.data, "--listen", "127.0.0.1:0", "--timezone", "Europe/Paris")


LAST = ("a directory of another time zone", other_settings, ["Europe/London", "Europe/Paris"], ["--timezone Europe/London", "another directory"])


def show(mistake, said):
    width = 128
    for k, line in enumerate(textwrap.wrap(said, width)):
        print("%-46s  %s" % (mistake if k == 0 else "", line))


def run():
    program("PATROND"), program("PATRON")
    shop, problems = Shop(), []
    process = shop.server.process.pid
    for mistake, make, names, advice in MISTAKES + [LAST]:
        said = make(shop)
        if "--list" in sys.argv:
            show(mistake, said)
        for word in names + advice:
            word = word.replace("%d", str(process))
            if word not in said:
                problems.append("%s: %s is missing in: %s" % (mistake, json.dumps(word), said))
    check(not problems, "%d texts do not help:\n%s", len(problems), "\n".join(problems))
    print("ok  %d mistakes, each text names the place and says what to do" % (len(MISTAKES) + 1))


if __name__ == "__main__":
    main(run)
