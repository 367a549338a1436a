#include "lib/naive.h"

#include "base/mem.h"
#include "lib/options.h"

#include <string.h>

static void *take(size_t count, size_t size) {
    void *block = pat_mem_alloc(PAT_MEM_OTHER, (count + 1) * size);
    bench_must(block != NULL, "no memory for the naive loops");
    return block;
}

static void give(void *block) {
    pat_mem_free(PAT_MEM_OTHER, block);
}

/* ---- facts --------------------------------------------------------------------------------------------------------
 */

void bench_naive_open(struct bench_naive *out, const struct bench_shop *shop) {
    *out = (struct bench_naive){.customers = shop->customers,
                                .orders = shop->orders,
                                .customer = take(shop->orders, sizeof *out->customer),
                                .day = take(shop->orders, sizeof *out->day),
                                .cancelled = take(shop->orders, sizeof *out->cancelled),
                                .amount = take(shop->orders, sizeof *out->amount),
                                .refund_customer = take(shop->orders, sizeof *out->refund_customer),
                                .refund_day = take(shop->orders, sizeof *out->refund_day),
                                .refund_cancelled = take(shop->orders, sizeof *out->refund_cancelled),
                                .refund_amount = take(shop->orders, sizeof *out->refund_amount),
                                .country = take(shop->customers, 1)};
    for (uint32_t i = 0; i < shop->customers; i++)
        out->country[i] = (unsigned char)bench_shop_customer(shop, i).country;
    for (uint64_t i = 0; i < shop->orders; i++) {
        const struct bench_order order = bench_shop_order(shop, i);
        out->customer[i] = order.customer;
        out->day[i] = order.day;
        out->cancelled[i] = order.cancelled;
        out->amount[i] = order.amount;
        if (order.refund_day == PAT_DAY_NONE) continue;
        const uint64_t at = out->refunds++;
        out->refund_customer[at] = order.customer;
        out->refund_day[at] = order.refund_day;
        out->refund_cancelled[at] = order.cancelled;
        out->refund_amount[at] = order.refund;
    }
}

void bench_naive_close(struct bench_naive *naive) {
    give(naive->customer);
    give(naive->day);
    give(naive->cancelled);
    give(naive->amount);
    give(naive->refund_customer);
    give(naive->refund_day);
    give(naive->refund_cancelled);
    give(naive->refund_amount);
    give(naive->country);
}

/* ---- sums ---------------------------------------------------------------------------------------------------------
 */

void bench_naive_sums_open(struct bench_naive_sums *out, const struct bench_naive *naive) {
    *out = (struct bench_naive_sums){.orders = take(naive->customers, sizeof *out->orders),
                                     .net = take(naive->customers, sizeof *out->net),
                                     .last = take(naive->customers, sizeof *out->last)};
}

void bench_naive_sums_close(struct bench_naive_sums *sums) {
    give(sums->orders);
    give(sums->net);
    give(sums->last);
}

static int cancelled_by(pat_day cancelled, pat_day day) {
    return cancelled != PAT_DAY_NONE && cancelled <= day;
}

void bench_naive_sum(struct bench_naive_sums *sums, const struct bench_naive *naive, pat_day day, int32_t window_days) {
    const pat_day from = window_days > 0 ? day - window_days + 1 : PAT_DAY_MIN;
    for (uint32_t i = 0; i < naive->customers; i++) {
        sums->orders[i] = 0;
        sums->net[i] = 0;
        sums->last[i] = PAT_DAY_NONE;
    }
    for (uint64_t i = 0; i < naive->orders; i++) {
        if (naive->day[i] > day || cancelled_by(naive->cancelled[i], day)) continue;
        const uint32_t customer = naive->customer[i];
        if (naive->day[i] > sums->last[customer]) sums->last[customer] = naive->day[i];
        if (naive->day[i] < from) continue;
        sums->orders[customer]++;
        sums->net[customer] += naive->amount[i];
    }
    for (uint64_t i = 0; i < naive->refunds; i++) {
        if (naive->refund_day[i] > day || naive->refund_day[i] < from || cancelled_by(naive->refund_cancelled[i], day))
            continue;
        sums->net[naive->refund_customer[i]] -= naive->refund_amount[i];
    }
}

/* ---- scores -------------------------------------------------------------------------------------------------------
 */

/* The sign turned over, so that negative values come first. */
static size_t digit_of(int64_t value, unsigned shift) {
    return (((uint64_t)value ^ UINT64_C(1) << 63) >> shift) & 255;
}

void bench_naive_sort(int64_t *values, int64_t *spare, size_t n) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t count[257] = {0};
        for (size_t i = 0; i < n; i++) count[digit_of(values[i], shift) + 1]++;
        if (n == 0 || count[digit_of(values[0], shift) + 1] == n) continue;
        for (size_t digit = 0; digit < 256; digit++) count[digit + 1] += count[digit];
        for (size_t i = 0; i < n; i++) spare[count[digit_of(values[i], shift)]++] = values[i];
        memcpy(values, spare, n * sizeof *values);
    }
}

/* cut[k]: the least value that has at least (k + 1) fifths of all strictly below it; INT64_MAX when none has. */
static void find_cuts(int64_t *values, int64_t *spare, size_t n, int64_t cut[4]) {
    bench_naive_sort(values, spare, n);
    for (size_t k = 0; k < 4; k++) {
        size_t at = ((k + 1) * n + 4) / 5;
        while (at > 0 && at < n && values[at] == values[at - 1]) at++;
        cut[k] = at < n ? values[at] : INT64_MAX;
    }
}

static unsigned score(const int64_t cut[4], int64_t value) {
    unsigned out = 0;
    for (unsigned k = 0; k < 4; k++) out += value >= cut[k];
    return out;
}

void bench_naive_score(struct bench_naive_grid *out, const struct bench_naive_sums *sums, uint32_t customers,
                       pat_day day) {
    int64_t *values = take(customers, sizeof *values), *spare = take(customers, sizeof *spare);
    int64_t cut[3][4];
    size_t n = 0;
    for (unsigned which = 0; which < 3; which++) {
        n = 0;
        for (uint32_t i = 0; i < customers; i++) {
            if (sums->orders[i] == 0) continue;
            values[n++] = which == 0 ? (int64_t)sums->last[i] - day : which == 1 ? sums->orders[i] : sums->net[i];
        }
        find_cuts(values, spare, n, cut[which]);
    }
    *out = (struct bench_naive_grid){.scored = n};
    for (uint32_t i = 0; i < customers; i++) {
        if (sums->orders[i] == 0) continue;
        const unsigned cell = score(cut[0], (int64_t)sums->last[i] - day) * 25 + score(cut[1], sums->orders[i]) * 5 +
                              score(cut[2], sums->net[i]);
        out->count[cell]++;
        out->net[cell] += sums->net[i];
    }
    give(values);
    give(spare);
}
