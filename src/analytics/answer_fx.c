/* fx: which exchange rates there are, where they have gaps, and which facts wait for one. */
#include "analytics/answers_private.h"
#include "analytics/rates_private.h"
#include "analytics/selection_private.h"

#include "model/currency.h"
#include "model/date.h"
#include "model/limits.h"

/* What is said of one currency. */
struct fx_currency {
    uint32_t first, rates; /* of the collected rates */
    int64_t newest_fact;   /* day of the newest order or refund in it; PAT_NULL without any */
    int64_t unpriced;
};

struct fx_report {
    struct pat_run *run;
    const struct pat_view_rates *rates;
    struct fx_currency *currency; /* [pat_currency_count] */
};

/* A table of facts, told by its columns. */
struct fx_facts {
    enum pat_table_id table;
    unsigned day, currency, base;
};

static void note_fact(struct fx_report *report, const struct fx_facts *facts, const int64_t *place, pat_row row) {
    const struct pat_view *view = report->run->view;
    struct fx_currency *about = &report->currency[place[pat_view_get(view, facts->table, facts->currency, row)]];
    const int64_t day = pat_view_get(view, facts->table, facts->day, row);
    if (day > about->newest_fact) about->newest_fact = day; /* PAT_NULL is the least */
    about->unpriced += pat_view_get(view, facts->table, facts->base, row) == PAT_NULL;
}

static enum pat_status note_facts(struct fx_report *report, const struct fx_facts *facts) {
    struct pat_run *run = report->run;
    const struct pat_table_view *table = &run->view->table[facts->table];
    const struct pat_selection known = {
        .table = facts->table, .kind = PAT_SELECT_KNOWN, .first = PAT_DAY_MIN, .last = run->day};
    const uint32_t codes = table->dict_count[facts->currency];
    void *memory;
    PAT_TRY(pat_run__array(run, codes, sizeof(int64_t), &memory));
    int64_t *const place = memory; /* in pat_currencies, by code */
    for (uint32_t code = 0; code < codes; code++) {
        place[code] = pat_currency_find(pat_view_dict_text(run->view, facts->table, facts->currency, code));
    }
    uint64_t *bits = NULL;
    PAT_TRY(pat_select__facts(run, &known, &bits));
    for (pat_row row = 0; row < table->rows; row++) {
        if (row % PAT_BLOCK_ROWS == 0) PAT_TRY(pat_run__stop(run));
        if (pat_bits__get(bits, row)) note_fact(report, facts, place, row);
    }
    return PAT_OK;
}

/* A gap between two rates, or from the last one to the newest fact that it has to price. */
static void put_gap(const struct fx_report *report, const char *code, int64_t from, int64_t to,
                    struct pat_value *gaps) {
    struct pat_run *run = report->run;
    const int64_t days = to - from;
    if (days <= PAT_FX_GAP_DAYS) return;
    char from_text[11], to_text[11];
    pat_day_print((pat_day)from, from_text);
    pat_day_print((pat_day)to, to_text);
    pat_run__warn(run, "%s: no rate between %s and %s (%lld days)", code, from_text, to_text, (long long)days);
    struct pat_value gap = pat_build_map(&run->builder, 3);
    pat_build_put(&run->builder, &gap, "from", pat_build_day(&run->builder, from));
    pat_build_put(&run->builder, &gap, "to", pat_build_day(&run->builder, to));
    pat_build_put(&run->builder, &gap, "days", pat_value_int(days));
    pat_build_push(&run->builder, gaps, gap);
}

static void put_latest(const struct fx_report *report, const struct fx_currency *about, struct pat_value *map) {
    struct pat_builder *builder = &report->run->builder;
    const struct pat_rate_row *last = &report->rates->rate[about->first + about->rates - 1];
    const struct pat_rate rate = pat_rates__of_row(report->run->view, last->row);
    char text[24];
    pat_decimal_print(rate.value, text);
    pat_build_put(builder, map, "latest", pat_build_text(builder, pat_text_of(text)));
    pat_build_put(builder, map, "per", pat_value_string(rate.per_base ? PAT_RATE_PER_BASE : PAT_RATE_PER_UNIT));
}

static struct pat_value currency_value(const struct fx_report *report, const char *code,
                                       const struct fx_currency *about) {
    struct pat_builder *builder = &report->run->builder;
    const struct pat_rate_row *rate = &report->rates->rate[about->first];
    struct pat_value map = pat_build_map(builder, 8), gaps = pat_build_array(builder, 2);
    for (uint32_t i = 1; i < about->rates; i++) put_gap(report, code, rate[i - 1].day, rate[i].day, &gaps);
    if (about->rates > 0 && about->newest_fact != PAT_NULL) {
        put_gap(report, code, rate[about->rates - 1].day, about->newest_fact, &gaps);
    }
    const bool any = about->rates > 0;
    pat_build_put(builder, &map, "currency", pat_value_string(code));
    pat_build_put(builder, &map, "rates", pat_value_int(about->rates));
    pat_build_put(builder, &map, "first", pat_build_day(builder, any ? rate[0].day : PAT_NULL));
    pat_build_put(builder, &map, "last", pat_build_day(builder, any ? rate[about->rates - 1].day : PAT_NULL));
    if (any) put_latest(report, about, &map);
    pat_build_put(builder, &map, "gaps", gaps);
    pat_build_put(builder, &map, "unpriced", pat_value_int(about->unpriced));
    return map;
}

static void put_currencies(struct fx_report *report) {
    struct pat_run *run = report->run;
    struct pat_value list = pat_build_array(&run->builder, 16);
    for (size_t c = 0; c < pat_currency_count; c++) {
        const struct fx_currency *about = &report->currency[c];
        const char *code = pat_currencies[c].code;
        run->unpriced += about->unpriced;
        const bool base = pat_text_is(pat_text_of(code), run->view->base_currency);
        if (base || (about->rates == 0 && about->newest_fact == PAT_NULL)) continue;
        pat_build_push(&run->builder, &list, currency_value(report, code, about));
    }
    pat_run__put(run, "currencies", list);
}

enum pat_status pat_answer__fx(struct pat_run *run) {
    struct fx_report report = {.run = run};
    void *memory;
    PAT_TRY(pat_run__array(run, pat_currency_count, sizeof *report.currency, &memory));
    report.currency = memory;
    for (size_t c = 0; c < pat_currency_count; c++) report.currency[c].newest_fact = PAT_NULL;
    PAT_TRY(pat_rates__collect(run, run->day, &report.rates));
    for (uint32_t i = 0; i < report.rates->count; i++) {
        struct fx_currency *about = &report.currency[report.rates->rate[i].currency];
        if (about->rates++ == 0) about->first = i;
    }
    static const struct fx_facts orders = {PAT_ORDERS, PAT_ORDER_DAY, PAT_ORDER_CURRENCY, PAT_ORDER_BASE};
    static const struct fx_facts refunds = {PAT_REFUNDS, PAT_REFUND_DAY, PAT_REFUND_CURRENCY, PAT_REFUND_BASE};
    PAT_TRY(note_facts(&report, &orders));
    PAT_TRY(note_facts(&report, &refunds));
    pat_run__put(run, "base_currency", pat_value_string(run->view->base_currency));
    put_currencies(&report);
    return PAT_OK;
}
