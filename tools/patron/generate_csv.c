/* A batch as CSV: LF at the end of lines, nothing that needs quotes, empty cells for null. */
#include "generate_batch.h"
#include "generate_batch_private.h"

#include "model/decimal.h"

#include <stdio.h>
#include <string.h>

#define DAY_SECONDS 86400
/* Longest cell of any kind with its comma: numbers have up to 20 digits, names are below 48 bytes. */
#define CELL_BYTES_MAX 48u

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                  "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

static inline char *write_pair(char *to, uint32_t number) {
    memcpy(to, &digit_pairs[2 * number], 2);
    return to + 2;
}

static char *write_number(char *to, uint64_t number) {
    char digits[20];
    unsigned at = sizeof digits;
    while (number >= 100) {
        at -= 2;
        (void)write_pair(digits + at, (uint32_t)(number % 100));
        number /= 100;
    }
    if (number >= 10) {
        at -= 2;
        (void)write_pair(digits + at, (uint32_t)number);
    } else {
        digits[--at] = (char)('0' + number);
    }
    memcpy(to, digits + at, sizeof digits - at);
    return to + (sizeof digits - at);
}

static char *write_id(char *to, uint64_t id, char letter) {
    if (id >= PAT_GEN_TEXT_ID) *to++ = letter;
    return write_number(to, id & ~PAT_GEN_TEXT_ID);
}

/* Amounts here are never below zero. */
static char *write_money(char *to, uint64_t minor, unsigned digits) {
    static const uint64_t unit[] = {1, 10, 100, 1000, 10000};
    to = write_number(to, minor / unit[digits]);
    if (digits == 0) return to;
    uint64_t fraction = minor % unit[digits];
    *to = '.';
    for (unsigned d = digits; d > 0; d--) {
        to[d] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    return to + digits + 1;
}

static char *write_day(char *to, const struct pat_gen_world *world, int64_t day) {
    memcpy(to, world->day_text[day - world->plan->start], 10);
    return to + 10;
}

static char *write_time(char *to, const struct pat_gen_world *world, int64_t seconds) {
    const int64_t since = seconds - (int64_t)world->plan->start * DAY_SECONDS;
    const uint32_t second = (uint32_t)(since % DAY_SECONDS);
    to = write_day(to, world, world->plan->start + since / DAY_SECONDS);
    *to++ = 'T';
    to = write_pair(to, second / 3600);
    *to++ = ':';
    to = write_pair(to, second / 60 % 60);
    *to++ = ':';
    to = write_pair(to, second % 60);
    *to++ = 'Z';
    return to;
}

static char *write_name(char *to, struct pat_text name) {
    if (name.length > 0) memcpy(to, name.data, name.length);
    return to + name.length;
}

static char *write_integer(char *to, int64_t value) {
    if (value < 0) *to++ = '-';
    return write_number(to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static char *write_cell(char *to, const struct pat_gen_batch *batch, const struct pat_gen_columns *columns,
                        unsigned place, uint32_t row) {
    const struct pat_gen_column_kind *kind = &columns->column[place];
    const struct pat_gen_column *column = &batch->column[place];
    const struct pat_gen_world *world = batch->world;
    if (column->any_null && (column->nulls[row / 8] >> (row % 8) & 1) != 0) return to;
    switch (kind->kind) {
    case PAT_GEN_KIND_ID: return write_id(to, (uint64_t)column->at.wide[row], kind->letter);
    case PAT_GEN_KIND_TIME: return write_time(to, world, column->at.wide[row]);
    case PAT_GEN_KIND_DAY: return write_day(to, world, column->at.day[row]);
    case PAT_GEN_KIND_INT: return write_integer(to, column->at.wide[row]);
    case PAT_GEN_KIND_MONEY:
    case PAT_GEN_KIND_PRICE: {
        const uint8_t currency = batch->column[columns->currency].at.code8[row];
        return write_money(to, (uint64_t)column->at.wide[row], world->currency[currency].digits);
    }
    case PAT_GEN_KIND_BASE: return write_money(to, (uint64_t)column->at.wide[row], world->currency[0].digits);
    case PAT_GEN_KIND_TENTHS: return write_money(to, (uint64_t)column->at.wide[row], 1);
    case PAT_GEN_KIND_BOOL: return write_name(to, column->at.wide[row] != 0 ? PAT_TEXT("true") : PAT_TEXT("false"));
    case PAT_GEN_KIND_RATE: {
        pat_decimal_print(column->at.wide[row], to);
        return to + strlen(to);
    }
    case PAT_GEN_KIND_CODE8: return write_name(to, world->text[kind->list][column->at.code8[row]]);
    case PAT_GEN_KIND_CODE16: break;
    }
    return write_name(to, world->text[kind->list][column->at.code16[row]]);
}

enum pat_status pat_gen_batch_csv(struct pat_gen_batch *batch) {
    const struct pat_gen_columns *columns = &pat_gen_columns[batch->table];
    const size_t row_bytes_max = (size_t)columns->count * CELL_BYTES_MAX;
    for (uint32_t row = 0; row < batch->rows; row++) {
        PAT_TRY(pat_buf_reserve(&batch->text, row_bytes_max));
        char *const from = (char *)batch->text.data + batch->text.length;
        char *to = from;
        for (unsigned c = 0; c < columns->count; c++) {
            if (!pat_gen_column_used(batch->world, &columns->column[c])) continue;
            if (c > 0) *to++ = ',';
            to = write_cell(to, batch, columns, c, row);
        }
        *to++ = '\n';
        batch->text.length += (size_t)(to - from);
    }
    return PAT_OK;
}

enum pat_status pat_gen_batch_csv_header(const struct pat_gen_world *world, enum pat_gen_table table,
                                         struct pat_buf *out) {
    const struct pat_gen_columns *columns = &pat_gen_columns[table];
    for (unsigned c = 0; c < columns->count; c++) {
        if (!pat_gen_column_used(world, &columns->column[c])) continue;
        PAT_TRY(pat_buf_printf(out, "%s%s", c > 0 ? "," : "", columns->column[c].name));
    }
    return pat_buf_append_u8(out, '\n');
}
