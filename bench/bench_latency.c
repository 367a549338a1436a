/* Latency under load: a segment question, a look-up and a ping, each asked at a stated rate whatever the answers take
 * (open loop: time counts from when a question was due, so a server that stalls is charged for all that it held up),
 * first by themselves, then while orders are loaded at stated rates and as fast as they are taken; and that load by
 * itself.
 *
 * The longest ping is the longest pause of the server's loop, as seen from outside. Clients and server share the
 * machine. */
#include "base/clock.h"
#include "lib/remote.h"
#include "lib/report.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Orders of a batch, and batches unanswered: what a loader that wants speed sends. */
#define LOAD_ROWS  16384u
#define LOAD_DEPTH 8u

struct stream {
    const char *name, *method;
    uint64_t interval_ns;
    void (*ask)(struct pat_builder *builder, struct pat_value *params, const struct bench_options *options, uint64_t i);
    /* of a phase: */
    const struct bench_options *options;
    struct pat_client *client;
    uint64_t start_ns, count; /* the i-th is due at start + i * interval */
    struct bench_samples samples;
    pthread_t thread;
};

static void ask_segment(struct pat_builder *builder, struct pat_value *params, const struct bench_options *options,
                        uint64_t i) {
    (void)options;
    /* Another threshold each time: nobody answers from memory. */
    const int64_t minor = 20000 + (int64_t)(i % 100000);
    pat_build_put(
        builder, params, "where",
        pat_build_printf(builder, "orders >= 3 AND net_minor > %lld AND last_order >= '2024-07-01' AND country <> 'DE'",
                         (long long)minor));
    pat_build_put(builder, params, "as_of", pat_value_string(BENCH_LAST_DAY_TEXT));
}

static void ask_customer(struct pat_builder *builder, struct pat_value *params, const struct bench_options *options,
                         uint64_t i) {
    pat_build_put(builder, params, "customer",
                  pat_value_int((int64_t)(bench_random(options->seed, 9, i) % options->customers)));
}

static void ask_ping(struct pat_builder *builder, struct pat_value *params, const struct bench_options *options,
                     uint64_t i) {
    (void)builder, (void)params, (void)options, (void)i;
}

static struct stream streams[] = {
    {.name = "segment", .method = "count", .interval_ns = 10000000, .ask = ask_segment},
    {.name = "customer", .method = "customer", .interval_ns = 2000000, .ask = ask_customer},
    {.name = "ping", .method = "ping", .interval_ns = 1000000, .ask = ask_ping},
};
#define STREAMS (sizeof streams / sizeof streams[0])

/* ---- questions ----------------------------------------------------------------------------------------------------
 */

static void send_one(struct stream *stream, uint64_t i, uint32_t *msgid) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value params = pat_build_map(&builder, 2);
    stream->ask(&builder, &params, stream->options, i);
    bench_must(!builder.failed, "no memory for a question");
    bench_send(stream->client, stream->method, &params, msgid);
    pat_arena_deinit(&arena);
}

static void take_one(struct stream *stream, uint32_t first_id) {
    struct pat_arena arena;
    uint32_t msgid;
    pat_arena_init(&arena, 0);
    (void)bench_receive(stream->client, &msgid, &arena);
    const uint64_t due = stream->start_ns + (uint64_t)(msgid - first_id) * stream->interval_ns;
    bench_samples_add(&stream->samples, pat_clock_monotonic_ns() - due);
    pat_arena_deinit(&arena);
}

static void arm(int timer, uint64_t at_ns) {
    const struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ns / 1000000000), .tv_nsec = (long)(at_ns % 1000000000)}};
    bench_must(timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) == 0, "timerfd_settime");
}

static void *stream_main(void *context) {
    struct stream *stream = context;
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    bench_must(timer >= 0, "timerfd_create");
    uint32_t first_id = 0, msgid;
    uint64_t sent = 0;
    while (stream->samples.count < stream->count) {
        const uint64_t due = stream->start_ns + sent * stream->interval_ns;
        if (sent < stream->count && pat_clock_monotonic_ns() >= due) {
            send_one(stream, sent++, &msgid);
            if (sent == 1) first_id = msgid;
            continue;
        }
        if (sent < stream->count) arm(timer, due);
        if (pat_client_wait(stream->client, timer)) take_one(stream, first_id);
    }
    (void)close(timer);
    return NULL;
}

/* ---- the load -----------------------------------------------------------------------------------------------------
 */

/* Orders a second: more than the busiest shops have, and a loader that brings a year of theirs in minutes. */
static const uint64_t rates[] = {100000, 500000};

struct loader {
    const struct bench_load *load;
    struct pat_client *client;
    atomic_bool stop;
    uint64_t orders_per_s; /* 0: as fast as they are taken */
    size_t sent;           /* batches, in all phases */
    uint64_t rows, ns;
    pthread_t thread;
};

/* When the next batch is to be sent, of those of this phase. */
static uint64_t batch_due(const struct loader *loader, uint64_t start_ns, uint64_t sent) {
    if (loader->orders_per_s == 0) return 0;
    return start_ns + (uint64_t)((double)sent * LOAD_ROWS * 1e9 / (double)loader->orders_per_s);
}

static void sleep_until(uint64_t at_ns) {
    const uint64_t now_ns = pat_clock_monotonic_ns();
    if (at_ns > now_ns) pat_clock_sleep_ms((unsigned)((at_ns - now_ns + 999999) / 1000000));
}

static void *loader_main(void *context) {
    struct loader *loader = context;
    const uint64_t start = pat_clock_monotonic_ns();
    unsigned flight = 0;
    uint64_t sent = 0;
    loader->rows = 0;
    for (;;) {
        uint32_t msgid;
        const bool more = !atomic_load(&loader->stop) && loader->sent < loader->load->count;
        if (more && flight < LOAD_DEPTH) {
            sleep_until(batch_due(loader, start, sent++));
            bench_send(loader->client, loader->load->method, &loader->load->params[loader->sent++], &msgid);
            flight++;
            continue;
        }
        if (flight == 0) break;
        struct pat_arena arena;
        pat_arena_init(&arena, 0);
        const struct pat_value answer = bench_receive(loader->client, &msgid, &arena);
        loader->rows += (uint64_t)bench_number(&answer, "new");
        flight--;
        pat_arena_deinit(&arena);
    }
    loader->ns = pat_clock_monotonic_ns() - start;
    return NULL;
}

/* ---- phases -------------------------------------------------------------------------------------------------------
 */

static void run_phase(const struct bench_options *options, const struct bench_server *server, struct loader *loader,
                      bool ask, bool load) {
    const uint64_t seconds_ns = options->full ? UINT64_C(8000000000) : UINT64_C(300000000);
    if (load) {
        atomic_store(&loader->stop, false);
        bench_must(pthread_create(&loader->thread, NULL, loader_main, loader) == 0, "a thread for the loader");
    }
    for (size_t i = 0; ask && i < STREAMS; i++) {
        struct stream *stream = &streams[i];
        stream->options = options;
        stream->client = bench_connect(server);
        stream->count = seconds_ns / stream->interval_ns;
        stream->start_ns = pat_clock_monotonic_ns() + 1000000;
        bench_samples_clear(&stream->samples);
        bench_must(pthread_create(&stream->thread, NULL, stream_main, stream) == 0, "a thread for a stream");
    }
    /* Shorter: what it takes is no longer there for the phase with questions. */
    if (!ask) pat_clock_sleep_ms((unsigned)(seconds_ns / 4 / 1000000));
    for (size_t i = 0; ask && i < STREAMS; i++) {
        bench_must(pthread_join(streams[i].thread, NULL) == 0, "pthread_join");
        pat_client_close(&streams[i].client);
    }
    if (!load) return;
    atomic_store(&loader->stop, true);
    bench_must(pthread_join(loader->thread, NULL) == 0, "pthread_join");
}

static void name_case(char name[96], const struct stream *stream, const struct loader *loader) {
    const unsigned rate = (unsigned)(1000000000 / stream->interval_ns);
    if (loader == NULL) {
        (void)snprintf(name, 96, "%s at %u/s", stream->name, rate);
    } else if (loader->orders_per_s == 0) {
        (void)snprintf(name, 96, "%s at %u/s, orders loaded meanwhile", stream->name, rate);
    } else {
        (void)snprintf(name, 96, "%s at %u/s, %u k orders/s loaded meanwhile", stream->name, rate,
                       (unsigned)(loader->orders_per_s / 1000));
    }
}

static void print_streams(const struct bench_options *options, const char *cpu, const struct loader *loader) {
    for (size_t i = 0; i < STREAMS; i++) {
        char name[96];
        const struct bench_figures figures = bench_figures_of(&streams[i].samples);
        name_case(name, &streams[i], loader);
        struct bench_case test = {
            .work = "latency", .name = name, .cpu = cpu, .samples = &streams[i].samples, .rows = 1, .row = "question"};
        bench_case_extra(&test, "p999_us", (double)figures.p999_ns / 1e3);
        if (loader != NULL) bench_case_extra(&test, "orders_per_s", (double)loader->rows * 1e9 / (double)loader->ns);
        bench_case_print(&test, options);
    }
}

static void print_load(const struct bench_options *options, const char *cpu, const struct loader *loader) {
    struct bench_samples samples = {.count = 0};
    bench_samples_add(&samples, loader->ns);
    const struct bench_case test = {.work = "latency",
                                    .name = "the load by itself",
                                    .cpu = cpu,
                                    .samples = &samples,
                                    .rows = loader->rows,
                                    .row = "order"};
    bench_case_print(&test, options);
    bench_samples_free(&samples);
}

static void run_cpu(const struct bench_options *options, const char *cpu) {
    /* Orders behind those of the base are what is loaded meanwhile. */
    const uint64_t more = options->full ? 40000000 : 200000;
    const struct bench_shop shop = {options->seed, options->customers, options->orders};
    struct bench_shop longer = shop;
    longer.orders += more;
    struct bench_dir dir;
    struct bench_server server;
    bench_dir_open(&dir, options);
    bench_server_start(&server, &dir, options, cpu);
    struct pat_client *client = bench_connect(&server);
    bench_fill(client, &shop);
    if (options->full) bench_settle(client);
    struct bench_load load;
    bench_load_open(&load, BENCH_ORDERS, &longer, shop.orders, more, LOAD_ROWS);
    struct loader loader = {.load = &load, .client = client};
    run_phase(options, &server, &loader, true, false);
    print_streams(options, cpu, NULL);
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        loader.orders_per_s = rates[i];
        run_phase(options, &server, &loader, true, true);
        print_streams(options, cpu, &loader);
    }
    loader.orders_per_s = 0;
    run_phase(options, &server, &loader, false, true);
    print_load(options, cpu, &loader);
    run_phase(options, &server, &loader, true, true);
    print_streams(options, cpu, &loader);
    bench_load_close(&load);
    pat_client_close(&client);
    bench_server_kill(&server);
    bench_dir_close(&dir);
}

int main(int argc, char **argv) {
    struct bench_options options;
    bench_options_read(&options, argc, argv);
    for (unsigned i = 0; i < options.cpus; i++) run_cpu(&options, options.cpu[i]);
    for (size_t i = 0; i < STREAMS; i++) bench_samples_free(&streams[i].samples);
    return 0;
}
