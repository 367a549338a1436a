/* `patron generate`. */
#include "cli.h"
#include "generate_estimate.h"
#include "generate_plan.h"
#include "generate_run.h"
#include "generate_sink.h"
#include "generate_world.h"
#include "progress.h"
#include "pump.h"
#include "render.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each has buffers of some megabytes; beyond the processors there are, more only wait. */
#define THREADS_MAX 256u
/* Customers looked at before the work begins: enough for the time buckets, quick beside the rest. */
#define SAMPLE_CUSTOMERS 16384u
/* And when the sample is all that is asked for. */
#define SAMPLE_CUSTOMERS_DRY 131072u

/* Everything one run needs, in the order it is acquired. */
struct generate {
    const struct pat_cli *cli;
    struct pat_gen_plan plan;
    struct pat_arena arena;
    struct pat_gen_world world;
    struct pat_gen_estimate estimate;
    struct pat_gen_pool pool;
    struct pat_progress progress;
    atomic_bool stop;
    struct pat_gen_run run;
    struct pat_gen_files files;
    struct pat_gen_stream stream;
    struct pat_gen_sink discard;
    double seconds;
};

/* ---- options --------------------------------------------------------------------------------------------------- */

static enum pat_exit read_threads(struct generate *generate) {
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t threads = processors < 1 ? 1 : (uint64_t)processors;
    const char *text = pat_cli_option(generate->cli, "--threads");
    if (text != NULL && (!pat_cli_number(text, THREADS_MAX, &threads) || threads == 0)) {
        return pat_cli_usage(generate->cli, "--threads is a number from 1 to %u, not '%s'", THREADS_MAX, text);
    }
    generate->run.threads = (unsigned)(threads > THREADS_MAX ? THREADS_MAX : threads);
    return PAT_EXIT_OK;
}

/* Beside what is written anyway: /tmp is memory on many machines, and the file may be large. */
static const char *temp_directory(const struct pat_cli *cli) {
    const char *given = pat_cli_option(cli, "--temp"), *out = pat_cli_option(cli, "--out");
    const char *environment = getenv("TMPDIR");
    if (given != NULL) return given;
    if (out != NULL && strcmp(out, "-") != 0) return out;
    return environment != NULL && environment[0] != '\0' ? environment : "/var/tmp";
}

static enum pat_exit check_places(const struct generate *generate) {
    const struct pat_cli *cli = generate->cli;
    const char *out = pat_cli_option(cli, "--out"), *producer = pat_cli_option(cli, "--producer");
    const unsigned tables = generate->plan.tables;
    const bool discard = pat_cli_option(cli, "--discard") != NULL;
    if (pat_cli_option(cli, "--dry-run") != NULL) return PAT_EXIT_OK;
    const int places = (out != NULL) + (cli->connect != NULL) + discard;
    if (places != 1) {
        return pat_cli_usage(cli, "say where to%s: --out DIR, or --connect HOST:PORT (or --discard, or --dry-run)",
                             places == 0 ? "" : ", and only once");
    }
    if (out != NULL && strcmp(out, "-") == 0 && (tables & (tables - 1)) != 0) {
        return pat_cli_usage(cli, "--out - takes one table: --tables orders");
    }
    if (producer != NULL && (producer[0] == '\0' || strlen(producer) > PAT_PRODUCER_BYTES_MAX)) {
        return pat_cli_usage(cli, "--producer is a name of 1 to %u bytes", PAT_PRODUCER_BYTES_MAX);
    }
    return PAT_EXIT_OK;
}

static enum pat_status name_producer(struct generate *generate, struct pat_error *error) {
    const char *given = pat_cli_option(generate->cli, "--producer");
    char *name = generate->stream.producer;
    if (given != NULL) {
        (void)snprintf(name, sizeof generate->stream.producer, "%s", given);
        return PAT_OK;
    }
    struct pat_digest digest;
    PAT_TRY(pat_gen_plan_digest(&generate->plan, &digest, error));
    (void)snprintf(name, sizeof generate->stream.producer, "generate-%016" PRIx64 "%016" PRIx64, digest.high,
                   digest.low);
    return PAT_OK;
}

/* ---- what is printed ------------------------------------------------------------------------------------------- */

/* Rounded to three digits when it is a guess. */
static struct pat_value about(const struct pat_gen_estimate *estimate, double count) {
    uint64_t number = (uint64_t)(count + 0.5), unit = 1;
    if (estimate->exact) return pat_value_uint(number);
    while (number / unit >= 1000) unit *= 10;
    return pat_value_uint((number + unit / 2) / unit * unit);
}

static double three_digits(double value) {
    char text[32];
    (void)snprintf(text, sizeof text, "%.3g", value);
    return strtod(text, NULL);
}

static struct pat_value describe_estimate(const struct generate *generate, struct pat_builder *builder) {
    const struct pat_gen_estimate *estimate = &generate->estimate;
    const struct pat_gen_plan *plan = &generate->plan;
    struct pat_value map = pat_build_map(builder, 12);
    const double share = estimate->buyers > 0 ? estimate->repeaters / estimate->buyers : 0;
    const double mean = estimate->orders > 0 ? estimate->base_sum / estimate->orders : 0;
    pat_build_put(builder, &map, "exact", pat_value_bool(estimate->exact));
    pat_build_put(builder, &map, "customers", pat_value_uint(plan->customers));
    pat_build_put(builder, &map, "buyers", about(estimate, estimate->buyers));
    pat_build_put(builder, &map, "repeat_share", pat_value_real(three_digits(share)));
    pat_build_put(builder, &map, "orders", about(estimate, estimate->orders));
    if (plan->corrections > 0) pat_build_put(builder, &map, "corrected", about(estimate, estimate->corrected));
    pat_build_put(builder, &map, "cancelled", about(estimate, estimate->cancelled));
    pat_build_put(builder, &map, "refunds", about(estimate, estimate->refunds));
    if (pat_gen_wants(plan, PAT_GEN_LINES)) pat_build_put(builder, &map, "lines", about(estimate, estimate->lines));
    pat_build_put(builder, &map, "mean_order", pat_value_real(three_digits(mean)));
    return map;
}

static struct pat_value describe_reasons(const struct generate *generate, struct pat_builder *builder) {
    struct pat_value reasons = pat_build_array(builder, 4);
    for (int table = 0; table < PAT_GEN_TABLES; table++) {
        const struct pat_tally *tally = &generate->stream.tally[table];
        for (unsigned i = 0; i < tally->reasons; i++) {
            struct pat_value map = pat_build_map(builder, 5);
            pat_build_put(builder, &map, "table", pat_value_string(pat_gen_table_names[table]));
            pat_build_put(builder, &map, "field", pat_value_string(tally->reason[i].field));
            pat_build_put(builder, &map, "code", pat_value_string(tally->reason[i].code));
            pat_build_put(builder, &map, "rows", pat_value_uint(tally->reason[i].rows));
            pat_build_put(builder, &map, "message", pat_value_string(tally->reason[i].message));
            pat_build_push(builder, &reasons, map);
        }
    }
    return reasons;
}

static struct pat_value describe_table(const struct generate *generate, struct pat_builder *builder, int table) {
    const struct pat_tally *tally = &generate->stream.tally[table];
    struct pat_value map = pat_build_map(builder, 9);
    pat_build_put(builder, &map, "table", pat_value_string(pat_gen_table_names[table]));
    pat_build_put(builder, &map, "rows", pat_value_uint(generate->run.rows[table]));
    if (generate->stream.client == NULL) return map;
    pat_build_put(builder, &map, "new", pat_value_uint(tally->fresh));
    pat_build_put(builder, &map, "updated", pat_value_uint(tally->updated));
    pat_build_put(builder, &map, "duplicate", pat_value_uint(tally->duplicate));
    pat_build_put(builder, &map, "stale", pat_value_uint(tally->stale));
    pat_build_put(builder, &map, "rejected", pat_value_uint(tally->rejected));
    /* Of batches so old that the server knows only that it had them. */
    pat_build_put(builder, &map, "there", pat_value_uint(tally->repeated));
    return map;
}

static void put_outcome(const struct generate *generate, struct pat_builder *builder, struct pat_value *map) {
    uint64_t rows = 0;
    struct pat_value tables = pat_build_array(builder, PAT_GEN_TABLES);
    for (int table = 0; table < PAT_GEN_TABLES; table++) {
        rows += generate->run.rows[table];
        if (!pat_gen_wants(&generate->plan, (enum pat_gen_table)table)) continue;
        pat_build_push(builder, &tables, describe_table(generate, builder, table));
    }
    if (generate->stream.client != NULL) {
        pat_build_put(builder, map, "producer", pat_value_string(generate->stream.producer));
        pat_build_put(builder, map, "batches", pat_value_uint(generate->stream.seq));
    }
    if (generate->files.bytes > 0) pat_build_put(builder, map, "csv_bytes", pat_value_uint(generate->files.bytes));
    pat_build_put(builder, map, "rows", pat_value_uint(rows));
    pat_build_put(builder, map, "seconds", pat_value_real(three_digits(generate->seconds)));
    const double speed = generate->seconds > 0 ? (double)rows / generate->seconds : 0;
    pat_build_put(builder, map, "rows_per_second", pat_value_uint((uint64_t)speed));
    pat_build_put(builder, map, "tables", tables);
    const struct pat_value reasons = describe_reasons(generate, builder);
    if (reasons.count > 0) pat_build_put(builder, map, "reasons", reasons);
}

static enum pat_exit print_summary(struct generate *generate, bool dry) {
    struct pat_builder builder = {.arena = &generate->arena};
    struct pat_value map = pat_build_map(&builder, 10);
    pat_build_put(&builder, &map, "parameters", pat_gen_plan_describe(&generate->plan, &builder));
    if (dry) {
        pat_build_put(&builder, &map, "expected", describe_estimate(generate, &builder));
    } else {
        put_outcome(generate, &builder, &map);
    }
    if (!builder.failed) return pat_render_answer(generate->cli, &generate->arena, &map);
    struct pat_error error;
    (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory for the summary");
    return pat_cli_fail(&error);
}

/* ---- running --------------------------------------------------------------------------------------------------- */

static enum pat_status open_sink(struct generate *generate, struct pat_error *error) {
    const char *out = pat_cli_option(generate->cli, "--out");
    if (out != NULL) {
        generate->run.sink = &generate->files.sink;
        return pat_gen_files_open(&generate->files, &generate->world, out, error);
    }
    if (generate->cli->connect == NULL) {
        generate->run.sink = &generate->discard;
        pat_gen_discard_init(&generate->discard);
        return PAT_OK;
    }
    generate->run.sink = &generate->stream.sink;
    PAT_TRY(name_producer(generate, error));
    PAT_TRY(pat_cli_connect(generate->cli, &generate->stream.client, error));
    PAT_TRY(pat_gen_stream_open(&generate->stream, &generate->stop, error));
    return pat_gen_stream_attributes(&generate->stream, &generate->plan, error);
}

static enum pat_status make_all(struct generate *generate, struct pat_error *error) {
    generate->run.world = &generate->world;
    generate->run.estimate = &generate->estimate;
    generate->run.pool = &generate->pool;
    generate->run.progress = &generate->progress;
    generate->run.stop = &generate->stop;
    generate->run.temp = temp_directory(generate->cli);
    pat_pump_catch_signals(&generate->stop);
    PAT_TRY(pat_gen_run(&generate->run, error));
    return pat_gen_stream_finish(&generate->stream, &generate->pool, error);
}

static enum pat_exit fail(const struct generate *generate, const struct pat_error *error) {
    if (!generate->stream.refused) return pat_cli_fail(error);
    struct pat_client_fault fault = generate->stream.fault;
    (void)snprintf(fault.message, sizeof fault.message, "%s", error->message);
    return pat_cli_refused(&fault);
}

static enum pat_exit run_sink(struct generate *generate) {
    struct pat_error error, close_error;
    pat_gen_pool_init(&generate->pool, &generate->world);
    pat_progress_init(&generate->progress);
    enum pat_status status = open_sink(generate, &error);
    if (status == PAT_OK) status = make_all(generate, &error);
    generate->seconds = pat_progress_seconds(&generate->progress);
    pat_progress_clear(&generate->progress);
    if (generate->run.sink == &generate->files.sink) {
        const enum pat_status closed = pat_gen_files_close(&generate->files, &close_error);
        if (status == PAT_OK && closed != PAT_OK) error = close_error;
        if (status == PAT_OK) status = closed;
    }
    const bool quiet = generate->run.sink == &generate->files.sink && strcmp(generate->files.directory, "-") == 0;
    enum pat_exit code = PAT_EXIT_OK;
    if (status != PAT_OK) code = fail(generate, &error);
    if (status == PAT_OK && !quiet) code = print_summary(generate, false);
    pat_gen_stream_close(&generate->stream, &generate->pool);
    pat_gen_pool_deinit(&generate->pool);
    return code;
}

static enum pat_exit build_world(struct generate *generate, bool dry) {
    struct pat_error error;
    enum pat_status status = pat_gen_world_init(&generate->world, &generate->plan, &generate->arena, &error);
    if (status == PAT_OK) status = pat_gen_calibrate(&generate->plan, &generate->world, &error);
    if (status == PAT_OK) {
        const uint64_t sample = dry ? SAMPLE_CUSTOMERS_DRY : SAMPLE_CUSTOMERS;
        status = pat_gen_estimate(&generate->world, sample, &generate->estimate, &error);
    }
    return status == PAT_OK ? PAT_EXIT_OK : pat_cli_fail(&error);
}

static enum pat_exit run_generate(const struct pat_cli *cli) {
    struct pat_error error;
    struct generate *generate = pat_mem_alloc(PAT_MEM_OTHER, sizeof *generate);
    if (generate == NULL) {
        (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory");
        return pat_cli_fail(&error);
    }
    const bool dry = pat_cli_option(cli, "--dry-run") != NULL;
    generate->cli = cli;
    pat_arena_init(&generate->arena, 0);
    enum pat_exit code = pat_gen_plan_read(&generate->plan, cli);
    if (code == PAT_EXIT_OK) code = read_threads(generate);
    if (code == PAT_EXIT_OK) code = check_places(generate);
    if (code == PAT_EXIT_OK) code = build_world(generate, dry);
    if (code == PAT_EXIT_OK) code = dry ? print_summary(generate, true) : run_sink(generate);
    pat_arena_deinit(&generate->arena);
    pat_mem_free(PAT_MEM_OTHER, generate);
    return code;
}

const struct pat_cli_command pat_command_generate = {
    .room = PAT_CLI_DATA,
    .name = "generate",
    .operands = "",
    .summary = "A made-up shop of any size, as CSV or to a server",
    .explain = "The same options give the same shop, to the byte, whatever the machine and its\n"
               "threads. Customers of 40 countries buy as the BG/NBD and gamma-gamma models\n"
               "say, in the hours of their own day, more on Double 11 and Black Friday; some\n"
               "orders are cancelled, refunded, tests or paid late. The parameters are printed\n"
               "at the end. Streamed batches are numbered: sending a shop again changes nothing.",
    .example = "patron generate --customers 1000 --out shop \\\n"
               "    --tables customers,orders,refunds,lines,fx\n"
               "  patron --connect 127.0.0.1:7411 generate --customers 10000000 \\\n"
               "    --orders 100000000 --order customer\n"
               "  patron generate --pure --currencies 1 --rate-shape 0.24 --rate-scale 4.4 \\\n"
               "    --dropout-a 0.8 --dropout-b 2.4 --out fit\n"
               "  patron generate --tables orders --out - | patron load orders -",
    .option = pat_gen_options,
    .options = PAT_GEN_OPTIONS,
    .run = run_generate,
};
