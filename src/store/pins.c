#include "store/pins.h"

#include "base/status.h"

#include <string.h>

void pat_pins_init(struct pat_pins *pins) {
    *pins = (struct pat_pins){.version = 1, .oldest = UINT64_MAX};
}

void pat_pins_deinit(struct pat_pins *pins) {
    PAT_ASSERT(pins->open_count == 0);
    for (size_t i = 0; i < pins->retired_count; i++) pat_mem_free(PAT_MEM_VIEWS, pins->retired[i].block);
    pat_mem_free(PAT_MEM_VIEWS, pins->retired);
}

bool pat_pins_open(struct pat_pins *pins, uint64_t *version) {
    if (pins->open_count == PAT_VIEWS_MAX) return false;
    *version = pins->version++;
    pins->open[pins->open_count++] = *version;
    pins->newest = *version;
    if (pins->oldest == UINT64_MAX) pins->oldest = *version;
    return true;
}

static void pins_refresh(struct pat_pins *pins) {
    pins->newest = 0;
    pins->oldest = UINT64_MAX;
    for (unsigned i = 0; i < pins->open_count; i++) {
        if (pins->open[i] > pins->newest) pins->newest = pins->open[i];
        if (pins->open[i] < pins->oldest) pins->oldest = pins->open[i];
    }
}

static void pins_sweep(struct pat_pins *pins) {
    size_t kept = 0;
    for (size_t i = 0; i < pins->retired_count; i++) {
        struct pat_retired retired = pins->retired[i];
        if (retired.version <= pins->oldest) {
            pat_mem_free(PAT_MEM_VIEWS, retired.block);
        } else {
            pins->retired[kept++] = retired;
        }
    }
    pins->retired_count = kept;
}

void pat_pins_close(struct pat_pins *pins, uint64_t version) {
    unsigned i = 0;
    while (i < pins->open_count && pins->open[i] != version) i++;
    PAT_ASSERT(i < pins->open_count);
    pins->open[i] = pins->open[--pins->open_count];
    uint64_t oldest_before = pins->oldest;
    pins_refresh(pins);
    if (pins->oldest != oldest_before) pins_sweep(pins);
}

void pat_pins_reserve(struct pat_pins *pins, size_t blocks) {
    size_t capacity = pins->retired_capacity == 0 ? 64 : pins->retired_capacity;
    if (pins->open_count == 0 || pins->retired_count + blocks <= pins->retired_capacity) return;
    while (capacity < pins->retired_count + blocks) capacity *= 2;
    struct pat_retired *bigger = pat_mem_alloc_must(PAT_MEM_VIEWS, capacity * sizeof *bigger);
    if (pins->retired_count > 0) memcpy(bigger, pins->retired, pins->retired_count * sizeof *bigger);
    pat_mem_free(PAT_MEM_VIEWS, pins->retired);
    pins->retired = bigger;
    pins->retired_capacity = capacity;
}

void pat_pins_retire(struct pat_pins *pins, enum pat_mem_purpose purpose, void *block) {
    if (block == NULL) return;
    if (pins->open_count == 0) {
        pat_mem_free(purpose, block);
        return;
    }
    /* Relaxed is enough: each takes a place of its own, and the owner looks when all have come back. */
    if (__atomic_load_n(&pins->retired_count, __ATOMIC_RELAXED) == pins->retired_capacity) pat_pins_reserve(pins, 1);
    pat_mem_retag(purpose, PAT_MEM_VIEWS, block);
    const size_t at = __atomic_fetch_add(&pins->retired_count, 1, __ATOMIC_RELAXED);
    pins->retired[at] = (struct pat_retired){block, pins->version};
}
