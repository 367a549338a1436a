#include "lib/remote.h"

#include "base/clock.h"
#include "base/mem.h"
#include "lib/report.h"
#include "model/limits.h"
#include "proto/json.h"

#include <string.h>

#define TOTALS "{\"by\": [], \"metrics\": [\"count\", \"sum(net)\"], \"as_of\": \"" BENCH_LAST_DAY_TEXT "\"}"

/* ---- calls --------------------------------------------------------------------------------------------------------
 */

struct pat_client *bench_connect(const struct bench_server *server) {
    struct pat_client *client;
    struct pat_error error;
    if (pat_client_open(&client, server->address, &error) != PAT_OK) bench_die("%s", error.message);
    return client;
}

void bench_send(struct pat_client *client, const char *method, const struct pat_value *params, uint32_t *msgid) {
    struct pat_error error;
    if (pat_client_send(client, method, params, msgid, &error) != PAT_OK) bench_die("%s: %s", method, error.message);
}

void bench_queue(struct pat_client *client, const char *method, const struct pat_value *params, uint32_t *msgid) {
    struct pat_error error;
    if (pat_client_queue(client, method, params, msgid, &error) != PAT_OK) bench_die("%s: %s", method, error.message);
}

struct pat_value bench_receive(struct pat_client *client, uint32_t *msgid, struct pat_arena *arena) {
    struct pat_error error;
    struct pat_client_fault fault;
    struct pat_value result;
    bool failed;
    if (pat_client_receive(client, msgid, arena, &result, &failed, &fault, &error) != PAT_OK)
        bench_die("%s", error.message);
    if (failed) bench_die("%s: %s", fault.code, fault.message);
    return result;
}

struct pat_value bench_call_value(struct pat_client *client, const char *method, const struct pat_value *params,
                                  struct pat_arena *arena) {
    uint32_t msgid;
    bench_send(client, method, params, &msgid);
    return bench_receive(client, &msgid, arena);
}

struct pat_value bench_call(struct pat_client *client, const char *method, const char *params,
                            struct pat_arena *arena) {
    struct pat_value tree;
    struct pat_error error;
    if (pat_json_parse(&tree, pat_text_of(params), arena, &error) != PAT_OK) bench_die("%s: %s", params, error.message);
    return bench_call_value(client, method, &tree, arena);
}

/* ---- loads --------------------------------------------------------------------------------------------------------
 */

static const char *const methods[] = {"load.customers", "load.orders", "load.refunds"};

static struct pat_value columns_of(enum bench_table table, const struct bench_shop *shop, uint64_t first,
                                   uint32_t *rows, struct pat_arena *arena, uint64_t *bytes) {
    if (table == BENCH_CUSTOMERS) return bench_columns_customers(shop, first, *rows, arena, bytes);
    if (table == BENCH_ORDERS) return bench_columns_orders(shop, first, *rows, arena, bytes);
    return bench_columns_refunds(shop, first, *rows, arena, rows, bytes);
}

void bench_load_open(struct bench_load *out, enum bench_table table, const struct bench_shop *shop, uint64_t first,
                     uint64_t rows, uint32_t batch_rows) {
    *out = (struct bench_load){.method = methods[table]};
    pat_arena_init(&out->arena, 0);
    out->params = pat_arena_array(&out->arena, (size_t)(rows / batch_rows + 1), sizeof *out->params);
    bench_must(out->params != NULL, "no memory for batches");
    for (uint64_t done = 0; done < rows; done += batch_rows) {
        uint32_t count = rows - done < batch_rows ? (uint32_t)(rows - done) : batch_rows;
        struct pat_builder builder = {.arena = &out->arena};
        struct pat_value params = pat_build_map(&builder, 3);
        uint64_t bytes;
        const struct pat_value columns = columns_of(table, shop, first + done, &count, &out->arena, &bytes);
        if (count == 0) continue;
        pat_build_put(&builder, &params, "producer", pat_value_string(methods[table]));
        pat_build_put(&builder, &params, "seq", pat_value_uint(first + done));
        pat_build_put(&builder, &params, "columns", columns);
        bench_must(!builder.failed, "no memory for batches");
        out->params[out->count++] = params;
        out->rows += count;
        out->bytes += bytes;
    }
}

void bench_load_close(struct bench_load *load) {
    pat_arena_deinit(&load->arena);
}

uint64_t bench_load_send(const struct bench_load *load, struct pat_client *client, unsigned in_flight) {
    uint64_t fresh = 0, lsn = 0;
    size_t sent = 0;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    for (size_t answered = 0; answered < load->count; answered++) {
        uint32_t msgid;
        while (sent < load->count && sent - answered < in_flight)
            bench_queue(client, load->method, &load->params[sent++], &msgid);
        const struct pat_value answer = bench_receive(client, &msgid, &arena);
        fresh += (uint64_t)bench_number(&answer, "new");
        const uint64_t at = (uint64_t)bench_number(&answer, "lsn");
        if (at > lsn) lsn = at;
        pat_arena_reset(&arena);
    }
    pat_arena_deinit(&arena);
    bench_equal(load->method, (int64_t)fresh, (int64_t)load->rows);
    return lsn;
}

void bench_fill(struct pat_client *client, const struct bench_shop *shop) {
    for (int table = BENCH_CUSTOMERS; table <= BENCH_REFUNDS; table++) {
        const uint64_t rows = table == BENCH_CUSTOMERS ? shop->customers : shop->orders, part = 16 * PAT_BATCH_ROWS_MAX;
        for (uint64_t first = 0; first < rows; first += part) {
            struct bench_load load;
            bench_load_open(&load, (enum bench_table)table, shop, first, rows - first < part ? rows - first : part,
                            PAT_BATCH_ROWS_MAX);
            (void)bench_load_send(&load, client, 4);
            bench_load_close(&load);
        }
    }
}

/* ---- until it rests ------------------------------------------------------------------------------------------------
 */

/* Packing is seen in the memory of orders alone: so long it must not change. It sweeps every two seconds. */
#define STILL_LOOKS 30u
#define LOOK_MS     100u
/* Longer than ten million orders take. */
#define LOOKS_MAX 2400u

static bool runs_are_one(const struct pat_value *status) {
    const struct pat_value *runs = pat_value_get(status, "runs");
    const struct pat_value *making = runs != NULL ? pat_value_get(runs, "making") : NULL;
    bench_must(making != NULL && making->type == PAT_VALUE_BOOL, "status says nothing of runs");
    return bench_number(runs, "count") <= 1 && bench_number(runs, "tail_rows") == 0 && !making->as.boolean;
}

void bench_settle(struct pat_client *client) {
    int64_t before = -1;
    unsigned still = 0;
    for (unsigned i = 0; i < LOOKS_MAX && still < STILL_LOOKS; i++) {
        struct pat_arena arena;
        pat_arena_init(&arena, 0);
        const struct pat_value status = bench_call(client, "status", "{}", &arena);
        const struct pat_value *memory = pat_value_get(&status, "memory");
        bench_must(memory != NULL, "status says nothing of memory");
        const int64_t orders = bench_number(memory, "orders");
        still = orders == before && runs_are_one(&status) ? still + 1 : 0;
        before = orders;
        pat_arena_deinit(&arena);
        pat_clock_sleep_ms(LOOK_MS);
    }
}

/* ---- what it must answer ------------------------------------------------------------------------------------------
 */

struct bench_totals bench_totals_of(const struct bench_shop *shop) {
    struct bench_totals totals = {.customers = shop->customers}; /* each has a profile */
    for (uint64_t i = 0; i < shop->orders; i++) {
        const struct bench_order order = bench_shop_order(shop, i);
        if (order.cancelled != PAT_DAY_NONE && order.cancelled <= BENCH_LAST_DAY) continue;
        totals.net += order.amount - (order.refund_day != PAT_DAY_NONE ? order.refund : 0);
    }
    return totals;
}

uint64_t bench_totals_check(struct pat_client *client, const struct bench_totals *totals) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    const struct pat_value answer = bench_call(client, "group", TOTALS, &arena);
    const struct pat_value *rows = pat_value_get(&answer, "rows");
    bench_must(rows != NULL && rows->type == PAT_VALUE_ARRAY && rows->count == 1, "the totals are one row");
    bench_equal("customers", bench_integer(&rows->as.items[0].as.items[0]), totals->customers);
    bench_equal("sum of net", bench_integer(&rows->as.items[0].as.items[1]), totals->net);
    const uint64_t hash = bench_hash(&answer);
    pat_arena_deinit(&arena);
    return hash;
}
