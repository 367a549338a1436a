/* What a load prints at its end. */
#include "tally.h"

#include "render.h"
#include "sheet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *pat_count_text(uint64_t count, char out[32]) {
    char plain[24];
    const int length = snprintf(plain, sizeof plain, "%" PRIu64, count);
    char *to = out;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) *to++ = ',';
        *to++ = plain[i];
    }
    *to = '\0';
    return out;
}

static double rows_per_second(const struct pat_tally *tally, const struct pat_load_report *report) {
    return report->seconds > 0 ? (double)tally->rows / report->seconds : 0;
}

static void print_line(const char *name, uint64_t count) {
    char text[32];
    (void)printf("%-10s %13s\n", name, pat_count_text(count, text));
}

/* The server's messages begin with the field, which stands there already. */
static const char *without_field(const struct pat_tally_reason *reason) {
    const size_t length = strlen(reason->field);
    const bool repeats = length > 0 && strncmp(reason->message, reason->field, length) == 0;
    return repeats && strncmp(reason->message + length, ": ", 2) == 0 ? reason->message + length + 2 : reason->message;
}

/* The server does not know how the file was read. */
static const char *option_that_helps(const struct pat_tally_reason *reason) {
    if (strstr(reason->message, "(see --") != NULL) return "";
    if (strcmp(reason->code, "BAD_TIME") == 0) return " (see --time-format)";
    const char *comma = strchr(reason->message, ',');
    const char *not_read = strstr(reason->message, "is not an amount");
    return comma != NULL && not_read != NULL && comma < not_read ? " (see --decimal-comma)" : "";
}

static void print_reasons(const struct pat_tally *tally) {
    for (unsigned i = 0; i < tally->reasons; i++) {
        const struct pat_tally_reason *reason = &tally->reason[i];
        char text[32];
        (void)printf("  %s%*s%12s  %s%s%s", pat_style_dim(stdout), 8, "", pat_count_text(reason->rows, text),
                     reason->field, reason->field[0] != '\0' ? " " : "", reason->code);
        if (reason->line > 0) {
            /* Not always the first such line: of each batch the server names a hundred rows. */
            (void)printf("  (as at line %s: %s%s)", pat_count_text(reason->line, text), without_field(reason),
                         option_that_helps(reason));
        }
        (void)printf("%s\n", pat_style_off(stdout));
    }
    if (tally->reasons > 0 && tally->rejects == NULL) {
        (void)printf("  %s%*s--rejects FILE writes them down, each with its line and reason%s\n", pat_style_dim(stdout),
                     22, "", pat_style_off(stdout));
    }
}

static void print_mapping(const struct pat_mapping *mapping) {
    for (unsigned i = 0; i < mapping->fields; i++) {
        const struct pat_mapped *mapped = &mapping->field[i];
        (void)printf("%-14s %s \"%.*s\"\n", mapped->name, mapped->constant ? "is always" : "from column",
                     (int)mapped->source.length, mapped->source.data);
    }
    (void)fputc('\n', stdout);
}

static void print_table(const struct pat_tally *tally, const struct pat_load_report *report) {
    char text[32], more[32];
    if (report->dry_run) {
        print_mapping(report->mapping);
        print_line("rows read", tally->rows);
        print_line("good", tally->rows - tally->rejected);
        print_line("rejected", tally->rejected);
        print_reasons(tally);
        (void)printf("dry run: nothing was sent; values were judged one by one, as if all rows were new\n");
    } else {
        print_line("rows read", tally->rows);
        print_line("new", tally->fresh);
        print_line("updated", tally->updated);
        print_line("duplicate", tally->duplicate);
        print_line("stale", tally->stale);
        print_line("rejected", tally->rejected);
        print_reasons(tally);
        if (tally->repeated > 0) print_line("there", tally->repeated);
    }
    if (report->mapping->table == PAT_LINES && !report->dry_run) {
        (void)printf("%s orders and %s refunds made\n", pat_count_text(tally->orders, text),
                     pat_count_text(tally->refunds, more));
    }
    if (tally->appended_rows > 0) {
        (void)printf("%s lines belong to orders that came back later in the file\n",
                     pat_count_text(tally->appended_rows, text));
    }
    if (tally->batches_known > 0) {
        (void)printf("%s of %s batches were there already: their figures are those of the first time\n",
                     pat_count_text(tally->batches_known, text), pat_count_text(tally->batches, more));
    }
    (void)printf("%s%.2f s \u00b7 %s rows/s%s\n", pat_style_dim(stdout), report->seconds,
                 pat_count_text((uint64_t)rows_per_second(tally, report), text), pat_style_off(stdout));
}

static void put_count(struct pat_builder *builder, struct pat_value *map, const char *key, uint64_t count) {
    pat_build_put(builder, map, key, pat_value_uint(count));
}

static struct pat_value json_reasons(struct pat_builder *builder, const struct pat_tally *tally) {
    struct pat_value reasons = pat_build_array(builder, tally->reasons + 1);
    for (unsigned i = 0; i < tally->reasons; i++) {
        const struct pat_tally_reason *reason = &tally->reason[i];
        struct pat_value map = pat_build_map(builder, 5);
        pat_build_put(builder, &map, "field", pat_value_string(reason->field));
        pat_build_put(builder, &map, "code", pat_value_string(reason->code));
        put_count(builder, &map, "rows", reason->rows);
        if (reason->line > 0) {
            put_count(builder, &map, "line", reason->line);
            pat_build_put(builder, &map, "message", pat_value_string(reason->message));
        }
        pat_build_push(builder, &reasons, map);
    }
    return reasons;
}

static void print_json(const struct pat_tally *tally, const struct pat_load_report *report) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value map = pat_build_map(&builder, 20);
    pat_build_put(&builder, &map, "table", pat_value_string(report->table));
    pat_build_put(&builder, &map, "file", pat_value_string(report->file));
    if (report->producer != NULL) pat_build_put(&builder, &map, "producer", pat_value_string(report->producer));
    if (report->dry_run) pat_build_put(&builder, &map, "dry_run", pat_value_bool(true));
    put_count(&builder, &map, "rows", tally->rows);
    if (report->dry_run) {
        put_count(&builder, &map, "good", tally->rows - tally->rejected);
    } else {
        put_count(&builder, &map, "new", tally->fresh);
        put_count(&builder, &map, "updated", tally->updated);
        put_count(&builder, &map, "duplicate", tally->duplicate);
        put_count(&builder, &map, "stale", tally->stale);
    }
    put_count(&builder, &map, "rejected", tally->rejected);
    if (tally->repeated > 0) put_count(&builder, &map, "repeated", tally->repeated);
    pat_build_put(&builder, &map, "reasons", json_reasons(&builder, tally));
    if (report->mapping->table == PAT_LINES && !report->dry_run) {
        put_count(&builder, &map, "orders", tally->orders);
        put_count(&builder, &map, "refunds", tally->refunds);
    }
    if (report->mapping->table == PAT_LINES) put_count(&builder, &map, "appended", tally->appended_rows);
    put_count(&builder, &map, "batches", tally->batches);
    if (!report->dry_run) {
        put_count(&builder, &map, "batches_known", tally->batches_known);
        pat_build_put(&builder, &map, "sync", pat_value_string(tally->sync));
    }
    pat_build_put(&builder, &map, "seconds", pat_value_real(report->seconds));
    put_count(&builder, &map, "rows_per_second", (uint64_t)rows_per_second(tally, report));
    if (!builder.failed) (void)pat_render_json(&map);
    pat_arena_deinit(&arena);
}

static void print_csv(const struct pat_tally *tally, const struct pat_load_report *report) {
    (void)printf("rows,new,updated,duplicate,stale,rejected,repeated,orders,refunds,seconds\r\n");
    (void)printf("%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
                 ",%" PRIu64 ",%.3f\r\n",
                 tally->rows, tally->fresh, tally->updated, tally->duplicate, tally->stale, tally->rejected,
                 tally->repeated, tally->orders, tally->refunds, report->seconds);
}

void pat_tally_print(const struct pat_tally *tally, const struct pat_cli *cli, const struct pat_load_report *report) {
    if (tally->rejects_unnamed > 0) {
        (void)fprintf(stderr,
                      "note: %" PRIu64 " rejected rows are not in the file of rejected rows: they were judged in an "
                      "earlier run; --producer with a new name judges all again\n",
                      tally->rejects_unnamed);
    }
    switch (cli->format) {
    case PAT_FORMAT_TABLE: print_table(tally, report); return;
    case PAT_FORMAT_JSON: print_json(tally, report); return;
    case PAT_FORMAT_CSV: print_csv(tally, report); return;
    }
}
