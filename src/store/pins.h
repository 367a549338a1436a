/* Versions: how one writer and many readers share memory without locks.
 *
 * The writer has a version number. Opening a view pins the current number and moves the writer to the next. Every
 * shared block (a chunk, a directory of chunks) knows the version it was `born` in. A block born at or before the
 * newest pinned version may be seen by a reader: before changing it the writer makes a copy, and retires the old block.
 * A block retired at version v is freed once no open view is older than v. No reference counts, no atomics: views open
 * and close on the loop thread. Rows appended behind a view's row count may be written in place, since readers never
 * look there. */
#ifndef PAT_STORE_PINS_H
#define PAT_STORE_PINS_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Views open at once: bounds the scan over them, and how many versions of a chunk can be alive. */
#define PAT_VIEWS_MAX 64u

struct pat_retired {
    void *block; /* accounted as PAT_MEM_VIEWS from here on */
    uint64_t version;
};

struct pat_kernels;

struct pat_pins {
    const struct pat_kernels *kernels; /* with which the columns of these pins are written; NULL: scalar */
    uint64_t version;                  /* the writer's; starts at 1 */
    uint64_t open[PAT_VIEWS_MAX];
    unsigned open_count;
    uint64_t newest; /* greatest open version, 0 = none open */
    uint64_t oldest; /* least open version, UINT64_MAX = none open */
    struct pat_retired *retired;
    size_t retired_count, retired_capacity;
};

void pat_pins_init(struct pat_pins *pins);
/* Frees what is retired; no view may be open. */
void pat_pins_deinit(struct pat_pins *pins);
/* Pins the current version. False when PAT_VIEWS_MAX are open. */
bool pat_pins_open(struct pat_pins *pins, uint64_t *version);
void pat_pins_close(struct pat_pins *pins, uint64_t version);
static inline bool pat_pins_shared(const struct pat_pins *pins, uint64_t born) {
    return born <= pins->newest;
}
/* Frees the block now, or when the last view that may see it closes. Thread: the owner's; others too while the owner
 * waits for them, for as many blocks as it made room for. */
void pat_pins_retire(struct pat_pins *pins, enum pat_mem_purpose purpose, void *block);
/* Makes room for so many more retired blocks. */
void pat_pins_reserve(struct pat_pins *pins, size_t blocks);

#endif
