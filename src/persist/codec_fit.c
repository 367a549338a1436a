/* Fits of lifetime value as bytes. Doubles go as their bits: a restart gives the same answers. */
#include "persist/codec_private.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* The members of a fit, kind by kind, in the order they are written. Add at the end of a list only. */
struct word {
    size_t at, bytes;
};
#define FIT_WORD(member)                                                                                               \
    { offsetof(struct pat_clv_fit, member), sizeof(((struct pat_clv_fit *)NULL)->member) }
static const struct word words[] = {
    FIT_WORD(name),
    FIT_WORD(model),
    FIT_WORD(boundary.parameter),
    FIT_WORD(boundary.direction),
    FIT_WORD(boundary.meaning),
    FIT_WORD(spend.boundary.parameter),
    FIT_WORD(spend.boundary.direction),
    FIT_WORD(spend.boundary.meaning),
};

#define FIT_AT(member) offsetof(struct pat_clv_fit, member)
static const size_t doubles[] = {
    FIT_AT(customers),         FIT_AT(repeaters),      FIT_AT(loglik),
    FIT_AT(nbd_loglik),        FIT_AT(spend.p),        FIT_AT(spend.q),
    FIT_AT(spend.v),           FIT_AT(spend.se_p),     FIT_AT(spend.se_q),
    FIT_AT(spend.se_v),        FIT_AT(spend.loglik),   FIT_AT(spend.customers),
    FIT_AT(spend.left_out),    FIT_AT(spend.unpriced), FIT_AT(spend.correlation),
    FIT_AT(holdout.customers), FIT_AT(holdout.actual), FIT_AT(holdout.expected),
    FIT_AT(holdout.mae),       FIT_AT(holdout.rmse),
};
#define WORDS   (sizeof words / sizeof *words)
#define DOUBLES (sizeof doubles / sizeof *doubles)

static enum pat_status word_write(const char *word, struct pat_buf *out) {
    const size_t length = strlen(word);
    PAT_TRY(pat_buf_append_u8(out, (uint8_t)length));
    return pat_buf_append(out, word, length);
}

/* `bytes`: room at `out`, the NUL included. */
static bool word_read(char *out, size_t bytes, struct pat_reader *reader) {
    const uint8_t length = pat_read_u8(reader);
    const unsigned char *from = pat_read_bytes(reader, length);
    if (from == NULL || length >= bytes || memchr(from, '\0', length) != NULL) return false;
    memcpy(out, from, length);
    out[length] = '\0';
    return true;
}

static enum pat_status double_write(double value, struct pat_buf *out) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return pat_buf_append_u64(out, bits);
}

static double double_read(struct pat_reader *reader) {
    const uint64_t bits = pat_read_u64(reader);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- fits -------------------------------------------------------------------------------------------------------- */

enum { CONVERGED = 1, SPEND_CONVERGED = 2, SPEND_MEAN_INFINITE = 4 };

enum pat_status pat_codec__fit_write(const struct pat_clv_fit *fit, struct pat_buf *out) {
    const char *base = (const char *)fit;
    for (size_t i = 0; i < WORDS; i++) PAT_TRY(word_write(base + words[i].at, out));
    for (size_t i = 0; i < DOUBLES; i++) {
        double value;
        memcpy(&value, base + doubles[i], sizeof value);
        PAT_TRY(double_write(value, out));
    }
    PAT_TRY(pat_buf_append_u64(out, fit->lsn));
    PAT_TRY(pat_buf_append_u64(out, fit->data_lsn));
    PAT_TRY(pat_buf_append_u32(out, (uint32_t)fit->unit_days));
    PAT_TRY(pat_buf_append_u32(out, (uint32_t)fit->end));
    PAT_TRY(pat_buf_append_u32(out, (uint32_t)fit->holdout.end));
    PAT_TRY(pat_buf_append_u32(out, fit->iterations));
    const int flags = (fit->converged ? CONVERGED : 0) | (fit->spend.converged ? SPEND_CONVERGED : 0) |
                      (fit->spend.mean_infinite ? SPEND_MEAN_INFINITE : 0);
    PAT_TRY(pat_buf_append_u8(out, (uint8_t)flags));
    PAT_TRY(pat_buf_append_u8(out, (uint8_t)fit->params_count));
    for (unsigned i = 0; i < fit->params_count; i++) {
        PAT_TRY(word_write(fit->param_name[i], out));
        PAT_TRY(double_write(fit->params[i], out));
        PAT_TRY(double_write(fit->se[i], out));
    }
    return PAT_OK;
}

static bool params_read(struct pat_clv_fit *fit, struct pat_reader *reader) {
    fit->params_count = pat_read_u8(reader);
    if (reader->bad || fit->params_count > PAT_FIT_PARAMS_MAX) return false;
    for (unsigned i = 0; i < fit->params_count; i++) {
        if (!word_read(fit->param_name[i], sizeof fit->param_name[i], reader)) return false;
        fit->params[i] = double_read(reader);
        fit->se[i] = double_read(reader);
    }
    return true;
}

enum pat_status pat_codec__fit_read(struct pat_clv_fit *fit, struct pat_reader *reader) {
    *fit = (struct pat_clv_fit){.end = 0};
    char *base = (char *)fit;
    for (size_t i = 0; i < WORDS; i++) {
        if (!word_read(base + words[i].at, words[i].bytes, reader)) return PAT_ERR_CORRUPT;
    }
    for (size_t i = 0; i < DOUBLES; i++) {
        const double value = double_read(reader);
        memcpy(base + doubles[i], &value, sizeof value);
    }
    fit->lsn = pat_read_u64(reader);
    fit->data_lsn = pat_read_u64(reader);
    fit->unit_days = (int32_t)pat_read_u32(reader);
    fit->end = (pat_day)pat_read_u32(reader);
    fit->holdout.end = (pat_day)pat_read_u32(reader);
    fit->iterations = pat_read_u32(reader);
    const uint8_t flags = pat_read_u8(reader);
    fit->converged = (flags & CONVERGED) != 0;
    fit->spend.converged = (flags & SPEND_CONVERGED) != 0;
    fit->spend.mean_infinite = (flags & SPEND_MEAN_INFINITE) != 0;
    const bool days =
        (fit->unit_days == 1 || fit->unit_days == 7) && fit->end >= PAT_DAY_MIN && fit->end <= PAT_DAY_MAX;
    return params_read(fit, reader) && days && fit->name[0] != '\0' ? PAT_OK : PAT_ERR_CORRUPT;
}

/* ---- use --------------------------------------------------------------------------------------------------------- */

enum pat_status pat_codec__use_write(const struct pat_clv_use *use, struct pat_buf *out) {
    PAT_TRY(double_write(use->horizon_days, out));
    PAT_TRY(double_write(use->discount_annual, out));
    return double_write(use->margin, out);
}

enum pat_status pat_codec__use_read(struct pat_clv_use *use, struct pat_reader *reader) {
    use->horizon_days = double_read(reader);
    use->discount_annual = double_read(reader);
    use->margin = double_read(reader);
    const bool good = use->horizon_days > 0 && use->horizon_days <= PAT_DURATION_DAYS_MAX &&
                      use->discount_annual > -1 && isfinite(use->discount_annual) && isfinite(use->margin);
    return !reader->bad && good ? PAT_OK : PAT_ERR_CORRUPT;
}

enum pat_status pat_codec__change_write(const struct pat_entry *entry, struct pat_buf *out) {
    const struct pat_fit_change *change = entry->fit;
    if (entry->kind == PAT_ENTRY_FIT) {
        PAT_TRY(pat_buf_append_u8(out, (uint8_t)change->adopt));
        return pat_codec__fit_write(change->fit, out);
    }
    PAT_TRY(pat_buf_append_u8(out, (uint8_t)change->name.length));
    PAT_TRY(pat_buf_append(out, change->name.data, change->name.length));
    return pat_codec__use_write(&change->use, out);
}

enum pat_status pat_codec__change_read(struct pat_decoded *out, struct pat_reader *reader) {
    out->change = (struct pat_fit_change){.fit = NULL};
    if (out->entry.kind == PAT_ENTRY_FIT) {
        const uint8_t adopt = pat_read_u8(reader);
        if (adopt > PAT_CLV_ADOPT_FIRST) return PAT_ERR_CORRUPT;
        out->change.adopt = (enum pat_clv_adopt)adopt;
        out->change.fit = &out->fit;
        return pat_codec__fit_read(&out->fit, reader);
    }
    const uint8_t length = pat_read_u8(reader);
    const unsigned char *name = pat_read_bytes(reader, length);
    if (name == NULL || length == 0 || length > PAT_FIT_NAME_BYTES_MAX) return PAT_ERR_CORRUPT;
    out->change.name = (struct pat_text){(const char *)name, length};
    return pat_codec__use_read(&out->change.use, reader);
}
