"""The works that peers are asked, too: for each the question to patrond, the SQL of each peer, and what makes answers comparable.

Days are UTC and money is in one currency, so that SQL needs no rates and no zones: what is left is the work itself. The tables of
the peers are laid out as well as their users would: narrow types, eligible state beside each order, ClickHouse's sorted by
customer, refunds joined to their orders at load, and a table of customers as of NOW with sums ready for W3 to W5.
"""
import datetime

NOW = datetime.date(2025, 6, 30)  # after every fact of the shop, so that the sums that are kept answer


def day(text):
    return f"DATE '{text}'"


def setup(peer, directory):
    """(work, sql) pairs; works that begin with W are timed."""
    if peer == "clickhouse":  # else an amount would be guessed to be a float, and lose a cent here and there
        yield "setup", "SET input_format_csv_use_best_effort_in_schema_inference = 0"
    if peer == "duckdb":
        source = lambda name: f"read_csv('{directory}/{name}.csv', header = true, all_varchar = true)"
        when = lambda column: f"CAST(CAST(replace({column}, 'Z', '') AS TIMESTAMP) AS DATE)"
        minor = "CAST(CAST(amount AS DECIMAL(18, 2)) * 100 AS BIGINT)"
        make = lambda name, order: f"CREATE TABLE {name} AS "
        nullable_date = lambda column: f"CAST({column} AS DATE)"
        number = lambda column: f"CAST({column} AS UBIGINT)"
        test = "coalesce(test, '') = '1'"
    else:
        source = lambda name: f"file('{directory}/{name}.csv', CSVWithNames)"
        when = lambda column: f"toDate(parseDateTimeBestEffort({column}, 'UTC'), 'UTC')"
        minor = "toInt64(toDecimal64(amount, 2) * 100)"
        make = lambda name, order: (f"CREATE TABLE {name} ENGINE = MergeTree ORDER BY {order} "
                                    "SETTINGS allow_nullable_key = 1 AS ")
        nullable_date = lambda column: f"toDateOrNull(toString({column}))"
        number = lambda column: f"toUInt64({column})"
        test = "ifNull(toString(test), '') = '1'"
    paid = (f"CASE WHEN paid IS NULL OR CAST(paid AS VARCHAR) = '' THEN {when('time')} ELSE {when('paid')} END" if peer == "duckdb"
            else "if(ifNull(toString(paid), '') = '', " + when("toString(time)") + ", " + when("toString(paid)") + ")")
    time = when("time") if peer == "duckdb" else when("toString(time)")
    order_id = '"order"'
    yield "W1c", (make("orders", "customer") + f"SELECT {number(order_id)} AS id, {number('customer')} AS customer, {time} AS d, {minor} AS net, "
                  f"{paid} AS paid_d, {nullable_date('cancelled')} AS cancelled_d, {test} AS test FROM {source('orders')}")
    country = "country" if peer == "duckdb" else "toLowCardinality(ifNull(country, ''))"
    yield "setup", make("customers", "id") + f"SELECT {number('customer')} AS id, {country} AS country FROM {source('customers')}"
    yield "setup", (make("refunds", "customer") + f"SELECT o.customer AS customer, r.d AS d, r.net AS net, o.cancelled_d AS cancelled_d, "
                    f"o.test AS test FROM (SELECT {number(order_id)} AS o_id, {time} AS d, {minor} AS net FROM {source('refunds')}) r "
                    "JOIN orders o ON r.o_id = o.id")
    yield "setup", (make("now", "id") + "SELECT c.id AS id, c.country AS country, coalesce(o.n, 0) AS orders, "
                    "coalesce(o.net, 0) - coalesce(r.net, 0) AS net, o.last AS last FROM customers c "
                    f"LEFT JOIN (SELECT customer, count(*) AS n, sum(net) AS net, max(d) AS last FROM orders WHERE {eligible(NOW)} "
                    "GROUP BY customer) o ON o.customer = c.id "
                    f"LEFT JOIN (SELECT customer, sum(net) AS net FROM refunds WHERE {counting(NOW)} GROUP BY customer) r ON r.customer = c.id")


def eligible(on):
    return f"d <= {day(on)} AND paid_d <= {day(on)} AND (cancelled_d IS NULL OR cancelled_d > {day(on)}) AND NOT test"


def counting(on):
    return f"d <= {day(on)} AND (cancelled_d IS NULL OR cancelled_d > {day(on)}) AND NOT test"


def rfm_sql(peer, on, window):
    low = on - datetime.timedelta(days=window - 1)
    inside = f"d >= {day(low)}"
    if peer == "duckdb":
        count, total, age = f"count(*) FILTER ({inside})", f"coalesce(sum(net) FILTER ({inside}), 0)", f"({day(on)} - last)"
        score = lambda order: f"1 + (5 * (rank() OVER (ORDER BY {order}) - 1)) // (count(*) OVER ())"
    else:
        count, total, age = f"countIf({inside})", f"sumIf(net, {inside})", f"dateDiff('day', last, {day(on)})"
        score = lambda order: f"1 + intDiv(5 * (rank() OVER (ORDER BY {order}) - 1), count(*) OVER ())"
    return (f"WITH f AS (SELECT customer, {count} AS n, {total} AS net, max(d) AS last FROM orders WHERE {eligible(on)} GROUP BY customer), "
            f"b AS (SELECT customer, sum(net) AS net FROM refunds WHERE {counting(on)} AND {inside} GROUP BY customer), "
            f"p AS (SELECT f.n AS n, {age} AS age, f.net - coalesce(b.net, 0) AS money FROM f LEFT JOIN b ON f.customer = b.customer WHERE f.n >= 1), "
            f"s AS (SELECT {score('age DESC')} AS r, {score('n')} AS f, {score('money')} AS m, money FROM p) "
            "SELECT r, f, m, count(*), CAST(sum(money) AS BIGINT) FROM s GROUP BY r, f, m ORDER BY r, f, m")


def cohort_sql(peer, on):
    if peer == "duckdb":
        month, gap = "date_trunc('month', {})", "date_diff('month', date_trunc('month', first), date_trunc('month', d))"
    else:
        month, gap = "toStartOfMonth({})", "dateDiff('month', toStartOfMonth(first), toStartOfMonth(d))"
    return (f"WITH e AS (SELECT customer, d FROM orders WHERE {eligible(on)}), c AS (SELECT customer, min(d) AS first FROM e GROUP BY customer) "
            f"SELECT CAST({month.format('c.first')} AS VARCHAR) AS m0, {gap} AS k, count(DISTINCT e.customer) AS n FROM e "
            "JOIN c ON e.customer = c.customer GROUP BY m0, k ORDER BY m0, k")


def quantile(peer, q):
    return f"quantile_disc(net, {q})" if peer == "duckdb" else f"quantileExact({q})(net)"


class Work:
    """One question in as many variants as there are repeats, so that no answer is remembered from the one before."""

    def __init__(self, name, title, floor, ask, sql, ours, theirs):
        self.name, self.title, self.floor, self.ask, self.sql, self.ours, self.theirs = name, title, floor, ask, sql, ours, theirs

    def bytes(self, customers, orders):
        """What the work has to read at the least, as SPEED.md counts its floors."""
        return self.floor.get("customer", 0) * customers + self.floor.get("order", 0) * orders


def ints(rows):
    return [[int(v) if isinstance(v, (int, float)) or (isinstance(v, str) and v.lstrip("-").isdigit()) else v for v in row] for row in rows]


def grid_ours(answer):
    return sorted([c["r"], c["f"], c["m"], c["count"], c["net_minor"]] for c in answer["cells"])


def cohort_ours(answer):
    return sorted([c["cohort"], k, n] for c in answer["cohorts"] for k, n in enumerate(c["values"]) if n)


def cohort_theirs(_, rows):
    return sorted([str(m)[:7], int(k), int(n)] for m, k, n in rows)


def group_ours(answer):
    return sorted([row[0] or "", *row[1:]] for row in answer["rows"])


def group_theirs(peer, rows):
    """The average as Patron rounds it: half away from zero. Where q n is whole, ClickHouse's quantileExact takes the value after
    the nearest rank: None there, which compares with anything."""
    out = []
    for country, count, total, p50, p95 in ints(rows):
        sign, size = (1 if total >= 0 else -1), abs(total)
        if peer == "clickhouse":
            p50, p95 = None if count % 2 == 0 else p50, None if 95 * count % 100 == 0 else p95
        out.append([country or "", count, sign * ((2 * size + count) // (2 * count)), p50, p95])
    return sorted(out)


def past(i):
    return datetime.date(2024, 3, 15) + datetime.timedelta(days=7 * i)


def works():
    now = NOW.isoformat()
    for window in (365, 36500):
        yield Work("W2" if window == 365 else "W2 all", "RFM grid of a past day, " + ("365 days" if window == 365 else "all time"), {"order": 10},
                   lambda i, w=window: ("rfm.grid", {"as_of": past(i).isoformat(), "window": f"{w}d" if w == 365 else "all"}),
                   lambda p, i, w=window: rfm_sql(p, past(i), w), grid_ours, lambda p, rows: sorted(ints(rows)))
    segment = "orders >= 3 AND net_minor > {} AND last_order >= '2024-07-01'"
    yield Work("W3", "segment: count and sum, three conditions", {"customer": 6},
               lambda i: ("group", {"by": [], "metrics": ["count", "sum(net)"], "as_of": now, "where": segment.format(20000 + 100 * i)}),
               lambda p, i: f"SELECT count(*), CAST(sum(net) AS BIGINT) FROM now WHERE orders >= 3 AND net > {20000 + 100 * i} AND last >= DATE '2024-07-01'",
               lambda answer: answer["rows"], lambda p, rows: ints(rows))
    yield Work("W4", "group by country: count, mean, exact p50 and p95", {"customer": 9},
               lambda i: ("group", {"by": ["country"], "metrics": ["count", "avg(net)", "p50(net)", "p95(net)"], "as_of": now, "limit": 1000,
                                    "where": f"net_minor >= {i + 1}"}),
               lambda p, i: (f"SELECT country, count(*), CAST(sum(net) AS BIGINT), {quantile(p, 0.5)}, {quantile(p, 0.95)} FROM now "
                             f"WHERE net >= {i + 1} GROUP BY country ORDER BY country"), group_ours, group_theirs)
    yield Work("W5", "top 100 by value", {"customer": 8},
               lambda i: ("rows", {"fields": ["customer", "net_minor"], "order_by": ["-net", "customer"], "limit": 100 + i, "as_of": now}),
               lambda p, i: f"SELECT id, net FROM now ORDER BY net DESC, id LIMIT {100 + i}",
               lambda answer: ints(answer["rows"]), lambda p, rows: ints(rows))
    yield Work("W7", "cohorts by month: customers", {"order": 6},
               lambda i: ("cohort", {"by": "month", "metric": "customers", "as_of": past(i).isoformat()}),
               lambda p, i: cohort_sql(p, past(i)), cohort_ours, cohort_theirs)
