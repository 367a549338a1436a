/* Readers under load: a writer loads, corrects and refunds orders and keeps a ledger of each version; readers ask all
 * the time, and every answer must be that of the version it names.
 *
 *   battery_readers PORT READS SECONDS SEED THREADS
 *
 * Of each answer: its lsn is not below one that this connection has seen before it asked, nor below the min_lsn it
 * asked for. Of a customer: orders and net are those of the ledger at that lsn. Of a batch of questions: what customers
 * add up to is what orders less refunds add up to, and is the ledger's. A connection with several answers of one batch
 * counts each as a read. */
#include <inttypes.h>
#include <msgpack.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CUSTOMERS      300u
#define ROWS_MAX       8u
#define VERSIONS_MAX   4000000u
#define ORDERS_MAX     400000u
#define REGULAR_ORDERS 40
#define WINDOW         64u
/* Questions of one batch: the sums over customers, orders and refunds, and look-ups. */
#define SUMS           3u
#define LOOKUPS        13u
#define READERS_MAX    16u
#define BUFFER_BYTES   (1u << 16)
#define SNAPSHOT_EVERY 2000u
#define VIOLATIONS_MAX 10u
#define AS_OF          "2025-01-01"
/* How long a reader waits for the writer to have read the acknowledgement of a version that is served already. */
#define ACK_WAIT_MS 60000u
/* Between two lines of figures, in tenths of a second. */
#define SAY_TENTHS 50u

/* ---- the ledger -------------------------------------------------------------------------------------------------- */

struct standing {
    uint64_t lsn;
    int64_t orders, net;
};

struct history {
    struct standing *at;
    size_t count, room;
};

struct order {
    uint32_t customer;
    uint32_t version;
    int64_t amount;
};

struct totals {
    int64_t orders, sold, refunds, refunded;
    int64_t regulars; /* customers with at least REGULAR_ORDERS */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct history history[CUSTOMERS];
static struct totals *totals; /* [lsn] */
static uint64_t acked;        /* the lsn up to which history and totals are complete */
static struct order orders[ORDERS_MAX];
static uint32_t orders_count;
static uint64_t reads, batches, violations;
static uint64_t reads_wanted, deadline_ms;
static bool over;

static uint64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void nap_ms(unsigned ms) {
    const struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static void die(const char *what) {
    (void)fprintf(stderr, "battery_readers: %s\n", what);
    exit(EXIT_FAILURE);
}

static uint64_t random_next(uint64_t *x) {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static struct standing standing_at(uint32_t customer, uint64_t lsn) {
    const struct history *of = &history[customer];
    size_t low = 0, high = of->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (of->at[middle].lsn <= lsn) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? of->at[low - 1] : (struct standing){0, 0, 0};
}

static void history_add(uint32_t customer, uint64_t lsn, int64_t more_orders, int64_t more_net) {
    struct history *of = &history[customer];
    const struct standing last = standing_at(customer, UINT64_MAX);
    if (last.lsn == lsn && of->count > 0) {
        of->at[of->count - 1].orders += more_orders;
        of->at[of->count - 1].net += more_net;
        return;
    }
    if (of->count == of->room) {
        of->room = of->room * 2 + 16;
        of->at = realloc(of->at, of->room * sizeof *of->at);
        if (of->at == NULL) die("no memory");
    }
    of->at[of->count++] = (struct standing){lsn, last.orders + more_orders, last.net + more_net};
}

/* ---- the wire ---------------------------------------------------------------------------------------------------- */

struct line {
    int fd;
    msgpack_sbuffer out;
    msgpack_packer pack;
    msgpack_unpacker in;
    uint32_t msgid;
};

static void line_open(struct line *line, uint16_t port) {
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    line->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (line->fd < 0 || connect(line->fd, (const struct sockaddr *)&to, sizeof to) != 0) die("cannot connect");
    (void)setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    msgpack_sbuffer_init(&line->out);
    msgpack_packer_init(&line->pack, &line->out, msgpack_sbuffer_write);
    if (!msgpack_unpacker_init(&line->in, BUFFER_BYTES)) die("no memory");
    line->msgid = 0;
}

static void line_close(struct line *line) {
    (void)close(line->fd);
    msgpack_unpacker_destroy(&line->in);
    msgpack_sbuffer_destroy(&line->out);
}

static void put_text(struct line *line, const char *text) {
    (void)msgpack_pack_str(&line->pack, strlen(text));
    (void)msgpack_pack_str_body(&line->pack, text, strlen(text));
}

static void put_number(struct line *line, int64_t number) {
    (void)msgpack_pack_int64(&line->pack, number);
}

/* [0, msgid, method, [ and what follows is the one map. */
static void put_request(struct line *line, const char *method, size_t keys) {
    (void)msgpack_pack_array(&line->pack, 4);
    put_number(line, 0);
    put_number(line, ++line->msgid);
    put_text(line, method);
    (void)msgpack_pack_array(&line->pack, 1);
    (void)msgpack_pack_map(&line->pack, keys);
}

static void line_flush(struct line *line) {
    for (size_t sent = 0; sent < line->out.size;) {
        const ssize_t count = send(line->fd, line->out.data + sent, line->out.size - sent, MSG_NOSIGNAL);
        if (count <= 0) die("the server closed the connection");
        sent += (size_t)count;
    }
    msgpack_sbuffer_clear(&line->out);
}

/* The next answer: its msgid and result. An error is the end: nothing here asks for one. */
static uint32_t line_take(struct line *line, msgpack_unpacked *message, msgpack_object *result) {
    for (;;) {
        const msgpack_unpack_return got = msgpack_unpacker_next(&line->in, message);
        if (got == MSGPACK_UNPACK_SUCCESS) break;
        if (got != MSGPACK_UNPACK_CONTINUE) die("no MessagePack");
        if (!msgpack_unpacker_reserve_buffer(&line->in, BUFFER_BYTES)) die("no memory");
        const ssize_t count = recv(line->fd, msgpack_unpacker_buffer(&line->in), BUFFER_BYTES, 0);
        if (count <= 0) die("the server closed the connection");
        msgpack_unpacker_buffer_consumed(&line->in, (size_t)count);
    }
    const msgpack_object *const root = &message->data;
    if (root->type != MSGPACK_OBJECT_ARRAY || root->via.array.size != 4) die("not an answer");
    const msgpack_object *const part = root->via.array.ptr;
    if (part[2].type == MSGPACK_OBJECT_STR) {
        (void)fprintf(stderr, "error: %.*s\n", (int)part[2].via.str.size, part[2].via.str.ptr);
        die("the server answered an error");
    }
    *result = part[3];
    return (uint32_t)part[1].via.u64;
}

static const msgpack_object *key(const msgpack_object *map, const char *name) {
    const size_t length = strlen(name);
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object_kv *const pair = &map->via.map.ptr[i];
        if (pair->key.via.str.size == length && memcmp(pair->key.via.str.ptr, name, length) == 0) return &pair->val;
    }
    die(name);
    return NULL;
}

static int64_t number_of(const msgpack_object *object) {
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER || object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        return object->via.i64;
    }
    /* "12.34" */
    int64_t value = 0;
    if (object->type != MSGPACK_OBJECT_STR) return 0; /* null: nothing to add up */
    for (uint32_t i = 0; i < object->via.str.size; i++) {
        const char digit = object->via.str.ptr[i];
        if (digit >= '0' && digit <= '9') value = value * 10 + (digit - '0');
    }
    return object->via.str.ptr[0] == '-' ? -value : value;
}

/* Column c of the one row of a question with `by: []`. */
static int64_t one_row(const msgpack_object *answer, uint32_t c) {
    const msgpack_object *const rows = key(answer, "rows");
    return rows->via.array.size == 0 ? 0 : number_of(&rows->via.array.ptr[0].via.array.ptr[c]);
}

/* ---- the writer -------------------------------------------------------------------------------------------------- */

struct row {
    uint32_t order, customer;
    int64_t amount;
};

struct load {
    bool refunds;
    uint32_t rows;
    struct row row[ROWS_MAX];
};

static void put_column(struct line *line, const struct load *load, const char *name, char kind) {
    char text[32];
    put_text(line, name);
    (void)msgpack_pack_array(&line->pack, load->rows);
    for (uint32_t i = 0; i < load->rows; i++) {
        const struct row *const row = &load->row[i];
        switch (kind) {
        case 'o': (void)snprintf(text, sizeof text, "o%" PRIu32, row->order), put_text(line, text); break;
        case 'r': (void)snprintf(text, sizeof text, "r%" PRIu64 "-%" PRIu32, batches, i), put_text(line, text); break;
        case 'c': put_number(line, row->customer); break;
        case 't': (void)snprintf(text, sizeof text, "2024-%02u-11", 1 + row->order % 12), put_text(line, text); break;
        case 'a': put_number(line, row->amount); break;
        case 'v': put_number(line, orders[row->order].version); break;
        default: put_text(line, "GBP");
        }
    }
}

static void put_load(struct line *line, const struct load *load) {
    put_request(line, load->refunds ? "load.refunds" : "load.orders", 3);
    put_text(line, "producer"), put_text(line, "writer");
    put_text(line, "seq"), put_number(line, (int64_t)batches + 1);
    put_text(line, "columns");
    (void)msgpack_pack_map(&line->pack, load->refunds ? 5 : 6);
    put_column(line, load, "order", 'o');
    put_column(line, load, "time", 't');
    put_column(line, load, "amount_minor", 'a');
    put_column(line, load, "currency", 'g');
    if (load->refunds) {
        put_column(line, load, "refund", 'r');
    } else {
        put_column(line, load, "customer", 'c');
        put_column(line, load, "version", 'v');
    }
}

static bool chosen(const struct load *load, uint32_t order) {
    for (uint32_t i = 0; i < load->rows; i++) {
        if (load->row[i].order == order) return true;
    }
    return false;
}

/* New orders, among them corrections of old ones with the next version; or refunds. */
static struct load load_make(uint64_t *random) {
    struct load load = {.refunds = orders_count > CUSTOMERS && random_next(random) % 4 == 0};
    const uint32_t rows = 1 + (uint32_t)(random_next(random) % ROWS_MAX);
    while (load.rows < rows) {
        const bool fresh =
            !load.refunds && orders_count < ORDERS_MAX && (orders_count < CUSTOMERS || random_next(random) % 3 != 0);
        const uint32_t order = fresh ? orders_count : (uint32_t)(random_next(random) % orders_count);
        if (chosen(&load, order)) continue;
        if (fresh) {
            const uint32_t customer = order < CUSTOMERS ? order : (uint32_t)(random_next(random) % CUSTOMERS);
            orders[orders_count++] = (struct order){.customer = customer};
        }
        if (!load.refunds) orders[order].version++;
        load.row[load.rows++] = (struct row){order, orders[order].customer, 1 + (int64_t)(random_next(random) % 10000)};
    }
    return load;
}

/* The load is lsn: what each row changed. */
static void load_note(const struct load *load, uint64_t lsn) {
    if (lsn >= VERSIONS_MAX) die("too many versions");
    (void)pthread_mutex_lock(&mutex);
    totals[lsn] = totals[lsn - 1];
    for (uint32_t i = 0; i < load->rows; i++) {
        const struct row *const row = &load->row[i];
        struct order *const order = &orders[row->order];
        if (load->refunds) {
            history_add(row->customer, lsn, 0, -row->amount);
            totals[lsn].refunds++;
            totals[lsn].refunded += row->amount;
            continue;
        }
        const int64_t more = order->version == 1;
        history_add(row->customer, lsn, more, row->amount - order->amount);
        totals[lsn].regulars += more == 1 && standing_at(row->customer, lsn).orders == REGULAR_ORDERS;
        totals[lsn].orders += more;
        totals[lsn].sold += row->amount - order->amount;
        order->amount = row->amount;
    }
    __atomic_store_n(&acked, lsn, __ATOMIC_RELEASE);
    (void)pthread_mutex_unlock(&mutex);
}

static void *write_all(void *context) {
    struct line line;
    uint64_t random = *(uint64_t *)context;
    line_open(&line, (uint16_t)((uint64_t *)context)[1]);
    msgpack_unpacked message;
    msgpack_unpacked_init(&message);
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        const struct load load = load_make(&random);
        msgpack_object result;
        put_load(&line, &load);
        const uint32_t msgid = line.msgid;
        if (batches % SNAPSHOT_EVERY == SNAPSHOT_EVERY - 1) put_request(&line, "snapshot.save", 0);
        line_flush(&line);
        while (line_take(&line, &message, &result) != msgid) continue;
        load_note(&load, (uint64_t)number_of(key(&result, "lsn")));
        batches++;
    }
    msgpack_unpacked_destroy(&message);
    line_close(&line);
    return NULL;
}

/* ---- readers ----------------------------------------------------------------------------------------------------- */

enum ask_kind { ASK_CUSTOMER, ASK_COUNT, ASK_SUMS };

struct ask {
    enum ask_kind kind;
    uint32_t customer;
    uint64_t min_lsn;
};

struct reader {
    pthread_t thread;
    uint64_t random, port;
    uint64_t seen; /* greatest lsn of the windows before */
};

static void violation(const char *what, uint64_t lsn, int64_t got, int64_t expected) {
    if (__atomic_add_fetch(&violations, 1, __ATOMIC_RELAXED) > VIOLATIONS_MAX) return;
    (void)pthread_mutex_lock(&mutex);
    (void)printf("VIOLATION: at lsn %" PRIu64 " %s is %" PRId64 ", expected %" PRId64 "\n", lsn, what, got, expected);
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&mutex);
}

static void expect(const char *what, uint64_t lsn, int64_t got, int64_t expected) {
    if (got != expected) violation(what, lsn, got, expected);
}

static void put_group(struct line *line, const char *from, const char *const metric[2]) {
    (void)msgpack_pack_array(&line->pack, 2);
    put_text(line, "group");
    (void)msgpack_pack_map(&line->pack, 4);
    put_text(line, "from"), put_text(line, from);
    put_text(line, "by"), (void)msgpack_pack_array(&line->pack, 0);
    put_text(line, "as_of"), put_text(line, AS_OF);
    put_text(line, "metrics"), (void)msgpack_pack_array(&line->pack, 2);
    put_text(line, metric[0]), put_text(line, metric[1]);
}

/* Customer i of a batch's look-ups. */
static uint32_t looked_up(const struct ask *ask, unsigned i) {
    return (ask->customer + i * 7) % CUSTOMERS;
}

static void put_lookup(struct line *line, uint32_t customer) {
    (void)msgpack_pack_array(&line->pack, 2);
    put_text(line, "customer");
    (void)msgpack_pack_map(&line->pack, 2);
    put_text(line, "customer"), put_number(line, customer);
    put_text(line, "as_of"), put_text(line, AS_OF);
}

static void put_ask(struct line *line, const struct ask *ask) {
    static const char *const people[2] = {"sum(orders)", "sum(net)"}, *const facts[2] = {"count", "sum(amount)"};
    switch (ask->kind) {
    case ASK_CUSTOMER:
        put_request(line, "customer", 3);
        put_text(line, "customer"), put_number(line, ask->customer);
        put_text(line, "as_of"), put_text(line, AS_OF);
        break;
    case ASK_COUNT:
        put_request(line, "count", 3);
        put_text(line, "where"), put_text(line, "orders >= 40");
        put_text(line, "as_of"), put_text(line, AS_OF);
        break;
    case ASK_SUMS:
        put_request(line, "batch", 2);
        put_text(line, "calls"), (void)msgpack_pack_array(&line->pack, SUMS + LOOKUPS);
        put_group(line, "customers", people);
        put_group(line, "orders", facts);
        put_group(line, "refunds", facts);
        for (unsigned i = 0; i < LOOKUPS; i++) put_lookup(line, looked_up(ask, i));
        break;
    }
    put_text(line, "min_lsn"), put_number(line, (int64_t)ask->min_lsn);
}

/* The ledger is complete up to lsn when this returns. */
static void wait_for_ledger(uint64_t lsn) {
    for (unsigned ms = 0; __atomic_load_n(&acked, __ATOMIC_ACQUIRE) < lsn; ms++) {
        if (ms == ACK_WAIT_MS) die("a version is served that nobody acknowledged");
        nap_ms(1);
    }
}

static void check_sums(const msgpack_object *result, uint64_t lsn, const struct totals *right) {
    const msgpack_object *const answer = key(result, "answers")->via.array.ptr;
    const int64_t net = one_row(&answer[0], 1), sold = one_row(&answer[1], 1), refunded = one_row(&answer[2], 1);
    expect("sum of net over customers, against orders less refunds,", lsn, net, sold - refunded);
    expect("orders of all customers, against orders,", lsn, one_row(&answer[0], 0), one_row(&answer[1], 0));
    expect("number of orders", lsn, one_row(&answer[1], 0), right->orders);
    expect("sum of orders", lsn, sold, right->sold);
    expect("number of refunds", lsn, one_row(&answer[2], 0), right->refunds);
    expect("sum of refunds", lsn, refunded, right->refunded);
    for (unsigned i = 0; i < SUMS + LOOKUPS; i++) {
        expect("lsn of a question in a batch", lsn, number_of(key(&answer[i], "lsn")), (int64_t)lsn);
    }
}

static void check_customer(const msgpack_object *result, uint64_t lsn, struct standing right) {
    expect("orders of a customer", lsn, number_of(key(result, "orders")), right.orders);
    expect("net of a customer", lsn, number_of(key(result, "net_minor")), right.net);
}

/* Gives how many reads that was. */
static unsigned check_answer(const struct reader *reader, const struct ask *ask, const msgpack_object *result,
                             uint64_t *lsn) {
    *lsn = (uint64_t)number_of(key(result, "lsn"));
    if (*lsn < reader->seen) violation("an lsn after a greater one", *lsn, (int64_t)*lsn, (int64_t)reader->seen);
    if (*lsn < ask->min_lsn) violation("an lsn below min_lsn", *lsn, (int64_t)*lsn, (int64_t)ask->min_lsn);
    wait_for_ledger(*lsn);
    (void)pthread_mutex_lock(&mutex);
    struct standing standing[LOOKUPS];
    const unsigned standings = ask->kind == ASK_COUNT ? 0 : ask->kind == ASK_CUSTOMER ? 1 : LOOKUPS;
    for (unsigned i = 0; i < standings; i++) standing[i] = standing_at(looked_up(ask, i), *lsn);
    const struct totals right = totals[*lsn];
    (void)pthread_mutex_unlock(&mutex);
    switch (ask->kind) {
    case ASK_CUSTOMER: check_customer(result, *lsn, standing[0]); return 1;
    case ASK_COUNT: expect("count", *lsn, number_of(key(result, "count")), right.regulars); return 1;
    case ASK_SUMS:
        check_sums(result, *lsn, &right);
        for (unsigned i = 0; i < LOOKUPS; i++) {
            check_customer(&key(result, "answers")->via.array.ptr[SUMS + i], *lsn, standing[i]);
        }
        return SUMS + LOOKUPS;
    }
    return 0;
}

static void window(struct reader *reader, struct line *line, msgpack_unpacked *message) {
    struct ask ask[WINDOW];
    const uint32_t first = line->msgid + 1;
    const uint64_t known = __atomic_load_n(&acked, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < WINDOW; i++) {
        const uint64_t random = random_next(&reader->random);
        ask[i].kind = random % 16 < 6 ? ASK_CUSTOMER : random % 16 < 10 ? ASK_COUNT : ASK_SUMS;
        ask[i].customer = (uint32_t)(random >> 8) % CUSTOMERS;
        ask[i].min_lsn = (random >> 4) % 4 == 0 ? 0 : known; /* what was read must be there to be read */
        if (ask[i].kind != ASK_COUNT && ask[i].min_lsn == 0) ask[i].min_lsn = CUSTOMERS; /* everybody is there */
        put_ask(line, &ask[i]);
    }
    line_flush(line);
    uint64_t greatest = reader->seen;
    unsigned count = 0;
    for (unsigned i = 0; i < WINDOW; i++) {
        msgpack_object result;
        uint64_t lsn;
        const uint32_t msgid = line_take(line, message, &result);
        if (msgid - first >= WINDOW) die("an answer to nothing");
        count += check_answer(reader, &ask[msgid - first], &result, &lsn);
        if (lsn > greatest) greatest = lsn;
    }
    reader->seen = greatest;
    (void)__atomic_add_fetch(&reads, count, __ATOMIC_RELAXED);
}

static bool go_on(void) {
    return __atomic_load_n(&reads, __ATOMIC_RELAXED) < reads_wanted &&
           __atomic_load_n(&violations, __ATOMIC_RELAXED) < VIOLATIONS_MAX && now_ms() < deadline_ms;
}

static void *read_all(void *context) {
    struct reader *const reader = context;
    struct line line;
    msgpack_unpacked message;
    msgpack_unpacked_init(&message);
    line_open(&line, (uint16_t)reader->port);
    while (go_on()) window(reader, &line, &message);
    line_close(&line);
    msgpack_unpacked_destroy(&message);
    return NULL;
}

/* The last line of these counts. */
static void say_figures(void) {
    (void)pthread_mutex_lock(&mutex);
    (void)printf("{\"reads\": %" PRIu64 ", \"versions\": %" PRIu64 ", \"violations\": %" PRIu64 "}\n",
                 __atomic_load_n(&reads, __ATOMIC_RELAXED), __atomic_load_n(&acked, __ATOMIC_ACQUIRE),
                 __atomic_load_n(&violations, __ATOMIC_RELAXED));
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&mutex);
}

int main(int argc, char **argv) {
    static struct reader reader[READERS_MAX];
    if (argc != 6) die("usage: battery_readers PORT READS SECONDS SEED THREADS");
    reads_wanted = strtoull(argv[2], NULL, 10);
    deadline_ms = now_ms() + strtoull(argv[3], NULL, 10) * 1000;
    const uint64_t seed = strtoull(argv[4], NULL, 10) * 2 + 1, threads = strtoull(argv[5], NULL, 10);
    uint64_t writer_is[2] = {seed, strtoull(argv[1], NULL, 10)};
    pthread_t writer;
    totals = calloc(VERSIONS_MAX, sizeof *totals);
    if (totals == NULL || threads > READERS_MAX) die("no memory");
    if (pthread_create(&writer, NULL, write_all, writer_is) != 0) die("no thread");
    while (__atomic_load_n(&acked, __ATOMIC_ACQUIRE) < CUSTOMERS) nap_ms(1);
    for (uint64_t i = 0; i < threads; i++) {
        reader[i] = (struct reader){.random = seed + 2 * i + 2, .port = writer_is[1]};
        if (pthread_create(&reader[i].thread, NULL, read_all, &reader[i]) != 0) die("no thread");
    }
    for (unsigned tenths = 1; go_on(); tenths++) {
        nap_ms(100);
        if (tenths % SAY_TENTHS == 0) say_figures();
    }
    for (uint64_t i = 0; i < threads; i++) (void)pthread_join(reader[i].thread, NULL);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    (void)pthread_join(writer, NULL);
    say_figures();
    return EXIT_SUCCESS;
}
