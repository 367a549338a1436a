/* Thresholds that are known of a version already. Slots fill from the first on and never change; whoever comes too late
 * with the same or finds none free keeps its own for itself. */
#include "analytics/known_private.h"

#include "base/mem.h"

/* Different days and rfm parameters that look-ups of one version ask for: a few dashboards' worth. */
#define SLOTS 16u

struct entry {
    pat_day day;
    struct pat_thresholds thresholds;
    size_t length;
    char key[];
};

struct pat_known {
    struct entry *slot[SLOTS]; /* atomic */
};

enum pat_status pat_known_open(struct pat_known **out) {
    *out = pat_mem_alloc(PAT_MEM_VIEWS, sizeof **out);
    return *out == NULL ? PAT_ERR_NO_MEMORY : PAT_OK;
}

void pat_known_close(struct pat_known **handle) {
    if (*handle == NULL) return;
    for (unsigned i = 0; i < SLOTS; i++) pat_mem_free(PAT_MEM_VIEWS, (*handle)->slot[i]);
    pat_mem_free(PAT_MEM_VIEWS, *handle);
    *handle = NULL;
}

static bool is_of(const struct entry *entry, pat_day day, struct pat_text key) {
    return entry->day == day && pat_text_equal((struct pat_text){entry->key, entry->length}, key);
}

bool pat_known_any(const struct pat_known *known) {
    return __atomic_load_n(&known->slot[0], __ATOMIC_ACQUIRE) != NULL;
}

const struct pat_thresholds *pat_known__find(const struct pat_known *known, pat_day day, struct pat_text key) {
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct entry *entry = __atomic_load_n(&known->slot[i], __ATOMIC_ACQUIRE);
        if (entry == NULL) return NULL;
        if (is_of(entry, day, key)) return &entry->thresholds;
    }
    return NULL;
}

void pat_known__keep(struct pat_known *known, pat_day day, struct pat_text key,
                     const struct pat_thresholds *thresholds) {
    struct entry *entry = pat_mem_alloc(PAT_MEM_VIEWS, sizeof *entry + key.length);
    if (entry == NULL) return; /* it is worked out again, then */
    entry->day = day;
    entry->thresholds = *thresholds;
    entry->length = key.length;
    memcpy(entry->key, key.data, key.length);
    for (unsigned i = 0; i < SLOTS; i++) {
        struct entry *there = NULL;
        if (__atomic_compare_exchange_n(&known->slot[i], &there, entry, false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE)) {
            return;
        }
        if (is_of(there, day, key)) break;
    }
    pat_mem_free(PAT_MEM_VIEWS, entry);
}
