/* RFM vocabulary: the 125 cells, maps that name them, the eight names of the mean split. Meanings: RULES.md. */
#ifndef PAT_MODEL_RFM_H
#define PAT_MODEL_RFM_H

#include "base/status.h"
#include "model/limits.h"
#include "model/types.h"

#include <stdint.h>

#define PAT_RFM_CELLS 125u

/* Cell of scores 1..5 each. */
static inline unsigned pat_rfm_cell(unsigned r, unsigned f, unsigned m) {
    return (r - 1) * 25 + (f - 1) * 5 + (m - 1);
}

struct pat_rfm_map {
    char name[PAT_MAP_NAME_BYTES_MAX + 1];
    unsigned groups;
    char group[PAT_RFM_GROUPS_MAX][PAT_MAP_NAME_BYTES_MAX + 1]; /* slugs, in the order given */
    uint8_t of_cell[PAT_RFM_CELLS];                             /* group number of each cell */
};

/* The built-in map "default" with its eleven groups. */
const struct pat_rfm_map *pat_rfm_map_builtin(void);

/* Slugs of the mean split, by high bits: index = (r high) * 4 + (f high) * 2 + (m high). */
extern const char *const pat_rfm_mean_names[8];

/* Builds a map step by step and proves that it covers every cell once. */
void pat_rfm_map_begin(struct pat_rfm_map *map, const char *name);
/* Cells are written as three digits 1..5 (555). Fails: PAT_ERR_BAD_REQUEST naming the cell and both groups that claim
 * it. */
enum pat_status pat_rfm_map_add(struct pat_rfm_map *map, const char *group, const int *cells, unsigned count,
                                struct pat_error *error) PAT_MUST_CHECK;
/* Fails: PAT_ERR_BAD_REQUEST listing cells without a group. */
enum pat_status pat_rfm_map_finish(struct pat_rfm_map *map, struct pat_error *error) PAT_MUST_CHECK;
/* [a-z][a-z0-9_]*, at most PAT_MAP_NAME_BYTES_MAX. */
int pat_slug_valid(const char *name);

#endif
