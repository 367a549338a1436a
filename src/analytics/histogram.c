/* Percentiles by histogram: count values by bucket, find the bucket that holds each rank, and sort what is in it. */
#include "analytics/explain_private.h"
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
    const uint64_t hits = (uint64_t)grouping->dense->cells * PAT_BUCKETS_STRIDE * pat_run__lanes(run);
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

/* Values and buckets of the shown rows of a block. */
static void load_buckets(const struct pat_grouping *grouping, const struct pat_lists *list, pat_row first,
                         uint32_t count, struct pat_dense_block *block) {
    const struct pat_histogram *histogram = list->histogram;
    pat_dense__read(grouping, &list->source, first, count, block);
    if (!histogram->exact) {
        grouping->run->kernels->bucket(block->value, block->rows, block->bucket);
        return;
    }
    for (uint32_t i = 0; i < block->rows; i++) {
        const bool null = block->value[i] == PAT_NULL;
        block->bucket[i] = null ? 0 : (uint16_t)(block->value[i] - histogram->low + 1);
    }
}

void pat_histogram__add(const struct pat_grouping *grouping, const struct pat_lists *list, pat_row first,
                        uint32_t count, struct pat_dense_block *block, unsigned lane) {
    uint32_t *const hits = list->histogram->hits + (size_t)lane * grouping->dense->cells * PAT_BUCKETS_STRIDE;
    load_buckets(grouping, list, first, count, block);
    grouping->run->kernels->place_hits(block->cell, block->bucket, block->rows, hits);
}

uint64_t pat_histogram__rows(const struct pat_grouping *grouping, const struct pat_lists *list, uint32_t cell) {
    uint64_t rows = 0;
    for (unsigned lane = 0; lane < pat_run__lanes(grouping->run); lane++) {
        const uint32_t *hits =
            list->histogram->hits + ((size_t)lane * grouping->dense->cells + cell) * PAT_BUCKETS_STRIDE;
        for (uint32_t i = 0; i < PAT_BUCKETS; i++) rows += hits[i];
    }
    return rows;
}

/* ---- ranks ------------------------------------------------------------------------------------------------------- */

/* A bucket whose values have to be brought together. */
struct want {
    int64_t *value;
    uint64_t count;
    uint64_t filled; /* atomic while threads collect */
};

/* Values that a thread found, on their way to a want: threads meet there once for so many. */
#define BATCH 15u

struct batch {
    uint64_t count;
    int64_t value[BATCH];
};

/* Ranges of values that hold all wanted buckets, so that rows beside them are told by their codes alone. More ranges
 * are more compares for each row, and fewer let more rows in that nobody wants. */
#define RANGES_MAX 4u

struct range {
    int64_t low, high;
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
    uint32_t *mark; /* [(cells + 1) * PAT_BUCKETS_STRIDE]: a want, plus one; the last row is of several cells as one */
    uint8_t *in_many; /* [cells]: the cell is one of those */
    uint8_t *wanted;  /* [PAT_BUCKETS]: some row has a mark there */
    struct range range[RANGES_MAX];
    uint32_t ranges;
    struct batch *batch; /* [lanes][wants] */
    struct want *want;
    uint32_t wants;
    struct rank *rank;
    uint32_t ranks;
};

static enum pat_status begin(struct resolution *resolution, uint32_t ranks_max) {
    struct pat_run *run = resolution->grouping->run;
    const uint32_t cells = resolution->grouping->dense->cells;
    void *memory;
    PAT_TRY(pat_run__array(run, ((uint64_t)cells + 1) * PAT_BUCKETS_STRIDE, sizeof(uint32_t), &memory));
    resolution->mark = memory;
    PAT_TRY(pat_run__array(run, cells, 1, &memory));
    resolution->in_many = memory;
    PAT_TRY(pat_run__array(run, PAT_BUCKETS, 1, &memory));
    resolution->wanted = memory;
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
    uint32_t *const mark = &resolution->mark[(size_t)cell * PAT_BUCKETS_STRIDE + bucket];
    if (*mark == 0) {
        struct want *want = &resolution->want[resolution->wants++];
        want->count = upto[bucket] - upto[bucket - 1];
        PAT_TRY(pat_run__array(resolution->grouping->run, want->count, sizeof(int64_t), &memory));
        want->value = memory;
        *mark = resolution->wants;
        resolution->wanted[bucket] = 1;
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

/* ---- bringing values together ------------------------------------------------------------------------------------ */

/* The least value of a bucket: buckets rise with values, so halving finds it, whatever doubles round to. */
static int64_t least_of(uint32_t bucket) {
    int64_t low = INT64_MIN + 1, high = INT64_MAX;
    while (low < high) {
        const int64_t middle = low + (int64_t)(((uint64_t)high - (uint64_t)low) / 2);
        if (pat_kernel_bucket(middle) >= bucket) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static int64_t greatest_of(uint32_t bucket) {
    const uint32_t last = pat_kernel_bucket(INT64_MAX);
    return bucket >= last ? INT64_MAX : least_of(bucket + 1) - 1;
}

/* Runs of wanted buckets; then the narrowest gaps are closed until few ranges are left. */
static void find_ranges(struct resolution *resolution) {
    uint16_t first[PAT_BUCKETS / 2], last[PAT_BUCKETS / 2];
    uint32_t count = 0;
    for (uint32_t bucket = 1; bucket < PAT_BUCKETS; bucket++) {
        if (resolution->wanted[bucket] == 0) continue;
        if (resolution->wanted[bucket - 1] == 0) first[count++] = (uint16_t)bucket;
        last[count - 1] = (uint16_t)bucket;
    }
    while (count > RANGES_MAX) {
        uint32_t narrowest = 1;
        for (uint32_t i = 2; i < count; i++) {
            if (first[i] - last[i - 1] < first[narrowest] - last[narrowest - 1]) narrowest = i;
        }
        last[narrowest - 1] = last[narrowest];
        count--;
        memmove(&first[narrowest], &first[narrowest + 1], (count - narrowest) * sizeof *first);
        memmove(&last[narrowest], &last[narrowest + 1], (count - narrowest) * sizeof *last);
    }
    for (uint32_t i = 0; i < count; i++) {
        resolution->range[i] = (struct range){least_of(first[i]), greatest_of(last[i])};
    }
    resolution->ranges = count;
}

/* Of the shown rows of a block those that lie in some range. */
static void select_block(const struct resolution *resolution, const struct pat_run *run, pat_row first, uint32_t count,
                         uint64_t *out) {
    const struct pat_source *source = &resolution->list->source;
    const uint32_t words = (uint32_t)pat_bits__words(count);
    uint64_t inside[PAT_BLOCK_WORDS];
    int64_t value[PAT_BLOCK_ROWS];
    struct pat_strip strip;
    const bool codes = pat_source__strip(run, source, first, &strip);
    bool read = false;
    memset(out, 0, words * sizeof *out);
    if (!codes) pat_source__read(run, source, first, count, value);
    for (uint32_t i = 0; i < resolution->ranges; i++) {
        const struct range *range = &resolution->range[i];
        if (codes) {
            read |= pat_strip__range(run->kernels, &strip, count, range->low, range->high, inside);
        } else {
            run->kernels->select_range(value, count, range->low, range->high, inside);
        }
        run->kernels->bits_or(out, inside, words);
    }
    if (read) pat_explain__part(run, &strip.part, count);
    run->kernels->bits_and(out, resolution->grouping->of.bits + first / 64, words);
}

static void give(struct want *want, struct batch *batch) {
    const uint64_t at = __atomic_fetch_add(&want->filled, batch->count, __ATOMIC_RELAXED);
    memcpy(want->value + at, batch->value, batch->count * sizeof *batch->value);
    batch->count = 0;
}

static inline void put(const struct resolution *resolution, struct batch *batch, uint32_t mark, int64_t value) {
    struct batch *const own = &batch[mark - 1];
    own->value[own->count++] = value;
    if (own->count == BATCH) give(&resolution->want[mark - 1], own);
}

static void collect_block(const struct resolution *resolution, const struct pat_dense_block *block,
                          struct batch *batch) {
    const uint32_t *const mark = resolution->mark;
    const uint32_t *const many = mark + (size_t)resolution->grouping->dense->cells * PAT_BUCKETS_STRIDE;
    for (uint32_t i = 0; i < block->rows; i++) {
        const uint32_t cell = block->cell[i], bucket = block->bucket[i];
        const uint32_t own = mark[(size_t)cell * PAT_BUCKETS_STRIDE + bucket];
        if (own != 0) put(resolution, batch, own, block->value[i]);
        if (many[bucket] != 0 && resolution->in_many[cell] != 0) put(resolution, batch, many[bucket], block->value[i]);
    }
}

static enum pat_status collect_part(void *context, const struct pat_part *part) {
    const struct resolution *resolution = context;
    const struct pat_grouping *grouping = resolution->grouping;
    struct pat_dense_block *block = &grouping->dense->block[part->lane];
    struct batch *batch = resolution->batch + (size_t)part->lane * resolution->wants;
    uint64_t bits[PAT_BLOCK_WORDS];
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        const uint32_t count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        select_block(resolution, part->run, (pat_row)first, count, bits);
        pat_dense__load(grouping, bits, (pat_row)first, count, block);
        if (block->rows == 0) continue;
        load_buckets(grouping, resolution->list, (pat_row)first, count, block);
        collect_block(resolution, block, batch);
    }
    return PAT_OK;
}

/* Every value of a wanted bucket, in no order. */
static enum pat_status collect(struct resolution *resolution) {
    struct pat_run *run = resolution->grouping->run;
    const unsigned lanes = pat_run__lanes(run);
    void *memory;
    PAT_TRY(pat_run__array(run, (uint64_t)lanes * resolution->wants, sizeof(struct batch), &memory));
    resolution->batch = memory;
    find_ranges(resolution);
    PAT_TRY(pat_run__spread(run, resolution->grouping->of.rows, collect_part, resolution));
    for (uint64_t i = 0; i < (uint64_t)lanes * resolution->wants; i++) {
        give(&resolution->want[i % resolution->wants], &resolution->batch[i]);
    }
    return PAT_OK;
}

static enum pat_status finish(struct resolution *resolution) {
    struct pat_run *run = resolution->grouping->run;
    uint64_t longest = 0;
    void *scratch;
    if (resolution->wants == 0) return PAT_OK;
    PAT_TRY(collect(resolution));
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
        const uint32_t *from = resolution->list->histogram->hits + ((size_t)lane * cells + cell) * PAT_BUCKETS_STRIDE;
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
