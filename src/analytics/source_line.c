/* What a line came to: quantity x price in the order's currency, and in base money. */
#include "analytics/rates_private.h"
#include "analytics/source_private.h"

#include "model/currency.h"
#include "model/decimal.h"

/* Lines of an order follow each other, and so do their currencies. */
struct currency {
    int64_t code;
    int place; /* in pat_currencies */
};

static void look_up(const struct pat_run *run, int64_t code, struct currency *currency) {
    if (code == currency->code) return;
    const struct pat_text text = pat_view_dict_text(run->view, PAT_ORDERS, PAT_ORDER_CURRENCY, code);
    *currency = (struct currency){.code = code, .place = pat_currency_find(text)};
    PAT_ASSERT(currency->place >= 0); /* restore and ingest let only ISO codes in */
}

void pat_source__read_products(const struct pat_run *run, const struct pat_source *source, pat_row first,
                               uint32_t count, int64_t *out) {
    const struct pat_table_view *table = &run->view->table[PAT_LINES];
    int64_t quantity[PAT_BLOCK_ROWS], price[PAT_BLOCK_ROWS];
    struct currency currency = {.code = PAT_NULL};
    pat_column_view_read(&table->column[PAT_LINE_ORDER], first, count, out, run->kernels);
    pat_column_view_read(&table->column[PAT_LINE_QUANTITY], first, count, quantity, run->kernels);
    pat_column_view_read(&table->column[PAT_LINE_PRICE], first, count, price, run->kernels);
    for (uint32_t i = 0; i < count; i++) {
        const int64_t order = out[i];
        out[i] = PAT_NULL;
        if (order == PAT_NULL || quantity[i] == PAT_NULL || price[i] == PAT_NULL) continue;
        look_up(run, pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_CURRENCY, (pat_row)order), &currency);
        struct pat_decimal_sum sum;
        pat_minor minor;
        pat_decimal_sum_init(&sum);
        pat_decimal_sum_add_product(&sum, quantity[i], price[i]);
        if (!pat_decimal_sum_to_minor(&sum, pat_currencies[currency.place].digits, &minor)) continue;
        const int64_t day = pat_view_get(run->view, PAT_ORDERS, PAT_ORDER_DAY, (pat_row)order);
        out[i] = source->base ? pat_rates__worth(run->view, run->rates, currency.place, day, minor) : minor;
    }
}
