"""A naive model of what Patron promises, from RULES.md alone: dicts and lists, exact numbers, nothing kept, all derived.

Every answer is computed from the facts each time it is asked, so there is nothing here that could go stale. Slow on purpose.
"""

import datetime
import json
import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from zoneinfo import ZoneInfo

EPOCH_DAY = datetime.date(1970, 1, 1)
EPOCH = datetime.datetime(1970, 1, 1)
UTC = datetime.timezone.utc
DIGITS = {"EUR": 2, "USD": 2, "GBP": 2, "JPY": 0, "KWD": 3, "BRL": 2, "NPR": 2, "WST": 2}

# The built-in map, SCIENCE.md section 3.
GROUPS = {
    "champions": "555 554 544 545 454 455 445",
    "loyal": "543 444 435 355 354 345 344 335",
    "potential_loyalist": "553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 352 351 342 341 333 323",
    "new": "512 511 422 421 412 411 311",
    "promising": "525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313",
    "need_attention": "535 534 443 434 343 334 325 324",
    "about_to_sleep": "331 321 312 221 213 231 241 251",
    "at_risk": "255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 124",
    "cannot_lose": "155 154 144 214 215 115 114 113",
    "hibernating": "332 322 233 232 223 222 132 123 122 212 211",
    "lost": "111 112 121 131 141 151",
}
GROUP_OF = {tuple(int(c) for c in cell): name for name, cells in GROUPS.items() for cell in cells.split()}
MEAN_NAMES = {  # (R, F, M) high
    (True, True, True): "important_value", (True, False, True): "important_develop",
    (False, True, True): "important_keep", (False, False, True): "important_win_back",
    (True, True, False): "general_value", (True, False, False): "general_develop",
    (False, True, False): "general_keep", (False, False, False): "general_win_back",
}

DATES = ("created", "first_order", "last_order", "day")
PROFILE_TEXT = ("country", "region", "language", "gender", "acq_channel", "entity")
FIELDS = {
    "customers": {"customer", "version", "deleted", "created", "country", "region", "language", "currency", "gender",
                  "birth_year", "acq_channel", "credit", "entity", "consent", "tags"},
    "orders": {"order", "version", "deleted", "customer", "time", "amount", "currency", "paid", "cancelled", "test",
               "country", "channel", "payment", "promotion", "discount", "shipping", "tax", "duty", "cost"},
    "lines": {"order", "version", "deleted", "customer", "time", "product", "quantity", "price", "currency", "line",
              "country", "channel", "category", "cost"},
    "refunds": {"refund", "version", "deleted", "order", "customer", "time", "amount", "currency", "kind", "reason"},
    "fx": {"day", "currency", "rate", "per", "version", "deleted"},
}


ATTRIBUTE_TYPES = ("bool", "int", "decimal", "money", "date", "time", "enum", "set")


class Reject(Exception):
    """A row that cannot be taken: which field is to blame."""

    def __init__(self, field, why):
        super().__init__("%s: %s" % (field, why))
        self.field = field


class Refused(Exception):
    """A request that is answered by an error: its code."""

    def __init__(self, code, text=""):
        super().__init__("%s: %s" % (code, text))
        self.code = code


# ---- values --------------------------------------------------------------------------------------------------------


def half_away(value):
    """A Fraction rounded to an integer, halves away from zero."""
    value = Fraction(value)
    whole = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return whole if value >= 0 else -whole


def parse_decimal(value, field):
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Reject(field, "not a number")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise Reject(field, "not a number") from None
    if not number.is_finite():
        raise Reject(field, "not a number")
    return Fraction(number)


def id_order(key):
    """Numbers by size, then texts bytewise."""
    number = re.fullmatch(r"0|[1-9]\d*", key) and int(key) < 2 ** 63
    return (0, int(key), b"") if number else (1, 0, key.encode())


def value_order(field, value):
    if field == "customer":
        return id_order(value)
    return value.encode() if isinstance(value, str) else value


def print_decimal(value):
    """A Fraction that has an end, without trailing zeros."""
    value = Fraction(value)
    scaled = abs(value) * 10 ** 15
    if scaled.denominator != 1:
        raise ValueError("%r has no end" % value)
    whole, rest = divmod(int(scaled), 10 ** 15)
    return ("-" if value < 0 else "") + ("%d.%015d" % (whole, rest)).rstrip("0").rstrip(".")


def parse_id(value, field):
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None:
        raise Reject(field, "missing")
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= 64 or any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise Reject(field, "not an id")
    return value


def parse_day(value, field="day"):
    """Days since 1970."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise Reject(field, "not a day")
    try:
        return (datetime.date.fromisoformat(value) - EPOCH_DAY).days
    except ValueError:
        raise Reject(field, "no such day") from None


def print_decimal(value):
    """A Fraction that has a decimal form, as short as it goes."""
    if value is None:
        return None
    digits = 0
    while (value * 10 ** digits).denominator != 1:
        digits += 1
    whole = abs(int(value * 10 ** digits))
    text = "%d.%0*d" % (whole // 10 ** digits, digits, whole % 10 ** digits) if digits else str(whole)
    return "-" + text if value < 0 else text


def print_day(day):
    return None if day is None else (EPOCH_DAY + datetime.timedelta(days=day)).isoformat()


STAMP = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(Z|z|[+-]\d\d:\d\d)?)?")


class Zone:
    """Instants and local days by the system's time-zone data."""

    def __init__(self, name):
        self.zone = ZoneInfo(name)

    def instant_of_local(self, naive):
        """fold=0 is what RULES ask: the first of a repeated hour; in a gap the offset before it, which moves it forward."""
        moment = naive.replace(tzinfo=self.zone, fold=0)
        return int((naive - moment.utcoffset() - EPOCH).total_seconds())

    def day_of_instant(self, seconds):
        moment = (EPOCH + datetime.timedelta(seconds=seconds)).replace(tzinfo=UTC).astimezone(self.zone)
        return (moment.date() - EPOCH_DAY).days

    def parse_time(self, value, field):
        """Seconds since 1970 UTC."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value // 1000
        match = STAMP.fullmatch(value) if isinstance(value, str) else None
        if not match:
            raise Reject(field, "not a time")
        day, hour, minute, second, offset = match.groups()
        try:
            naive = datetime.datetime.fromisoformat(day).replace(hour=int(hour or 0), minute=int(minute or 0),
                                                                 second=min(int(second or 0), 59))
        except ValueError:
            raise Reject(field, "no such time") from None
        if offset is None:
            return self.instant_of_local(naive)
        shift = 0
        if offset not in "Zz":
            shift = (int(offset[1:3]) * 60 + int(offset[4:6])) * (60 if offset[0] == "+" else -60)
        return int((naive - EPOCH).total_seconds()) - shift


# ---- facts ---------------------------------------------------------------------------------------------------------


class Record(dict):
    """A row as stored: field -> value, absent and null alike are None."""

    def __missing__(self, key):
        return None


class Order(Record):
    """An order row and its lines. `given`: an order row said its amount."""

    def __init__(self):
        super().__init__()
        self.given = False
        self.lines = {}
        self.lines_version = None

    @property
    def present(self):
        """An order row made it, or lines that are not withdrawn."""
        return self.given or any(not line["deleted"] for line in self.lines.values())


class Batch:
    """A load on its way: its parameters and the tally of its rows."""

    def __init__(self, table, params):
        self.table = table
        self.columns = params["columns"]
        self.skip = params.get("on_error") == "skip"
        self.append = params.get("mode") == "append"
        lengths = {len(column) for column in self.columns.values()}
        if len(lengths) != 1:
            raise Refused("BAD_REQUEST", "columns of different lengths")
        self.rows = lengths.pop()
        self.tally = dict.fromkeys(("new", "updated", "duplicate", "stale", "rejected"), 0)
        self.errors = []
        self.unsure = False  # duplicate or updated, where RULES leave it open

    def row(self, index):
        return {field: column[index] for field, column in self.columns.items()}


class Model:
    def __init__(self, timezone="UTC", base="EUR", now=None):
        self.zone = Zone(timezone)
        self.base = base
        self.now = now or datetime.datetime.now(UTC)
        self.customers, self.orders, self.refunds = {}, {}, {}
        self.attributes = {table: {} for table in FIELDS}  # "attr.vip" -> its type
        self.rates = {}  # (currency, day) -> row
        self.pairs = {}
        self.lsn_steps = 0

    def today(self):
        return self.zone.day_of_instant(int(self.now.timestamp()))

    # ---- attributes

    def schema_add(self, params):
        """True when it was added, False when it was there."""
        own, name, kind = self.attributes.get(params["table"]), params["name"], params["type"]
        if own is None or kind not in ATTRIBUTE_TYPES or not re.fullmatch("[a-z][a-z0-9_]{0,62}", name):
            raise Refused("BAD_REQUEST")
        known = own.get("attr." + name)
        if known is not None and known != kind:
            raise Refused("CONFLICT")
        own["attr." + name] = kind
        return known is None

    def attribute(self, table, field):
        """(name, type) of a field called attr.NAME or, for money, attr.NAME_minor."""
        own = self.attributes[table]
        if field not in own and field.endswith("_minor") and own.get(field[:-6]) == "money":
            field = field[:-6]
        if field not in own:
            raise Refused("UNKNOWN_FIELD", field)
        return field, own[field]

    def any_attribute(self, field):
        """The same where the table does not matter: tests give no two tables one name with two types."""
        for table in self.attributes:
            try:
                return self.attribute(table, field)
            except Refused:
                pass
        raise Refused("UNKNOWN_FIELD", field)

    def stored(self, field):
        """What the value of a field of a question is kept under: money of attributes as minor units only."""
        name = field.removeprefix("customer.")
        return field[:-len(name)] + self.any_attribute(name)[0] if name.startswith("attr.") else field

    def check_attributes(self, table, names):
        for name in names:
            if name.startswith("attr.") or name.startswith("customer.attr."):
                self.attribute("customers" if name[0] == "c" else table, name.removeprefix("customer."))

    def _type_attribute(self, table, field, value):
        kind = self.attribute(table, field)[1]
        if kind == "bool":
            if not isinstance(value, bool):
                raise Reject(field, "neither true nor false")
            return value
        if kind in ("int", "decimal", "money"):
            number = parse_decimal(value, field)
            if kind == "int" and number.denominator != 1:
                raise Reject(field, "not whole")
            return number
        if kind == "date":
            return parse_day(value, field)
        if kind == "time":
            return self.zone.parse_time(value, field)
        return tuple(sorted(set(value))) if kind == "set" else value

    def _attribute_money(self, table, row):
        """Turns money of attributes into minor units; a currency that changes its digits leaves no money behind."""
        if table == "customers":
            known, currency = None, self.base
        else:
            known = None
            if table != "fx":
                known = self.refunds.get(row["refund"]) if table == "refunds" else self.orders.get(row["order"])
            currency = row.get("currency") or (known or {}).get("currency")
        for field in [f for f in row if f.startswith("attr.") and self.attribute(table, f)[1] == "money"]:
            name, value = self.attribute(table, field)[0], row.pop(field)
            if value is not None and currency is None:
                raise Reject("currency", "missing")
            if value is not None and field == name:
                value *= 10 ** DIGITS[currency]
            if value is not None and value.denominator != 1:
                raise Reject(field, "more digits than %s has" % currency)
            row[name] = None if value is None else int(value)
        if table in ("orders", "refunds") and known is not None and known["currency"] is not None:
            stays = [f for f, kind in self.attributes[table].items() if kind == "money" and f not in row and known[f] is not None]
            if stays and DIGITS[currency] != DIGITS[known["currency"]]:
                raise Reject("currency", "%s stays" % stays)

    # ---- loads

    def load(self, table, params):
        """Answer of load.TABLE: the tally, and which rows were rejected. Refused leaves everything as it was."""
        self.check_attributes(table, params["columns"])
        pair = (params["producer"], params["seq"])
        content = json.dumps([table, params], sort_keys=True)
        if pair in self.pairs:
            known, answer = self.pairs[pair]
            if known != content:
                raise Refused("CONFLICT", "%r was sent with other content" % (pair,))
            return answer
        batch = Batch(table, params)
        taken = self._validate(batch)
        if batch.errors and not batch.skip:
            raise Refused("BAD_REQUEST", "row %d, %s" % batch.errors[0])
        batch.tally["rejected"] = len(batch.errors)
        if table == "lines":
            self._apply_lines(batch, taken)
        else:
            for row in taken:
                batch.tally[self._apply(batch, row)] += 1
        self.lsn_steps += 1
        answer = dict(batch.tally, rows=batch.rows, errors=batch.errors, unsure=batch.unsure)
        self.pairs[pair] = (content, answer)
        return answer

    def _validate(self, batch):
        """Typed rows that can be taken; sees ids that earlier rows of the batch bring."""
        taken, fresh, positions = [], set(), {}
        for index in range(batch.rows):
            raw = batch.row(index)
            if batch.table == "lines" and "line" not in raw and not batch.append:
                # By position among the order's rows as sent, so that mending a bad one does not renumber its neighbours.
                positions[raw["order"]] = raw["line"] = positions.get(raw["order"], 0) + 1
            try:
                row = self._type_row(batch.table, raw, fresh)
            except Reject as reject:
                batch.errors.append((index, reject.field))
                continue
            fresh.add((row["currency"], row["day"]) if batch.table == "fx" else row["refund"] if batch.table == "refunds" else row.get("order", row.get("customer")))
            taken.append(row)
        return taken

    def _type_row(self, table, raw, fresh):
        row = {}
        for field, value in raw.items():
            if field in ("customer", "order", "refund"):
                identity = field == {"customers": "customer", "refunds": "refund"}.get(table, "order")
                row[field] = None if value is None and not identity else parse_id(value, field)
            elif value is None:
                row[field] = None
            elif field.startswith("attr."):
                row[field] = self._type_attribute(table, field, value)
            elif field in ("time", "paid"):
                row[field] = self.zone.parse_time(value, field)
            elif field in ("created", "cancelled", "day"):
                row[field] = parse_day(value, field)
            elif field in ("amount", "amount_minor", "quantity", "price", "rate"):
                row[field] = parse_decimal(value, field)
            elif field == "currency":
                if value not in DIGITS:
                    raise Reject(field, "no such currency")
                row[field] = value
            elif field == "version":
                row[field] = value if isinstance(value, int) else self.zone.parse_time(value, field) * 1000
            elif field in ("deleted", "test"):
                row[field] = value or None
            elif field in ("tags", "consent"):
                row[field] = tuple(sorted(set(value)))
            else:
                row[field] = value
        limit = int(self.now.timestamp()) + 86400
        if row.get("time") is not None and row["time"] > limit:
            raise Reject("time", "in the future")
        getattr(self, "_check_" + table)(row, fresh)
        self._attribute_money(table, row)
        return row

    def _require(self, row, fields):
        for field in fields:
            if row.get(field) is None:
                raise Reject(field, "missing")

    def _check_customers(self, row, fresh):
        self._require(row, ["customer"])

    def _money(self, row, known, positive):
        """Turns amount or amount_minor into minor units of the row's or the stored currency."""
        field = "amount_minor" if "amount_minor" in row else "amount"
        if row.get(field) is None:
            return
        currency = row.get("currency") or (known or {}).get("currency")
        if currency is None:
            raise Reject("currency", "missing")
        minor = row.pop(field) * (1 if field == "amount_minor" else 10 ** DIGITS[currency])
        if minor.denominator != 1:
            raise Reject(field, "more digits than %s has" % currency)
        if minor < 0 or (positive and minor == 0):
            raise Reject(field, "below zero")
        row["amount"] = int(minor)

    def _check_orders(self, row, fresh):
        known = self.orders.get(row["order"])
        if (known is None or not known.present) and row["order"] not in fresh:
            self._require(row, ["customer", "time", "currency", "amount_minor" if "amount_minor" in row else "amount"])
        self._money(row, known, False)

    def _check_fx(self, row, fresh):
        self._require(row, ["day", "currency"])
        if row["currency"] == self.base:
            raise Reject("currency", "the base currency")
        known = (row["currency"], row["day"])
        if "rate" in row or (known not in self.rates and known not in fresh):
            self._require(row, ["rate"])
            if row["rate"] <= 0:
                raise Reject("rate", "not above zero")
        if row.get("per") not in (None, "unit", "base"):
            raise Reject("per", "neither unit nor base")
        if "per" in row:
            row["per"] = row["per"] or "unit"

    def _check_refunds(self, row, fresh):
        known = self.refunds.get(row["refund"])
        if known is None and row["refund"] not in fresh:
            self._require(row, ["time", "currency", "amount_minor" if "amount_minor" in row else "amount"])
            if row.get("order") is None and row.get("customer") is None:
                raise Reject("customer", "missing")
        self._money(row, known, True)

    def _check_lines(self, row, fresh):
        self._require(row, ["product", "quantity", "price"])
        known = self.orders.get(row["order"])
        if (known is None or not known.present) and row["order"] not in fresh:
            self._require(row, ["customer", "time", "currency"])
        if row["price"] <= 0:
            raise Reject("price", "not above zero")
        if row["quantity"] == 0:
            raise Reject("quantity", "zero")

    def _apply(self, batch, row):
        """One typed row of any table but lines; gives its column of the tally."""
        if batch.table == "customers":
            table, key, make = self.customers, row["customer"], Record
        elif batch.table == "orders":
            table, key, make = self.orders, row["order"], Order
        elif batch.table == "fx":
            table, key, make = self.rates, (row["currency"], row["day"]), lambda: Record(per="unit")
        else:
            table, key, make = self.refunds, row["refund"], Record
        record = table.get(key)
        known = record is not None and (batch.table != "orders" or record.present)
        if record is None:
            record = table[key] = make()
        version = row.get("version")
        if known and version is not None and record["version"] is not None and version < record["version"]:
            return "stale"
        changed = dict(row)
        if version is None:
            changed.pop("version", None)
        # The id is no change: an order that only lines made has it too.
        differs = {field for field, value in changed.items() if record[field] != value and field != batch.table[:-1]}
        if batch.table == "orders":
            record.given = record.given or row.get("amount") is not None
        if batch.table == "refunds" and differs == {"customer"} and record["order"] is not None:
            batch.unsure = True  # the customer is the order's whatever the row says
        record.update(changed)
        if not known:
            return "new"
        return "updated" if differs else "duplicate"

    def _apply_lines(self, batch, rows):
        by_order = {}
        for row in rows:
            by_order.setdefault(row["order"], []).append(row)
        for key, lines in by_order.items():
            self._apply_order_lines(batch, self.orders.setdefault(key, Order()), lines)

    def _apply_order_lines(self, batch, order, rows):
        versions = [row["version"] for row in rows if row.get("version") is not None]
        version = max(versions, default=None)
        if version is not None and order.lines_version is not None and version < order.lines_version:
            batch.tally["stale"] += len(rows)
            return
        if version is not None:
            order.lines_version = version
        old = order.lines
        order.lines = dict(old) if batch.append else {}
        unchanged = []
        for row in rows:
            number = row.get("line") or max(order.lines, default=0) + 1
            before = old.get(number)
            # A row is a patch also where the set of lines is replaced: what it does not say stays.
            content = {field: row[field] if field in row else (before or {}).get(field)
                       for field in ("product", "quantity", "price", "category", "deleted", *self.attributes["lines"])}
            order.lines[number] = content
            same = before is not None and all(before.get(field) == value for field, value in content.items())
            batch.tally["new" if before is None else "duplicate" if same else "updated"] += 1
            unchanged.append(same)
        before = {field: order[field] for field in ("time", "customer", "currency", "country", "channel")}
        self._take_order_fields(batch, order, rows)
        # Is a line updated when only its version, its order's fields or its neighbours changed? RULES leave it open.
        batch.unsure = batch.unsure or any(unchanged) and (
            version is not None or set(old) - set(order.lines) or any(order[f] != value for f, value in before.items()))

    @staticmethod
    def _take_order_fields(batch, order, rows):
        times = [row["time"] for row in rows if row.get("time") is not None]
        if batch.append and order["time"] is not None:
            times.append(order["time"])
        if times:
            order["time"] = min(times)
        for field in ("customer", "currency", "country", "channel"):
            given = next((row[field] for row in rows if row.get(field) is not None), None)
            if given is not None:
                order[field] = given

    # ---- facts as of a day

    def line_sum(self, order):
        total = sum((line["quantity"] * line["price"] for line in order.lines.values() if not line["deleted"]), Fraction(0))
        return half_away(total * 10 ** DIGITS[order["currency"]])

    def facts(self):
        """(orders, refunds) that are in answers at all: dicts of id -> facts with day, customer, amount, currency."""
        orders, refunds = {}, {}
        for key, order in self.orders.items():
            if not order.present or order["deleted"]:
                continue
            amount = order["amount"] if order.given else self.line_sum(order)
            fact = dict(id=key, customer=order["customer"], time=order["time"], amount=abs(amount), order=None, row=order,
                        currency=order["currency"], day=self.zone.day_of_instant(order["time"]), country=order["country"])
            (refunds if amount < 0 else orders)[key] = fact
        for key, refund in self.refunds.items():
            if refund["deleted"]:
                continue
            order = self.orders.get(refund["order"]) if refund["order"] is not None else None
            if refund["order"] is not None and (order is None or not order.present):
                continue
            refunds[key] = dict(id=key, customer=order["customer"] if order is not None else refund["customer"],
                                time=refund["time"], amount=refund["amount"], order=order, currency=refund["currency"],
                                day=self.zone.day_of_instant(refund["time"]))
        return orders, refunds

    def counts(self):
        """What status says of rows."""
        orders, refunds = self.facts()
        named = {fact["customer"] for facts in (orders, refunds) for fact in facts.values()} | set(self.customers)
        return {
            "customers": sum(1 for c in named if not self.customers.get(c, Record())["deleted"]),
            "orders": len(orders), "refunds": len(refunds),
            "lines": sum(1 for o in self.orders.values() for line in o.lines.values() if not line["deleted"]),
            "pending": sum(1 for r in self.refunds.values() if not r["deleted"] and r["order"] is not None and
                           not self.orders.get(r["order"], Order()).present),
            "unpriced": sum(1 for facts in (orders, refunds) for f in facts.values() if self.base_value(f) is None),
            "fx": sum(1 for rate in self.rates.values() if not rate["deleted"]),
        }

    def eligible(self, fact, day):
        order = fact["row"]
        paid = fact["time"] if order["paid"] is None else order["paid"]
        return (not order["test"] and fact["day"] <= day and self.zone.day_of_instant(paid) <= day and
                (order["cancelled"] is None or order["cancelled"] > day))

    def counting(self, fact, day):
        order = fact["order"]
        if fact["day"] > day:
            return False
        return order is None or not (order["deleted"] or order["test"] or
                                     (order["cancelled"] is not None and order["cancelled"] <= day))

    def rate_at(self, currency, day):
        """Base currency for one unit as a fraction, by the latest rate on or before the day; None before the first."""
        if currency == self.base:
            return Fraction(1)
        dated = [when for (of, when), rate in self.rates.items() if of == currency and when <= day and not rate["deleted"]]
        if not dated:
            return None
        row = self.rates[currency, max(dated)]
        return 1 / row["rate"] if row["per"] == "base" else row["rate"]

    def base_value(self, fact):
        """Minor units of the base currency, rounded once; None while there is no rate."""
        rate = self.rate_at(fact["currency"], fact["day"])
        if rate is None:
            return None
        return half_away(Fraction(fact["amount"], 10 ** DIGITS[fact["currency"]]) * rate * 10 ** DIGITS[self.base])

    def worth(self, fact):
        return self.base_value(fact) or 0

    def live(self, day, withdrawn=False):
        """Live customers (with `withdrawn` all there are) at `day`: id -> dict of all fields but the scores, plus the facts that count."""
        all_orders, all_refunds = self.facts()
        orders, refunds = {}, {}
        for fact in all_orders.values():
            orders.setdefault(fact["customer"], []).append(fact)
        for fact in all_refunds.values():
            refunds.setdefault(fact["customer"], []).append(fact)
        result = {}
        for key in set(self.customers) | set(orders) | set(refunds):
            profile = self.customers.get(key, Record())
            mine, back = orders.get(key, []), refunds.get(key, [])
            dates = [fact["day"] for fact in mine + back]
            if profile["created"] is not None:
                dates.append(profile["created"])
            if not withdrawn and (profile["deleted"] or (dates and min(dates) > day)):
                continue
            result[key] = self._customer(key, profile, mine, back, day)
        return result

    def _customer(self, key, profile, orders, refunds, day):
        eligible = [fact for fact in orders if self.eligible(fact, day)]
        counting = [fact for fact in refunds if self.counting(fact, day)]
        days = [fact["day"] for fact in eligible]
        country = profile["country"]
        dated = [fact for fact in orders if fact["day"] <= day]
        if country is None and dated:
            country = min(dated, key=lambda fact: (fact["time"], fact["id"].encode()))["country"]
        fields = {field: profile[field] for field in FIELDS["customers"] - {"version", "deleted"} | set(self.attributes["customers"])}
        fields.update(
            customer=key, country=country, orders=len(eligible),
            net=sum(map(self.worth, eligible)) - sum(map(self.worth, counting)),
            first_order=min(days, default=None), last_order=max(days, default=None),
            recency_days=day - max(days) if days else None, lifecycle=self.lifecycle(days, day, (90, 365)),
            _eligible=eligible, _counting=counting)
        return fields

    def cycle(self, live, day, spec, everybody=None):
        """The life cycle with a question's own cuts, where it has any."""
        if not spec:
            return
        fixed, times = spec.get("cuts", (90, 365)), [Fraction(str(gap)) for gap in spec.get("gaps", ())]
        means = {}  # by country: of live customers with two gaps at least, of which one is longer than nothing
        for fields in live.values():
            means.setdefault(fields["country"], []).append(self.mean_gap(fields))
        means = {country: sorted(gap for gap in gaps if gap is not None) for country, gaps in means.items()}
        whole = sorted(gap for gaps in means.values() for gap in gaps)
        for fields in list(live.values()) + list((everybody or {}).values()):
            gap = self.mean_gap(fields) if times else None
            if times and gap is None:
                among = means.get(fields["country"]) or whole
                gap = among[(len(among) + 1) // 2 - 1] if among else None
            cuts = fixed if gap is None else [gap * time for time in times]
            fields["lifecycle"] = self.lifecycle([fact["day"] for fact in fields["_eligible"]], day, cuts)

    @staticmethod
    def mean_gap(fields):
        """Days between one order and the next, those of one day included; None for fewer than two gaps or a single day."""
        days = sorted(fact["day"] for fact in fields["_eligible"])
        gaps = [Fraction(after - before) for before, after in zip(days, days[1:])]
        return sum(gaps) / len(gaps) if len(gaps) >= 2 and any(gaps) else None

    @staticmethod
    def lifecycle(days, day, cuts):
        """RULES, Life cycle: the first that holds."""
        days = sorted(days)
        if not days:
            return "prospect"
        recency = day - days[-1]
        if recency > cuts[0]:
            return "sleeping" if recency <= cuts[1] else "lost"
        if len(days) == 1:
            return "new"
        return "returned" if days[-1] - days[-2] > cuts[0] else "active"

    # ---- RFM

    def score(self, live, day, spec=None):
        """Adds r f m rfm_group (and _f _m of the window) to live customers. Gives the population and its thresholds."""
        spec = spec or {}
        first = self._window_first(spec.get("window", "365d"), day)
        population = []
        for fields in live.values():
            inside = [fact for fact in fields["_eligible"] if fact["day"] >= first]
            fields.update(r=None, f=None, m=None, rfm_group=None)
            fields["_f"] = len(inside)
            fields["_m"] = (sum(map(self.worth, inside)) -
                            sum(self.worth(fact) for fact in fields["_counting"] if fact["day"] >= first))
            if fields["_f"] and self.matches(spec.get("population"), fields, day):
                population.append(fields)
        measures = {"r": lambda c: c["recency_days"], "f": lambda c: c["_f"], "m": lambda c: c["_m"]}
        scoring = spec.get("scoring", "quintile")
        values = {name: [get(c) for c in population] for name, get in measures.items()}
        for fields in population:
            mine = {name: get(fields) for name, get in measures.items()}
            if scoring == "mean":
                high = tuple(self._high(name, mine[name], values[name]) for name in "rfm")
                fields["rfm_group"] = MEAN_NAMES[high]
            else:
                for name in "rfm":
                    fields[name] = (self._quintile(name, mine[name], values[name]) if scoring == "quintile"
                                    else self._cut(name, mine[name], spec["cuts"]))
                fields["rfm_group"] = GROUP_OF[fields["r"], fields["f"], fields["m"]]
        return population, self._thresholds(population, measures)

    @staticmethod
    def _window_first(window, day):
        if window == "all":
            return -(10 ** 9)
        return day - int(window[:-1]) * {"d": 1, "w": 7}[window[-1]] + 1

    @staticmethod
    def _high(name, value, values):
        """At or better than the mean."""
        return value * len(values) <= sum(values) if name == "r" else value * len(values) >= sum(values)

    @staticmethod
    def _quintile(name, value, values):
        worse = sum(1 for other in values if (other > value if name == "r" else other < value))
        return 1 + 5 * worse // len(values)

    @staticmethod
    def _cut(name, value, cuts):
        cuts = cuts["m_minor" if name == "m" else name]
        return 1 + sum(1 for cut in cuts if (value <= cut if name == "r" else value >= cut))

    @staticmethod
    def _thresholds(population, measures):
        result = {}
        for name, get in measures.items():
            pick = max if name == "r" else min
            result["m_minor" if name == "m" else name] = [
                pick((get(c) for c in population if c[name] == score), default=None) for score in (2, 3, 4, 5)]
        return result

    def rfm_grid(self, day, spec, where=None):
        """What the grid calls net_minor is M, the money of the window."""
        self.bind(where, day)
        live = self.live(day)
        self.cycle(live, day, spec.get("lifecycle"))
        population, thresholds = self.score(live, day, spec)
        shown = [c for c in live.values() if self.matches(where, c, day)]
        scored = [c for c in shown if c["rfm_group"] is not None]
        cells = {}
        for c in scored:
            cell = cells.setdefault((c["r"], c["f"], c["m"]), [0, 0])
            cell[0] += 1
            cell[1] += c["_m"]
        out = [c for c in shown if c["rfm_group"] is None]
        return {"scored": len(scored), "unscored": (len(out), sum(c["_m"] for c in out)),
                "thresholds": thresholds, "cells": cells}

    def rfm_groups(self, day, spec, where=None):
        """name -> (count, M, customers with one order up to the day)."""
        self.bind(where, day)
        live = self.live(day)
        self.cycle(live, day, spec.get("lifecycle"))
        self.score(live, day, spec)
        groups = {}
        for c in live.values():
            if c["rfm_group"] is not None and self.matches(where, c, day):
                group = groups.setdefault(c["rfm_group"], [0, 0, 0])
                for i, add in enumerate((1, c["_m"], int(c["orders"] == 1))):
                    group[i] += add
        return groups

    # ---- filters in their tree form

    def matches(self, tree, fields, day):
        if tree is None:
            return True
        op, rest = tree[0], tree[1:]
        if op == "and":
            return all(self.matches(part, fields, day) for part in rest)
        if op == "or":
            return any(self.matches(part, fields, day) for part in rest)
        if op == "not":
            return not self.matches(rest[0], fields, day)
        name, value = rest[0].removeprefix("customer."), fields[self.stored(rest[0])]
        if op == "is_null":
            return value is None
        if value is None:
            return False
        if op == "has":
            return rest[1] in value
        if op == "in":
            return any(value == self._literal(name, literal, day) for literal in rest[1])
        if op == "between":
            low, high = (self._literal(name, literal, day) for literal in rest[1:3])
            return low <= value <= high
        literal = self._literal(name, rest[1], day)
        return {"=": value == literal, "<>": value != literal, "<": value < literal, "<=": value <= literal,
                ">": value > literal, ">=": value >= literal}[op] if not isinstance(value, str) or op in ("=", "<>") else False

    def bind(self, tree, day):
        """Refuses what cannot be asked on that day, whether or not there is anybody to ask it of."""
        for part in tree or []:
            if isinstance(part, list):
                self.bind(part, day)
            elif isinstance(part, dict) and "money" in part:
                self._literal("net", part, day)

    def _literal(self, name, literal, day):
        if name.startswith("attr."):
            field, kind = self.any_attribute(name)
            if kind == "time":
                return self.zone.parse_time(literal, name)
            if kind in ("int", "decimal") or field != name:
                return parse_decimal(literal, name)
            name = {"date": "created", "money": "net"}.get(kind, name)
        if name in DATES:
            return day + literal["days"] if isinstance(literal, dict) else parse_day(literal)
        if name == "net":
            if not isinstance(literal, dict):
                return parse_decimal(literal, name) * 10 ** DIGITS[self.base]
            rate = self.rate_at(literal["currency"], day)
            if rate is None:
                raise Refused("BAD_REQUEST", "no rate for %(currency)s" % literal)
            worth = parse_decimal(literal["money"], name) * rate * 10 ** DIGITS[self.base]
            return worth if literal["currency"] == self.base else half_away(worth)
        return str(literal) if name == "customer" else literal

    # ---- questions

    def question(self, params):
        """(day, live customers with scores, those that `where` picks)."""
        as_of = params.get("as_of", "now")
        day = self.today() if as_of == "now" else parse_day(as_of)
        self.bind(params.get("where"), day)
        live = self.live(day)
        self.cycle(live, day, params.get("lifecycle"))
        self.score(live, day, params.get("rfm"))
        return day, live, [c for c in live.values() if self.matches(params.get("where"), c, day)]

    def count(self, params):
        _, live, chosen = self.question(params)
        return {"count": len(chosen), "of": len(live)}

    def kind(self, field):
        """How values of a field are printed and averaged: "date", "money", "decimal" or another type."""
        field = field.removeprefix("customer.")
        if field.startswith("attr."):
            return self.any_attribute(field)[1]
        if field in DATES:
            return "date"
        return {"net": "money", "amount_minor": "money", "quantity": "decimal"}.get(field)

    def printed(self, field, value):
        if self.kind(field) == "date":
            return print_day(value)
        return print_decimal(value) if self.kind(field) == "decimal" else list(value) if isinstance(value, tuple) else value

    def dimension(self, text, fields, base_digits):
        """Value of one `by` entry; bins give their number."""
        match = re.fullmatch(r"(day|month|year)\(([\w.]+)\)", text)
        if match:
            day = fields["day" if match.group(2) == "time" else match.group(2)]
            return None if day is None else print_day(day)[:{"day": 10, "month": 7, "year": 4}[match.group(1)]]
        match = re.fullmatch(r"bin\(([\w.]+),\s*\[(.*)\]\)", text)
        if match:
            value = fields[match.group(1)]
            scale = 10 ** base_digits if self.kind(match.group(1)) == "money" else 1
            edges = [Fraction(edge.strip()) * scale for edge in match.group(2).split(",")]
            return None if value is None else sum(1 for edge in edges if value >= edge)
        value = self.printed(text, fields[text])
        return tuple(value) if isinstance(value, list) else value

    def metric(self, text, customers):
        if text == "count":
            return len(customers)
        if text == "customers":
            return len({c["customer"] for c in customers})
        kind, field = re.fullmatch(r"([a-z]+[0-9.]*)\(([\w.]+)\)", text).groups()
        values = sorted(c[self.stored(field)] for c in customers if c[self.stored(field)] is not None)
        if kind == "sum":
            return print_decimal(Fraction(sum(values))) if self.kind(field) == "decimal" else sum(values)
        if not values:
            return None
        if kind == "avg":
            mean = Fraction(sum(values), len(values))
            return half_away(mean) if self.kind(field) == "money" else mean
        if kind in ("min", "max"):
            value = values[0] if kind == "min" else values[-1]
        else:
            value = values[max(1, -(-Fraction(kind[1:]) * len(values) // 100)) - 1]
        return self.printed(field, value)

    # ---- facts as rows

    def _fact_row(self, fact, day):
        row = {"customer": fact["customer"], "day": fact["day"], "currency": fact["currency"], "amount_minor": fact["amount"],
               "net": self.base_value(fact)}
        for field in ("country", "channel", "order", "kind", "reason"):
            row[field] = fact["row"][field] if fact.get("row") is not None else None
        return row

    def _attributes_of(self, table, record):
        return {field: record.get(field) for field in self.attributes[table]}

    def _rows_of(self, table, day):
        """Eligible orders, refunds that count, lines of eligible orders, as of `day`."""
        all_orders, all_refunds = self.facts()
        if table == "refunds":
            return [dict(self._fact_row(fact, day), refund=key, **self._attributes_of("refunds", self.refunds.get(key, {}))) for key, fact in all_refunds.items() if self.counting(fact, day)]
        orders = [(key, fact) for key, fact in all_orders.items() if self.eligible(fact, day)]
        if table == "orders":
            return [dict(self._fact_row(fact, day), order=key, **self._attributes_of("orders", fact["row"])) for key, fact in orders]
        rows = []
        for key, fact in orders:
            for line in fact["row"].lines.values():
                if not line["deleted"]:
                    minor = half_away(line["quantity"] * line["price"] * 10 ** DIGITS[fact["currency"]])
                    rows.append(dict(self._fact_row(fact, day), order=key, product=line["product"], category=line["category"],
                                     quantity=line["quantity"], amount_minor=minor,
                                     net=self.base_value(dict(fact, amount=minor)),
                                     **self._attributes_of("lines", line)))
        return rows

    def fact_question(self, params):
        """The facts that `group` from a table of facts is about, each with its customer's fields as customer.NAME."""
        as_of = params.get("as_of", "now")
        day = self.today() if as_of == "now" else parse_day(as_of)
        first, last = params.get("between", (None, None))
        self.bind(params.get("where"), day)
        live = self.live(day)
        everybody = self.live(day, True)
        self.cycle(live, day, params.get("lifecycle"), everybody)
        self.score(live, day, params.get("rfm"))
        chosen = []
        for row in self._rows_of(params["from"], day):
            if (first is not None and row["day"] < parse_day(first)) or (last is not None and row["day"] > parse_day(last)):
                continue
            who = dict(everybody[row["customer"]], **{k: None for k in ("r", "f", "m", "rfm_group")})
            who.update(live.get(row["customer"], {}))
            row.update({"customer." + field: value for field, value in who.items()})
            if self.matches(params.get("where"), row, day):
                chosen.append(row)
        return chosen

    def group(self, params):
        """({key of the group: its metrics}, metrics of the whole)."""
        chosen = self.fact_question(params) if params.get("from", "customers") != "customers" else self.question(params)[2]
        groups = {}
        for c in chosen:
            key = tuple(self.dimension(text, c, DIGITS[self.base]) for text in params["by"])
            groups.setdefault(key, []).append(c)
        if not params["by"] and not groups:
            groups[()] = []
        metrics = params["metrics"]
        return ({key: [self.metric(m, members) for m in metrics] for key, members in groups.items()},
                [self.metric(m, chosen) for m in metrics])

    def cohort(self, params):
        """{month: (size, values)}; values end with the month of the day asked for, and None stands for those to come."""
        day, _, chosen = self.question(params)
        month_of = lambda d: (EPOCH_DAY + datetime.timedelta(days=d)).year * 12 + (EPOCH_DAY + datetime.timedelta(days=d)).month - 1
        field, metric = params.get("start", "first_order"), params.get("metric", "customers")
        members = {}
        for c in chosen:
            if c[field] is not None and c[field] <= day:
                members.setdefault(month_of(c[field]), []).append(c)
        last = month_of(day)
        periods = params.get("periods", last - min(members) + 1 if members else 0)
        result = {}
        for start, customers in members.items():
            values = []
            for month in range(start, start + periods):
                facts = [(c["customer"], f, 1) for c in customers for f in c["_eligible"] if month_of(f["day"]) == month]
                if metric == "customers":
                    value = len({who for who, _, _ in facts})
                elif metric == "orders":
                    value = len(facts)
                else:
                    facts += [(c["customer"], f, -1) for c in customers for f in c["_counting"] if month_of(f["day"]) == month]
                    value = sum(sign * self.worth(f) for _, f, sign in facts)
                values.append(value if month <= last else None)
            result["%04d-%02d" % (start // 12, start % 12 + 1)] = (len(customers), values)
        return result

    def rows(self, params):
        """Rows of customers in the order asked; ties end on the id."""
        _, _, chosen = self.question(params)
        chosen.sort(key=lambda c: id_order(c["customer"]))
        for text in reversed(params.get("order_by", [])):
            field = text.lstrip("-")
            unset = [c for c in chosen if c[field] is None]  # last, in either direction
            known = [c for c in chosen if c[field] is not None]
            known.sort(key=lambda c, f=field: value_order(f, c[f]), reverse=text.startswith("-"))
            chosen = known + unset
        return [[self.printed(f, c[f]) for f in params["fields"]]
                for c in chosen[:params.get("limit", 100)]]

    def customer(self, params):
        _, live, _ = self.question({k: v for k, v in params.items() if k != "customer"})
        fields = live.get(str(params["customer"]))
        if fields is None:
            raise Refused("NOT_FOUND", "no customer %s" % params["customer"])
        return fields

    def order(self, params):
        """The order's fact; of one whose lines sum below zero, the refund that it is."""
        key = str(params["order"])
        orders, refunds = self.facts()
        if key in orders:
            return orders[key]
        if key in self.orders and key in refunds:
            return dict(refunds[key], refund=key)
        raise Refused("NOT_FOUND", "no order %s" % key)
