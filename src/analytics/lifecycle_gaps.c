/* Cuts of the life cycle by each customer's own rhythm.
 *
 * A cut is floor(multiple x mean gap). Rounding down keeps the order of gaps, so the median of the cuts of a country is
 * the cut of its median gap: integers are sorted, and no gap is ever rounded before it is multiplied. */
#include "analytics/lifecycle_private.h"
#include "analytics/scores_private.h"
#include "analytics/source_private.h"

/* Fewer than two gaps are no rhythm (RULES). */
#define ORDERS_MIN 3
/* A customer without a cut of its own. */
#define NO_CUT (-1)

struct medians {
    int32_t *of_country; /* by code + 1, without a country at 0; NO_CUT where nobody has two gaps */
    int32_t of_all;      /* the same of all countries together */
};

void pat_lifecycle__note(struct pat_run *run) {
    if (pat_lifecycle__by_gaps(run)) pat_run__note_undated(run, "country");
}

/* The mean gap is (last - first) / (orders - 1): orders of one day lie no day apart. Where all are of one day, there is
 * no gap to speak of. */
static int32_t own_cut(const struct pat_run *run, uint64_t row, int32_t milli) {
    const struct pat_facts *facts = run->facts;
    const int64_t orders = facts->orders[row];
    if (orders < ORDERS_MIN) return NO_CUT;
    const int64_t span = (int64_t)facts->last[row] - facts->first[row];
    if (span == 0) return NO_CUT;
    const int64_t cut = milli * span / (1000 * (orders - 1));
    return cut > INT32_MAX ? INT32_MAX : (int32_t)cut;
}

_Static_assert((int64_t)PAT_LIFECYCLE_GAPS_MAX * 1000 * ((int64_t)PAT_DAY_MAX - PAT_DAY_MIN) < INT64_MAX,
               "a multiple of a span fits");

/* Country above, cut below, so that one sort brings together what belongs together. */
static inline int64_t key_of(int64_t country, int32_t cut) {
    return (int64_t)((uint64_t)country << 32 | (uint32_t)cut);
}

static inline int64_t country_of(int64_t key) {
    return key >> 32;
}

static inline int32_t cut_in(int64_t key) {
    return (int32_t)(key & UINT32_MAX);
}

/* Nearest rank: the smallest of n sorted ones with at least half of them at or below it. */
static int32_t middle_of(const int64_t *sorted, uint64_t n) {
    return cut_in(sorted[(n + 1) / 2 - 1]);
}

static enum pat_status take_medians(struct pat_run *run, struct medians *medians, int64_t *keys, int64_t *scratch,
                                    uint64_t n) {
    PAT_TRY(pat_run__sort(run, keys, scratch, n));
    for (uint64_t first = 0, end; first < n; first = end) {
        for (end = first; end < n && country_of(keys[end]) == country_of(keys[first]); end++) {
        }
        medians->of_country[country_of(keys[first])] = middle_of(keys + first, end - first);
    }
    return PAT_OK;
}

/* Uses the keys up. Seldom asked for: only where somebody's country has no median. */
static enum pat_status take_median_of_all(struct pat_run *run, struct medians *medians, int64_t *keys, int64_t *scratch,
                                          uint64_t n) {
    medians->of_all = NO_CUT;
    if (n == 0) return PAT_OK;
    for (uint64_t i = 0; i < n; i++) keys[i] = cut_in(keys[i]);
    PAT_TRY(pat_run__sort(run, keys, scratch, n));
    medians->of_all = middle_of(keys, n);
    return PAT_OK;
}

static bool lacks_median(const struct pat_run *run, const struct medians *medians, const int64_t *country,
                         const int32_t *cut) {
    for (uint64_t row = 0; row < run->customers; row++) {
        if (cut[row] == NO_CUT && medians->of_country[country[row]] == NO_CUT) return true;
    }
    return false;
}

/* One pass over the customers: countries, or cuts by them. */
struct gaps {
    struct pat_source source; /* of countries */
    int64_t *country;         /* by row */
    int32_t milli;
    int32_t *cut; /* by row */
};

static enum pat_status cuts_part(void *context, const struct pat_part *part) {
    const struct gaps *gaps = context;
    for (uint64_t row = part->first; row < part->end; row++) gaps->cut[row] = own_cut(part->run, row, gaps->milli);
    return PAT_OK;
}

/* Keys of live customers who have a cut of their own; how many. */
static uint64_t collect(const struct pat_run *run, const struct gaps *gaps, int64_t *keys) {
    uint64_t n = 0;
    for (uint64_t row = 0; row < run->customers; row++) {
        if (gaps->cut[row] != NO_CUT && pat_bits__get(run->live, row)) {
            keys[n++] = key_of(gaps->country[row], gaps->cut[row]);
        }
    }
    return n;
}

static enum pat_status countries_part(void *context, const struct pat_part *part) {
    const struct gaps *gaps = context;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        int64_t *const country = gaps->country + first;
        pat_source__read(part->run, &gaps->source, (pat_row)first, count, country);
        for (uint32_t i = 0; i < count; i++) country[i] = country[i] == PAT_NULL ? 0 : country[i] + 1;
    }
    return PAT_OK;
}

static void fill_in(const struct pat_run *run, const struct medians *medians, const int64_t *country, int32_t fixed,
                    int32_t *cut) {
    const int32_t of_all = medians->of_all != NO_CUT ? medians->of_all : fixed;
    for (uint64_t row = 0; row < run->customers; row++) {
        if (cut[row] != NO_CUT) continue;
        const int32_t of_country = medians->of_country[country[row]];
        cut[row] = of_country != NO_CUT ? of_country : of_all;
    }
}

enum pat_status pat_lifecycle__own_cuts(struct pat_run *run, struct pat_own_cuts *out) {
    if (!pat_lifecycle__by_gaps(run)) return PAT_OK;
    const struct pat_question *question = &run->job->request->question;
    struct gaps gaps = {.source = pat_source__of_column(PAT_CUSTOMERS, PAT_CUSTOMER_COUNTRY)};
    void *country, *keys, *scratch, *memory;
    const uint64_t codes = pat_source__codes(run, &gaps.source);
    PAT_TRY(pat_run__array_big(run, run->customers, sizeof(int64_t), &country));
    PAT_TRY(pat_run__array_big(run, run->customers, sizeof(int64_t), &keys));
    PAT_TRY(pat_run__array_big(run, run->customers, sizeof(int64_t), &scratch));
    gaps.country = country;
    PAT_TRY(pat_run__spread(run, run->customers, countries_part, &gaps));
    struct medians medians = {.of_all = NO_CUT};
    PAT_TRY(pat_run__array(run, codes + 1, sizeof *medians.of_country, &memory));
    medians.of_country = memory;
    for (unsigned which = 0; which < 2; which++) {
        PAT_TRY(pat_run__array_big(run, run->customers, sizeof(int32_t), &memory));
        gaps.cut = memory;
        gaps.milli = question->lifecycle_gap_milli[which];
        for (uint64_t code = 0; code <= codes; code++) medians.of_country[code] = NO_CUT;
        PAT_TRY(pat_run__spread(run, run->customers, cuts_part, &gaps));
        const uint64_t n = collect(run, &gaps, keys);
        PAT_TRY(take_medians(run, &medians, keys, scratch, n));
        if (lacks_median(run, &medians, country, gaps.cut)) {
            PAT_TRY(take_median_of_all(run, &medians, keys, scratch, n));
        }
        fill_in(run, &medians, country, question->lifecycle_cut[which], gaps.cut);
        out->cut[which] = gaps.cut;
    }
    return PAT_OK;
}
