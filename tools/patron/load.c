/* `patron load TABLE FILE`. */
#include "attributes.h"
#include "cli.h"
#include "csv.h"
#include "guess.h"
#include "input.h"
#include "mapping.h"
#include "progress.h"
#include "pump.h"
#include "split.h"
#include "tally.h"

#include "base/buf.h"
#include "base/hash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A megabyte or two on the wire: large enough that the round trip does not show, small enough for many in flight. */
#define BATCH_ROWS_DEFAULT 32768u
/* Part of the default producer: raise it when the same file would be sent in another way than before. */
#define SENDING_VERSION "3"

static const struct pat_cli_option load_options[] = {
    {"--map", "field=Column,...",
     "which column feeds which field; field:=TEXT for a constant (default: columns called like a field)"},
    {"--add-attrs", NULL, "columns that feed no field become attributes (attr.NAME), of the type the first rows have"},
    {"--map-values", "field:old=new,...", "replace values: gender:M=male,F=female; an empty `new` is null"},
    {"--time-format", "FORMAT", "how times are written: \"%d/%m/%Y %H:%M\"; field=FORMAT for one field"},
    {"--delimiter", "C", "between cells: a character, or tab (default ,)"},
    {"--decimal-comma", NULL, "amounts are written 1.234,50"},
    {"--no-header", NULL, "the first row is data; columns are called 1, 2, 3 ..."},
    {"--on-error", "skip|reject", "leave bad rows out (default), or stop at the first one"},
    {"--max-rejects", "N|P%", "stop when more rows are rejected"},
    {"--producer", "NAME",
     "name under which batches are numbered, one per file (default: a digest of file, mapping and options)"},
    {"--rejects", "FILE", "write rejected rows there, with line number and reason"},
    {"--dry-run", NULL, "read and judge the file, send nothing"},
    {"--batch-rows", "N", "rows in one batch (default 32768)"},
};

/* Everything one load needs, in the order it is acquired. */
struct load {
    const struct pat_cli *cli;
    int table;
    struct pat_arena arena;
    struct pat_mapping mapping;
    const struct pat_table_schema *schema; /* with the server's attributes, once they were asked for */
    bool add_attributes;
    struct pat_guess guess;
    char delimiter;
    uint32_t batch_rows;
    bool reject_whole, dry_run;
    struct pat_pump_limit max_rejects;
    atomic_bool stop;
    struct pat_input *input;
    struct pat_csv csv;
    struct pat_split split;
    struct pat_tally tally;
    struct pat_progress progress;
    struct pat_client *client;
    char producer[PAT_PRODUCER_BYTES_MAX + 1];
};

/* ---- options -------------------------------------------------------------------------------------------------- */

static enum pat_exit read_delimiter(struct load *load) {
    static const struct {
        const char *name;
        char delimiter;
    } names[] = {{"tab", '\t'}, {"\\t", '\t'}, {"comma", ','}, {"semicolon", ';'}, {"pipe", '|'}};
    const char *text = pat_cli_option(load->cli, "--delimiter");
    load->delimiter = ',';
    if (text == NULL) return PAT_EXIT_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i].name) != 0) continue;
        load->delimiter = names[i].delimiter;
        return PAT_EXIT_OK;
    }
    if (strlen(text) != 1 || strchr("\"\r\n", text[0]) != NULL || (unsigned char)text[0] >= 0x80) {
        return pat_cli_usage(load->cli, "--delimiter is one character, or tab; not '%s'", text);
    }
    load->delimiter = text[0];
    return PAT_EXIT_OK;
}

static enum pat_exit read_max_rejects(struct load *load) {
    const char *text = pat_cli_option(load->cli, "--max-rejects");
    if (text == NULL) return PAT_EXIT_OK;
    char *end = NULL;
    load->max_rejects.value = strtod(text, &end);
    load->max_rejects.set = true;
    load->max_rejects.percent = end != text && strcmp(end, "%") == 0;
    const bool number = end != text && text[0] >= '0' && text[0] <= '9' && (*end == '\0' || load->max_rejects.percent);
    if (number) return PAT_EXIT_OK;
    return pat_cli_usage(load->cli, "--max-rejects is a number of rows or a share like 0.5%%, not '%s'", text);
}

static enum pat_exit read_table(struct load *load) {
    const char *name = load->cli->operand[0];
    load->table = pat_table_find(pat_text_of(name));
    if (load->table >= 0) return PAT_EXIT_OK;
    const char *names[PAT_TABLES];
    for (int i = 0; i < PAT_TABLES; i++) names[i] = pat_schema[i].name;
    const int nearest = pat_text_nearest(pat_text_of(name), names, PAT_TABLES);
    if (nearest >= 0)
        return pat_cli_usage(load->cli, "there is no table '%s': did you mean '%s'?", name, names[nearest]);
    return pat_cli_usage(load->cli, "there is no table '%s': customers, orders, lines, refunds or fx", name);
}

static enum pat_exit read_options(struct load *load) {
    const struct pat_cli *cli = load->cli;
    enum pat_exit code = read_table(load);
    if (code == PAT_EXIT_OK) code = read_delimiter(load);
    if (code == PAT_EXIT_OK) code = read_max_rejects(load);
    if (code != PAT_EXIT_OK) return code;
    const char *on_error = pat_cli_option(cli, "--on-error");
    load->reject_whole = on_error != NULL && strcmp(on_error, "reject") == 0;
    if (on_error != NULL && !load->reject_whole && strcmp(on_error, "skip") != 0) {
        return pat_cli_usage(cli, "--on-error is skip or reject, not '%s'", on_error);
    }
    load->dry_run = pat_cli_option(cli, "--dry-run") != NULL;
    const char *rows = pat_cli_option(cli, "--batch-rows");
    uint64_t number = BATCH_ROWS_DEFAULT;
    if (rows != NULL && (!pat_cli_number(rows, PAT_BATCH_ROWS_MAX, &number) || number == 0)) {
        return pat_cli_usage(cli, "--batch-rows is a number from 1 to %u, not '%s'", PAT_BATCH_ROWS_MAX, rows);
    }
    load->batch_rows = (uint32_t)number;
    const char *producer = pat_cli_option(cli, "--producer");
    if (producer != NULL && (producer[0] == '\0' || strlen(producer) > PAT_PRODUCER_BYTES_MAX)) {
        return pat_cli_usage(cli, "--producer is a name of 1 to %u bytes", PAT_PRODUCER_BYTES_MAX);
    }
    load->schema = &pat_schema[load->table];
    load->add_attributes = pat_cli_option(cli, "--add-attrs") != NULL;
    if (load->add_attributes && pat_cli_option(cli, "--no-header") != NULL) {
        return pat_cli_usage(cli, "--add-attrs takes names from the header: there is none with --no-header");
    }
    return PAT_EXIT_OK;
}

/* ---- attributes ----------------------------------------------------------------------------------------------- */

static enum pat_exit connect_client(struct load *load) {
    struct pat_error error;
    if (load->client != NULL || pat_cli_connect(load->cli, &load->client, &error) == PAT_OK) return PAT_EXIT_OK;
    return pat_cli_fail(&error);
}

/* What attributes there are, and of which types, the server knows. */
static enum pat_exit learn_attributes(struct load *load) {
    const enum pat_exit code = connect_client(load);
    if (code != PAT_EXIT_OK) return code;
    return pat_attributes_fetch(load->client, (enum pat_table_id)load->table, &load->arena, &load->schema);
}

static bool names_attributes(const struct pat_cli *cli) {
    static const char *const options[] = {"--map", "--map-values", "--time-format"};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const char *text;
        for (unsigned at = 0; (text = pat_cli_next(cli, options[i], &at)) != NULL;) {
            if (strstr(text, PAT_ATTRIBUTE_PREFIX) != NULL) return true;
        }
    }
    return false;
}

static bool header_names_attributes(const struct load *load, const struct pat_csv_record *header) {
    const size_t prefix = sizeof PAT_ATTRIBUTE_PREFIX - 1;
    for (unsigned c = 0; load->mapping.by_header && c < header->cells; c++) {
        const struct pat_text cell = header->cell[c];
        if (cell.length > prefix && memcmp(cell.data, PAT_ATTRIBUTE_PREFIX, prefix) == 0) return true;
    }
    return false;
}

static enum pat_exit read_mapping(struct load *load) {
    if (load->add_attributes || names_attributes(load->cli)) {
        const enum pat_exit code = learn_attributes(load);
        if (code != PAT_EXIT_OK) return code;
    }
    return pat_mapping_parse(&load->mapping, load->cli, load->schema, &load->arena);
}

static enum pat_exit bind_mapping(struct load *load, const struct pat_csv_record *first) {
    struct pat_attributes_adder adder = {load->cli, load->client, &load->guess, load->dry_run};
    if (load->client == NULL && header_names_attributes(load, first)) {
        const enum pat_exit code = learn_attributes(load);
        if (code != PAT_EXIT_OK) return code;
        load->mapping.schema = load->schema;
    }
    return pat_mapping_bind(&load->mapping, load->cli, first, load->add_attributes ? pat_attributes_spare : NULL,
                            &adder);
}

/* One format for all times, not "field=FORMAT". */
static const char *time_format_of_all(const struct pat_cli *cli) {
    const char *text;
    for (unsigned at = 0; (text = pat_cli_next(cli, "--time-format", &at)) != NULL;) {
        const char *equals = strchr(text, '=');
        if (equals == NULL || memchr(text, '%', (size_t)(equals - text)) != NULL) return text;
    }
    return NULL;
}

static enum pat_status guess_types(struct load *load, struct pat_error *error) {
    if (!load->add_attributes) return PAT_OK;
    load->guess = (struct pat_guess){.arena = &load->arena,
                                     .time_format = time_format_of_all(load->cli),
                                     .decimal_comma = pat_cli_option(load->cli, "--decimal-comma") != NULL};
    return pat_csv_sample(&load->csv, PAT_GUESS_RECORDS, pat_guess_see, &load->guess, error);
}

/* ---- the producer --------------------------------------------------------------------------------------------- */

/* What the batches depend on besides the file: every option that is given and changes what is sent. */
static enum pat_status describe_options(const struct load *load, struct pat_buf *out) {
    static const char *const telling[] = {"--map",           "--map-values", "--time-format", "--delimiter",
                                          "--decimal-comma", "--no-header",  "--on-error",    "--add-attrs"};
    PAT_TRY(pat_buf_printf(out, "%s %s %u", SENDING_VERSION, pat_schema[load->table].name, load->batch_rows));
    for (size_t i = 0; i < sizeof telling / sizeof telling[0]; i++) {
        const char *value;
        for (unsigned at = 0; (value = pat_cli_next(load->cli, telling[i], &at)) != NULL;) {
            PAT_TRY(pat_buf_printf(out, "\n%s=%s", telling[i], value));
        }
    }
    return PAT_OK;
}

static enum pat_status name_producer(struct load *load, struct pat_error *error) {
    const char *given = pat_cli_option(load->cli, "--producer");
    if (given != NULL) {
        (void)snprintf(load->producer, sizeof load->producer, "%s", given);
        return PAT_OK;
    }
    struct pat_digest digest;
    PAT_TRY(pat_input_digest(load->input, &digest, error));
    struct pat_buf text;
    pat_buf_init(&text, PAT_MEM_OTHER);
    const enum pat_status status = describe_options(load, &text);
    if (status == PAT_OK) digest = pat_digest_chain(digest, text.data, text.length);
    pat_buf_deinit(&text);
    (void)snprintf(load->producer, sizeof load->producer, "load-%s-%016" PRIx64 "%016" PRIx64,
                   pat_schema[load->table].name, digest.high, digest.low);
    return status == PAT_OK ? PAT_OK : pat_error_set(error, status, "no memory");
}

/* The last batch of this producer that the server has; 0 when it knows none. */
static enum pat_exit ask_known_seq(struct load *load, uint64_t *seq) {
    struct pat_member member = {PAT_TEXT("producer"), pat_value_string(load->producer)};
    const struct pat_value params = {.type = PAT_VALUE_MAP, .count = 1, .as.members = &member};
    struct pat_value state;
    bool failed;
    struct pat_client_fault fault;
    struct pat_error error;
    *seq = 0;
    if (pat_client_call(load->client, "load.state", &params, &load->arena, &state, &failed, &fault, &error) != PAT_OK) {
        return pat_cli_fail(&error);
    }
    if (failed && strcmp(fault.code, "NOT_FOUND") != 0) return pat_cli_refused(&fault);
    const struct pat_value *value = failed || state.type != PAT_VALUE_MAP ? NULL : pat_value_get(&state, "seq");
    if (value != NULL && value->type == PAT_VALUE_INT && value->as.integer > 0) *seq = (uint64_t)value->as.integer;
    return PAT_EXIT_OK;
}

/* What a time without an offset is depends on the store's zone. */
static enum pat_exit choose_words(struct load *load) {
    struct pat_value state;
    bool failed;
    struct pat_client_fault fault;
    struct pat_error error;
    if (pat_client_call(load->client, "status", NULL, &load->arena, &state, &failed, &fault, &error) != PAT_OK) {
        return pat_cli_fail(&error);
    }
    if (failed) return pat_cli_refused(&fault);
    const struct pat_value *zone = state.type == PAT_VALUE_MAP ? pat_value_get(&state, "timezone") : NULL;
    pat_mapping_choose_words(&load->mapping,
                             zone != NULL && zone->type == PAT_VALUE_TEXT ? pat_value_as_text(zone) : PAT_TEXT(""));
    return PAT_EXIT_OK;
}

/* ---- the file ------------------------------------------------------------------------------------------------- */

static enum pat_exit open_file(struct load *load, struct pat_csv_record *first) {
    struct pat_error error;
    if (pat_input_open(&load->input, load->cli->operand[1], &load->stop, &error) != PAT_OK) return pat_cli_fail(&error);
    if (!load->dry_run && name_producer(load, &error) != PAT_OK) return pat_cli_fail(&error);
    bool more = false;
    enum pat_status status = pat_csv_init(&load->csv, load->input, load->delimiter, &error);
    if (status == PAT_OK) status = guess_types(load, &error);
    if (status == PAT_OK) status = pat_csv_next(&load->csv, first, &more, &error);
    if (status == PAT_OK && !more) status = pat_error_set(&error, PAT_ERR_BAD_REQUEST, "the file is empty");
    if (status == PAT_OK && first->fault != NULL) {
        status = pat_error_set(&error, PAT_ERR_BAD_REQUEST, "line %" PRIu64 ": %s", first->line, first->fault);
    }
    if (status == PAT_OK && !pat_text_utf8_valid(first->raw, NULL) && !load->mapping.no_header) {
        status = pat_error_set(&error, PAT_ERR_BAD_REQUEST,
                               "line %" PRIu64 ": the header is not UTF-8: if this is CSV at "
                               "all, iconv -f latin1 -t utf-8 may help",
                               first->line);
    }
    if (status != PAT_OK) return pat_cli_fail(&error);
    return bind_mapping(load, first);
}

static enum pat_status count_dry(void *context, struct pat_build *build, struct pat_error *error) {
    struct load *load = context;
    (void)error;
    pat_tally_dry(&load->tally, build);
    pat_progress_update(&load->progress, build->input_bytes, pat_input_size(load->input), load->tally.rows);
    pat_build_free(build);
    return PAT_OK;
}

static enum pat_status read_dry(struct load *load, const struct pat_csv_record *first, struct pat_error *error) {
    if (first != NULL) PAT_TRY(pat_split_add(&load->split, first, error));
    for (;;) {
        struct pat_csv_record record;
        bool more;
        PAT_TRY(pat_csv_next(&load->csv, &record, &more, error));
        if (!more) return pat_split_finish(&load->split, error);
        load->split.input_bytes = pat_input_position(load->input);
        PAT_TRY(pat_split_add(&load->split, &record, error));
    }
}

static void report(struct load *load) {
    const struct pat_load_report about = {
        .file = load->cli->operand[1],
        .table = pat_schema[load->table].name,
        .producer = load->dry_run ? NULL : load->producer,
        .seconds = pat_progress_seconds(&load->progress),
        .dry_run = load->dry_run,
        .mapping = &load->mapping,
    };
    pat_progress_clear(&load->progress);
    if (load->tally.rows == 0) (void)fprintf(stderr, "note: %s has a header and no rows\n", about.file);
    pat_tally_print(&load->tally, load->cli, &about);
}

static enum pat_exit run_dry(struct load *load, const struct pat_csv_record *first) {
    pat_split_init(&load->split, &load->mapping, load->batch_rows, count_dry, load);
    load->split.check = true;
    load->split.keep_raw = load->split.hold.keep_raw = load->tally.rejects != NULL;
    load->split.strict = load->reject_whole;
    struct pat_error error;
    const enum pat_status status = read_dry(load, first, &error);
    pat_progress_clear(&load->progress);
    if (status != PAT_OK) return pat_cli_fail(&error);
    report(load);
    return PAT_EXIT_OK;
}

static enum pat_exit run_pump(struct load *load, const struct pat_csv_record *first) {
    struct pat_pump pump = {
        .csv = &load->csv,
        .split = &load->split,
        .first = first,
        .table = pat_schema[load->table].name,
        .producer = load->producer,
        .reject_whole = load->reject_whole,
        .max_rejects = load->max_rejects,
        .tally = &load->tally,
        .progress = &load->progress,
        .stop = &load->stop,
    };
    enum pat_exit code = connect_client(load);
    if (code != PAT_EXIT_OK) return code;
    pump.client = load->client;
    code = ask_known_seq(load, &pump.known_seq);
    if (code == PAT_EXIT_OK) code = choose_words(load);
    if (code != PAT_EXIT_OK) return code;
    pat_split_init(&load->split, &load->mapping, load->batch_rows, pat_pump_emit, &pump);
    load->split.keep_raw = load->split.hold.keep_raw = load->tally.rejects != NULL;
    load->split.strict = load->reject_whole;
    pat_pump_catch_signals(&load->stop);
    pat_pump_run(&pump);
    pat_progress_clear(&load->progress);
    if (!pump.end.failed || pump.end.report) report(load);
    if (!pump.end.failed) return load->table == PAT_FX ? pat_fx_warn(load->cli) : PAT_EXIT_OK;
    (void)fflush(stdout);
    struct pat_client_fault fault = {.row = -1, .offset = -1};
    (void)snprintf(fault.code, sizeof fault.code, "%s", pump.end.code);
    (void)snprintf(fault.message, sizeof fault.message, "%s", pump.end.message);
    return pat_cli_refused(&fault);
}

static enum pat_exit run_load(const struct pat_cli *cli) {
    struct load *load = pat_mem_alloc(PAT_MEM_OTHER, sizeof *load);
    struct pat_error error;
    if (load == NULL) {
        (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory");
        return pat_cli_fail(&error);
    }
    load->cli = cli;
    pat_arena_init(&load->arena, 0);
    pat_progress_init(&load->progress);
    struct pat_csv_record first;
    enum pat_exit code = read_options(load);
    if (code == PAT_EXIT_OK) code = read_mapping(load);
    if (code == PAT_EXIT_OK) code = open_file(load, &first);
    if (code == PAT_EXIT_OK && pat_tally_init(&load->tally, pat_cli_option(cli, "--rejects"), &error) != PAT_OK) {
        code = pat_cli_fail(&error);
    }
    if (code == PAT_EXIT_OK) {
        const struct pat_csv_record *data = load->mapping.no_header ? &first : NULL;
        code = load->dry_run ? run_dry(load, data) : run_pump(load, data);
    }
    if (pat_tally_deinit(&load->tally, &error) != PAT_OK) code = pat_cli_fail(&error);
    pat_client_close(&load->client);
    pat_split_deinit(&load->split);
    pat_csv_deinit(&load->csv);
    pat_input_close(&load->input);
    pat_arena_deinit(&load->arena);
    pat_mem_free(PAT_MEM_OTHER, load);
    return code;
}

const struct pat_cli_command pat_command_load = {
    .room = PAT_CLI_DATA,
    .name = "load",
    .operands = "TABLE FILE",
    .operands_min = 2,
    .operands_max = 2,
    .summary = "Rows of a CSV file (.csv, .gz, .zst; - is standard input)",
    .explain = "TABLE is customers, orders, lines, refunds or fx. Loading the same file\n"
               "in the same way again changes nothing, and a load that was interrupted goes on\n"
               "where it stopped.",
    .example = "printf 'order,customer,time,amount\\n1,ann,2020-01-31,9.50\\n' |\n"
               "    patron load orders - --map currency:=EUR --dry-run\n"
               "  patron load lines shop.csv.zst \\\n"
               "    --map \"order=Invoice,product=StockCode,quantity=Quantity,time=InvoiceDate\" \\\n"
               "    --map \"price=Price,customer=Customer ID,country=Country,currency:=GBP\"",
    .option = load_options,
    .options = sizeof load_options / sizeof load_options[0],
    .run = run_load,
};
