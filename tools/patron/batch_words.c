#include "batch_words.h"

#include "base/status.h"
#include "model/decimal.h"
#include "model/id.h"
#include "model/limits.h"

#include <string.h>

bool pat_words_add_odd(struct pat_words *words, uint32_t row, const struct pat_value *value, struct pat_arena *arena) {
    if (words->odds == words->odds_capacity) {
        const uint32_t capacity = words->odds_capacity == 0 ? 64 : words->odds_capacity * 2;
        struct pat_odd_value *odd = pat_arena_array(arena, capacity, sizeof *odd);
        if (odd == NULL) return false;
        if (words->odds > 0) memcpy(odd, words->odd, words->odds * sizeof *odd);
        words->odd = odd;
        words->odds_capacity = capacity;
    }
    words->odd[words->odds++] = (struct pat_odd_value){row, *value};
    return true;
}

bool pat_words_fail(const struct pat_words *words, uint32_t rows) {
    return words->odds > 64 && words->odds > rows / 4;
}

/* ---- as sent ---------------------------------------------------------------------------------------------------- */

static struct pat_value bin_of(const void *data, size_t bytes) {
    return (struct pat_value){.type = PAT_VALUE_BIN, .count = (uint32_t)bytes, .as.bin = data};
}

/* Rows that are null; *count of them. */
static const uint64_t *nulls_of(const int64_t *word, uint32_t rows, const struct pat_kernels *kernels,
                                struct pat_builder *builder, uint64_t *count) {
    const size_t size = ((size_t)rows + 63) / 64;
    uint64_t *nulls = pat_arena_array(builder->arena, size, sizeof *nulls);
    *count = 0;
    if (nulls == NULL) {
        builder->failed = true;
        return NULL;
    }
    kernels->select_null(word, rows, nulls);
    *count = kernels->bits_count(nulls, size);
    return nulls;
}

/* Words and bitmaps are little-endian already, as the wire has them (base/buf.h writes words as they lie). */
static struct pat_value words_of(const int64_t *word, const uint64_t *nulls, uint32_t rows,
                                 struct pat_builder *builder) {
    const struct pat_value bin = bin_of(word, (size_t)rows * sizeof *word);
    if (nulls == NULL) return bin;
    struct pat_value map = pat_build_map(builder, 2);
    pat_build_put(builder, &map, "bin", bin);
    pat_build_put(builder, &map, "nulls", bin_of(nulls, ((size_t)rows + 7) / 8));
    return map;
}

/* Without the zeros at its end. A decimal that fits has fewer digits then, so that it still does. */
static pat_decimal canonical(pat_decimal value) {
    pat_decimal shorter = value;
    const bool fits = pat_decimal_make(pat_decimal_mantissa(value), pat_decimal_scale(value), &shorter);
    PAT_DEBUG_ASSERT(fits);
    (void)fits;
    return shorter;
}

static struct pat_value value_of(const struct pat_mapped *mapped, int64_t word, struct pat_builder *builder) {
    if (word == PAT_NULL) return pat_value_nil();
    if (mapped->type == PAT_TYPE_TIME) return pat_value_int(word);
    char text[24];
    if (mapped->type == PAT_TYPE_MONEY) {
        pat_decimal_print(canonical(word), text);
    } else {
        (void)pat_id_print(word, text);
    }
    return pat_build_text(builder, pat_text_of(text));
}

/* Value by value: the same numbers, and what is none. */
static struct pat_value values_of(const struct pat_words *words, const struct pat_mapped *mapped, uint32_t rows,
                                  struct pat_builder *builder) {
    struct pat_value *item = pat_arena_array(builder->arena, rows, sizeof *item);
    if (item == NULL) {
        builder->failed = true;
        return pat_value_nil();
    }
    uint32_t odd = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (odd < words->odds && words->odd[odd].row == row) {
            item[row] = words->odd[odd++].value;
        } else {
            item[row] = value_of(mapped, words->word[row], builder);
        }
    }
    return (struct pat_value){.type = PAT_VALUE_ARRAY, .count = rows, .as.items = item};
}

/* False for what has more digits than its currency, or is more than one amount can be. Most amounts have exactly the
 * digits. */
static inline bool one_to_minor(pat_decimal value, int digits, pat_minor *minor) {
    *minor = pat_decimal_mantissa(value);
    if (pat_decimal_scale(value) != digits &&
        (digits < 0 || !pat_decimal_to_minor(canonical(value), (unsigned)digits, minor))) {
        return false;
    }
    return *minor >= -PAT_MONEY_MINOR_MAX && *minor <= PAT_MONEY_MINOR_MAX;
}

static void from_minor(struct pat_words *words, const struct pat_words_currency *currency, uint32_t rows) {
    for (uint32_t row = 0; row < rows; row++) {
        if (words->word[row] == PAT_NULL) continue;
        const bool fits = pat_decimal_make(words->word[row], currency->digits[currency->code[row]], &words->word[row]);
        PAT_DEBUG_ASSERT(fits); /* PAT_MONEY_MINOR_MAX does */
        (void)fits;
    }
}

/* Decimals become minor units in place; unless all do they are the same numbers as before. */
static bool to_minor(struct pat_words *words, const struct pat_words_currency *currency, uint32_t rows) {
    if (currency->code == NULL) return false;
    for (uint32_t row = 0; row < rows; row++) {
        pat_minor minor;
        if (words->word[row] == PAT_NULL) {
            /* An amount that is not there fits any currency, and none. */
        } else if (one_to_minor(words->word[row], currency->digits[currency->code[row]], &minor)) {
            words->word[row] = minor;
        } else {
            from_minor(words, currency, row);
            return false;
        }
    }
    return true;
}

struct pat_value pat_words_finish(struct pat_words *words, const struct pat_mapped *mapped, uint32_t rows,
                                  const struct pat_words_currency *currency, const struct pat_kernels *kernels,
                                  struct pat_builder *builder, bool *minor) {
    *minor = false;
    if (words->odds > 0) return values_of(words, mapped, rows, builder);
    uint64_t count;
    const uint64_t *nulls = nulls_of(words->word, rows, kernels, builder, &count);
    if (mapped->type == PAT_TYPE_MONEY) {
        /* An empty amount is told by the name that the file's column feeds. */
        if (mapped->required && count > 0) return values_of(words, mapped, rows, builder);
        *minor = to_minor(words, currency, rows);
        if (!*minor) return values_of(words, mapped, rows, builder);
    }
    return words_of(words->word, count > 0 ? nulls : NULL, rows, builder);
}
