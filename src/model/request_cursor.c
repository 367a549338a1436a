/* Cursors as texts, and what tells questions apart. */
#include "base/hash.h"
#include "model/id.h"
#include "model/request_private.h"

#include <inttypes.h>
#include <string.h>

#define CURSOR_BYTES 48u /* with the check */
_Static_assert(2 * CURSOR_BYTES + 1 == PAT_CURSOR_TEXT_BYTES, "two digits a byte");

static void put_word(unsigned char *out, uint64_t word) {
    for (unsigned i = 0; i < 8; i++) out[i] = (unsigned char)(word >> (8 * i));
}

static uint64_t get_word(const unsigned char *in) {
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++) word |= (uint64_t)in[i] << (8 * i);
    return word;
}

static uint64_t check_of(const unsigned char *bytes) {
    return pat_digest_of(bytes, CURSOR_BYTES - 8).low;
}

void pat_cursor_print(const struct pat_cursor *cursor, char out[PAT_CURSOR_TEXT_BYTES]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[CURSOR_BYTES];
    put_word(bytes, cursor->process);
    put_word(bytes + 8, cursor->pin);
    put_word(bytes + 16, cursor->issued_ms);
    put_word(bytes + 24, cursor->asked);
    put_word(bytes + 32, (uint64_t)(uint32_t)cursor->today << 32 | cursor->row);
    put_word(bytes + 40, check_of(bytes));
    for (unsigned i = 0; i < CURSOR_BYTES; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * CURSOR_BYTES] = '\0';
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool pat_cursor_parse(struct pat_text text, struct pat_cursor *out) {
    unsigned char bytes[CURSOR_BYTES];
    if (text.length != 2 * sizeof bytes) return false;
    for (unsigned i = 0; i < CURSOR_BYTES; i++) {
        const int high = digit_of(text.data[2 * i]), low = digit_of(text.data[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    if (get_word(bytes + 40) != check_of(bytes)) return false;
    const uint64_t place = get_word(bytes + 32);
    *out = (struct pat_cursor){.process = get_word(bytes),
                               .pin = get_word(bytes + 8),
                               .issued_ms = get_word(bytes + 16),
                               .asked = get_word(bytes + 24),
                               .today = (pat_day)(uint32_t)(place >> 32),
                               .row = (pat_row)place};
    return true;
}

/* ---- what was asked --------------------------------------------------------------------------------------------- */

/* printf of twenty numbers took as long as all else of looking up a customer. */
static char *put_number(char *at, int64_t number) {
    if (number < 0) *at++ = '-';
    at += pat_id_print((int64_t)(number < 0 ? 0 - (uint64_t)number : (uint64_t)number), at);
    *at++ = ' ';
    return at;
}

static char *put_text(char *at, struct pat_text text) {
    if (text.length > 0) memcpy(at, text.data, text.length);
    at[text.length] = '\n';
    return at + text.length + 1;
}

/* Of one number, its sign and the space behind it. */
#define NUMBER_BYTES 23u

struct pat_text pat_question_key(const struct pat_question *question, struct pat_arena *arena) {
    const struct pat_rfm_spec *rfm = &question->rfm;
    const int64_t *r = rfm->cut_r, *f = rfm->cut_f, *m = rfm->cut_m;
    const int64_t number[] = {rfm->window_days,
                              rfm->scoring,
                              r[0],
                              r[1],
                              r[2],
                              r[3],
                              f[0],
                              f[1],
                              f[2],
                              f[3],
                              m[0],
                              m[1],
                              m[2],
                              m[3],
                              question->lifecycle_cut[0],
                              question->lifecycle_cut[1],
                              question->lifecycle_gap_milli[0],
                              question->lifecycle_gap_milli[1],
                              rfm->population != NULL};
    const size_t numbers = sizeof number / sizeof *number;
    struct pat_text population = PAT_TEXT("");
    if (rfm->population != NULL) {
        population = pat_filter_print(rfm->population, arena);
        if (population.data == NULL) return population;
    }
    char *const key = pat_arena_alloc(arena, numbers * NUMBER_BYTES + rfm->map.length + population.length + 3);
    if (key == NULL) return (struct pat_text){NULL, 0};
    char *at = key;
    for (size_t i = 0; i < numbers; i++) at = put_number(at, number[i]);
    at = put_text(put_text(at, rfm->map), population);
    return (struct pat_text){key, (size_t)(at - key)};
}

static void chain(struct pat_digest *digest, struct pat_text text) {
    *digest = pat_digest_chain(*digest, text.length > 0 ? text.data : "", text.length);
}

enum pat_status pat_request_fingerprint(const struct pat_request *request, struct pat_arena *arena, uint64_t *out) {
    const struct pat_question *question = &request->question;
    const struct pat_text where = pat_filter_print(question->where, arena), key = pat_question_key(question, arena);
    const struct pat_text head =
        pat_arena_printf(arena, "%d %d %d %" PRId32 " %" PRIu32 " %" PRIu32, (int)request->method, (int)request->from,
                         (int)question->as_of, question->as_of == PAT_AS_OF_DAY ? question->as_of_day : 0,
                         request->names_count, request->order_bys);
    if (where.data == NULL || key.data == NULL || head.data == NULL) return PAT_ERR_NO_MEMORY;
    struct pat_digest digest = {0, 0};
    chain(&digest, head);
    chain(&digest, where);
    chain(&digest, key);
    for (uint32_t i = 0; i < request->names_count; i++) chain(&digest, request->names[i]);
    for (uint32_t i = 0; i < request->order_bys; i++) {
        chain(&digest, request->order_by[i].descending ? PAT_TEXT("-") : PAT_TEXT("+"));
        chain(&digest, request->order_by[i].text);
    }
    *out = digest.low;
    return PAT_OK;
}
