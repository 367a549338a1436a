#!/usr/bin/env python3
"""Attributes from outside: schema.add on the wire and in the command line, loads that map them, loads that add them."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from patron_test import Server, WAIT_SECONDS, check, equal, main, patron, patron_json, program  # noqa: E402

TYPES = ("bool", "int", "decimal", "money", "date", "time", "enum", "set")


def run_cli(server, *arguments, data=""):
    done = subprocess.run([program("PATRON"), "--connect", server.address(), *arguments], input=data.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_SECONDS)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def load(server, table, text, *options, expect=0):
    """The report of a load (or what it said when it failed), and its notes."""
    code, out, err = run_cli(server, "--format", "json", "load", table, "-", *options, data=text)
    equal(code, expect, "load %s; it said %r" % (table, err))
    return (json.loads(out) if expect == 0 else None), err


def attributes_of(client, table):
    return {field["name"]: field["attribute"] for field in client.call("schema")["tables"][table]["fields"] if "attribute" in field}


def the_wire(server, client):
    for table in ("customers", "orders", "lines", "refunds"):
        for kind in TYPES:
            answer = client.call("schema.add", {"table": table, "name": "w_" + kind, "type": kind})
            equal((answer["table"], answer["name"], answer["field"], answer["type"], answer["added"]),
                  (table, "w_" + kind, "attr.w_" + kind, kind, True), "schema.add")
        equal(attributes_of(client, table), {"attr.w_" + kind: kind for kind in TYPES}, "schema")
    lsn = client.call("status")["lsn"]
    equal(client.call("schema.add", {"table": "lines", "name": "w_set", "type": "set"})["added"], False, "added again")
    equal(client.call("status")["lsn"], lsn, "and nothing is written")
    client.fails("schema.add", {"table": "lines", "name": "w_set", "type": "enum"}, "CONFLICT", ["attr.w_set"])
    client.fails("schema.add", {"table": "lines", "name": "w_money_minor", "type": "int"}, "CONFLICT", ["attr.w_money"])
    for wrong in ({"table": "products"}, {"name": "W"}, {"name": "1a"}, {"name": "a" * 64}, {"name": ""}, {"type": "text"}, {"type": 1}):
        client.fails("schema.add", {"table": "lines", "name": "fine", "type": "int", **wrong}, "BAD_REQUEST")
    for i in range(64 - len(TYPES)):
        client.call("schema.add", {"table": "refunds", "name": "x%d" % i, "type": TYPES[i % 8]})
    client.fails("schema.add", {"table": "refunds", "name": "more", "type": "int"}, "TOO_LARGE", ["64"])
    client.fails("count", {"where": "attr.w_nothing = 1"}, "UNKNOWN_FIELD", ["attr.w_"])


def the_command(server, client):
    equal(patron_json(server, "schema", "add", "customers", "tier", "enum")["added"], True, "schema add")
    equal(patron_json(server, "schema", "add", "customers", "attr.tier", "enum")["added"], False, "again")
    code, out, err = run_cli(server, "schema", "add", "customers", "tier", "int")
    equal((code, out, err.partition(":")[0]), (1, "", "CONFLICT"), "another type; it said %r" % err)
    for words in (("add", "customers"), ("add", "customers", "x"), ("customers", "orders")):
        equal(run_cli(server, "schema", *words)[0], 2, "patron schema %s" % " ".join(words))
    check("attr.tier" in patron(server, "schema", "customers")[1], "patron schema customers does not list attr.tier")


def loads_that_map(server, client):
    text = "id,Stufe,Punkte\n1,gold,5\n2,,7\n"
    report, _ = load(server, "customers", text, "--map", "customer=id,attr.tier=Stufe,attr.w_decimal=Punkte,attr.w_enum:=file")
    equal((report["new"], report["rejected"]), (2, 0), "rows of the mapped load")
    rows = client.call("rows", {"fields": ["customer", "attr.tier", "attr.w_decimal", "attr.w_enum"], "where": "attr.w_enum = 'file'"})
    equal(rows["rows"], [["1", "gold", "5", "file"], ["2", None, "7", "file"]], "what it loaded")
    _, said = load(server, "customers", text, "--map", "customer=id,attr.teir=Stufe", expect=2)
    check("attr.teir" in said and "schema add" in said, "an unknown attribute: %r", said)
    # A header may say it, too; values and times are read as those of other fields.
    text = "customer,attr.tier,attr.w_bool,attr.w_date,attr.w_money\n3,G,ja,31/12/2023,\"1.234,50\"\n"
    load(server, "customers", text, "--map-values", "attr.tier:G=gold,attr.w_bool:ja=true", "--time-format", "attr.w_date=%d/%m/%Y",
         "--decimal-comma")
    row = client.call("rows", {"fields": ["attr.tier", "attr.w_bool", "attr.w_date", "attr.w_money"], "where": "customer = 3"})["rows"][0]
    equal(row, ["gold", True, "2023-12-31", 123450], "read as mapped")


SHOP = """order,customer,time,amount,currency,Gift Card,itemCount,Weight kg,Zip,shipped on,packed,2nd,Note,flag
1,a,2023-01-01,1,GBP,yes,3,1.5,01234,2023-01-05,2023-01-02 10:00:00,,fragile,0
2,b,2023-01-02,1,GBP,no,,2,90210,2023-01-06,2023-01-03T11:30:00Z,,"a, b",1
3,b,2023-01-03,1,GBP,,-4,,,,,,,1
"""
GUESSED = {"attr.gift_card": "bool", "attr.item_count": "int", "attr.weight_kg": "decimal", "attr.zip": "enum", "attr.shipped_on": "date",
           "attr.packed": "time", "attr.x2nd": "enum", "attr.note": "enum", "attr.flag": "int"}


def loads_that_add(server, client):
    before = attributes_of(client, "orders")
    dry, notes = load(server, "orders", SHOP, "--add-attrs", "--dry-run")
    check(dry["rows"] == 3 and notes.count("would add") == len(GUESSED), "a dry run says what it would add: %r", notes)
    equal(attributes_of(client, "orders"), before, "and adds nothing")
    report, notes = load(server, "orders", SHOP, "--add-attrs")
    equal((report["new"], report["rejected"]), (3, 0), "rows of the load that adds")
    equal(attributes_of(client, "orders"), {**before, **GUESSED}, "types by the first rows; it said %r" % notes)
    fields = ["order", *GUESSED]
    equal(client.call("rows", {"from": "orders", "fields": fields, "order_by": ["order"]})["rows"], [
        ["1", True, 3, "1.5", "01234", "2023-01-05", "2023-01-02T10:00:00Z", None, "fragile", 0],
        ["2", False, None, "2", "90210", "2023-01-06", "2023-01-03T11:30:00Z", None, "a, b", 1],
        ["3", None, -4, None, None, None, None, None, None, 1]], "what it loaded")
    report, notes = load(server, "orders", SHOP, "--add-attrs")
    equal((report["new"], report["updated"], "adding" in notes), (3, 0, False), "the same file again is known: %r" % notes)
    # A type that is there stands, whatever the next file looks like.
    _, notes = load(server, "customers", "customer,likes,note\n20,cups|pots,a | b\n21,cups,c|d\n", "--add-attrs")
    check("attr.likes (set)" in notes and "attr.note (enum)" in notes, "words joined by | are a set: %r", notes)
    report, _ = load(server, "orders", "order,flag,zip\n1,many,5\n2,7,x\n", "--add-attrs")
    equal((report["updated"], report["rejected"]), (1, 1), "a row that does not fit")
    # With --map, all that is not mapped.
    report, notes = load(server, "customers", "Nr,City,customer\n9,Faro,x\n", "--map", "customer=Nr", "--add-attrs")
    equal(client.call("rows", {"fields": ["attr.city", "attr.customer"], "where": "customer = 9"})["rows"], [["Faro", "x"]], notes)
    code, _, said = run_cli(server, "load", "customers", "-", "--add-attrs", data="customer,A b,a-b\n1,2,3\n")
    check(code == 2 and "attr.a_b" in said, "two columns of one name: %r", said)
    code, _, said = run_cli(server, "load", "customers", "-", "--add-attrs", "--no-header", "--map", "customer=1", data="1,2\n")
    equal(code, 2, "without a header there are no names: %r" % said)
    formatted, _ = load(server, "customers", "customer,Seen,Born\n10,31/12/2023 10:00,1990-05-06\n", "--add-attrs",
                        "--time-format", "%d/%m/%Y %H:%M")
    equal(formatted["rejected"], 0, "times as --time-format has them, and others in ISO form")
    equal(client.call("rows", {"fields": ["attr.seen", "attr.born"], "where": "customer = 10"})["rows"],
          [["2023-12-31T10:00:00Z", "1990-05-06"]], "both")


def everything_is_there_after_a_kill(server, client):
    question = ("rows", {"from": "orders", "fields": ["order", *GUESSED], "order_by": ["order"]})
    before = (client.call("schema")["tables"], client.call(*question)["rows"])
    client.call("snapshot.save")
    client.call("schema.add", {"table": "orders", "name": "late", "type": "enum"})
    client.call("load.orders", {"producer": "late", "seq": 1, "columns": {"order": ["1"], "attr.late": ["yes"]}})
    client.close()
    for how in ("kill", "stop", "kill"):
        getattr(server, how)()
        server.start()
        client = server.client()
        fields = [field for field in client.call("schema")["tables"]["orders"]["fields"] if field["name"] != "attr.late"]
        equal((fields, client.call(*question)["rows"]), (before[0]["orders"]["fields"], before[1]), "after a " + how)
        late = client.call("rows", {"from": "orders", "fields": ["order"], "where": "attr.late = 'yes'"})
        equal(late["rows"], [["1"]], "the one that came after the snapshot")
        equal(client.call("verify")["ok"], True, "verify")
        client.close()


def run():
    server = Server(timezone="UTC").start()
    try:
        client = server.client()
        the_wire(server, client)
        the_command(server, client)
        loads_that_map(server, client)
        loads_that_add(server, client)
        everything_is_there_after_a_kill(server, client)
    finally:
        server.kill()


if __name__ == "__main__":
    main(run)
