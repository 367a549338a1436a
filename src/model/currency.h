/* ISO 4217: which codes exist and how many digits each has. */
#ifndef PAT_MODEL_CURRENCY_H
#define PAT_MODEL_CURRENCY_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

struct pat_currency {
    char code[4]; /* "EUR" */
    unsigned char digits;
};

/* All active codes and the funds and historic ones shops still meet (HRK, BGN, DEM, ...), sorted by code. */
extern const struct pat_currency pat_currencies[];
extern const size_t pat_currency_count;

/* The index of a code (upper case, exactly three letters), or -1. */
int pat_currency_find(struct pat_text code);
/* Index of the code nearest to a misspelt one ("usd", "US$", "EURO"), or -1. */
int pat_currency_nearest(struct pat_text code);

#endif
