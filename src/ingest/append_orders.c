/* New orders, a column at a time: most rows of most loads. orders_private.h has the picture. */
#include "ingest/orders_private.h"

#include "base/mem.h"

#include <string.h>

/* Values that go through an array on the stack at a time. */
#define PIECE_ROWS 1024u
/* Of a chunk that fills up: one for each time that it doubles, from 64 rows to 64 Ki, or is widened, and a directory.
 */
#define RETIRED_MAX 16u
/* So many orders are worth the room for as many as may wait, when so many times that room is free. */
#define ROOM_FROM_ROWS 65536u
#define ROOM_SHARE     16u

/* New orders of one batch. */
struct order_segment {
    struct apply *apply;
    uint32_t first, count; /* of the block */
    const uint32_t *fresh; /* [count] their rows in the batch; NULL: all rows are new */
};

struct order_block {
    struct pat_store *store;
    const struct pat_spread *spread;
    struct order_segment *segment;
    unsigned segments;
    uint32_t rows; /* new orders */
    /* [rows] */
    pat_row *customer;
    int64_t *day, *paid_day, *base;
};

/* [rows] of the block: customer, fresh; day, paid_day, base. */
#define BLOCK_BYTES_EACH (2 * sizeof(uint32_t) + 3 * sizeof(int64_t))
/* [rows] of a batch: row, known, and of its customers fresh, word. */
#define BATCH_BYTES_EACH (3 * sizeof(uint32_t) + sizeof(int64_t))

static size_t arrays_bytes(uint32_t rows, uint32_t batch_rows) {
    return rows * BLOCK_BYTES_EACH + batch_rows * BATCH_BYTES_EACH + ARRAYS_MAX * PAT_MEM_ALIGN;
}

/* Each batch asks for its part of what several will take together, and of what folding them takes, unless that is
 * there. Rows that wait already have what folding takes. */
size_t pat_apply__append_orders_bytes(const struct pat_batch *batch, const struct pat_store *store) {
    const size_t most = arrays_bytes(ORDERS_AT_ONCE, PAT_BATCH_ROWS_MAX) + pat_orders__fold_bytes(ORDERS_AT_ONCE);
    const size_t arrays = pat_store_scratch_growth(store, most) == 0
                              ? 0
                              : arrays_bytes(batch->rows, batch->rows) + pat_orders__fold_bytes(batch->rows);
    return arrays + sizeof(struct apply) + sizeof(struct order_segment) + 2 * pat_table_claim_bytes(batch->rows);
}

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

/* What is needed batch by batch. */
struct batch_arrays {
    pat_row *row;
    uint32_t *known, *customer_fresh;
    int64_t *word;
    uint32_t known_count;
};

/* Gives the place of the rows' numbers in their batches. */
static uint32_t *arrays_open(struct order_block *block, struct batch_arrays *arrays, uint32_t rows,
                             uint32_t batch_rows) {
    const size_t own = arrays_bytes(rows, batch_rows);
    const size_t folding = pat_orders__fold_bytes(block->store->orders_waiting + rows);
    unsigned char *at = pat_store_scratch(block->store, own > folding ? own : folding);
    int64_t **const words[] = {&block->day, &block->paid_day, &block->base};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        *words[i] = pat_order__array(&at, rows, sizeof(int64_t));
    block->customer = pat_order__array(&at, rows, sizeof *block->customer);
    arrays->word = pat_order__array(&at, batch_rows, sizeof *arrays->word);
    arrays->row = pat_order__array(&at, batch_rows, sizeof *arrays->row);
    arrays->known = pat_order__array(&at, batch_rows, sizeof *arrays->known);
    arrays->customer_fresh = pat_order__array(&at, batch_rows, sizeof *arrays->customer_fresh);
    return pat_order__array(&at, rows, sizeof(uint32_t));
}

/* ---- batch by batch ---------------------------------------------------------------------------------------------- */

static void list_known(struct batch_arrays *arrays, const uint32_t *fresh, uint32_t fresh_count, uint32_t rows) {
    arrays->known_count = 0;
    for (uint32_t row = 0, next = 0; arrays->known_count + fresh_count < rows; row++) {
        if (next < fresh_count && fresh[next] == row) {
            next++;
        } else {
            arrays->known[arrays->known_count++] = row;
        }
    }
}

static void claim_customers(struct order_block *block, const struct order_segment *segment,
                            const struct batch_arrays *arrays) {
    const struct pat_batch_column *customer = pat_batch_find(segment->apply->batch, PAT_ORDER_CUSTOMER);
    const int64_t *word = customer->value;
    if (segment->fresh != NULL) {
        for (uint32_t i = 0; i < segment->count; i++) arrays->word[i] = word[segment->fresh[i]];
        word = arrays->word;
    }
    pat_apply__claim_customers(segment->apply, (struct pat_ids){word, customer->dict}, segment->count,
                               block->customer + segment->first, arrays->customer_fresh, block->spread);
}

/* Customers have a dictionary of countries of their own, and may get any of these. Now, in the order of rows, so that
 * the codes do not depend on whose earliest order this will turn out to be. */
static void learn_countries(const struct order_segment *segment) {
    struct apply *apply = segment->apply;
    const struct pat_batch_column *country = pat_batch_find(apply->batch, PAT_ORDER_COUNTRY);
    if (country == NULL) return;
    struct pat_dict *dict = apply->store->table[PAT_CUSTOMERS].dict[PAT_CUSTOMER_FACT_COUNTRY];
    uint32_t left = country->dict_count;
    for (uint32_t i = 0; i < segment->count && left > 0; i++) {
        const int64_t entry = country->value[segment->fresh != NULL ? segment->fresh[i] : i];
        if (entry == PAT_NULL || apply->fact_country[entry] != PAT_NULL) continue;
        apply->fact_country[entry] = pat_dict_add(dict, country->dict[entry]);
        left--;
    }
}

/* Claims the ids of one batch. From here on the table has rows that its columns do not have: but for the ids, those
 * come when all batches of the block have been here. */
static void segment_open(struct order_block *block, struct order_segment *segment, struct batch_arrays *arrays,
                         uint32_t *fresh) {
    struct apply *apply = segment->apply;
    const struct pat_batch_column *id = pat_batch_find(apply->batch, PAT_ORDER_ID);
    const struct pat_ids ids = {id->value, id->dict};
    const uint32_t rows = apply->batch->rows;
    pat_apply__open(apply);
    segment->first = block->rows;
    segment->count = pat_table_claim_ids(block->store, PAT_ORDERS, ids, rows, arrays->row, fresh, block->spread);
    segment->fresh = segment->count < rows ? fresh : NULL;
    list_known(arrays, fresh, segment->count, rows);
    if (segment->count == 0) return;
    pat_table_append_ids(block->store, PAT_ORDERS, ids, fresh, segment->count);
    pat_table_grow(&block->store->table[PAT_ORDERS], segment->count);
    (void)pat_apply__producer(apply, PAT_ORDERS);
    learn_countries(segment);
    claim_customers(block, segment, arrays);
    block->rows += segment->count;
    apply->outcome->fresh += segment->count;
}

/* ---- pieces of segments ------------------------------------------------------------------------------------------ */

/* New rows that stand side by side in a batch's columns, or would if they were all new. */
struct piece {
    const struct order_segment *segment;
    uint32_t at, count; /* of the segment's rows */
    uint32_t to;        /* of the block: its first row */
};

/* The piece that begins at row `to` of the block, which is in segment *s or behind it. */
static struct piece piece_at(const struct order_block *block, unsigned *s, uint32_t to, uint32_t end) {
    while (block->segment[*s].first + block->segment[*s].count <= to) ++*s;
    const struct order_segment *segment = &block->segment[*s];
    const uint32_t behind = segment->first + segment->count < end ? segment->first + segment->count : end;
    const uint32_t count = behind - to < PIECE_ROWS ? behind - to : PIECE_ROWS;
    return (struct piece){segment, to - segment->first, count, to};
}

/* The column's values of a piece, put into `room` if they do not stand side by side; NULL without the column. */
static const int64_t *piece_lane(const struct piece *piece, const struct pat_batch_column *column, int64_t *room) {
    if (column == NULL) return NULL;
    if (piece->segment->fresh == NULL) return column->value + piece->at;
    const uint32_t *fresh = piece->segment->fresh + piece->at;
    for (uint32_t i = 0; i < piece->count; i++) room[i] = column->value[fresh[i]];
    return room;
}

static const struct pat_batch_column *piece_column(const struct piece *piece, int field) {
    return pat_batch_find(piece->segment->apply->batch, field);
}

/* ---- ranges: what follows from a row alone ----------------------------------------------------------------------- */

enum { LANE_TIME, LANE_AMOUNT, LANE_CURRENCY, LANE_PAID, LANES };

static const int lane_field[LANES] = {
    [LANE_TIME] = PAT_ORDER_TIME,
    [LANE_AMOUNT] = PAT_ORDER_AMOUNT,
    [LANE_CURRENCY] = PAT_ORDER_CURRENCY,
    [LANE_PAID] = PAT_ORDER_PAID,
};

static void derive_days(struct order_block *block, const struct piece *piece, const int64_t *const *lane) {
    int64_t *day = block->day + piece->to, *paid_day = block->paid_day + piece->to;
    pat_zone_days_at(block->store->zone, lane[LANE_TIME], piece->count, day);
    for (uint32_t i = 0; lane[LANE_PAID] != NULL && i < piece->count; i++) {
        const int64_t paid = lane[LANE_PAID][i];
        const int64_t of_paid = paid == PAT_NULL ? PAT_NULL : pat_zone_day_at(block->store->zone, paid);
        paid_day[i] = of_paid == day[i] ? PAT_NULL : of_paid;
    }
}

static void derive_base(struct order_block *block, const struct piece *piece, const int64_t *const *lane) {
    const struct pat_batch_column *column = piece_column(piece, PAT_ORDER_CURRENCY);
    const struct apply *apply = piece->segment->apply;
    const uint32_t *codes = apply->codes[column - apply->batch->column];
    int64_t currency[PIECE_ROWS];
    for (uint32_t i = 0; i < piece->count; i++) currency[i] = codes[lane[LANE_CURRENCY][i]];
    pat_store_to_base_all(block->store, PAT_ORDERS, PAT_ORDER_CURRENCY, currency, block->day + piece->to,
                          lane[LANE_AMOUNT], piece->count, block->base + piece->to);
}

static void derive_range(void *context, uint32_t range, unsigned worker) {
    struct order_block *block = context;
    const uint32_t begin = range * RANGE_ROWS;
    const uint32_t end = block->rows - begin < RANGE_ROWS ? block->rows : begin + RANGE_ROWS;
    int64_t room[LANES][PIECE_ROWS];
    const int64_t *lane[LANES];
    unsigned s = 0;
    (void)worker;
    for (uint32_t at = begin; at < end;) {
        const struct piece piece = piece_at(block, &s, at, end);
        for (unsigned l = 0; l < LANES; l++) lane[l] = piece_lane(&piece, piece_column(&piece, lane_field[l]), room[l]);
        derive_days(block, &piece, lane);
        derive_base(block, &piece, lane);
        at += piece.count;
    }
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

/* Withdrawn, a test: false is what null says. Attributes are what the shop makes of them. */
static bool is_own_flag(const struct pat_table *orders, const struct pat_batch_column *column) {
    return column->type == PAT_TYPE_BOOL && column->field < (int)orders->schema->own_columns;
}

/* A piece's values as the store holds them. */
static const int64_t *stored_values(const struct piece *piece, uint32_t c, bool flag, int64_t *room) {
    const struct pat_batch_column *column = &piece->segment->apply->batch->column[c];
    const uint32_t *codes = piece->segment->apply->codes[c];
    const int64_t *sent = piece_lane(piece, column, room);
    if (codes == NULL && !flag) return sent;
    for (uint32_t i = 0; i < piece->count; i++) {
        const int64_t value = sent[i];
        if (flag) {
            room[i] = value == 0 ? PAT_NULL : value;
        } else {
            room[i] = value == PAT_NULL ? PAT_NULL : (int64_t)codes[value];
        }
    }
    return room;
}

/* Small pieces are gathered, so that batches of a row do not cost a column's append each. */
static void append_sent(const struct order_block *block, struct pat_column *to, uint32_t c) {
    const bool flag = is_own_flag(&block->store->table[PAT_ORDERS], &block->segment[0].apply->batch->column[c]);
    int64_t room[PIECE_ROWS], value[PIECE_ROWS];
    uint32_t waiting = 0;
    unsigned s = 0;
    for (uint32_t at = 0; at < block->rows;) {
        const struct piece piece = piece_at(block, &s, at, block->rows);
        const int64_t *stored = stored_values(&piece, c, flag, room);
        at += piece.count;
        if (waiting + piece.count > PIECE_ROWS) {
            pat_column_append_all(to, value, waiting);
            waiting = 0;
        }
        if (piece.count == PIECE_ROWS) {
            pat_column_append_all(to, stored, PIECE_ROWS);
            continue;
        }
        memcpy(value + waiting, stored, piece.count * sizeof *value);
        waiting += piece.count;
    }
    if (waiting > 0) pat_column_append_all(to, value, waiting);
}

static void append_customers(const struct order_block *block, struct pat_column *to) {
    int64_t value[PIECE_ROWS];
    for (uint32_t at = 0, here; at < block->rows; at += here) {
        here = block->rows - at < PIECE_ROWS ? block->rows - at : PIECE_ROWS;
        for (uint32_t i = 0; i < here; i++) value[i] = block->customer[at + i];
        pat_column_append_all(to, value, here);
    }
}

static void append_producers(const struct order_block *block, struct pat_column *to) {
    for (unsigned s = 0, same; s < block->segments; s += same) {
        const int64_t producer = block->segment[s].apply->producer[PAT_ORDERS];
        uint32_t rows = 0;
        for (same = 0; s + same < block->segments && block->segment[s + same].apply->producer[PAT_ORDERS] == producer;)
            rows += block->segment[s + same++].count;
        if (rows > 0) pat_column_append_same(to, producer, rows);
    }
}

/* The batch column of a field, or UINT32_MAX: all batches of the block have the same. */
static uint32_t sent_as(const struct order_block *block, unsigned column) {
    const struct pat_batch *batch = block->segment[0].apply->batch;
    uint32_t c = 0;
    while (c < batch->columns && batch->column[c].field != (int)column) c++;
    return c < batch->columns ? c : UINT32_MAX;
}

/* Column `column` of the new rows, whatever it is but the ids, which are there, and the chain, which is not ready. */
static void append_column(const struct order_block *block, unsigned column) {
    struct pat_column *to = &block->store->table[PAT_ORDERS].column[column];
    const uint32_t sent = sent_as(block, column);
    switch (column) {
    case PAT_ORDER_ID:
    case PAT_ORDER_NEXT: return;
    case PAT_ORDER_CUSTOMER: append_customers(block, to); return;
    case PAT_ORDER_DAY: pat_column_append_all(to, block->day, block->rows); return;
    case PAT_ORDER_BASE: pat_column_append_all(to, block->base, block->rows); return;
    case PAT_ORDER_STATE: pat_column_append_same(to, PAT_ORDER_PRESENT, block->rows); return;
    case PAT_ORDER_AMOUNT_GIVEN: pat_column_append_same(to, 1, block->rows); return;
    case PAT_ORDER_PRODUCER: append_producers(block, to); return;
    case PAT_ORDER_PAID_DAY:
        if (sent_as(block, PAT_ORDER_PAID) == UINT32_MAX) break;
        pat_column_append_all(to, block->paid_day, block->rows);
        return;
    default: break;
    }
    if (sent == UINT32_MAX) {
        pat_column_append_same(to, PAT_NULL, block->rows);
    } else {
        append_sent(block, to, sent);
    }
}

/* ---- the block --------------------------------------------------------------------------------------------------- */

static void append_part(void *context, uint32_t column, unsigned worker) {
    (void)worker;
    append_column(context, column);
}

/* Rows that count, and when they are. */
static void count_orders(const struct order_block *block) {
    struct pat_store *store = block->store;
    int64_t room[PIECE_ROWS];
    unsigned s = 0;
    for (uint32_t at = 0; at < block->rows;) {
        const struct piece piece = piece_at(block, &s, at, block->rows);
        const int64_t *deleted = piece_lane(&piece, piece_column(&piece, PAT_ORDER_DELETED), room);
        int64_t day = PAT_DAY_NONE;
        uint32_t of_day = 0;
        for (uint32_t i = 0; i < piece.count; i++) {
            if (deleted != NULL && deleted[i] == 1) continue;
            store->counts.orders++;
            store->counts.unpriced += block->base[at + i] == PAT_NULL;
            if (block->day[at + i] != day) {
                pat_day_counts_add_many(&store->fact_days, (pat_day)day, of_day);
                of_day = 0;
                day = block->day[at + i];
            }
            of_day++;
        }
        pat_day_counts_add_many(&store->fact_days, (pat_day)day, of_day);
        at += piece.count;
    }
}

static void block_apply(struct order_block *block) {
    struct pat_table *orders = &block->store->table[PAT_ORDERS];
    const unsigned columns = orders->schema->columns;
    const struct pat_spread *spread = block->rows >= RANGE_ROWS ? block->spread : NULL;
    pat_spread_run(spread, derive_range, block, (block->rows + RANGE_ROWS - 1) / RANGE_ROWS);
    const size_t chunks = (block->rows >> orders->column[0].shift) + 2;
    pat_pins_reserve(&block->store->pins, columns * chunks * RETIRED_MAX);
    pat_spread_run(spread, append_part, block, columns);
    count_orders(block);
    block->store->orders_waiting += block->rows;
}

/* Without pat_mem_would_fit: what is at hand for the next batch is not worth giving up for this. */
static bool is_free(size_t bytes) {
    const size_t budget = pat_mem_budget(), used = pat_mem_used_total();
    return budget == 0 || (used <= budget && bytes <= budget - used);
}

/* Rows may wait as long as there is room to fold them all, which is taken when there is plenty of it. */
static void make_room(struct pat_store *store, const struct pat_spread *spread, uint32_t rows) {
    if (store->fold != NULL) pat_orders__fold(store, spread); /* its arrays lie in the room */
    const uint32_t waiting = store->orders_waiting, waiting_most = pat_orders__waiting_most(store);
    const size_t most = pat_orders__fold_bytes(waiting_most);
    if (store->table[PAT_ORDERS].rows + rows >= ROOM_FROM_ROWS && pat_store_scratch_growth(store, most) > 0 &&
        is_free(most * ROOM_SHARE))
        (void)pat_store_scratch(store, most);
    if (waiting > 0 &&
        (waiting + rows > waiting_most || pat_store_scratch_growth(store, pat_orders__fold_bytes(waiting + rows)) > 0))
        pat_orders__fold(store, spread);
}

static uint32_t rows_of(const struct apply *apply, unsigned batches, uint32_t *most) {
    uint32_t rows = 0;
    *most = 0;
    for (unsigned i = 0; i < batches; i++) {
        rows += apply[i].batch->rows;
        if (apply[i].batch->rows > *most) *most = apply[i].batch->rows;
    }
    return rows;
}

struct appended pat_apply__append_orders(struct apply *apply, unsigned batches, const struct pat_spread *spread,
                                         unsigned *taken) {
    struct pat_store *store = apply->store;
    struct order_block *block = pat_mem_alloc_raw_must(PAT_MEM_OTHER, sizeof *block);
    struct batch_arrays arrays = {.known_count = 0};
    uint32_t batch_rows;
    const uint32_t rows = rows_of(apply, batches, &batch_rows);
    make_room(store, spread, rows);
    block->store = store;
    block->spread = spread;
    block->segment = pat_mem_alloc_must(PAT_MEM_OTHER, batches * sizeof *block->segment);
    block->segments = 0;
    block->rows = 0;
    uint32_t *const fresh = arrays_open(block, &arrays, rows, batch_rows);
    while (block->segments < batches && arrays.known_count == 0) {
        struct order_segment *segment = &block->segment[block->segments];
        segment->apply = &apply[block->segments++];
        segment_open(block, segment, &arrays, fresh + block->rows);
    }
    *taken = block->segments;
    if (block->rows > 0) block_apply(block);
    pat_mem_free(PAT_MEM_OTHER, block->segment);
    pat_mem_free(PAT_MEM_OTHER, block);
    return (struct appended){arrays.row, arrays.known, arrays.known_count};
}
