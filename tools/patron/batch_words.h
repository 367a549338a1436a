/* A column of a batch whose cells are numbers, or nearly all: ids, times, amounts. Each stands as the 64-bit word that
 * the wire has for it, so that neither side copies or reads a text for it; a cell that is none ("C536379" among order
 * numbers) stands aside as the value that it would be sent as anyway, and then the whole column goes value by value. */
#ifndef PATRON_BATCH_WORDS_H
#define PATRON_BATCH_WORDS_H

#include "mapping.h"

#include "base/arena.h"
#include "kernel/kernel.h"
#include "model/value.h"

#include <stdbool.h>
#include <stdint.h>

struct pat_words {
    int64_t *word; /* [rows] as pat_mapped_word says (an amount may have zeros at its end), PAT_NULL for nothing */
    struct pat_odd_value {
        uint32_t row; /* ascending */
        struct pat_value value;
    } * odd;
    uint32_t odds, odds_capacity;
};

/* Notes the value of row `row`, which is no word. False without memory. */
bool pat_words_add_odd(struct pat_words *words, uint32_t row, const struct pat_value *value, struct pat_arena *arena);
/* True when so many of the rows were odd that another batch had better not try. */
bool pat_words_fail(const struct pat_words *words, uint32_t rows);

/* What money is worth in a row's currency. */
struct pat_words_currency {
    const uint32_t *code; /* [rows] of the currency column; NULL: not known */
    const int *digits;    /* of each code, -1 for what is no currency */
};
/* As the wire has it; *minor: money that is in minor units, so that the field is called so: `word` is in those then.
 * builder->failed without memory. */
struct pat_value pat_words_finish(struct pat_words *words, const struct pat_mapped *mapped, uint32_t rows,
                                  const struct pat_words_currency *currency, const struct pat_kernels *kernels,
                                  struct pat_builder *builder, bool *minor);

#endif
