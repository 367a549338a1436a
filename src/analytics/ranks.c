/* Values at given ranks of the population, by histogram: every value is counted in a bin, bins that hold several values
 * give theirs up to be sorted. Three measures at once, since reading the population costs more than counting it. */
#include "analytics/ranks_private.h"

#include <stdatomic.h>

#define BINS PAT_BUCKETS
/* Bins that may have to be looked into: of each rank its own, and the one behind it. */
#define SLOTS (PAT_MEASURES * PAT_RANKS * 2)

/* A bin that is looked into: all its values. */
struct slot {
    enum pat_measure measure;
    uint32_t bin;
    int64_t least, greatest; /* that the bin may hold */
    int64_t *value, *scratch;
    uint64_t count;
    _Atomic uint64_t taken;
};

struct lane {
    uint32_t hits[PAT_WINDOW_HISTOGRAMS][PAT_WINDOW_BINS];
};

struct pat_ranking {
    const uint64_t *scored;
    pat_day day;
    struct lane *lane;
    uint32_t hits[PAT_MEASURES][BINS]; /* of all lanes */
    struct slot slot[SLOTS];
    unsigned slots;
};

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* Greater values are in greater bins. Orders and days have one each, but for the many orders and the many days that
 * share the last and the first; money is in buckets. */
static uint32_t bin_of(enum pat_measure measure, pat_day day, int64_t value) {
    const int64_t most = BINS - 1, days = day - value;
    switch (measure) {
    case PAT_MEASURE_R: return (uint32_t)(most - (days < most ? days : most));
    case PAT_MEASURE_F: return (uint32_t)(value < most ? value : most);
    default: return pat_kernel_bucket(value);
    }
}

enum pat_status pat_ranks__begin(struct pat_run *run, struct pat_ranking **out) {
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof **out, &memory));
    struct pat_ranking *ranking = memory;
    ranking->day = run->day;
    PAT_TRY(pat_run__array(run, pat_run__lanes(run), sizeof *ranking->lane, &memory));
    ranking->lane = memory;
    *out = ranking;
    return PAT_OK;
}

static void count_wide(const struct pat_ranking *ranking, const struct pat_window_part *here, const uint64_t *scored,
                       struct lane *lane) {
    static const unsigned histogram[PAT_MEASURES] = {
        [PAT_MEASURE_R] = PAT_WINDOW_AGE, [PAT_MEASURE_F] = PAT_WINDOW_ORDERS, [PAT_MEASURE_M] = PAT_WINDOW_NET};
    for (uint32_t i = 0; i < here->count; i++) {
        if (!pat_bits__get(scored, i)) continue;
        for (unsigned m = 0; m < PAT_MEASURES; m++) {
            const int64_t value = pat_measure__value(here->block, (enum pat_measure)m, ranking->day, i);
            lane->hits[histogram[m]][bin_of((enum pat_measure)m, ranking->day, value)]++;
        }
    }
}

void pat_ranks__count(struct pat_ranking *ranking, const struct pat_window_part *here, const uint64_t *scored) {
    struct lane *lane = &ranking->lane[here->part->lane];
    const struct pat_window_narrow *narrow = here->block->narrow;
    if (narrow == NULL) {
        count_wide(ranking, here, scored, lane);
        return;
    }
    here->part->run->kernels->window_hits(narrow->orders, narrow->net, narrow->age, scored, here->count, lane->hits);
}

static void add_lanes(const struct pat_run *run, struct pat_ranking *ranking) {
    for (unsigned l = 0; l < pat_run__lanes(run); l++) {
        const struct lane *lane = &ranking->lane[l];
        for (uint32_t bin = 0; bin < BINS; bin++) {
            ranking->hits[PAT_MEASURE_R][bin] += lane->hits[PAT_WINDOW_AGE][bin];
            ranking->hits[PAT_MEASURE_M][bin] += lane->hits[PAT_WINDOW_NET][bin];
            for (unsigned turn = 0; turn < PAT_WINDOW_TURNS; turn++) {
                ranking->hits[PAT_MEASURE_F][bin] += lane->hits[PAT_WINDOW_ORDERS + turn][bin];
            }
        }
    }
}

/* The one value of a bin that has but one. */
static bool single_value(const struct pat_ranking *ranking, enum pat_measure measure, uint32_t bin, int64_t *out) {
    switch (measure) {
    case PAT_MEASURE_R: *out = (int64_t)ranking->day - (BINS - 1 - (int64_t)bin); return bin > 0;
    case PAT_MEASURE_F: *out = bin; return bin < BINS - 1;
    default: *out = 0; return bin == PAT_BUCKET_ZERO;
    }
}

/* ---- what bins of several values hold ---------------------------------------------------------------------------- */

/* Where the value of a rank is, and the bin behind it; BINS when there is none. */
struct place {
    uint32_t bin, behind;
    uint64_t rank; /* within the bin, from 1 */
};

static struct place find_place(const uint32_t *hits, uint64_t rank) {
    struct place place = {.rank = rank};
    while (hits[place.bin] < place.rank) place.rank -= hits[place.bin++];
    for (place.behind = place.bin + 1; place.behind < BINS && hits[place.behind] == 0;) place.behind++;
    return place;
}

static struct slot *find_slot(struct pat_ranking *ranking, enum pat_measure measure, uint32_t bin) {
    for (unsigned s = 0; s < ranking->slots; s++) {
        if (ranking->slot[s].measure == measure && ranking->slot[s].bin == bin) return &ranking->slot[s];
    }
    return NULL;
}

/* The least value whose bucket is `bin` or greater; there is one. */
static int64_t bucket_start(uint32_t bin) {
    int64_t low = INT64_MIN + 1, high = INT64_MAX;
    while (low < high) {
        const int64_t middle = (low & high) + ((low ^ high) >> 1); /* rounded down, without overflow */
        if (pat_kernel_bucket(middle) >= bin) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void find_bounds(const struct pat_ranking *ranking, struct slot *slot) {
    switch (slot->measure) {
    case PAT_MEASURE_R:
        slot->least = INT32_MIN;
        slot->greatest = (int64_t)ranking->day - (BINS - 1);
        return;
    case PAT_MEASURE_F:
        slot->least = BINS - 1;
        slot->greatest = UINT32_MAX;
        return;
    default:
        slot->least = bucket_start(slot->bin);
        slot->greatest = pat_kernel_bucket(INT64_MAX) <= slot->bin ? INT64_MAX : bucket_start(slot->bin + 1) - 1;
    }
}

static enum pat_status want_bin(struct pat_run *run, struct pat_ranking *ranking, enum pat_measure measure,
                                uint32_t bin) {
    int64_t value;
    if (bin == BINS || find_slot(ranking, measure, bin) != NULL || single_value(ranking, measure, bin, &value)) {
        return PAT_OK;
    }
    struct slot *slot = &ranking->slot[ranking->slots++];
    slot->measure = measure;
    slot->bin = bin;
    slot->count = ranking->hits[measure][bin];
    find_bounds(ranking, slot);
    slot->value = pat_arena_array_big(run->arena, slot->count, 2 * sizeof *slot->value);
    if (slot->value == NULL) return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the scores");
    slot->scratch = slot->value + slot->count;
    return PAT_OK;
}

/* Bitmap of the rows that may be in the slot. Buckets have values of one sign: what is read as unsigned keeps its
 * order within. */
static void select_narrow(const struct pat_kernels *kernels, const struct slot *slot, const int32_t *net,
                          uint32_t count, uint64_t *out) {
    const int64_t least = slot->least < INT32_MIN ? INT32_MIN : slot->least;
    const int64_t greatest = slot->greatest > INT32_MAX ? INT32_MAX : slot->greatest;
    if (least > greatest) {
        memset(out, 0, pat_bits__words(count) * sizeof *out);
        return;
    }
    kernels->select_range_u32((const uint32_t *)(const void *)net, count, (uint32_t)least, (uint32_t)greatest, out);
}

static void select_any(const struct pat_ranking *ranking, const struct slot *slot, const struct pat_window_part *here,
                       uint64_t *out) {
    memset(out, 0, pat_bits__words(here->count) * sizeof *out);
    for (uint32_t i = 0; i < here->count; i++) {
        const int64_t value = pat_measure__value(here->block, slot->measure, ranking->day, i);
        if (slot->least <= value && value <= slot->greatest) pat_bits__set(out, i);
    }
}

/* In whatever order: they are sorted. */
static void collect_slot(const struct pat_ranking *ranking, struct slot *slot, const struct pat_window_part *here) {
    const struct pat_kernels *kernels = here->part->run->kernels;
    const size_t words = pat_bits__words(here->count);
    uint64_t bits[PAT_WINDOW_WORDS];
    if (slot->measure == PAT_MEASURE_M && here->block->narrow != NULL) {
        select_narrow(kernels, slot, here->block->narrow->net, here->count, bits);
    } else {
        select_any(ranking, slot, here, bits);
    }
    kernels->bits_and(bits, ranking->scored + here->first / 64, words);
    const uint64_t found = kernels->bits_count(bits, words);
    if (found == 0) return;
    int64_t *to = slot->value + atomic_fetch_add_explicit(&slot->taken, found, memory_order_relaxed);
    for (uint32_t word = 0; word < words; word++) {
        for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
            const uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(rest);
            *to++ = pat_measure__value(here->block, slot->measure, ranking->day, i);
        }
    }
}

static void collect_block(void *context, const struct pat_window_part *here) {
    struct pat_ranking *ranking = context;
    for (unsigned s = 0; s < ranking->slots; s++) collect_slot(ranking, &ranking->slot[s], here);
}

/* Nobody else reads or writes the slot meanwhile. */
static void sort_slot(void *context, uint32_t number, unsigned lane) {
    struct pat_ranking *ranking = context;
    const struct slot *slot = &ranking->slot[number];
    (void)lane;
    PAT_ASSERT(slot->taken == slot->count);
    pat_sort_int64(slot->value, slot->scratch, slot->count);
}

static enum pat_status sort_slots(struct pat_run *run, struct pat_ranking *ranking, struct pat_window *window) {
    if (ranking->slots == 0) return PAT_OK;
    PAT_TRY(pat_window__each(run, window, collect_block, ranking));
    pat_spread_run(run->job->spread, sort_slot, ranking, ranking->slots);
    return pat_run__stop(run);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static int64_t value_in(struct pat_ranking *ranking, enum pat_measure measure, uint32_t bin, uint64_t rank) {
    int64_t value;
    if (single_value(ranking, measure, bin, &value)) return value;
    return find_slot(ranking, measure, bin)->value[rank - 1];
}

/* The least value above `value`, which is in the bin of the place. */
static bool value_above(struct pat_ranking *ranking, enum pat_measure measure, const struct place *place, int64_t value,
                        int64_t *out) {
    int64_t single;
    if (!single_value(ranking, measure, place->bin, &single)) {
        const struct slot *slot = find_slot(ranking, measure, place->bin);
        uint64_t low = place->rank, high = slot->count;
        while (low < high) {
            const uint64_t middle = low + (high - low) / 2;
            if (slot->value[middle] > value) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        *out = low < slot->count ? slot->value[low] : 0;
        if (low < slot->count) return true;
    }
    if (place->behind == BINS) return false;
    *out = value_in(ranking, measure, place->behind, 1);
    return true;
}

enum pat_status pat_ranks__find(struct pat_run *run, struct pat_ranking *ranking, const struct pat_scores *scores,
                                const uint64_t rank[PAT_RANKS], struct pat_rank out[PAT_MEASURES][PAT_RANKS]) {
    struct place place[PAT_MEASURES][PAT_RANKS];
    ranking->scored = scores->scored;
    add_lanes(run, ranking);
    for (unsigned m = 0; m < PAT_MEASURES; m++) {
        for (unsigned i = 0; i < PAT_RANKS; i++) {
            place[m][i] = find_place(ranking->hits[m], rank[i]);
            PAT_TRY(want_bin(run, ranking, (enum pat_measure)m, place[m][i].bin));
            PAT_TRY(want_bin(run, ranking, (enum pat_measure)m, place[m][i].behind));
        }
    }
    PAT_TRY(sort_slots(run, ranking, scores->window));
    for (unsigned m = 0; m < PAT_MEASURES; m++) {
        for (unsigned i = 0; i < PAT_RANKS; i++) {
            struct pat_rank *const to = &out[m][i];
            to->value = value_in(ranking, (enum pat_measure)m, place[m][i].bin, place[m][i].rank);
            to->any_above = value_above(ranking, (enum pat_measure)m, &place[m][i], to->value, &to->above);
        }
    }
    return PAT_OK;
}
