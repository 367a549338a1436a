#include "batch_words.h"

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

/* Words are little-endian already, as the wire has them (base/buf.h writes them as they lie). */
static struct pat_value words_of(const int64_t *word, uint32_t nulls, uint32_t rows, struct pat_builder *builder) {
    const struct pat_value bin = bin_of(word, (size_t)rows * sizeof *word);
    if (nulls == 0) return bin;
    const size_t bytes = ((size_t)rows + 7) / 8;
    unsigned char *bitmap = pat_arena_array(builder->arena, bytes, 1);
    if (bitmap == NULL) {
        builder->failed = true;
        return pat_value_nil();
    }
    for (uint32_t row = 0; row < rows; row++) {
        if (word[row] == PAT_NULL) bitmap[row / 8] = (unsigned char)(bitmap[row / 8] | 1u << row % 8);
    }
    struct pat_value map = pat_build_map(builder, 2);
    pat_build_put(builder, &map, "bin", bin);
    pat_build_put(builder, &map, "nulls", bin_of(bitmap, bytes));
    return map;
}

static struct pat_value value_of(const struct pat_mapped *mapped, int64_t word, struct pat_builder *builder) {
    if (word == PAT_NULL) return pat_value_nil();
    if (mapped->type == PAT_TYPE_TIME) return pat_value_int(word);
    char text[24];
    if (mapped->type == PAT_TYPE_MONEY) {
        pat_decimal_print(word, text);
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

/* Decimals become minor units in place, which changes nothing unless all do. */
static bool to_minor(const struct pat_words *words, const struct pat_words_currency *currency, uint32_t rows,
                     int64_t *minor) {
    if (currency->code == NULL) return false;
    for (uint32_t row = 0; row < rows; row++) {
        const int digits = currency->digits[currency->code[row]];
        minor[row] = PAT_NULL;
        if (words->word[row] == PAT_NULL) continue;
        if (digits < 0 || !pat_decimal_to_minor(words->word[row], (unsigned)digits, &minor[row])) return false;
        if (minor[row] < -PAT_MONEY_MINOR_MAX || minor[row] > PAT_MONEY_MINOR_MAX) return false;
    }
    return true;
}

struct pat_value pat_words_finish(const struct pat_words *words, const struct pat_mapped *mapped, uint32_t rows,
                                  const struct pat_words_currency *currency, struct pat_builder *builder, bool *minor) {
    *minor = false;
    if (words->odds > 0) return values_of(words, mapped, rows, builder);
    if (mapped->type != PAT_TYPE_MONEY) return words_of(words->word, words->nulls, rows, builder);
    /* An empty amount is told by the name that the file's column feeds. */
    if (mapped->required && words->nulls > 0) return values_of(words, mapped, rows, builder);
    int64_t *amount = pat_arena_array_big(builder->arena, rows, sizeof *amount);
    if (amount == NULL) {
        builder->failed = true;
        return pat_value_nil();
    }
    if (!to_minor(words, currency, rows, amount)) return values_of(words, mapped, rows, builder);
    *minor = true;
    return words_of(amount, words->nulls, rows, builder);
}
