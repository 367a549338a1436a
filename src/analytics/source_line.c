/* What a line came to: quantity x price in the order's currency, and in base money. */
#include "analytics/source_private.h"

#include "model/currency.h"
#include "model/decimal.h"

/* Lines of an order follow each other, and so do their currencies. */
struct currency {
    int64_t code;
    unsigned digits;
    bool base;
};

static void look_up(const struct pat_run *run, int64_t code, struct currency *currency) {
    if (code == currency->code) return;
    const struct pat_text text = pat_view_dict_text(run->view, PAT_ORDERS, PAT_ORDER_CURRENCY, code);
    const int found = pat_currency_find(text);
    *currency = (struct currency){.code = code,
                                  .digits = found < 0 ? 2 : pat_currencies[found].digits,
                                  .base = pat_text_is(text, run->view->base_currency)};
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
        if (!pat_decimal_sum_to_minor(&sum, currency.digits, &minor)) continue;
        if (!source->base || currency.base) out[i] = minor;
    }
}
