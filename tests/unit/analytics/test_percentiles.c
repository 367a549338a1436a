/* Percentiles of groups, of their rest and of all against sorting: values of every size, and so many customers that
 * histograms are used. */
#include "shop.h"

#include <stdlib.h>

#define CUSTOMERS 12000u
#define COUNTRIES 5u
#define SHOWN     3u

static const char *const country[COUNTRIES] = {"BR", "DE", "FR", "JP", "MX"};
static const double percents[] = {0.01, 1, 25, 50, 77.7, 95, 99.99, 100};
#define PERCENTS (sizeof percents / sizeof *percents)

/* Kinds of nets: few distinct, small, cents to millions in both directions, the limits. */
static int64_t net_of(unsigned kind, uint32_t i) {
    const uint64_t mixed = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    switch (kind) {
    case 0: return (int64_t)(mixed >> 60) - 3;
    case 1: return (int64_t)(mixed >> 40) % 3000;
    case 2: return ((mixed & 1) != 0 ? -1 : 1) * (int64_t)(mixed >> 1 >> (16 + mixed % 40));
    case 3: return i % 3 == 0 ? 199900 : i % 3 == 1 ? INT64_MAX : -INT64_MAX;
    default: return 100000 + (int64_t)(mixed % 50);
    }
}

/* Countries are of different sizes, so that their order by count is known: 0 is the greatest. */
static unsigned country_of(uint32_t i) {
    const unsigned place = i % 15;
    return place < 5 ? 0 : place < 9 ? 1 : place < 12 ? 2 : place < 14 ? 3 : 4;
}

static int by_value(const void *a, const void *b) {
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Appends the percentiles of the customers of countries first..last, or of one in two of them. */
static void expect(struct printer *printer, unsigned kind, unsigned first, unsigned last, bool half) {
    static int64_t value[CUSTOMERS];
    size_t n = 0;
    for (uint32_t i = 0; i < CUSTOMERS; i++) {
        const unsigned of = country_of(i);
        if (of >= first && of <= last && !(half && i % 2 == 1)) value[n++] = net_of(kind, i);
    }
    qsort(value, n, sizeof *value, by_value);
    print(printer, "%zu", n);
    for (size_t p = 0; p < PERCENTS; p++) {
        /* In hundredths of a percent: exact. */
        size_t place = ((size_t)(percents[p] * 100 + 0.5) * n + 9999) / 10000;
        if (place < 1) place = 1;
        print(printer, ",%lld", (long long)value[place - 1]);
    }
}

static void check(struct shop *shop, unsigned kind, bool half) {
    static char expected[8192], params[1024];
    struct printer question = {params, sizeof params, 0}, want = {expected, sizeof expected, 0};
    print(&question, "{'where':'%s','by':['country'],'limit':%u,'metrics':['count'", half ? "gender = `even`" : "true",
          SHOWN);
    for (size_t p = 0; p < PERCENTS; p++) print(&question, ",'p%g(net)'", percents[p]);
    print(&question, "]}");
    print(&want, "rows:[");
    for (unsigned c = 0; c < SHOWN; c++) {
        print(&want, "%s['%s',", c > 0 ? "," : "", country[c]);
        expect(&want, kind, c, c, half);
        print(&want, "]");
    }
    print(&want, "],groups:5,rest:[null,");
    expect(&want, kind, SHOWN, COUNTRIES - 1, half);
    print(&want, "],total:[null,");
    expect(&want, kind, 0, COUNTRIES - 1, half);
    print(&want, "]");
    const char *answer = ask(shop, "group", params);
    if (strstr(answer, expected) == NULL) fail_msg("kind %u\n%.2000s\n%.2000s", kind, answer, expected);
}

static void percentiles_are_those_of_sorting(void **state) {
    (void)state;
    static const char *const kernels[] = {"scalar", "avx2", "avx512"};
    struct shop shop;
    char id[24];
    shop_open(&shop);
    for (uint32_t i = 0; i < CUSTOMERS; i++) {
        (void)snprintf(id, sizeof id, "%u", i);
        const pat_row row = shop_customer(&shop, id, country[country_of(i)], "2024-01-01");
        shop_text(&shop, PAT_CUSTOMERS, row, PAT_CUSTOMER_GENDER, i % 2 == 0 ? "even" : "odd");
    }
    for (unsigned kind = 0; kind < 5; kind++) {
        for (uint32_t i = 0; i < CUSTOMERS; i++) {
            const int64_t net = net_of(kind, i);
            shop_set(&shop, PAT_CUSTOMERS, i, PAT_CUSTOMER_NET, net == 0 ? PAT_NULL : net);
        }
        for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
            if (pat_kernels_find(kernels[k]) == NULL) continue;
            shop.kernels = kernels[k];
            check(&shop, kind, false);
            check(&shop, kind, true);
        }
    }
    shop_close(&shop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_those_of_sorting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
