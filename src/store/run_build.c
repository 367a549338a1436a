/* Making a run from the tables of a view.
 *
 * Facts lie in arrival order and are wanted by customer, then day. Counting by customer alone would touch ten million
 * counters at random, a miss each. So the rows are first spread over partitions of customers by streaming, as many at a
 * time as the scratch holds, and each partition is sorted where it stays in cache:
 *
 *   count   rows -> plain and odd facts of each partition          one pass over the tables
 *   spread  rows -> key {customer, day, net} in its partition      one pass for each group of partitions
 *   sort    a partition's keys by customer and day, stable         then written to where they stay */
#include "store/run_private.h"

#include "kernel/kernel.h"

/* Customers of a partition: some 160,000 orders, so that keys and the copy that sorting needs stay in the second-level
 * cache; and ten million customers make 611 partitions, about the lines that the first level has to write them. */
#define PARTITION_SHIFT 14u
#define PARTITION       (1u << PARTITION_SHIFT)
_Static_assert(PARTITION % PAT_RUN_BLOCK == 0, "a block of customers lies in one partition");

/* Rows unpacked at a time: eight columns of them stay in the second-level cache. */
#define BLOCK_ROWS 1024u

/* Keys that are spread at a time: a quarter of all, so that four passes over the tables are the most, but never less
 * than 64 MiB of them, which is what one pass over some millions of rows takes. */
#define SCRATCH_SHARE    4u
#define SCRATCH_KEYS_MIN (8u << 20)

struct order_block {
    pat_row first;
    uint32_t count;
    int64_t customer[BLOCK_ROWS], state[BLOCK_ROWS], deleted[BLOCK_ROWS], test[BLOCK_ROWS];
    int64_t day[BLOCK_ROWS], paid[BLOCK_ROWS], cancelled[BLOCK_ROWS], base[BLOCK_ROWS];
};

struct refund_block {
    pat_row first;
    uint32_t count;
    int64_t customer[BLOCK_ROWS], deleted[BLOCK_ROWS], order[BLOCK_ROWS], day[BLOCK_ROWS], base[BLOCK_ROWS];
};

/* A plain fact while it is sorted: customer within its partition, day, net. */
typedef uint64_t run_key;

struct build {
    const struct pat_run_plan *plan;
    const struct pat_view *view;
    struct pat_fact_run *run;
    union {
        struct order_block orders;
        struct refund_block refunds;
    } * block;
    uint32_t partitions;
    uint32_t *plain_start, *plain_at; /* [partitions + 1] into the run, [partitions] into the scratch */
    uint32_t *odd_start, *odd_at;     /* likewise into `odd` */
    run_key *scratch, *sorted;        /* of a group of partitions; of one */
    struct pat_run_odd *odd;          /* twice those of one partition */
    struct pat_run_odds spread;       /* odd facts by partition, in the run's columns */
    struct pat_run_writer writer;
};

/* ---- reading the tables ------------------------------------------------------------------------------------------ */

static void read_column(const struct build *build, enum pat_table_id table, unsigned column, pat_row first,
                        uint32_t count, int64_t *out) {
    pat_column_view_read(&build->view->table[table].column[column], first, count, out, build->plan->kernels);
}

static const struct order_block *read_orders(const struct build *build, pat_row first) {
    struct order_block *block = &build->block->orders;
    const uint32_t left = build->run->orders_to - first;
    const uint32_t count = left < BLOCK_ROWS ? left : BLOCK_ROWS;
    block->first = first;
    block->count = count;
    read_column(build, PAT_ORDERS, PAT_ORDER_CUSTOMER, first, count, block->customer);
    read_column(build, PAT_ORDERS, PAT_ORDER_STATE, first, count, block->state);
    read_column(build, PAT_ORDERS, PAT_ORDER_DELETED, first, count, block->deleted);
    read_column(build, PAT_ORDERS, PAT_ORDER_TEST, first, count, block->test);
    read_column(build, PAT_ORDERS, PAT_ORDER_DAY, first, count, block->day);
    read_column(build, PAT_ORDERS, PAT_ORDER_PAID_DAY, first, count, block->paid);
    read_column(build, PAT_ORDERS, PAT_ORDER_CANCELLED, first, count, block->cancelled);
    read_column(build, PAT_ORDERS, PAT_ORDER_BASE, first, count, block->base);
    return block;
}

static const struct refund_block *read_refunds(const struct build *build, pat_row first) {
    struct refund_block *block = &build->block->refunds;
    const uint32_t left = build->run->refunds_to - first;
    const uint32_t count = left < BLOCK_ROWS ? left : BLOCK_ROWS;
    block->first = first;
    block->count = count;
    read_column(build, PAT_REFUNDS, PAT_REFUND_CUSTOMER, first, count, block->customer);
    read_column(build, PAT_REFUNDS, PAT_REFUND_DELETED, first, count, block->deleted);
    read_column(build, PAT_REFUNDS, PAT_REFUND_ORDER, first, count, block->order);
    read_column(build, PAT_REFUNDS, PAT_REFUND_DAY, first, count, block->day);
    read_column(build, PAT_REFUNDS, PAT_REFUND_BASE, first, count, block->base);
    return block;
}

static struct pat_run_order order_at(const struct order_block *block, uint32_t i) {
    return (struct pat_run_order){block->customer[i], block->state[i], block->deleted[i],   block->test[i],
                                  block->day[i],      block->paid[i],  block->cancelled[i], block->base[i]};
}

static struct pat_run_refund refund_at(const struct refund_block *block, uint32_t i) {
    return (struct pat_run_refund){block->customer[i], block->deleted[i], block->order[i], block->day[i],
                                   block->base[i]};
}

/* ---- count ------------------------------------------------------------------------------------------------------- */

static enum pat_status count_facts(struct build *build) {
    for (pat_row first = build->run->orders_from; first < build->run->orders_to;) {
        if (pat_run__stopped(build->plan)) return PAT_ERR_CANCELLED;
        const struct order_block *block = read_orders(build, first);
        for (uint32_t i = 0; i < block->count; i++) {
            const struct pat_run_order order = order_at(block, i);
            const enum pat_run_kind kind = pat_run__order_kind(&order, build->run->day_base);
            if (kind == PAT_RUN_NOTHING) continue;
            uint32_t *start = kind == PAT_RUN_PLAIN ? build->plain_start : build->odd_start;
            start[(order.customer >> PARTITION_SHIFT) + 1]++;
        }
        first += block->count;
    }
    for (pat_row first = build->run->refunds_from; first < build->run->refunds_to;) {
        if (pat_run__stopped(build->plan)) return PAT_ERR_CANCELLED;
        const struct refund_block *block = read_refunds(build, first);
        for (uint32_t i = 0; i < block->count; i++) {
            const struct pat_run_refund refund = refund_at(block, i);
            if (pat_run__refund_may_count(&refund)) build->odd_start[(refund.customer >> PARTITION_SHIFT) + 1]++;
        }
        first += block->count;
    }
    for (uint32_t p = 0; p < build->partitions; p++) {
        build->plain_start[p + 1] += build->plain_start[p];
        build->odd_start[p + 1] += build->odd_start[p];
    }
    return PAT_OK;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

void *pat_run__take_array(struct pat_fact_run *run, size_t count, size_t width, size_t padding) {
    void *block = pat_mem_alloc_big(PAT_MEM_RUNS, count * width + padding);
    if (block == NULL) return NULL;
    if (padding > 0) memset((unsigned char *)block + count * width, 0, padding);
    run->bytes += count * width + padding;
    return block;
}

bool pat_run__take(struct pat_run_writer *writer, uint32_t odd_max) {
    struct pat_fact_run *run = writer->run;
    const size_t blocks = (size_t)pat_run__blocks(run->customers) + 1;
    run->day = writer->day = pat_run__take_array(run, run->count, sizeof *run->day, PAT_RUN_PADDING);
    run->net = writer->net = pat_run__take_array(run, run->count, sizeof *run->net, PAT_RUN_PADDING);
    writer->odd.run = run;
    run->odd.block = writer->odd.block = pat_run__take_array(run, blocks, sizeof *run->odd.block, 0);
    if (run->day == NULL || run->net == NULL || run->odd.block == NULL) return false;
    if (!pat_run__take_odds(&writer->odd, odd_max)) return false;
    if (run->count >= run->customers) {
        run->offset = writer->offset = pat_run__take_array(run, (size_t)run->customers + 1, sizeof *run->offset, 0);
        return run->offset != NULL;
    }
    run->customer = writer->customer = pat_run__take_array(run, run->count, sizeof *run->customer, PAT_RUN_PADDING);
    run->block = writer->block = pat_run__take_array(run, blocks, sizeof *run->block, 0);
    return run->customer != NULL && run->block != NULL;
}

void pat_run__note_end(const struct pat_run_writer *writer) {
    const struct pat_fact_run *run = writer->run;
    const pat_row blocks = pat_run__blocks(run->customers);
    if (writer->offset != NULL) writer->offset[run->customers] = run->count;
    if (writer->block != NULL) writer->block[blocks] = run->count;
    writer->odd.block[blocks] = run->odd.count;
}

static uint32_t greatest_partition(const uint32_t *start, uint32_t partitions) {
    uint32_t greatest = 0;
    for (uint32_t p = 0; p < partitions; p++) {
        if (start[p + 1] - start[p] > greatest) greatest = start[p + 1] - start[p];
    }
    return greatest;
}

/* Keys that the scratch holds: any partition fits. */
static uint32_t scratch_keys(const struct build *build) {
    uint32_t keys = build->run->count / SCRATCH_SHARE;
    if (keys < SCRATCH_KEYS_MIN) keys = SCRATCH_KEYS_MIN;
    if (build->plan->scratch_keys != 0) keys = build->plan->scratch_keys;
    if (keys > build->run->count) keys = build->run->count;
    const uint32_t greatest = greatest_partition(build->plain_start, build->partitions);
    return keys > greatest ? keys : greatest;
}

static bool take_scratch(struct build *build) {
    const size_t keys = scratch_keys(build);
    const size_t greatest = greatest_partition(build->plain_start, build->partitions);
    const size_t odd = greatest_partition(build->odd_start, build->partitions);
    build->scratch = pat_mem_alloc_big(PAT_MEM_RUNS, keys * sizeof *build->scratch);
    build->sorted = pat_mem_alloc_big(PAT_MEM_RUNS, greatest * sizeof *build->sorted);
    build->odd = pat_mem_alloc_big(PAT_MEM_RUNS, odd * 2 * sizeof *build->odd);
    return build->scratch != NULL && build->sorted != NULL && build->odd != NULL;
}

static void free_scratch(struct build *build) {
    void *const blocks[] = {build->block,     build->plain_start, build->plain_at,
                            build->odd_start, build->odd_at,      build->scratch,
                            build->sorted,    build->odd,         (void *)(uintptr_t)build->spread.wide};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) pat_mem_free(PAT_MEM_RUNS, blocks[i]);
}

/* ---- plain facts: spread, sort, write ---------------------------------------------------------------------------- */

/* Partitions from `from` on that fit the scratch together: the end of them. */
static uint32_t group_end(const struct build *build, uint32_t from, uint32_t keys) {
    uint32_t to = from + 1;
    while (to < build->partitions && build->plain_start[to + 1] - build->plain_start[from] <= keys) to++;
    return to;
}

static run_key key_of(int64_t customer, int64_t above, int64_t net) {
    return (uint64_t)(customer & (PARTITION - 1)) << 48 | (uint64_t)above << 32 | (uint32_t)(int32_t)net;
}

static enum pat_status spread_plain(struct build *build, uint32_t from, uint32_t to) {
    for (uint32_t p = from; p < to; p++) build->plain_at[p] = build->plain_start[p] - build->plain_start[from];
    for (pat_row first = build->run->orders_from; first < build->run->orders_to;) {
        if (pat_run__stopped(build->plan)) return PAT_ERR_CANCELLED;
        const struct order_block *block = read_orders(build, first);
        for (uint32_t i = 0; i < block->count; i++) {
            const struct pat_run_order order = order_at(block, i);
            if (pat_run__order_kind(&order, build->run->day_base) != PAT_RUN_PLAIN) continue;
            const uint32_t p = (uint32_t)(order.customer >> PARTITION_SHIFT);
            if (p < from || p >= to) continue;
            build->scratch[build->plain_at[p]++] = key_of(order.customer, order.day - build->run->day_base, order.base);
        }
        first += block->count;
    }
    return PAT_OK;
}

/* Three passes of ten bits over customer (14) and day (16), least bits first; each keeps the order of equals. The third
 * leaves the keys in `sorted`. */
#define DIGITS     3u
#define DIGIT_BITS 10u
#define DIGIT_SPAN (1u << DIGIT_BITS)
_Static_assert(DIGITS *DIGIT_BITS == PARTITION_SHIFT + 16, "the digits make up customer and day");

static inline unsigned digit(run_key key, unsigned d) {
    return (unsigned)(key >> (32 + d * DIGIT_BITS)) & (DIGIT_SPAN - 1);
}

static void sort_keys(run_key *key, run_key *sorted, uint32_t count) {
    uint32_t at[DIGITS][DIGIT_SPAN];
    memset(at, 0, sizeof at);
    for (uint32_t i = 0; i < count; i++) {
        for (unsigned d = 0; d < DIGITS; d++) at[d][digit(key[i], d)]++;
    }
    for (unsigned d = 0; d < DIGITS; d++) {
        uint32_t start = 0;
        for (unsigned v = 0; v < DIGIT_SPAN; v++) {
            const uint32_t here = at[d][v];
            at[d][v] = start;
            start += here;
        }
        const run_key *from = d % 2 == 0 ? key : sorted;
        run_key *to = d % 2 == 0 ? sorted : key;
        for (uint32_t i = 0; i < count; i++) to[at[d][digit(from[i], d)]++] = from[i];
    }
}

static pat_row partition_end(const struct build *build, uint32_t p) {
    const uint64_t end = ((uint64_t)p + 1) << PARTITION_SHIFT;
    return end < build->run->customers ? (pat_row)end : build->run->customers;
}

static void write_plain(struct build *build, uint32_t p, run_key *key) {
    const struct pat_run_writer *writer = &build->writer;
    const uint32_t start = build->plain_start[p], count = build->plain_start[p + 1] - start;
    const pat_row first = (pat_row)p << PARTITION_SHIFT;
    uint64_t next = first;
    sort_keys(key, build->sorted, count);
    for (uint32_t i = 0; i < count; i++) {
        const run_key sorted = build->sorted[i];
        const pat_row customer = first + (pat_row)(sorted >> 48);
        pat_run__note_starts(writer, &next, (uint64_t)customer + 1, start + i);
        writer->day[start + i] = (uint16_t)(sorted >> 32);
        writer->net[start + i] = (int32_t)(uint32_t)sorted;
        if (writer->customer != NULL) writer->customer[start + i] = customer;
    }
    pat_run__note_starts(writer, &next, partition_end(build, p), start + count);
}

static enum pat_status make_plain(struct build *build) {
    const uint32_t keys = scratch_keys(build);
    for (uint32_t from = 0, to = 0; from < build->partitions; from = to) {
        to = group_end(build, from, keys);
        PAT_TRY(spread_plain(build, from, to));
        for (uint32_t p = from; p < to; p++) {
            if (pat_run__stopped(build->plan)) return PAT_ERR_CANCELLED;
            write_plain(build, p, build->scratch + (build->plain_start[p] - build->plain_start[from]));
        }
    }
    return PAT_OK;
}

/* ---- odd facts --------------------------------------------------------------------------------------------------- */

static bool spread_fact(struct build *build, const struct pat_run_odd *odd) {
    return pat_run__put_odd(&build->writer.odd, build->odd_at[odd->customer >> PARTITION_SHIFT]++, odd);
}

static enum pat_status spread_odd(struct build *build) {
    memcpy(build->odd_at, build->odd_start, build->partitions * sizeof *build->odd_at);
    for (pat_row first = build->run->orders_from; first < build->run->orders_to;) {
        if (pat_run__stopped(build->plan)) return PAT_ERR_CANCELLED;
        const struct order_block *block = read_orders(build, first);
        for (uint32_t i = 0; i < block->count; i++) {
            const struct pat_run_order order = order_at(block, i);
            if (pat_run__order_kind(&order, build->run->day_base) != PAT_RUN_ODD) continue;
            const struct pat_run_odd odd = pat_run__odd_order(&order);
            if (!spread_fact(build, &odd)) return PAT_ERR_NO_MEMORY;
        }
        first += block->count;
    }
    for (pat_row first = build->run->refunds_from; first < build->run->refunds_to;) {
        if (pat_run__stopped(build->plan)) return PAT_ERR_CANCELLED;
        const struct refund_block *block = read_refunds(build, first);
        for (uint32_t i = 0; i < block->count; i++) {
            const struct pat_run_refund refund = refund_at(block, i);
            struct pat_run_odd odd;
            if (!pat_run__refund_may_count(&refund) || !pat_run__odd_refund(build->view, &refund, &odd)) continue;
            if (!spread_fact(build, &odd)) return PAT_ERR_NO_MEMORY;
        }
        first += block->count;
    }
    return PAT_OK;
}

static bool odd_is_later(const struct pat_run_odd *a, const struct pat_run_odd *b) {
    return a->customer != b->customer ? a->customer > b->customer : a->day > b->day;
}

/* Merges from[0 .. half) and from[half .. count), keeping the order of equals. */
static void merge_odd(const struct pat_run_odd *from, uint32_t half, uint32_t count, struct pat_run_odd *to) {
    uint32_t a = 0, b = half;
    for (uint32_t i = 0; i < count; i++) {
        const bool take_b = a == half || (b < count && odd_is_later(&from[a], &from[b]));
        to[i] = take_b ? from[b++] : from[a++];
    }
}

const struct pat_run_odd *pat_run__sort_odd(struct pat_run_odd *odd, struct pat_run_odd *other, uint32_t count) {
    struct pat_run_odd *from = odd, *to = other;
    for (uint64_t width = 1; width < count; width *= 2) {
        for (uint64_t first = 0; first < count; first += 2 * width) {
            const uint64_t left = count - first;
            merge_odd(from + first, (uint32_t)(width < left ? width : left),
                      (uint32_t)(2 * width < left ? 2 * width : left), to + first);
        }
        struct pat_run_odd *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

/* The facts of a partition in order, in memory of the build. */
static const struct pat_run_odd *sort_odd(const struct build *build, uint32_t p, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) build->odd[i] = pat_run_odd_at(&build->spread, build->odd_start[p] + i);
    return pat_run__sort_odd(build->odd, build->odd + count, count);
}

/* From where they were spread to where they stay, at the same places or before: refunds that turned out never to count
 * left gaps behind their partitions. Wide ones are noted anew. */
static enum pat_status make_odd(struct build *build) {
    PAT_TRY(spread_odd(build));
    struct pat_run_odd_writer *writer = &build->writer.odd;
    uint32_t end = 0;
    uint64_t next = 0; /* first customer of the next block */
    build->spread = build->run->odd;
    build->run->bytes -= writer->wide_capacity * sizeof *build->spread.wide;
    build->run->odd.wide = NULL;
    build->run->odd.wide_count = writer->wide_capacity = 0;
    for (uint32_t p = 0; p < build->partitions; p++) {
        if (pat_run__stopped(build->plan)) return PAT_ERR_CANCELLED;
        const uint32_t count = build->odd_at[p] - build->odd_start[p];
        const struct pat_run_odd *sorted = sort_odd(build, p, count);
        for (uint32_t i = 0; i < count; i++) {
            if (!pat_run__put_odd(writer, end + i, &sorted[i])) return PAT_ERR_NO_MEMORY;
        }
        uint32_t at = end;
        end += count;
        for (; next < partition_end(build, p); next += PAT_RUN_BLOCK) {
            while (at < end && writer->customer[at] < next) at++;
            writer->block[next / PAT_RUN_BLOCK] = at;
        }
    }
    build->run->odd.count = end;
    return PAT_OK;
}

/* ---- door -------------------------------------------------------------------------------------------------------- */

/* All counted facts lie on or before the newest one's day; those more than 179 years older are odd. */
static pat_day day_base_of(const struct pat_view *view) {
    return view->counts.newest_fact == PAT_DAY_NONE ? 0 : view->counts.newest_fact - UINT16_MAX;
}

static enum pat_status build_all(struct build *build) {
    struct pat_fact_run *run = build->run;
    const size_t starts = ((size_t)build->partitions + 1) * sizeof *build->plain_start;
    build->block = pat_mem_alloc(PAT_MEM_RUNS, sizeof *build->block);
    build->plain_start = pat_mem_alloc(PAT_MEM_RUNS, starts);
    build->plain_at = pat_mem_alloc(PAT_MEM_RUNS, starts);
    build->odd_start = pat_mem_alloc(PAT_MEM_RUNS, starts);
    build->odd_at = pat_mem_alloc(PAT_MEM_RUNS, starts);
    if (build->block == NULL || build->plain_start == NULL || build->plain_at == NULL || build->odd_start == NULL ||
        build->odd_at == NULL) {
        return PAT_ERR_NO_MEMORY;
    }
    PAT_TRY(count_facts(build));
    run->count = build->plain_start[build->partitions];
    if (!pat_run__take(&build->writer, build->odd_start[build->partitions]) || !take_scratch(build)) {
        return PAT_ERR_NO_MEMORY;
    }
    PAT_TRY(make_plain(build));
    PAT_TRY(make_odd(build));
    pat_run__note_end(&build->writer);
    return PAT_OK;
}

static enum pat_status build_from_tables(struct pat_fact_run *run, const struct pat_run_plan *plan) {
    struct build build = {.plan = plan, .view = plan->view, .run = run, .writer = {.run = run}};
    build.partitions = (uint32_t)(((uint64_t)run->customers + PARTITION - 1) >> PARTITION_SHIFT);
    const enum pat_status status = build_all(&build);
    free_scratch(&build);
    return status;
}

enum pat_status pat_run_build(struct pat_fact_run **out, const struct pat_run_plan *plan) {
    const struct pat_view *view = plan->view;
    struct pat_fact_run *run = pat_mem_alloc(PAT_MEM_RUNS, sizeof *run);
    if (run == NULL) return PAT_ERR_NO_MEMORY;
    *run = (struct pat_fact_run){
        .generation = plan->generation,
        .orders_from = plan->orders_from,
        .orders_to = view->table[PAT_ORDERS].rows,
        .refunds_from = plan->refunds_from,
        .refunds_to = view->table[PAT_REFUNDS].rows,
        .customers = view->table[PAT_CUSTOMERS].rows,
        .bytes = sizeof *run,
        .day_base = day_base_of(view),
    };
    PAT_ASSERT(run->orders_from <= run->orders_to);
    PAT_ASSERT(run->refunds_from <= run->refunds_to);
    const uint64_t facts_max = (uint64_t)(run->orders_to - run->orders_from) + (run->refunds_to - run->refunds_from);
    if (facts_max > UINT32_MAX) { /* places of facts are 32 bits; so many odd ones take 128 GiB */
        pat_run_free(&run);
        return PAT_ERR_NO_MEMORY;
    }
    enum pat_status status = plan->merge ? pat_run__merge(run, plan) : PAT_ERR_MORE;
    if (status == PAT_ERR_MORE) status = build_from_tables(run, plan);
    if (status != PAT_OK) {
        pat_run_free(&run);
        return status;
    }
    *out = run;
    return PAT_OK;
}
