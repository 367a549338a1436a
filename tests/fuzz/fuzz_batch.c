/* Frames with load.* requests, one behind the other, all the way into a small store: no bytes may do more than give an
 * error that says something. After each batch the store's structure holds, the counters equal a recount, and the
 * outcome adds up. */
#include "base/arena.h"
#include "base/mem.h"
#include "ingest/ingest.h"
#include "model/request.h"
#include "model/zone.h"
#include "proto/wire.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pat_scan_limits limits = {1u << 20, 1u << 14, PAT_FRAME_DEPTH_MAX};

/* 2024-03-15T12:00:00Z */
#define NOW_MS     INT64_C(1710504000000)
#define FRAMES_MAX 16

struct shop {
    struct pat_zone *zone;
    struct pat_store *store;
};

/* What is kept of the facts, in one sum: net and orders over customers equal those over orders and refunds. */
static void check_kept(const struct pat_store *store) {
    const struct pat_table *customers = &store->table[PAT_CUSTOMERS], *orders = &store->table[PAT_ORDERS];
    const struct pat_table *refunds = &store->table[PAT_REFUNDS];
    pat_int128 kept = 0, facts = 0;
    int64_t kept_orders = 0, fact_orders = 0;
    bool held = false; /* at the end of an int64 */
    for (pat_row row = 0; row < customers->rows; row++) {
        int64_t net = pat_table_get(customers, PAT_CUSTOMER_NET, row),
                n = pat_table_get(customers, PAT_CUSTOMER_ORDERS_N, row);
        held = held || net == INT64_MAX || net == -INT64_MAX;
        kept += net == PAT_NULL ? 0 : net;
        kept_orders += n == PAT_NULL ? 0 : n;
    }
    for (pat_row row = 0; row < orders->rows; row++) {
        bool eligible = pat_order_counts(orders, row) && pat_table_get(orders, PAT_ORDER_TEST, row) != 1 &&
                        pat_table_get(orders, PAT_ORDER_CANCELLED, row) == PAT_NULL;
        int64_t base = pat_table_get(orders, PAT_ORDER_BASE, row);
        fact_orders += eligible;
        facts += eligible && base != PAT_NULL ? base : 0;
    }
    for (pat_row row = 0; row < refunds->rows; row++) {
        int64_t order = pat_table_get(refunds, PAT_REFUND_ORDER, row),
                base = pat_table_get(refunds, PAT_REFUND_BASE, row);
        if (!pat_refund_counts(refunds, row) || base == PAT_NULL) continue;
        bool off = order != PAT_NULL && (pat_table_get(orders, PAT_ORDER_DELETED, (pat_row)order) == 1 ||
                                         pat_table_get(orders, PAT_ORDER_TEST, (pat_row)order) == 1 ||
                                         pat_table_get(orders, PAT_ORDER_CANCELLED, (pat_row)order) != PAT_NULL);
        facts -= off ? 0 : base;
    }
    PAT_ASSERT(kept_orders == fact_orders);
    PAT_ASSERT(held || kept == facts);
}

static void check_store(const struct pat_store *store) {
    const char *why = NULL;
    PAT_ASSERT(pat_store_check(store, &why));
    struct pat_counts counts;
    pat_store_recount(store, &counts, NULL);
    PAT_ASSERT(counts.customers == store->counts.customers);
    PAT_ASSERT(counts.orders == store->counts.orders);
    PAT_ASSERT(counts.lines == store->counts.lines);
    PAT_ASSERT(counts.refunds == store->counts.refunds);
    PAT_ASSERT(counts.pending_refunds == store->counts.pending_refunds);
    PAT_ASSERT(counts.unpriced == store->counts.unpriced);
    PAT_ASSERT(counts.newest_fact == store->counts.newest_fact);
    check_kept(store);
}

static void check_error(const struct pat_error *error, enum pat_status status) {
    PAT_ASSERT(error->status == status);
    PAT_ASSERT(error->message[0] != '\0');
}

static void load(struct shop *shop, const struct pat_load *sent, struct pat_arena *arena) {
    struct pat_error error = {.status = PAT_OK};
    struct pat_batch *batch = NULL;
    enum pat_status status = pat_ingest_prepare(&batch, sent, shop->zone, &shop->store->secret, NOW_MS, arena, &error);
    if (status != PAT_OK) {
        check_error(&error, status);
        return;
    }
    const struct pat_answer *answer;
    if (pat_producers_look(&shop->store->producers, batch->producer, batch->seq, &answer) != PAT_PAIR_NEW) return;
    status = pat_ingest_validate(batch, sent, shop->store, false, &error);
    if (status == PAT_ERR_MORE) status = pat_ingest_validate(batch, sent, shop->store, true, &error);
    if (status != PAT_OK) {
        check_error(&error, status);
        return;
    }
    struct pat_batch_outcome outcome;
    pat_ingest_apply(shop->store, batch, shop->store->lsn + 1, &outcome);
    PAT_ASSERT(outcome.rows == outcome.fresh + outcome.updated + outcome.duplicate + outcome.stale + outcome.rejected);
    PAT_ASSERT(sent->skip_bad || outcome.rejected == 0);
    check_store(shop->store);
}

/* Bytes of the frame, 0 when there is none. */
static size_t take_frame(struct shop *shop, const uint8_t *data, size_t size) {
    struct pat_scan scan;
    struct pat_error error;
    size_t bytes = 0;
    pat_scan_init(&scan, limits);
    if (pat_scan_run(&scan, data, size, &bytes, &error) != PAT_OK) return 0;
    unsigned char *frame = malloc(bytes); /* just these, so that a sanitizer sees one byte too far */
    PAT_ASSERT(frame != NULL);
    memcpy(frame, data, bytes);
    struct pat_arena arena;
    pat_arena_init(&arena, (size_t)64 << 20);
    struct pat_message message;
    struct pat_request request;
    const struct pat_value *params = NULL;
    const struct pat_method_info *info = NULL;
    bool good = pat_wire_decode(&message, frame, bytes, &arena, &error) == PAT_OK &&
                message.kind == PAT_MESSAGE_REQUEST && pat_wire_argument(&message, &params, &error) == PAT_OK;
    if (good) info = pat_method_find(message.method);
    if (info != NULL && info->method == PAT_METHOD_LOAD &&
        pat_request_parse(&request, info, params, &arena, &error) == PAT_OK) {
        load(shop, &request.load, &arena);
    }
    pat_arena_deinit(&arena);
    free(frame);
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct shop shop = {NULL, NULL};
    PAT_ASSERT(pat_zone_open(&shop.zone, "UTC", NULL) == PAT_OK);
    struct pat_store_options options = {
        .zone = shop.zone, .base_currency = "EUR", .entropy = "fixed", .entropy_bytes = 5};
    PAT_ASSERT(pat_store_open(&shop.store, &options, NULL) == PAT_OK);
    for (int i = 0; i < FRAMES_MAX && size > 0; i++) {
        size_t bytes = take_frame(&shop, data, size);
        if (bytes == 0) break;
        data += bytes;
        size -= bytes;
    }
    pat_store_close(&shop.store);
    pat_zone_close(&shop.zone);
    PAT_ASSERT(pat_mem_used_total() == 0);
    return 0;
}
