/* Values at given ranks of the population, by histogram: every value is counted in a bin, bins that hold several values
 * give theirs up to be sorted. Three measures at once, since reading the population costs more than counting it. */
#include "analytics/ranks_private.h"

#include <stdatomic.h>

#define BINS PAT_BUCKETS
/* Bins that may have to be looked into: of each rank its own, and the one behind it. */
#define SLOTS (PAT_MEASURES * PAT_RANKS * 2)

struct slot {
    int64_t *value;
    uint64_t count;
    _Atomic uint64_t taken;
};

struct ranking {
    const struct pat_run *run;
    const uint64_t *scored;
    uint32_t *hits;                   /* [lanes][PAT_MEASURES][BINS]; of lane 0 in the end all */
    uint8_t mark[PAT_MEASURES][BINS]; /* number of its slot plus one */
    struct slot slot[SLOTS];
    unsigned slots;
};

int64_t pat_measure__value(const struct pat_facts *facts, enum pat_measure measure, uint64_t row) {
    switch (measure) {
    case PAT_MEASURE_R: return facts->last[row];
    case PAT_MEASURE_F: return facts->window_orders[row];
    default: return facts->window_net[row];
    }
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* Greater values are in greater bins. Orders and days have one each, but for the many orders and the many days that
 * share the last and the first; money is in buckets. */
struct bins {
    uint16_t of[PAT_MEASURES][PAT_BLOCK_ROWS];
};

static void find_bins(const struct pat_run *run, uint64_t first, uint32_t count, struct bins *bins) {
    const struct pat_facts *facts = run->facts;
    for (uint32_t i = 0; i < count; i++) {
        const int64_t days = (int64_t)run->day - facts->last[first + i];
        bins->of[PAT_MEASURE_R][i] = (uint16_t)(BINS - 1 - (days < BINS - 1 ? (uint32_t)days : BINS - 1));
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t orders = facts->window_orders[first + i];
        bins->of[PAT_MEASURE_F][i] = (uint16_t)(orders < BINS - 1 ? orders : BINS - 1);
    }
    run->kernels->bucket(facts->window_net + first, count, bins->of[PAT_MEASURE_M]);
}

/* The one value of a bin that has but one. */
static bool single_value(const struct pat_run *run, enum pat_measure measure, uint32_t bin, int64_t *out) {
    switch (measure) {
    case PAT_MEASURE_R: *out = (int64_t)run->day - (BINS - 1 - (int64_t)bin); return bin > 0;
    case PAT_MEASURE_F: *out = bin; return bin < BINS - 1;
    default: *out = 0; return bin == PAT_BUCKET_ZERO;
    }
}

static uint32_t rows_of_block(const struct pat_part *part, uint64_t first) {
    return part->end - first < PAT_BLOCK_ROWS ? (uint32_t)(part->end - first) : PAT_BLOCK_ROWS;
}

static enum pat_status count_part(void *context, const struct pat_part *part) {
    struct ranking *ranking = context;
    struct bins bins;
    uint32_t *const hits = ranking->hits + (size_t)part->lane * PAT_MEASURES * BINS;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint32_t count = rows_of_block(part, first);
        find_bins(ranking->run, first, count, &bins);
        for (uint32_t word = 0; word < pat_bits__words(count); word++) {
            for (uint64_t rest = ranking->scored[first / 64 + word]; rest != 0; rest &= rest - 1) {
                const uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(rest);
                hits[bins.of[0][i]]++;
                hits[BINS + bins.of[1][i]]++;
                hits[2 * BINS + bins.of[2][i]]++;
            }
        }
    }
    return PAT_OK;
}

static enum pat_status count_bins(struct pat_run *run, struct ranking *ranking) {
    const unsigned lanes = pat_run__lanes(run);
    void *memory;
    PAT_TRY(pat_run__array(run, (uint64_t)lanes * PAT_MEASURES * BINS, sizeof(uint32_t), &memory));
    ranking->hits = memory;
    PAT_TRY(pat_run__spread(run, run->customers, count_part, ranking));
    for (size_t i = PAT_MEASURES * BINS; i < (size_t)lanes * PAT_MEASURES * BINS; i++) {
        ranking->hits[i % (PAT_MEASURES * BINS)] += ranking->hits[i];
    }
    return PAT_OK;
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

static enum pat_status want_bin(struct pat_run *run, struct ranking *ranking, enum pat_measure measure, uint32_t bin) {
    int64_t value;
    if (bin == BINS || ranking->mark[measure][bin] != 0 || single_value(run, measure, bin, &value)) return PAT_OK;
    struct slot *slot = &ranking->slot[ranking->slots++];
    ranking->mark[measure][bin] = (uint8_t)ranking->slots;
    slot->count = ranking->hits[(size_t)measure * BINS + bin];
    slot->value = pat_arena_array_big(run->arena, slot->count, sizeof *slot->value);
    return slot->value != NULL ? PAT_OK : pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the scores");
}

/* In whatever order: they are sorted. */
static void collect_block(struct ranking *ranking, enum pat_measure measure, const uint16_t *bins, uint64_t first,
                          uint32_t count) {
    uint16_t hit[PAT_BLOCK_ROWS];
    uint32_t hits = 0, of_slot[SLOTS] = {0};
    uint64_t at[SLOTS];
    const uint8_t *mark = ranking->mark[measure];
    for (uint32_t word = 0; word < pat_bits__words(count); word++) {
        for (uint64_t rest = ranking->scored[first / 64 + word]; rest != 0; rest &= rest - 1) {
            const uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(rest);
            hit[hits] = (uint16_t)i;
            hits += mark[bins[i]] != 0;
        }
    }
    for (uint32_t i = 0; i < hits; i++) of_slot[mark[bins[hit[i]]] - 1]++;
    for (unsigned s = 0; s < ranking->slots; s++) {
        at[s] =
            of_slot[s] == 0 ? 0 : atomic_fetch_add_explicit(&ranking->slot[s].taken, of_slot[s], memory_order_relaxed);
    }
    for (uint32_t i = 0; i < hits; i++) {
        const unsigned s = mark[bins[hit[i]]] - 1u;
        ranking->slot[s].value[at[s]++] = pat_measure__value(ranking->run->facts, measure, first + hit[i]);
    }
}

static enum pat_status collect_part(void *context, const struct pat_part *part) {
    struct ranking *ranking = context;
    struct bins bins;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint32_t count = rows_of_block(part, first);
        find_bins(ranking->run, first, count, &bins);
        for (unsigned measure = 0; measure < PAT_MEASURES; measure++) {
            collect_block(ranking, (enum pat_measure)measure, bins.of[measure], first, count);
        }
    }
    return PAT_OK;
}

static enum pat_status sort_slots(struct pat_run *run, struct ranking *ranking) {
    if (ranking->slots == 0) return PAT_OK;
    PAT_TRY(pat_run__spread(run, run->customers, collect_part, ranking));
    uint64_t most = 0;
    for (unsigned s = 0; s < ranking->slots; s++) most = ranking->slot[s].count > most ? ranking->slot[s].count : most;
    int64_t *const scratch = pat_arena_array_big(run->arena, most, sizeof *scratch);
    if (scratch == NULL) return pat_error_set(run->error, PAT_ERR_NO_MEMORY, "no memory for the scores");
    for (unsigned s = 0; s < ranking->slots; s++) {
        PAT_TRY(pat_run__stop(run));
        PAT_ASSERT(ranking->slot[s].taken == ranking->slot[s].count);
        pat_sort_int64(ranking->slot[s].value, scratch, ranking->slot[s].count);
    }
    return PAT_OK;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static int64_t value_in(const struct ranking *ranking, enum pat_measure measure, uint32_t bin, uint64_t rank) {
    int64_t value;
    if (single_value(ranking->run, measure, bin, &value)) return value;
    return ranking->slot[ranking->mark[measure][bin] - 1].value[rank - 1];
}

/* The least value above `value`, which is in the bin of the place. */
static bool value_above(const struct ranking *ranking, enum pat_measure measure, const struct place *place,
                        int64_t value, int64_t *out) {
    int64_t single;
    if (!single_value(ranking->run, measure, place->bin, &single)) {
        const struct slot *slot = &ranking->slot[ranking->mark[measure][place->bin] - 1];
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

enum pat_status pat_ranks__find(struct pat_run *run, const uint64_t *scored, const uint64_t rank[PAT_RANKS],
                                struct pat_rank out[PAT_MEASURES][PAT_RANKS]) {
    struct place place[PAT_MEASURES][PAT_RANKS];
    void *memory;
    PAT_TRY(pat_run__array(run, 1, sizeof(struct ranking), &memory));
    struct ranking *ranking = memory;
    ranking->run = run;
    ranking->scored = scored;
    PAT_TRY(count_bins(run, ranking));
    for (unsigned m = 0; m < PAT_MEASURES; m++) {
        for (unsigned i = 0; i < PAT_RANKS; i++) {
            place[m][i] = find_place(ranking->hits + (size_t)m * BINS, rank[i]);
            PAT_TRY(want_bin(run, ranking, (enum pat_measure)m, place[m][i].bin));
            PAT_TRY(want_bin(run, ranking, (enum pat_measure)m, place[m][i].behind));
        }
    }
    PAT_TRY(sort_slots(run, ranking));
    for (unsigned m = 0; m < PAT_MEASURES; m++) {
        for (unsigned i = 0; i < PAT_RANKS; i++) {
            struct pat_rank *const to = &out[m][i];
            to->value = value_in(ranking, (enum pat_measure)m, place[m][i].bin, place[m][i].rank);
            to->any_above = value_above(ranking, (enum pat_measure)m, &place[m][i], to->value, &to->above);
        }
    }
    return PAT_OK;
}
