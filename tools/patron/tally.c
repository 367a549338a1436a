#include "tally.h"

#include "sheet.h"

#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum pat_status pat_tally_init(struct pat_tally *tally, const char *rejects_path, struct pat_error *error) {
    *tally = (struct pat_tally){0};
    if (rejects_path == NULL) return PAT_OK;
    tally->rejects = fopen(rejects_path, "we");
    tally->rejects_path = rejects_path;
    if (tally->rejects == NULL) {
        return pat_error_set(error, PAT_ERR_IO, "%s cannot be written: %s", rejects_path, strerror(errno));
    }
    (void)fputs("line,field,code,message,record\r\n", tally->rejects);
    return PAT_OK;
}

/* ---- rejected rows in the order of their lines ----------------------------------------------------------------- */

/* Answers overtake each other, and the rows of one order wait for each other: what comes is written at once, so that it
 * is there whatever happens, and sorted at the end. */

static void place_add(struct pat_tally *tally, uint64_t line) {
    const off_t start = tally->places_lost ? -1 : ftello(tally->rejects);
    if (start >= 0 && tally->places == tally->places_capacity) {
        const size_t capacity = tally->places_capacity == 0 ? 256 : tally->places_capacity * 2;
        struct pat_tally_place *place =
            pat_mem_grow(PAT_MEM_OTHER, tally->place, tally->places_capacity * sizeof *place, capacity * sizeof *place);
        if (place != NULL) {
            tally->place = place;
            tally->places_capacity = capacity;
        }
    }
    if (start < 0 || tally->places == tally->places_capacity) {
        tally->places_lost = true;
        return;
    }
    if (tally->places > 0 && tally->place[tally->places - 1].line > line) tally->unordered = true;
    tally->place[tally->places++] = (struct pat_tally_place){.line = line, .start = start};
}

static int place_compare(const void *a, const void *b) {
    const struct pat_tally_place *x = a, *y = b;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

static bool copy_bytes(FILE *to, FILE *from, off_t bytes) {
    char block[1 << 16];
    for (off_t left = bytes; left > 0;) {
        const size_t want = left < (off_t)sizeof block ? (size_t)left : sizeof block;
        const size_t got = fread(block, 1, want, from);
        if (got == 0 || fwrite(block, 1, got, to) != got) return false;
        left -= (off_t)got;
    }
    return true;
}

/* From the copy of the file back into it; every row ends where the next one was begun. */
static bool rejects_write_sorted(const struct pat_tally *tally, FILE *copy, off_t end) {
    for (size_t i = 0; i < tally->places; i++)
        tally->place[i].bytes = (i + 1 < tally->places ? tally->place[i + 1].start : end) - tally->place[i].start;
    const off_t first = tally->place[0].start;
    qsort(tally->place, tally->places, sizeof *tally->place, place_compare);
    if (fseeko(tally->rejects, first, SEEK_SET) != 0) return false;
    for (size_t i = 0; i < tally->places; i++) {
        if (fseeko(copy, tally->place[i].start, SEEK_SET) != 0) return false;
        if (!copy_bytes(tally->rejects, copy, tally->place[i].bytes)) return false;
    }
    return true;
}

/* What is no file on disk stays as it was written; so does a file of which there can be no copy. */
static bool rejects_sort(struct pat_tally *tally) {
    const off_t end = ftello(tally->rejects);
    if (!tally->unordered || tally->places_lost || end < 0 || fflush(tally->rejects) != 0) return true;
    FILE *written = fopen(tally->rejects_path, "re");
    FILE *copy = written != NULL ? tmpfile() : NULL;
    bool good = true;
    if (copy != NULL && copy_bytes(copy, written, end) && fflush(copy) == 0)
        good = rejects_write_sorted(tally, copy, end);
    if (copy != NULL) (void)fclose(copy);
    if (written != NULL) (void)fclose(written);
    return good;
}

enum pat_status pat_tally_deinit(struct pat_tally *tally, struct pat_error *error) {
    if (tally->rejects == NULL) return PAT_OK;
    const bool sorted = rejects_sort(tally);
    pat_mem_free(PAT_MEM_OTHER, tally->place);
    tally->place = NULL;
    const bool bad = !sorted || ferror(tally->rejects) != 0;
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
    place_add(tally, line);
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
