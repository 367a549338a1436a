/* Calls to a server through src/client that die when they fail, and a shop loaded over the wire. */
#ifndef PAT_BENCH_REMOTE_H
#define PAT_BENCH_REMOTE_H

#include "client/client.h"
#include "lib/naive.h"
#include "lib/options.h"
#include "lib/server.h"
#include "lib/shop.h"

/* Batches of a table, made before the clock starts. */
struct bench_load {
    const char *method; /* "load.orders" */
    uint64_t rows, bytes;
    size_t count;
    struct pat_value *params; /* of each batch */
    struct pat_arena arena;
};
enum bench_table { BENCH_CUSTOMERS, BENCH_ORDERS, BENCH_REFUNDS };
/* Rows first .. first + rows - 1 (orders of the shop for refunds), at most batch_rows in a batch. */
void bench_load_open(struct bench_load *out, enum bench_table table, const struct bench_shop *shop, uint64_t first,
                     uint64_t rows, uint32_t batch_rows);
void bench_load_close(struct bench_load *load);
/* Sends all batches, at the most `in_flight` of them unanswered; every row must be new. Gives the last lsn. */
uint64_t bench_load_send(const struct bench_load *load, struct pat_client *client, unsigned in_flight);

struct pat_client *bench_connect(const struct bench_server *server);
/* One request; `params` is JSON, the answer lives in `arena`. */
struct pat_value bench_call(struct pat_client *client, const char *method, const char *params, struct pat_arena *arena);
struct pat_value bench_call_value(struct pat_client *client, const char *method, const struct pat_value *params,
                                  struct pat_arena *arena);
/* The next answer of those under way. */
struct pat_value bench_receive(struct pat_client *client, uint32_t *msgid, struct pat_arena *arena);
void bench_send(struct pat_client *client, const char *method, const struct pat_value *params, uint32_t *msgid);
/* The same, to go out with others. */
void bench_queue(struct pat_client *client, const char *method, const struct pat_value *params, uint32_t *msgid);

/* The whole shop into a server: customers, orders, refunds. */
void bench_fill(struct pat_client *client, const struct bench_shop *shop);
/* Until what the server does in the background after a load is done: runs made into one, chunks packed. */
void bench_settle(struct pat_client *client);

/* What the server must answer on the last day of the shop. */
struct bench_totals {
    int64_t customers, net;
};
struct bench_totals bench_totals_of(const struct bench_shop *shop);
/* Asks for them; dies when they differ. Gives the hash of the answer. */
uint64_t bench_totals_check(struct pat_client *client, const struct bench_totals *totals);

#endif
