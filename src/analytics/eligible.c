/* Which orders and refunds count at a day: RULES, "Eligible orders". */
#include "analytics/facts_private.h"

#include "analytics/explain_private.h"

static inline bool order_eligible(int64_t state, int64_t deleted, int64_t test, int64_t day, int64_t paid,
                                  int64_t cancelled, pat_day d) {
    return state == PAT_ORDER_PRESENT && deleted != 1 && test != 1 && day != PAT_NULL && day <= d &&
           (paid == PAT_NULL || paid <= d) && (cancelled == PAT_NULL || cancelled > d);
}

bool pat_order__eligible(const struct pat_view *view, pat_row row, pat_day day) {
    return order_eligible(
        pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, row), pat_view_get(view, PAT_ORDERS, PAT_ORDER_DELETED, row),
        pat_view_get(view, PAT_ORDERS, PAT_ORDER_TEST, row), pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, row),
        pat_view_get(view, PAT_ORDERS, PAT_ORDER_PAID_DAY, row),
        pat_view_get(view, PAT_ORDERS, PAT_ORDER_CANCELLED, row), day);
}

void pat_orders__eligible(const struct pat_run *run, pat_row first, uint32_t count, const int64_t *dated,
                          uint64_t *bits) {
    enum { STATE, DELETED, TEST, PAID, CANCELLED, COLUMNS };
    static const unsigned column[COLUMNS] = {PAT_ORDER_STATE, PAT_ORDER_DELETED, PAT_ORDER_TEST, PAT_ORDER_PAID_DAY,
                                             PAT_ORDER_CANCELLED};
    const struct pat_table_view *table = &run->view->table[PAT_ORDERS];
    int64_t value[COLUMNS][PAT_BLOCK_ROWS];
    for (unsigned k = 0; k < COLUMNS; k++) {
        pat_explain__column(run, &table->column[column[k]], first, count, value[k]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!order_eligible(value[STATE][i], value[DELETED][i], value[TEST][i], dated[i], value[PAID][i],
                            value[CANCELLED][i], run->day)) {
            continue;
        }
        pat_bits__set(bits, i);
    }
}

/* Takes rows with low <= value <= high of the column out of `bits`, or with `keep` all others. Mostly the chunk says
 * it.
 */
static void restrict_by(const struct pat_run *run, unsigned column, int64_t low, int64_t high, bool keep, pat_row first,
                        uint32_t count, uint64_t *bits) {
    const struct pat_strip strip = {.part = pat_column_view_part(&run->view->table[PAT_ORDERS].column[column], first)};
    const struct pat_kernels *kernels = run->kernels;
    uint64_t inside[PAT_BLOCK_WORDS];
    if (pat_strip__range(kernels, &strip, count, low, high, inside)) pat_explain__part(run, &strip.part, count);
    (keep ? kernels->bits_and : kernels->bits_andnot)(bits, inside, pat_bits__words(count));
}

void pat_orders__restrict(const struct pat_run *run, bool counting, pat_row first, uint32_t count, uint64_t *bits) {
    restrict_by(run, PAT_ORDER_STATE, PAT_ORDER_PRESENT, PAT_ORDER_PRESENT, true, first, count, bits);
    restrict_by(run, PAT_ORDER_DELETED, 1, 1, false, first, count, bits);
    if (!counting) return;
    restrict_by(run, PAT_ORDER_TEST, 1, 1, false, first, count, bits);
    restrict_by(run, PAT_ORDER_PAID_DAY, (int64_t)run->day + 1, INT64_MAX, false, first, count, bits);
    restrict_by(run, PAT_ORDER_CANCELLED, INT64_MIN + 1, run->day, false, first, count, bits);
}

/* A refund waits while its order is only awaited, and counts nothing for an order that counts nothing. An order whose
 * lines are negative is itself a refund: others that name it stand on their own. */
static bool order_lets_refund_count(const struct pat_view *view, int64_t order, pat_day day) {
    if (order == PAT_NULL) return true;
    const pat_row row = (pat_row)order;
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, row) == PAT_ORDER_AWAITED) return false;
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_DELETED, row) == 1) return false;
    if (pat_view_get(view, PAT_ORDERS, PAT_ORDER_TEST, row) == 1) return false;
    const int64_t cancelled = pat_view_get(view, PAT_ORDERS, PAT_ORDER_CANCELLED, row);
    return cancelled == PAT_NULL || cancelled > day;
}

bool pat_refund__counts(const struct pat_view *view, pat_row row, pat_day day) {
    const int64_t dated = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, row);
    return pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DELETED, row) != 1 &&
           pat_view_get(view, PAT_REFUNDS, PAT_REFUND_CUSTOMER, row) != PAT_NULL && dated != PAT_NULL && dated <= day &&
           order_lets_refund_count(view, pat_view_get(view, PAT_REFUNDS, PAT_REFUND_ORDER, row), day);
}
