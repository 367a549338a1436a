/* Inside batch_build: what reading a row at a time and reading a column at a time share. */
#ifndef PATRON_BATCH_BUILD_PRIVATE_H
#define PATRON_BATCH_BUILD_PRIVATE_H

#include "batch_build.h"

/* A dictionary with more texts than this pays only when each comes twice. */
#define PAT_BUILD_DICT_SURE 1024u

/* The place of a cell's text in its column's dictionary, read and added when it is new; false when there is no memory.
 */
bool pat_build__dict_find(struct pat_build *build, unsigned field, struct pat_text cell, uint32_t *place);
/* Takes all texts behind the first `count` out of a dictionary again. */
void pat_build__dict_cut(struct pat_build_column *column, uint32_t count);
/* Most texts differ: from now on values stand row by row. False without memory. */
bool pat_build__dict_give_up(struct pat_build *build, struct pat_build_column *column);
static inline bool pat_build__dict_is_poor(uint32_t texts, uint32_t rows) {
    return texts > PAT_BUILD_DICT_SURE && texts > rows / 2;
}
/* Room for at least one row more. */
bool pat_build__grow(struct pat_build *build);
enum pat_status pat_build__no_memory(struct pat_error *error);

#endif
