# Writes a small shop for tools/demo: customers.csv, orders.csv and refunds.csv in DIR, two years that end on day LAST
# (days since 1970-01-01). The same LAST gives the same shop, whatever awk reads this.
#   awk -v dir=DIR -v last=DAY -f small_shop.awk

# A generator of its own, as each awk's rand() is another; the products stay exact in doubles.
function uniform() {
    seed = (seed * 69069 + 12345) % 4294967296
    return (seed + 0.5) / 4294967296
}

function exponential(mean) { return -mean * log(uniform()) }

function normal() { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()) }

# The place of a draw among "name:weight name:weight ...".
function choose(list,    parts, pair, count, i, at) {
    count = split(list, parts, " ")
    at = uniform()
    for (i = 1; i < count; i++) {
        split(parts[i], pair, ":")
        if (at < pair[2]) return pair[1]
        at -= pair[2]
    }
    split(parts[count], pair, ":")
    return pair[1]
}

# YYYY-MM-DD of a day since 1970-01-01 (proleptic Gregorian, eras of 400 years).
function date(day,    era, of_era, year, of_year, month) {
    day += 719468
    era = int(day / 146097)
    of_era = day - era * 146097
    year = int((of_era - int(of_era / 1460) + int(of_era / 36524) - int(of_era / 146096)) / 365)
    of_year = of_era - (365 * year + int(year / 4) - int(year / 100))
    month = int((5 * of_year + 2) / 153)
    day = of_year - int((153 * month + 2) / 5) + 1
    month = month < 10 ? month + 3 : month - 9
    return sprintf("%04d-%02d-%02d", year + era * 400 + (month <= 2), month, day)
}

function clock(    second) {
    second = int(uniform() * 86400)
    return sprintf("%02d:%02d:%02dZ", int(second / 3600), int(second / 60) % 60, second % 60)
}

function write_refund(amount, day,    back) {
    back = day + 2 + int(exponential(8))
    if (back > last) return
    if (uniform() < 0.4) amount = amount * (0.2 + 0.6 * uniform())
    printf "R%06d,%s,%sT%s,%.2f,USD\n", ++refunds, order, date(back), clock(), amount > refunds_file
}

function write_order(customer, country, channel, day,    amount) {
    order = sprintf("O%06d", ++orders)
    amount = exp(basket + 0.5 * normal())
    printf "%s,%s,%sT%s,%.2f,USD,%s,%s\n", order, customer, date(day), clock(), amount, country,
        uniform() < 0.8 ? channel : "web" > orders_file
    if (uniform() < 0.04) write_refund(amount, day)
}

# A customer buys at a rate of its own until it quietly leaves, as most of them do sooner or later.
function write_customer(number,    customer, country, channel, day, gap, gone) {
    customer = sprintf("C%05d", number)
    country = choose(countries)
    channel = choose("web:0.45 app:0.35 marketplace:0.20")
    day = last - span + int(uniform() * span)
    gap = 14 + exponential(34)
    gone = day + exponential(420)
    basket = 3.6 + 0.6 * normal()
    printf "%s,%s,%s,%s,%s\n", customer, date(day), country, choose(sources), uniform() < 0.6 ? "email" : "" > customers_file
    if (uniform() < 0.06) return # signed up, never bought
    while (day <= last && day <= gone) {
        write_order(customer, country, channel, int(day))
        day += exponential(gap)
    }
}

BEGIN {
    seed = 20240229
    span = 730
    countries = "US:0.30 BR:0.16 MX:0.13 DE:0.11 GB:0.10 FR:0.08 JP:0.07 AE:0.05"
    sources = "search:0.34 social:0.27 marketplace:0.21 friend:0.18"
    customers_file = dir "/customers.csv"
    orders_file = dir "/orders.csv"
    refunds_file = dir "/refunds.csv"
    print "customer,created,country,acq_channel,consent" > customers_file
    print "order,customer,time,amount,currency,country,channel" > orders_file
    print "refund,order,time,amount,currency" > refunds_file
    for (number = 1; number <= 5000; number++) write_customer(number)
}
