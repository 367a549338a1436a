/* Percentiles by histogram: count values by bucket, find the bucket that holds each rank, and sort what is in it. */
#include "analytics/group_private.h"
#include "analytics/scores_private.h"

#include <string.h>

/* Buckets of a logarithmic histogram up to this far from zero hold one value each: 32 to a power of two, and six of
 * those. */
#define SINGLE_BUCKETS 192u

/* Histograms of small shops may take this much, whatever their rows would. */
#define BYTES_LEAST ((uint64_t)256 << 10)
/* What a row costs when values are brought together and sorted: the value, and as much of scratch. */
#define BYTES_OF_ROW 16u

enum pat_status pat_histogram__plan(struct pat_grouping *grouping, bool *possible) {
    struct pat_run *run = grouping->run;
    const uint64_t hits = (uint64_t)grouping->dense->cells * PAT_BUCKETS * pat_run__lanes(run);
    const uint64_t bytes = hits * sizeof(uint32_t) * grouping->lists;
    const uint64_t most = grouping->of.rows * BYTES_OF_ROW;
    *possible = bytes <= (most < BYTES_LEAST ? BYTES_LEAST : most);
    for (uint32_t i = 0; i < grouping->lists && *possible; i++) {
        struct pat_lists *list = &grouping->list[i];
        int64_t low, high;
        void *memory;
        PAT_TRY(pat_run__array(run, 1, sizeof *list->histogram, &memory));
        list->histogram = memory;
        if (pat_source__bounds(run, &list->source, grouping->of.rows, &low, &high) && low <= high) {
            list->histogram->exact = (uint64_t)high - (uint64_t)low < PAT_BUCKETS - 1;
            list->histogram->low = low;
        }
        PAT_TRY(pat_run__array(run, hits, sizeof(uint32_t), &memory));
        list->histogram->hits = memory;
    }
    return PAT_OK;
}

/* Values and buckets of a block. */
static void load_buckets(const struct pat_grouping *grouping, const struct pat_lists *list, pat_row first,
                         uint32_t count, struct pat_dense_block *block) {
    const struct pat_histogram *histogram = list->histogram;
    pat_dense__read(grouping, &list->source, first, count, block);
    if (!histogram->exact) {
        grouping->run->kernels->bucket(block->value, count, block->bucket);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const bool null = block->value[i] == PAT_NULL;
        block->bucket[i] = null ? 0 : (uint16_t)(block->value[i] - histogram->low + 1);
    }
}

void pat_histogram__add(const struct pat_grouping *grouping, const struct pat_lists *list, pat_row first,
                        uint32_t count, struct pat_dense_block *block, unsigned lane) {
    uint32_t *const hits = list->histogram->hits + (size_t)lane * grouping->dense->cells * PAT_BUCKETS;
    load_buckets(grouping, list, first, count, block);
    for (uint32_t i = 0; i < block->rows; i++) {
        const uint32_t row = block->row[i];
        hits[(size_t)block->cell[row] * PAT_BUCKETS + block->bucket[row]]++;
    }
}

/* ---- ranks ------------------------------------------------------------------------------------------------------- */

/* A bucket whose values have to be brought together. */
struct want {
    int64_t *value;
    uint64_t count;
    uint64_t filled; /* atomic while threads collect */
};

/* One percentile of one group, or of several as one. */
struct rank {
    struct pat_outcome *out;
    const struct pat_measure *measure;
    uint32_t want; /* its place plus one, 0 when the bucket tells the value */
    uint64_t place;
};

struct resolution {
    const struct pat_grouping *grouping;
    const struct pat_lists *list;
    uint32_t *mark;   /* [(cells + 1) * PAT_BUCKETS]: a want, plus one; the last row is of several cells as one */
    uint8_t *in_many; /* [cells]: the cell is one of those */
    struct want *want;
    uint32_t wants;
    struct rank *rank;
    uint32_t ranks;
};

static enum pat_status begin(struct resolution *resolution, uint32_t ranks_max) {
    struct pat_run *run = resolution->grouping->run;
    const uint32_t cells = resolution->grouping->dense->cells;
    void *memory;
    PAT_TRY(pat_run__array(run, ((uint64_t)cells + 1) * PAT_BUCKETS, sizeof(uint32_t), &memory));
    resolution->mark = memory;
    PAT_TRY(pat_run__array(run, cells, 1, &memory));
    resolution->in_many = memory;
    PAT_TRY(pat_run__array(run, ranks_max, sizeof(struct want), &memory));
    resolution->want = memory;
    PAT_TRY(pat_run__array(run, ranks_max, sizeof(struct rank), &memory));
    resolution->rank = memory;
    return PAT_OK;
}

static bool single_value(const struct pat_histogram *histogram, uint32_t bucket, int64_t *out) {
    if (histogram->exact) {
        *out = histogram->low + (int64_t)bucket - 1;
        return true;
    }
    const uint32_t size = bucket >= PAT_BUCKET_ZERO ? bucket - PAT_BUCKET_ZERO : PAT_BUCKET_ZERO - bucket;
    if (size > SINGLE_BUCKETS) return false;
    /* The double whose top bits these are. */
    const uint64_t bits = (uint64_t)(size + (1023u << 5) - 1) << 47;
    double magnitude = 0;
    if (size > 0) memcpy(&magnitude, &bits, sizeof magnitude);
    *out = bucket >= PAT_BUCKET_ZERO ? (int64_t)magnitude : -(int64_t)magnitude;
    return true;
}

/* Finds the bucket of one percentile in `upto`, how many values there are up to each bucket; `cell` is its row of the
 * marks. */
static enum pat_status add_rank(struct resolution *resolution, const struct pat_measure *measure, const uint64_t *upto,
                                uint32_t cell, struct pat_outcome *out) {
    uint32_t bucket = 1, behind = PAT_BUCKETS;
    int64_t value;
    void *memory;
    *out = (struct pat_outcome){.null = true};
    if (upto[PAT_BUCKETS - 1] == 0) return PAT_OK;
    const uint64_t place = pat_measure__place(measure, upto[PAT_BUCKETS - 1]);
    while (bucket < behind) { /* the first with upto >= place */
        const uint32_t middle = bucket + (behind - bucket) / 2;
        if (upto[middle] >= place) {
            behind = middle;
        } else {
            bucket = middle + 1;
        }
    }
    if (single_value(resolution->list->histogram, bucket, &value)) {
        *out = pat_measure__single(measure, value);
        return PAT_OK;
    }
    uint32_t *const mark = &resolution->mark[(size_t)cell * PAT_BUCKETS + bucket];
    if (*mark == 0) {
        struct want *want = &resolution->want[resolution->wants++];
        want->count = upto[bucket] - upto[bucket - 1];
        PAT_TRY(pat_run__array(resolution->grouping->run, want->count, sizeof(int64_t), &memory));
        want->value = memory;
        *mark = resolution->wants;
    }
    resolution->rank[resolution->ranks++] =
        (struct rank){.out = out, .measure = measure, .want = *mark, .place = place - upto[bucket - 1] - 1};
    return PAT_OK;
}

/* The measures of the list over one histogram, which is summed up on the way. */
static enum pat_status add_ranks(struct resolution *resolution, uint64_t *hits, uint32_t cell,
                                 struct pat_outcome *out) {
    const struct pat_grouping *grouping = resolution->grouping;
    hits[0] = 0; /* nulls have no rank */
    for (uint32_t i = 1; i < PAT_BUCKETS; i++) hits[i] += hits[i - 1];
    for (uint32_t m = 0; m < grouping->measures; m++) {
        const struct pat_measure *measure = &grouping->measure[m];
        if (!pat_measure__listed(measure) || &grouping->list[measure->values] != resolution->list) continue;
        PAT_TRY(add_rank(resolution, measure, hits, cell, &out[m]));
    }
    return PAT_OK;
}

static inline void put(struct want *want, int64_t value) {
    want->value[__atomic_fetch_add(&want->filled, 1, __ATOMIC_RELAXED)] = value;
}

static enum pat_status collect_part(void *context, const struct pat_part *part) {
    const struct resolution *resolution = context;
    const struct pat_grouping *grouping = resolution->grouping;
    struct pat_dense_block *block = &grouping->dense->block[part->lane];
    const uint32_t *const mark = resolution->mark;
    const uint32_t *const many = mark + (size_t)grouping->dense->cells * PAT_BUCKETS;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        pat_dense__load(grouping, (pat_row)first, count, block);
        if (block->rows == 0) continue;
        load_buckets(grouping, resolution->list, (pat_row)first, count, block);
        for (uint32_t i = 0; i < block->rows; i++) {
            const uint32_t row = block->row[i];
            const uint32_t cell = block->cell[row], bucket = block->bucket[row];
            const uint32_t own = mark[(size_t)cell * PAT_BUCKETS + bucket];
            if (own != 0) put(&resolution->want[own - 1], block->value[row]);
            if (many[bucket] != 0 && resolution->in_many[cell] != 0) {
                put(&resolution->want[many[bucket] - 1], block->value[row]);
            }
        }
    }
    return PAT_OK;
}

static enum pat_status finish(struct resolution *resolution) {
    struct pat_run *run = resolution->grouping->run;
    uint64_t longest = 0;
    void *scratch;
    if (resolution->wants == 0) return PAT_OK;
    PAT_TRY(pat_run__spread(run, resolution->grouping->of.rows, collect_part, resolution));
    for (uint32_t i = 0; i < resolution->wants; i++) {
        PAT_ASSERT(resolution->want[i].filled == resolution->want[i].count);
        if (resolution->want[i].count > longest) longest = resolution->want[i].count;
    }
    PAT_TRY(pat_run__array(run, longest, sizeof(int64_t), &scratch));
    for (uint32_t i = 0; i < resolution->wants; i++) {
        PAT_TRY(pat_run__stop(run));
        pat_sort_int64(resolution->want[i].value, scratch, resolution->want[i].count);
    }
    for (uint32_t i = 0; i < resolution->ranks; i++) {
        const struct rank *rank = &resolution->rank[i];
        *rank->out = pat_measure__single(rank->measure, resolution->want[rank->want - 1].value[rank->place]);
    }
    return PAT_OK;
}

/* ---- groups, all of them, and the rest of them ------------------------------------------------------------------- */

/* Adds the counts of a cell; those of all threads. */
static void add_hits(const struct resolution *resolution, uint32_t cell, uint64_t *hits) {
    const struct pat_grouping *grouping = resolution->grouping;
    const uint32_t cells = grouping->dense->cells;
    for (unsigned lane = 0; lane < pat_run__lanes(grouping->run); lane++) {
        const uint32_t *from = resolution->list->histogram->hits + ((size_t)lane * cells + cell) * PAT_BUCKETS;
        for (uint32_t i = 0; i < PAT_BUCKETS; i++) hits[i] += from[i];
    }
}

enum pat_status pat_histogram__resolve(struct pat_grouping *grouping, struct pat_lists *list) {
    struct resolution resolution = {.grouping = grouping, .list = list};
    struct pat_run *run = grouping->run;
    const uint32_t groups = grouping->table.count;
    uint64_t hits[PAT_BUCKETS], all[PAT_BUCKETS] = {0};
    void *memory;
    PAT_TRY(begin(&resolution, (groups + 1) * grouping->measures));
    PAT_TRY(pat_run__array(run, (uint64_t)groups * grouping->measures, sizeof(struct pat_outcome), &memory));
    list->histogram->outcome = memory;
    PAT_TRY(pat_run__array(run, grouping->measures, sizeof(struct pat_outcome), &memory));
    list->histogram->total = memory;
    for (uint32_t group = 0; group < groups; group++) {
        const uint32_t cell = grouping->dense->cell_of[group];
        memset(hits, 0, sizeof hits);
        add_hits(&resolution, cell, hits);
        for (uint32_t i = 0; i < PAT_BUCKETS; i++) all[i] += hits[i];
        resolution.in_many[cell] = 1;
        PAT_TRY(add_ranks(&resolution, hits, cell, list->histogram->outcome + (size_t)group * grouping->measures));
    }
    PAT_TRY(add_ranks(&resolution, all, grouping->dense->cells, list->histogram->total));
    return finish(&resolution);
}

enum pat_status pat_histogram__rest(struct pat_grouping *grouping, struct pat_lists *list, uint32_t from) {
    struct resolution resolution = {.grouping = grouping, .list = list};
    uint64_t hits[PAT_BUCKETS] = {0};
    void *memory;
    PAT_TRY(begin(&resolution, grouping->measures));
    PAT_TRY(pat_run__array(grouping->run, grouping->measures, sizeof(struct pat_outcome), &memory));
    list->histogram->rest = memory;
    for (uint32_t i = from; i < grouping->table.count; i++) {
        const uint32_t cell = grouping->dense->cell_of[grouping->order[i]];
        resolution.in_many[cell] = 1;
        add_hits(&resolution, cell, hits);
    }
    PAT_TRY(add_ranks(&resolution, hits, grouping->dense->cells, list->histogram->rest));
    return finish(&resolution);
}
