/* Facts of everybody, or of whoever is open, by one pass over the tables; and what lies behind the runs. */
#include "analytics/facts_pass_private.h"

#include "analytics/explain_private.h"

static bool wanted(const struct pat_facts_pass *pass, int64_t customer) {
    return customer != PAT_NULL && (pass->open == NULL || pat_bits__get(pass->open, (uint64_t)customer));
}

static void scan_orders_block(const struct pat_facts_pass *pass, pat_row first, uint32_t count) {
    const struct pat_run *run = pass->run;
    const struct pat_column_view *column = pass->view->table[PAT_ORDERS].column;
    int64_t customer[PAT_BLOCK_ROWS], day[PAT_BLOCK_ROWS], base[PAT_BLOCK_ROWS];
    uint64_t eligible[PAT_BLOCK_WORDS] = {0};
    pat_explain__column(run, &column[PAT_ORDER_CUSTOMER], first, count, customer);
    pat_explain__column(run, &column[PAT_ORDER_DAY], first, count, day);
    pat_explain__column(run, &column[PAT_ORDER_BASE], first, count, base);
    pat_orders__eligible(run, first, count, day, eligible);
    for (uint32_t i = 0; i < count; i++) {
        if (!pat_bits__get(eligible, i) || !wanted(pass, customer[i])) continue;
        pat_facts__add(pass, (uint64_t)customer[i], day[i], 1, base[i]);
    }
}

static void scan_refunds_block(const struct pat_facts_pass *pass, pat_row first, uint32_t count) {
    const struct pat_run *run = pass->run;
    const struct pat_column_view *column = pass->view->table[PAT_REFUNDS].column;
    int64_t customer[PAT_BLOCK_ROWS], day[PAT_BLOCK_ROWS], base[PAT_BLOCK_ROWS];
    pat_explain__column(run, &column[PAT_REFUND_CUSTOMER], first, count, customer);
    pat_explain__column(run, &column[PAT_REFUND_DAY], first, count, day);
    pat_explain__column(run, &column[PAT_REFUND_BASE], first, count, base);
    for (uint32_t i = 0; i < count; i++) {
        if (!wanted(pass, customer[i]) || !pat_refund__counts(pass->view, first + i, run->day)) continue;
        pat_facts__add(pass, (uint64_t)customer[i], day[i], 0, base[i] == PAT_NULL ? PAT_NULL : -base[i]);
    }
}

static enum pat_status scan_table(const struct pat_facts_pass *pass, enum pat_table_id table, uint64_t first,
                                  void (*block)(const struct pat_facts_pass *, pat_row, uint32_t)) {
    const pat_row rows = pass->view->table[table].rows;
    for (; first < rows; first += PAT_BLOCK_ROWS) {
        PAT_TRY(pat_run__stop(pass->run));
        const uint64_t left = rows - first;
        block(pass, (pat_row)first, left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS);
    }
    return PAT_OK;
}

enum pat_status pat_facts__scan_tables(const struct pat_facts_pass *pass, pat_row orders, pat_row refunds) {
    PAT_TRY(scan_table(pass, PAT_ORDERS, orders, scan_orders_block));
    return scan_table(pass, PAT_REFUNDS, refunds, scan_refunds_block);
}
