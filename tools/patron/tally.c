#include "tally.h"

#include "sheet.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum pat_status pat_tally_init(struct pat_tally *tally, const char *rejects_path, struct pat_error *error) {
    *tally = (struct pat_tally){0};
    if (rejects_path == NULL) return PAT_OK;
    tally->rejects = fopen(rejects_path, "we");
    if (tally->rejects == NULL) {
        return pat_error_set(error, PAT_ERR_IO, "%s cannot be written: %s", rejects_path, strerror(errno));
    }
    (void)fputs("line,field,code,message,record\r\n", tally->rejects);
    return PAT_OK;
}

enum pat_status pat_tally_deinit(struct pat_tally *tally, struct pat_error *error) {
    if (tally->rejects == NULL) return PAT_OK;
    const bool bad = ferror(tally->rejects) != 0;
    const bool closed = fclose(tally->rejects) == 0;
    tally->rejects = NULL;
    if (!bad && closed) return PAT_OK;
    return pat_error_set(error, PAT_ERR_IO, "the file of rejected rows could not be written in full");
}

static void copy(char *out, size_t capacity, struct pat_text text) {
    (void)pat_text_printable(text, out, capacity);
}

/* Reasons beyond the last place share it: the totals still add up. */
static struct pat_tally_reason *reason_of(struct pat_tally *tally, struct pat_text field, struct pat_text code) {
    for (unsigned i = 0; i < tally->reasons; i++) {
        struct pat_tally_reason *reason = &tally->reason[i];
        if (pat_text_is(field, reason->field) && pat_text_is(code, reason->code)) return reason;
    }
    if (tally->reasons == PAT_TALLY_REASONS_MAX) return &tally->reason[PAT_TALLY_REASONS_MAX - 1];
    struct pat_tally_reason *reason = &tally->reason[tally->reasons++];
    copy(reason->field, sizeof reason->field, field);
    copy(reason->code, sizeof reason->code, code);
    return reason;
}

static void set_example(struct pat_tally_reason *reason, uint64_t line, struct pat_text message) {
    if (reason->line != 0 && reason->line <= line) return;
    reason->line = line;
    copy(reason->message, sizeof reason->message, message);
}

static void write_reject(struct pat_tally *tally, const struct pat_build *build, uint64_t line, struct pat_text field,
                         struct pat_text code, struct pat_text message, const struct pat_build_raw *raw) {
    if (tally->rejects == NULL) return;
    (void)fprintf(tally->rejects, "%" PRIu64 ",", line);
    const struct pat_text part[] = {field, code, message};
    for (size_t i = 0; i < 3; i++) {
        pat_csv_print_cell(tally->rejects, part[i]);
        (void)fputc(',', tally->rejects);
    }
    if (raw != NULL && raw->bytes > 0) {
        pat_csv_print_cell(tally->rejects,
                           (struct pat_text){(const char *)build->raw_text.data + raw->start, raw->bytes});
    }
    (void)fputs("\r\n", tally->rejects);
}

void pat_tally_local(struct pat_tally *tally, const struct pat_build *build) {
    tally->rows += build->rejects;
    tally->rejected += build->rejects;
    for (uint32_t i = 0; i < build->rejects; i++) {
        const struct pat_local_reject *reject = &build->reject[i];
        const struct pat_text field = pat_text_of(reject->field), code = pat_text_of(reject->code);
        struct pat_tally_reason *reason = reason_of(tally, field, code);
        reason->rows++;
        char text[PAT_LOCAL_MESSAGE_BYTES];
        const struct pat_text message = pat_text_of(pat_local_message(reject, text));
        set_example(reason, reject->line, message);
        write_reject(tally, build, reject->line, field, code, message, &reject->raw);
    }
}

void pat_tally_dry(struct pat_tally *tally, const struct pat_build *build) {
    pat_tally_local(tally, build);
    tally->rows += build->rows;
    if (build->append) tally->appended_rows += build->rows;
    if (build->rows > 0) tally->batches++;
}

/* ---- the server's answers ------------------------------------------------------------------------------------- */

static uint64_t number_of(const struct pat_value *map, const char *key) {
    const struct pat_value *value = map->type == PAT_VALUE_MAP ? pat_value_get(map, key) : NULL;
    return value != NULL && value->type == PAT_VALUE_INT && value->as.integer > 0 ? (uint64_t)value->as.integer : 0;
}

static struct pat_text text_of(const struct pat_value *map, const char *key) {
    const struct pat_value *value = map->type == PAT_VALUE_MAP ? pat_value_get(map, key) : NULL;
    return value != NULL && value->type == PAT_VALUE_TEXT ? pat_value_as_text(value) : PAT_TEXT("");
}

/* Gives the rows that had a reason. */
static uint64_t add_reasons(struct pat_tally *tally, const struct pat_value *reasons) {
    uint64_t sum = 0;
    for (uint32_t i = 0; reasons != NULL && reasons->type == PAT_VALUE_ARRAY && i < reasons->count; i++) {
        const struct pat_value *item = &reasons->as.items[i];
        reason_of(tally, text_of(item, "field"), text_of(item, "code"))->rows += number_of(item, "rows");
        sum += number_of(item, "rows");
    }
    return sum;
}

/* Errors name rows one by one: examples, and the file of rejected rows. */
static void add_errors(struct pat_tally *tally, const struct pat_build *build, const struct pat_value *errors) {
    for (uint32_t i = 0; errors != NULL && errors->type == PAT_VALUE_ARRAY && i < errors->count; i++) {
        const struct pat_value *item = &errors->as.items[i];
        const uint64_t row = number_of(item, "row");
        if (row >= build->rows) continue;
        const struct pat_text field = text_of(item, "field"), code = text_of(item, "code");
        struct pat_tally_reason *reason = reason_of(tally, field, code);
        set_example(reason, build->line[row], text_of(item, "message"));
        write_reject(tally, build, build->line[row], field, code, text_of(item, "message"),
                     build->raw != NULL ? &build->raw[row] : NULL);
    }
}

void pat_tally_answer(struct pat_tally *tally, const struct pat_build *build, const struct pat_value *answer,
                      bool known) {
    tally->rows += build->rows;
    tally->batches++;
    if (known) tally->batches_known++;
    if (build->line_after > tally->line_after) tally->line_after = build->line_after;
    copy(tally->sync, sizeof tally->sync, text_of(answer, "sync"));
    const uint64_t rejected = number_of(answer, "rejected");
    const uint64_t fresh = number_of(answer, "new"), updated = number_of(answer, "updated");
    const uint64_t duplicate = number_of(answer, "duplicate"), stale = number_of(answer, "stale");
    /* An old batch is answered by its lsn alone. */
    if (fresh + updated + duplicate + stale + rejected == 0) tally->repeated += build->rows;
    tally->fresh += fresh;
    tally->updated += updated;
    tally->duplicate += duplicate;
    tally->stale += stale;
    tally->rejected += rejected;
    if (build->append) {
        tally->appended_rows += build->rows;
    } else {
        tally->orders += number_of(answer, "orders");
        tally->refunds += number_of(answer, "refunds");
    }
    const struct pat_value *reasons = answer->type == PAT_VALUE_MAP ? pat_value_get(answer, "reasons") : NULL;
    const struct pat_value *errors = answer->type == PAT_VALUE_MAP ? pat_value_get(answer, "errors") : NULL;
    const uint64_t with_reason = add_reasons(tally, reasons);
    /* The answer to a batch sent again may have lost them; the reasons add up all the same. */
    if (with_reason < rejected) reason_of(tally, PAT_TEXT(""), PAT_TEXT("UNNAMED"))->rows += rejected - with_reason;
    add_errors(tally, build, errors);
    const uint64_t named = errors != NULL && errors->type == PAT_VALUE_ARRAY ? errors->count : 0;
    if (tally->rejects != NULL && named < rejected) tally->rejects_unnamed += rejected - named;
}
