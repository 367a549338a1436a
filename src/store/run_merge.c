/* Making a run of runs, which lie sorted already: their entries are read and written once, in order. A run of the rows
 * behind them and the facts of customers whom they say old things of are made first, and merged with them:
 *
 *   run 1 ─┐                               the rows behind: as any run, from the tables
 *   run 2 ─┼─► by customer, then day       stale customers: from their chains, only rows of the range;
 *   tail  ─┤                               all the others' entries of them are left out
 *   stale ─┘
 *
 * Sources stand in the order of their rows, so that equals keep theirs. */
#include "store/run_private.h"

#include <stdlib.h>

/* The view's runs, the tail and the stale customers' facts. */
#define SOURCES_MAX (PAT_RUNS_MAX + 2u)

struct source {
    const struct pat_fact_run *run;
    bool of_stale;       /* has facts of stale customers only; others have them no more */
    int32_t shift;       /* what its days are above the new run's */
    uint32_t plain, odd; /* first entries, where there is no offset, not yet merged */
};

/* One customer's entries in one source. */
struct slice {
    const struct source *source;
    uint32_t at, end;
};

struct merge {
    const struct pat_run_plan *plan;
    const struct pat_view *view;
    struct pat_fact_run *run;
    struct pat_fact_run *tail, *repaired; /* made here */
    uint64_t *stale;                      /* bit by customer row */
    struct source source[SOURCES_MAX];
    uint32_t sources;
    bool dense; /* some source has offsets */
    struct slice slice[SOURCES_MAX];
    uint32_t slices;
    struct pat_run_writer writer;
};

static inline bool is_stale(const struct merge *merge, pat_row customer) {
    return (merge->stale[customer / 64] >> (customer % 64) & 1) != 0;
}

/* ---- stale customers --------------------------------------------------------------------------------------------- */

static enum pat_status find_stale(struct merge *merge, uint64_t generation) {
    const struct pat_column_view *changed = &merge->view->runs.changed;
    const pat_row customers = merge->run->customers;
    merge->stale = pat_mem_alloc(PAT_MEM_RUNS, ((size_t)customers + 63) / 64 * sizeof *merge->stale);
    if (merge->stale == NULL) return PAT_ERR_NO_MEMORY;
    const uint64_t step = UINT64_C(1) << changed->shift;
    for (uint64_t first = 0; first < customers; first += step) {
        const struct pat_chunk *chunk = changed->chunk[first >> changed->shift];
        if (chunk->width == 0 && chunk->base == PAT_NULL) continue;
        const uint64_t end = first + step < customers ? first + step : customers;
        for (uint64_t row = first; row < end; row++) {
            const int64_t value = pat_chunk_get(chunk, (uint32_t)(row - first));
            if (value != PAT_NULL && (uint64_t)value >= generation) merge->stale[row / 64] |= UINT64_C(1) << (row % 64);
        }
    }
    return PAT_OK;
}

/* An array that grows. */
struct list {
    void *item;
    uint32_t count, capacity;
};

static bool list_reserve(struct list *list, uint32_t more, size_t width) {
    if (list->capacity - list->count >= more) return true;
    uint64_t capacity = list->capacity < 64 ? 64 : list->capacity;
    while (capacity < (uint64_t)list->count + more) capacity *= 2;
    if (capacity > UINT32_MAX) return false;
    void *bigger = pat_mem_grow(PAT_MEM_RUNS, list->item, list->count * width, (size_t)capacity * width);
    if (bigger == NULL) return false;
    list->item = bigger;
    list->capacity = (uint32_t)capacity;
    return true;
}

/* Facts of stale customers, one customer after the other. */
struct repair {
    struct merge *merge;
    struct list rows;                    /* of the chain at hand: pat_row */
    struct list keys, nets;              /* plain facts of the customer at hand: uint64_t day and number, int32_t */
    struct list odds, odds_sorted;       /* its others */
    struct list customer, day, net, odd; /* all so far: pat_row, uint16_t, int32_t, struct pat_run_odd */
};

static int compare_rows(const void *a, const void *b) {
    const pat_row x = *(const pat_row *)a, y = *(const pat_row *)b;
    return (x > y) - (x < y);
}

static int compare_keys(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Rows of a chain from `from` on, in order. */
static bool chain_rows(struct repair *repair, enum pat_table_id table, unsigned next, int64_t head, pat_row from) {
    struct list *rows = &repair->rows;
    rows->count = 0;
    for (int64_t row = head; row != PAT_NULL; row = pat_view_get(repair->merge->view, table, next, (pat_row)row)) {
        if ((pat_row)row < from) continue;
        if (!list_reserve(rows, 1, sizeof(pat_row))) return false;
        ((pat_row *)rows->item)[rows->count++] = (pat_row)row;
    }
    if (rows->count > 0) qsort(rows->item, rows->count, sizeof(pat_row), compare_rows);
    return true;
}

static struct pat_run_order order_of(const struct pat_view *view, pat_row row) {
    return (struct pat_run_order){
        .customer = pat_view_get(view, PAT_ORDERS, PAT_ORDER_CUSTOMER, row),
        .state = pat_view_get(view, PAT_ORDERS, PAT_ORDER_STATE, row),
        .deleted = pat_view_get(view, PAT_ORDERS, PAT_ORDER_DELETED, row),
        .test = pat_view_get(view, PAT_ORDERS, PAT_ORDER_TEST, row),
        .day = pat_view_get(view, PAT_ORDERS, PAT_ORDER_DAY, row),
        .paid = pat_view_get(view, PAT_ORDERS, PAT_ORDER_PAID_DAY, row),
        .cancelled = pat_view_get(view, PAT_ORDERS, PAT_ORDER_CANCELLED, row),
        .base = pat_view_get(view, PAT_ORDERS, PAT_ORDER_BASE, row),
    };
}

static struct pat_run_refund refund_of(const struct pat_view *view, pat_row row) {
    return (struct pat_run_refund){
        .customer = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_CUSTOMER, row),
        .deleted = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DELETED, row),
        .order = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_ORDER, row),
        .day = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_DAY, row),
        .base = pat_view_get(view, PAT_REFUNDS, PAT_REFUND_BASE, row),
    };
}

static bool collect_orders(struct repair *repair, pat_row customer) {
    const struct merge *merge = repair->merge;
    const int64_t head = pat_view_get(merge->view, PAT_CUSTOMERS, PAT_CUSTOMER_ORDER_HEAD, customer);
    if (!chain_rows(repair, PAT_ORDERS, PAT_ORDER_NEXT, head, merge->plan->orders_from)) return false;
    const uint32_t rows = repair->rows.count;
    if (!list_reserve(&repair->keys, rows, sizeof(uint64_t)) || !list_reserve(&repair->nets, rows, sizeof(int32_t)) ||
        !list_reserve(&repair->odds, rows, sizeof(struct pat_run_odd))) {
        return false;
    }
    for (uint32_t i = 0; i < rows; i++) {
        const struct pat_run_order order = order_of(merge->view, ((const pat_row *)repair->rows.item)[i]);
        const enum pat_run_kind kind = pat_run__order_kind(&order, merge->run->day_base);
        if (kind == PAT_RUN_ODD) {
            ((struct pat_run_odd *)repair->odds.item)[repair->odds.count++] = pat_run__odd_order(&order);
        } else if (kind == PAT_RUN_PLAIN) {
            const uint64_t above = (uint64_t)(order.day - merge->run->day_base);
            ((int32_t *)repair->nets.item)[repair->nets.count++] = (int32_t)order.base;
            ((uint64_t *)repair->keys.item)[repair->keys.count] = above << 32 | repair->keys.count;
            repair->keys.count++;
        }
    }
    return true;
}

static bool collect_refunds(struct repair *repair, pat_row customer) {
    const struct merge *merge = repair->merge;
    const int64_t head = pat_view_get(merge->view, PAT_CUSTOMERS, PAT_CUSTOMER_REFUND_HEAD, customer);
    if (!chain_rows(repair, PAT_REFUNDS, PAT_REFUND_NEXT, head, merge->plan->refunds_from)) return false;
    if (!list_reserve(&repair->odds, repair->rows.count, sizeof(struct pat_run_odd))) return false;
    struct pat_run_odd *odds = repair->odds.item;
    for (uint32_t i = 0; i < repair->rows.count; i++) {
        const struct pat_run_refund refund = refund_of(merge->view, ((const pat_row *)repair->rows.item)[i]);
        if (!pat_run__refund_may_count(&refund)) continue;
        if (pat_run__odd_refund(merge->view, &refund, &odds[repair->odds.count])) repair->odds.count++;
    }
    return true;
}

static bool keep_plain(struct repair *repair, pat_row customer) {
    const uint32_t count = repair->keys.count;
    if (!list_reserve(&repair->customer, count, sizeof(pat_row)) || !list_reserve(&repair->day, count, 2) ||
        !list_reserve(&repair->net, count, sizeof(int32_t))) {
        return false;
    }
    const uint64_t *key = repair->keys.item;
    if (count > 0) qsort(repair->keys.item, count, sizeof *key, compare_keys);
    for (uint32_t i = 0; i < count; i++) {
        ((pat_row *)repair->customer.item)[repair->customer.count++] = customer;
        ((uint16_t *)repair->day.item)[repair->day.count++] = (uint16_t)(key[i] >> 32);
        ((int32_t *)repair->net.item)[repair->net.count++] = ((const int32_t *)repair->nets.item)[(uint32_t)key[i]];
    }
    return true;
}

static bool keep_odd(struct repair *repair) {
    const uint32_t count = repair->odds.count;
    if (!list_reserve(&repair->odds_sorted, count, sizeof(struct pat_run_odd)) ||
        !list_reserve(&repair->odd, count, sizeof(struct pat_run_odd))) {
        return false;
    }
    const struct pat_run_odd *sorted = pat_run__sort_odd(repair->odds.item, repair->odds_sorted.item, count);
    for (uint32_t i = 0; i < count; i++) ((struct pat_run_odd *)repair->odd.item)[repair->odd.count++] = sorted[i];
    return true;
}

static enum pat_status repair_all(struct repair *repair) {
    const struct merge *merge = repair->merge;
    for (uint64_t word = 0; word < ((uint64_t)merge->run->customers + 63) / 64; word++) {
        if (merge->stale[word] != 0 && pat_run__stopped(merge->plan)) return PAT_ERR_CANCELLED;
        for (uint64_t bits = merge->stale[word]; bits != 0; bits &= bits - 1) {
            const pat_row customer = (pat_row)(word * 64 + (unsigned)__builtin_ctzll(bits));
            repair->keys.count = repair->nets.count = repair->odds.count = 0;
            if (!collect_orders(repair, customer) || !collect_refunds(repair, customer) ||
                !keep_plain(repair, customer) || !keep_odd(repair)) {
                return PAT_ERR_NO_MEMORY;
            }
        }
    }
    return PAT_OK;
}

static bool put_repaired(struct pat_fact_run *run, const struct list *odd) {
    struct pat_run_odd_writer writer = {.run = run};
    if (!pat_run__take_odds(&writer, odd->count)) return false;
    for (uint32_t i = 0; i < odd->count; i++) {
        if (!pat_run__put_odd(&writer, i, &((const struct pat_run_odd *)odd->item)[i])) return false;
    }
    run->odd.count = odd->count;
    return true;
}

/* A run without blocks, only to be merged. */
static enum pat_status make_repaired(struct merge *merge) {
    struct repair repair = {.merge = merge};
    merge->repaired = pat_mem_alloc(PAT_MEM_RUNS, sizeof *merge->repaired);
    const enum pat_status status = merge->repaired == NULL ? PAT_ERR_NO_MEMORY : repair_all(&repair);
    const struct list scratch[] = {repair.rows, repair.keys, repair.nets, repair.odds, repair.odds_sorted};
    for (size_t i = 0; i < sizeof scratch / sizeof scratch[0]; i++) pat_mem_free(PAT_MEM_RUNS, scratch[i].item);
    if (merge->repaired == NULL) return status;
    *merge->repaired = (struct pat_fact_run){.customers = merge->run->customers,
                                             .count = repair.customer.count,
                                             .day_base = merge->run->day_base,
                                             .day = repair.day.item,
                                             .net = repair.net.item,
                                             .customer = repair.customer.item};
    const bool put = put_repaired(merge->repaired, &repair.odd);
    pat_mem_free(PAT_MEM_RUNS, repair.odd.item);
    return status == PAT_OK && !put ? PAT_ERR_NO_MEMORY : status;
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

static void add_source(struct merge *merge, const struct pat_fact_run *run, bool of_stale) {
    merge->source[merge->sources++] =
        (struct source){.run = run, .of_stale = of_stale, .shift = run->day_base - merge->run->day_base};
    if (run->offset != NULL) merge->dense = true;
}

static enum pat_status open_sources(struct merge *merge) {
    const struct pat_runs *runs = &merge->view->runs;
    uint32_t at = 0;
    while (at < runs->count && (runs->run[at]->orders_from < merge->plan->orders_from ||
                                runs->run[at]->refunds_from < merge->plan->refunds_from)) {
        at++;
    }
    if (at == runs->count) return PAT_ERR_MORE; /* nothing to merge */
    PAT_TRY(find_stale(merge, runs->run[at]->generation));
    PAT_TRY(make_repaired(merge));
    struct pat_run_plan tail = *merge->plan;
    tail.merge = false;
    tail.orders_from = pat_runs_orders_end(runs);
    tail.refunds_from = pat_runs_refunds_end(runs);
    PAT_TRY(pat_run_build(&merge->tail, &tail));
    for (; at < runs->count; at++) add_source(merge, runs->run[at], false);
    add_source(merge, merge->tail, false);
    add_source(merge, merge->repaired, true);
    return PAT_OK;
}

static uint32_t plain_of(const struct pat_fact_run *run, pat_row customer) {
    if (customer >= run->customers) return 0;
    if (run->offset != NULL) return run->offset[customer + 1] - run->offset[customer];
    const uint32_t first = run->block[customer / PAT_RUN_BLOCK], end = run->block[customer / PAT_RUN_BLOCK + 1];
    return pat_run_first(run->customer, first, end, (uint64_t)customer + 1) -
           pat_run_first(run->customer, first, end, customer);
}

static uint32_t odd_of(const struct pat_fact_run *run, pat_row customer) {
    if (customer >= run->customers) return 0;
    const struct pat_run_odds *odds = &run->odd;
    const uint32_t first = odds->block[customer / PAT_RUN_BLOCK], end = odds->block[customer / PAT_RUN_BLOCK + 1];
    return pat_run_first(odds->customer, first, end, (uint64_t)customer + 1) -
           pat_run_first(odds->customer, first, end, customer);
}

/* What the new run will have: all entries of all sources, less those of stale customers where others have them. */
static void count_entries(const struct merge *merge, uint32_t *plain, uint32_t *odd) {
    *plain = *odd = 0;
    for (uint32_t s = 0; s < merge->sources; s++) {
        *plain += merge->source[s].run->count;
        *odd += merge->source[s].run->odd.count;
    }
    for (uint64_t word = 0; word < ((uint64_t)merge->run->customers + 63) / 64; word++) {
        for (uint64_t bits = merge->stale[word]; bits != 0; bits &= bits - 1) {
            const pat_row customer = (pat_row)(word * 64 + (unsigned)__builtin_ctzll(bits));
            for (uint32_t s = 0; s < merge->sources; s++) {
                if (merge->source[s].of_stale) continue;
                *plain -= plain_of(merge->source[s].run, customer);
                *odd -= odd_of(merge->source[s].run, customer);
            }
        }
    }
}

/* ---- plain facts ------------------------------------------------------------------------------------------------- */

static void cut_plain(struct merge *merge, pat_row customer) {
    const bool stale = is_stale(merge, customer);
    merge->slices = 0;
    for (uint32_t s = 0; s < merge->sources; s++) {
        struct source *source = &merge->source[s];
        const struct pat_fact_run *run = source->run;
        if (customer >= run->customers) continue;
        uint32_t at, end;
        if (run->offset != NULL) {
            at = run->offset[customer];
            end = run->offset[customer + 1];
        } else {
            at = end = source->plain;
            while (end < run->count && run->customer[end] == customer) end++;
            source->plain = end;
        }
        if (at == end || stale != source->of_stale) continue;
        merge->slice[merge->slices++] = (struct slice){source, at, end};
    }
}

/* From `customer` on the first one that may have entries. */
static uint64_t next_plain(const struct merge *merge, uint64_t customer) {
    if (merge->dense) return customer;
    uint64_t next = merge->run->customers;
    for (uint32_t s = 0; s < merge->sources; s++) {
        const struct source *source = &merge->source[s];
        if (source->plain < source->run->count && source->run->customer[source->plain] < next)
            next = source->run->customer[source->plain];
    }
    return next;
}

static int32_t day_at(const struct slice *slice) {
    return slice->source->run->day[slice->at] + slice->source->shift;
}

/* The slice whose next day is the least, the first of equals. */
static struct slice *earliest_plain(struct merge *merge) {
    struct slice *earliest = NULL;
    for (uint32_t i = 0; i < merge->slices; i++) {
        struct slice *slice = &merge->slice[i];
        if (slice->at < slice->end && (earliest == NULL || day_at(slice) < day_at(earliest))) earliest = slice;
    }
    return earliest;
}

/* Writes the slices' entries from *place on. False when a day is too long ago for the new run. */
static bool write_slices(struct merge *merge, pat_row customer, uint32_t *place) {
    const struct pat_run_writer *writer = &merge->writer;
    for (struct slice *slice; (slice = earliest_plain(merge)) != NULL;) {
        /* All of a slice that is alone. */
        const uint32_t end = merge->slices == 1 ? slice->end : slice->at + 1;
        const struct pat_fact_run *run = slice->source->run;
        for (; slice->at < end; slice->at++, ++*place) {
            const int32_t day = run->day[slice->at] + slice->source->shift;
            if (day < 0 || day > UINT16_MAX) return false;
            writer->day[*place] = (uint16_t)day;
            writer->net[*place] = run->net[slice->at];
            if (writer->customer != NULL) writer->customer[*place] = customer;
        }
    }
    return true;
}

static enum pat_status merge_plain(struct merge *merge) {
    const struct pat_run_writer *writer = &merge->writer;
    const uint64_t customers = merge->run->customers;
    uint32_t place = 0;
    uint64_t noted = 0, asked = 0;
    for (uint64_t row = next_plain(merge, 0); row < customers; row = next_plain(merge, row + 1)) {
        if (row >= asked) {
            asked = row + PAT_RUN_BLOCK;
            if (pat_run__stopped(merge->plan)) return PAT_ERR_CANCELLED;
        }
        cut_plain(merge, (pat_row)row);
        pat_run__note_starts(writer, &noted, row + 1, place);
        if (!write_slices(merge, (pat_row)row, &place)) return PAT_ERR_MORE;
    }
    pat_run__note_starts(writer, &noted, customers, place);
    PAT_ASSERT(place == merge->run->count);
    return PAT_OK;
}

/* ---- odd facts --------------------------------------------------------------------------------------------------- */

static uint64_t next_odd(const struct merge *merge) {
    uint64_t next = merge->run->customers;
    for (uint32_t s = 0; s < merge->sources; s++) {
        const struct source *source = &merge->source[s];
        const struct pat_run_odds *odds = &source->run->odd;
        if (source->odd < odds->count && odds->customer[source->odd] < next) next = odds->customer[source->odd];
    }
    return next;
}

static void cut_odd(struct merge *merge, pat_row customer) {
    const bool stale = is_stale(merge, customer);
    merge->slices = 0;
    for (uint32_t s = 0; s < merge->sources; s++) {
        struct source *source = &merge->source[s];
        const struct pat_run_odds *odds = &source->run->odd;
        const uint32_t at = source->odd;
        while (source->odd < odds->count && odds->customer[source->odd] == customer) source->odd++;
        if (at == source->odd || stale != source->of_stale) continue;
        merge->slice[merge->slices++] = (struct slice){source, at, source->odd};
    }
}

/* By day, orders before refunds. */
static bool odd_is_earlier(const struct slice *a, const struct slice *b) {
    const struct pat_run_odd x = pat_run_odd_at(&a->source->run->odd, a->at);
    const struct pat_run_odd y = pat_run_odd_at(&b->source->run->odd, b->at);
    return x.day != y.day ? x.day < y.day : x.orders > y.orders;
}

static struct slice *earliest_odd(struct merge *merge) {
    struct slice *earliest = NULL;
    for (uint32_t i = 0; i < merge->slices; i++) {
        struct slice *slice = &merge->slice[i];
        if (slice->at < slice->end && (earliest == NULL || odd_is_earlier(slice, earliest))) earliest = slice;
    }
    return earliest;
}

static enum pat_status merge_odd(struct merge *merge, uint32_t count) {
    struct pat_run_odd_writer *writer = &merge->writer.odd;
    uint64_t block = 0, asked = 0; /* first customer of the next block, and where to ask again */
    uint32_t place = 0;
    for (uint64_t row = next_odd(merge); row < merge->run->customers; row = next_odd(merge)) {
        if (row >= asked) {
            asked = row + PAT_RUN_BLOCK;
            if (pat_run__stopped(merge->plan)) return PAT_ERR_CANCELLED;
        }
        for (; block <= row; block += PAT_RUN_BLOCK) writer->block[block / PAT_RUN_BLOCK] = place;
        cut_odd(merge, (pat_row)row);
        for (struct slice *slice; (slice = earliest_odd(merge)) != NULL; slice->at++) {
            const struct pat_run_odd odd = pat_run_odd_at(&slice->source->run->odd, slice->at);
            if (!pat_run__put_odd(writer, place++, &odd)) return PAT_ERR_NO_MEMORY;
        }
    }
    for (; block < merge->run->customers; block += PAT_RUN_BLOCK) writer->block[block / PAT_RUN_BLOCK] = place;
    PAT_ASSERT(place == count);
    merge->run->odd.count = place;
    return PAT_OK;
}

/* ---- door -------------------------------------------------------------------------------------------------------- */

static enum pat_status merge_all(struct merge *merge) {
    PAT_TRY(open_sources(merge));
    uint32_t odd;
    count_entries(merge, &merge->run->count, &odd);
    if (!pat_run__take(&merge->writer, odd)) return PAT_ERR_NO_MEMORY;
    PAT_TRY(merge_plain(merge));
    PAT_TRY(merge_odd(merge, odd));
    pat_run__note_end(&merge->writer);
    return PAT_OK;
}

enum pat_status pat_run__merge(struct pat_fact_run *run, const struct pat_run_plan *plan) {
    struct merge merge = {.plan = plan, .view = plan->view, .run = run, .writer = {.run = run}};
    const enum pat_status status = merge_all(&merge);
    pat_run_free(&merge.tail);
    pat_run_free(&merge.repaired);
    pat_mem_free(PAT_MEM_RUNS, merge.stale);
    if (status == PAT_ERR_MORE) pat_run__reset(run);
    return status;
}
