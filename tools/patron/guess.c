#include "guess.h"

#include "model/date.h"
#include "model/decimal.h"

#include <string.h>
#include <strings.h>

enum {
    COULD_BOOL = 1,
    COULD_INT = 2,
    COULD_DECIMAL = 4,
    COULD_DAY = 8,
    COULD_TIME = 16,
    COULD_FORMATTED = 32,
    COULD_SET = 64,
    COULD_ANYTHING = 127
};

/* Words only: a column of 0 and 1 may well hold a 2 further down. */
static bool is_bool(struct pat_text cell) {
    static const char *const words[] = {"true", "false", "yes", "no", "t", "f", "y", "n"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (cell.length == strlen(words[i]) && strncasecmp(cell.data, words[i], cell.length) == 0) return true;
    }
    return false;
}

/* A number that reads the same when it is printed: 007 is a code, and so are more digits than an integer has. */
static bool is_int(struct pat_text cell) {
    const size_t sign = cell.length > 0 && cell.data[0] == '-' ? 1 : 0, digits = cell.length - sign;
    if (digits == 0 || digits > 18 || (digits > 1 && cell.data[sign] == '0')) return false;
    for (size_t i = sign; i < cell.length; i++) {
        if (cell.data[i] < '0' || cell.data[i] > '9') return false;
    }
    return true;
}

static bool is_decimal(struct pat_text cell, bool comma) {
    pat_decimal value;
    const size_t sign = cell.length > 0 && cell.data[0] == '-' ? 1 : 0;
    const bool coded =
        cell.length > sign + 1 && cell.data[sign] == '0' && cell.data[sign + 1] >= '0' && cell.data[sign + 1] <= '9';
    return !coded && pat_decimal_parse(cell, comma, &value);
}

/* One word, or words with one '|' between each and the next. A blank makes it a text that happens to have a '|'. */
static bool is_set(struct pat_text cell) {
    bool word = false;
    for (size_t i = 0; i < cell.length; i++) {
        if (cell.data[i] == ' ' || (cell.data[i] == '|' && !word)) return false;
        word = cell.data[i] != '|';
    }
    return word;
}

static unsigned could_be(const struct pat_guess *guess, struct pat_text cell) {
    struct pat_stamp stamp;
    pat_day day;
    unsigned could = 0;
    if (is_bool(cell)) could |= COULD_BOOL;
    if (is_int(cell)) could |= COULD_INT;
    if (is_decimal(cell, guess->decimal_comma)) could |= COULD_DECIMAL;
    if (is_set(cell)) could |= COULD_SET;
    if (pat_day_parse(cell, &day)) could |= COULD_DAY;
    if (pat_stamp_parse(cell, &stamp)) could |= COULD_TIME;
    if (guess->time_format != NULL && pat_stamp_parse_format(cell, guess->time_format, &stamp))
        could |= COULD_FORMATTED;
    return could;
}

/* The header says how many columns there are. Without memory there are none, and all are enums. */
static void guess_begin(struct pat_guess *guess, unsigned columns) {
    guess->could = pat_arena_array(guess->arena, columns, sizeof *guess->could);
    guess->any = pat_arena_array(guess->arena, columns, sizeof *guess->any);
    guess->joined = pat_arena_array(guess->arena, columns, sizeof *guess->joined);
    if (guess->could == NULL || guess->any == NULL || guess->joined == NULL) return;
    guess->columns = columns;
    for (unsigned c = 0; c < columns; c++) guess->could[c] = COULD_ANYTHING;
}

void pat_guess_see(void *context, const struct pat_csv_record *record) {
    struct pat_guess *guess = context;
    if (guess->could == NULL) {
        guess_begin(guess, record->cells);
        return;
    }
    if (record->fault != NULL || record->cells != guess->columns) return;
    for (unsigned c = 0; c < guess->columns; c++) {
        if (record->cell[c].length == 0) continue;
        guess->any[c] = true;
        if (memchr(record->cell[c].data, '|', record->cell[c].length) != NULL) guess->joined[c] = true;
        if (guess->could[c] != 0) guess->could[c] &= could_be(guess, record->cell[c]);
    }
}

enum pat_type pat_guess_type(const struct pat_guess *guess, unsigned column, bool *iso) {
    const unsigned could = column < guess->columns && guess->any[column] ? guess->could[column] : 0;
    *iso = false;
    if ((could & COULD_BOOL) != 0) return PAT_TYPE_BOOL;
    if ((could & COULD_FORMATTED) != 0) return PAT_TYPE_TIME;
    if ((could & COULD_INT) != 0) return PAT_TYPE_INT;
    if ((could & COULD_DECIMAL) != 0) return PAT_TYPE_DECIMAL;
    *iso = (could & (COULD_DAY | COULD_TIME)) != 0;
    if ((could & COULD_DAY) != 0) return PAT_TYPE_DAY;
    if (*iso) return PAT_TYPE_TIME;
    return (could & COULD_SET) != 0 && guess->joined[column] ? PAT_TYPE_SET : PAT_TYPE_TEXT;
}

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

void pat_guess_name(struct pat_text header, char *out, size_t capacity) {
    const size_t prefix = sizeof PAT_ATTRIBUTE_PREFIX - 1;
    size_t used = 0;
    bool gap = false;
    if (header.length > prefix && memcmp(header.data, PAT_ATTRIBUTE_PREFIX, prefix) == 0) {
        header = (struct pat_text){header.data + prefix, header.length - prefix};
    }
    for (size_t i = 0; i < header.length; i++) {
        const char c = header.data[i];
        const bool upper = c >= 'A' && c <= 'Z';
        const bool word_begins = upper && i > 0 && (is_lower(header.data[i - 1]) || is_digit(header.data[i - 1]));
        if (!upper && !is_lower(c) && !is_digit(c)) {
            gap = true;
            continue;
        }
        if (used + 3 > capacity) break;
        if ((gap || word_begins) && used > 0) out[used++] = '_';
        if (used == 0 && is_digit(c)) out[used++] = 'x';
        out[used++] = upper ? (char)(c - 'A' + 'a') : c;
        gap = false;
    }
    out[used] = '\0';
}
