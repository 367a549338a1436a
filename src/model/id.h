/* External ids. A canonical decimal ("0", "123", no sign, no leading zero, up to INT64_MAX) is kept as its number, so
 * that 123 and "123" are the same customer; anything else as text. */
#ifndef PAT_MODEL_ID_H
#define PAT_MODEL_ID_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* The number of a canonical decimal, or -1 when the text is none. */
int64_t pat_id_number(struct pat_text text);

enum pat_id_fault { PAT_ID_FINE, PAT_ID_EMPTY, PAT_ID_LONG, PAT_ID_CONTROL, PAT_ID_UTF8 };
enum pat_id_fault pat_id_check(struct pat_text text);
/* "an id must not be empty", ... */
const char *pat_id_fault_text(enum pat_id_fault fault);

/* Writes a number id in decimal; 21 bytes with the NUL suffice. Gives the length. */
size_t pat_id_print(int64_t number, char out[21]);

#endif
