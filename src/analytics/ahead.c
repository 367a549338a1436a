/* Look-ups that come together: what each reads is asked for before the first of them is answered, so that the misses of
 * all pass side by side. Changes no answer. */
#include "analytics/analytics.h"

/* What `customer` reads of the row where nothing else is asked for (answer_one.c). */
static const unsigned column_read[] = {
    PAT_CUSTOMER_ID,         PAT_CUSTOMER_DELETED,     PAT_CUSTOMER_CREATED,     PAT_CUSTOMER_COUNTRY,
    PAT_CUSTOMER_REGION,     PAT_CUSTOMER_LANGUAGE,    PAT_CUSTOMER_CURRENCY,    PAT_CUSTOMER_GENDER,
    PAT_CUSTOMER_BIRTH_YEAR, PAT_CUSTOMER_PROFILED,    PAT_CUSTOMER_ACQ_CHANNEL, PAT_CUSTOMER_CREDIT,
    PAT_CUSTOMER_ENTITY,     PAT_CUSTOMER_CONSENT,     PAT_CUSTOMER_TAGS,        PAT_CUSTOMER_ORDER_HEAD,
    PAT_CUSTOMER_FIRST_FACT, PAT_CUSTOMER_FIRST_ORDER, PAT_CUSTOMER_REFUND_HEAD, PAT_CUSTOMER_FACT_COUNTRY,
};
#define COLUMNS_READ (sizeof column_read / sizeof *column_read)

static void ask_columns(const struct pat_view *view, pat_row customer) {
    const struct pat_table_view *table = &view->table[PAT_CUSTOMERS];
    for (unsigned i = 0; i < COLUMNS_READ; i++) pat_column_view_prefetch(&table->column[column_read[i]], customer);
    if (view->runs.count > 0) pat_column_view_prefetch(&view->runs.changed, customer);
}

static void ask_codes(const struct pat_view *view, pat_row customer) {
    const struct pat_table_view *table = &view->table[PAT_CUSTOMERS];
    for (unsigned i = 0; i < COLUMNS_READ; i++) {
        pat_column_view_prefetch_code(&table->column[column_read[i]], customer);
    }
}

static void ask_places(const struct pat_runs *runs, pat_row customer) {
    for (uint32_t i = 0; i < runs->count; i++) {
        const struct pat_fact_run *run = runs->run[i];
        if (customer >= run->customers) continue;
        if (run->offset != NULL) __builtin_prefetch(&run->offset[customer]);
        const uint32_t near = pat_run_odd_near(run, customer);
        __builtin_prefetch(&run->odd.customer[near]);
        __builtin_prefetch(&run->odd.from[near]);
        __builtin_prefetch(&run->odd.until[near]);
    }
}

static void ask_entries(const struct pat_runs *runs, pat_row customer) {
    for (uint32_t i = 0; i < runs->count; i++) {
        const struct pat_fact_run *run = runs->run[i];
        if (customer >= run->customers || run->offset == NULL) continue;
        __builtin_prefetch(&run->day[run->offset[customer]]);
        __builtin_prefetch(&run->net[run->offset[customer]]);
        __builtin_prefetch(&run->net[run->offset[customer + 1]]);
    }
}

void pat_analytics_ahead(const struct pat_view *view, const pat_row *customer, unsigned count) {
    const pat_row rows = view->table[PAT_CUSTOMERS].rows;
    for (unsigned i = 0; i < count; i++) {
        if (customer[i] >= rows) continue;
        ask_columns(view, customer[i]);
        ask_places(&view->runs, customer[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        if (customer[i] >= rows) continue;
        ask_codes(view, customer[i]);
        ask_entries(&view->runs, customer[i]);
    }
}
