/* Groups by key: each thread has a table of its own for the rows that it meets; the tables are one in the end. */
#include "analytics/group_private.h"

#include <string.h>

/* Keys whose place in the table is asked for ahead: as many misses as a core has under way. */
#define AHEAD 12u

/* What one thread has. Its arrays grow, and an arena is one thread's, so it has that, too. */
struct lane {
    struct pat_arena arena;
    struct pat_groups table;
    uint32_t capacity;         /* of the arrays by group, as the table's */
    struct pat_gather *gather; /* [groups * measures] */
    int64_t *currency;         /* [groups] as in pat_grouping */
    uint32_t *whole;           /* [groups] numbers in the table of all, after the pass */
    struct block {             /* scratch */
        pat_row first;
        uint32_t count;
        uint32_t rows;                  /* shown ones */
        uint16_t row[PAT_BLOCK_ROWS];   /* their places in the block */
        uint32_t group[PAT_BLOCK_ROWS]; /* [rows] */
        int64_t value[PAT_BLOCK_ROWS];
        int64_t key[PAT_GROUP_DIMENSIONS_MAX][PAT_BLOCK_ROWS]; /* [rows] each */
        uint64_t hash[PAT_BLOCK_ROWS];                         /* [rows] */
    } block;
};

struct walk {
    struct pat_grouping *grouping;
    struct lane *lane;
    uint8_t *part_lane; /* [parts] who had it */
};

/* ---- one thread's groups ----------------------------------------------------------------------------------------- */

static enum pat_status find(const struct pat_grouping *grouping, struct lane *lane, const int64_t *key, uint64_t hash,
                            uint32_t *out, struct pat_error *error) {
    PAT_TRY(pat_groups__find_hashed(&lane->arena, &lane->table, key, hash, out, error));
    const uint32_t capacity = lane->table.capacity;
    if (capacity == lane->capacity) return PAT_OK;
    struct pat_gather *const gather =
        pat_arena_array(&lane->arena, (size_t)capacity * grouping->measures, sizeof *gather);
    int64_t *const currency = pat_arena_array(&lane->arena, capacity, sizeof *currency);
    if (gather == NULL || currency == NULL) {
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for %u groups", capacity);
    }
    if (lane->capacity > 0) {
        memcpy(gather, lane->gather, (size_t)lane->capacity * grouping->measures * sizeof *gather);
        memcpy(currency, lane->currency, lane->capacity * sizeof *currency);
    }
    lane->gather = gather;
    lane->currency = currency;
    lane->capacity = capacity;
    return PAT_OK;
}

/* Lists the shown rows of a block and reads their keys. */
static void read_keys(const struct pat_grouping *grouping, struct lane *lane) {
    const struct pat_run *run = grouping->run;
    struct block *block = &lane->block;
    block->rows = 0;
    for (uint32_t word = 0; word < pat_bits__words(block->count); word++) {
        for (uint64_t rest = grouping->of.bits[block->first / 64 + word]; rest != 0; rest &= rest - 1) {
            block->row[block->rows++] = (uint16_t)(word * 64 + (uint32_t)__builtin_ctzll(rest));
        }
    }
    if (block->rows == 0) return;
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        pat_source__read(run, &grouping->dimension[d].source, block->first, block->count, block->key[d]);
        pat_dimension__map(run, &grouping->dimension[d], block->count, block->key[d]);
        /* A row's place among the shown is never behind its place in the block. */
        for (uint32_t i = 0; i < block->rows; i++) block->key[d][i] = block->key[d][block->row[i]];
    }
}

/* Groups of the shown rows: all hashes first, so that places in the table can be asked for before they are needed. */
static enum pat_status find_groups(const struct pat_grouping *grouping, struct lane *lane, struct pat_error *error) {
    struct block *block = &lane->block;
    for (uint32_t i = 0; i < block->rows; i++) block->hash[i] = PAT_HASH_SEED;
    for (uint32_t d = 0; d < grouping->dimensions; d++) {
        grouping->run->kernels->hash(block->key[d], block->rows, block->hash);
    }
    for (uint32_t i = 0; i < block->rows; i++) {
        int64_t key[PAT_GROUP_DIMENSIONS_MAX] = {0};
        const uint32_t ahead = i + AHEAD < block->rows ? i + AHEAD : i;
        pat_groups__prefetch(&lane->table, block->hash[ahead]);
        for (uint32_t d = 0; d < grouping->dimensions; d++) key[d] = block->key[d][i];
        PAT_TRY(find(grouping, lane, key, block->hash[i], &block->group[i], error));
    }
    return PAT_OK;
}

static enum pat_status fail_currencies(const struct pat_grouping *grouping, struct pat_error *error) {
    const char *name = "amount";
    for (uint32_t m = 0; m < grouping->measures; m++) {
        if (pat_source__own_money(&grouping->measure[m].source)) name = grouping->measure[m].source.name;
    }
    return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, name, -1, -1,
                            "\"%s\" is in each row's own currency, and a group has several: add \"currency\" to by, "
                            "select one in where, or ask for net, which is in %s",
                            name, grouping->run->view->base_currency);
}

/* Money of several currencies does not add up. */
static enum pat_status note_currencies(const struct pat_grouping *grouping, struct lane *lane,
                                       struct pat_error *error) {
    struct block *block = &lane->block;
    if (!grouping->own_money || block->rows == 0) return PAT_OK;
    pat_source__read(grouping->run, &grouping->own_currency, block->first, block->count, block->value);
    for (uint32_t i = 0; i < block->rows; i++) {
        const int64_t code = block->value[block->row[i]];
        int64_t *const known = &lane->currency[block->group[i]];
        if (*known != 0 && *known != code + 1) return fail_currencies(grouping, error);
        *known = code + 1;
    }
    return PAT_OK;
}

static void gather_block(const struct pat_grouping *grouping, struct lane *lane) {
    struct block *block = &lane->block;
    for (uint32_t m = 0; m < grouping->measures && block->rows > 0; m++) {
        const struct pat_measure *measure = &grouping->measure[m];
        if (pat_measure__listed(measure)) continue;
        struct pat_gather *const gather = lane->gather + m;
        if (measure->metric->kind == PAT_METRIC_COUNT) {
            for (uint32_t i = 0; i < block->rows; i++) gather[(size_t)block->group[i] * grouping->measures].count++;
            continue;
        }
        const bool decimal = measure->source.type == PAT_TYPE_DECIMAL;
        pat_source__read(grouping->run, &measure->source, block->first, block->count, block->value);
        for (uint32_t i = 0; i < block->rows; i++) {
            const int64_t value = block->value[block->row[i]];
            if (value == PAT_NULL) continue;
            struct pat_gather *const to = &gather[(size_t)block->group[i] * grouping->measures];
            if (decimal) {
                pat_gather__add_decimal(to, value);
            } else {
                pat_gather__add(to, value);
            }
        }
    }
}

static enum pat_status walk_part(void *context, const struct pat_part *part) {
    const struct walk *walk = context;
    const struct pat_grouping *grouping = walk->grouping;
    struct lane *lane = &walk->lane[part->lane];
    struct block *block = &lane->block;
    uint64_t at = grouping->part_start != NULL ? grouping->part_start[part->number] : 0;
    walk->part_lane[part->number] = (uint8_t)part->lane;
    for (uint64_t first = part->first; first < part->end; first += PAT_BLOCK_ROWS) {
        const uint64_t left = part->end - first;
        block->first = (pat_row)first;
        block->count = left < PAT_BLOCK_ROWS ? (uint32_t)left : PAT_BLOCK_ROWS;
        read_keys(grouping, lane);
        PAT_TRY(find_groups(grouping, lane, part->error));
        PAT_TRY(note_currencies(grouping, lane, part->error));
        gather_block(grouping, lane);
        if (grouping->group_of == NULL) continue;
        memcpy(grouping->group_of + at, block->group, block->rows * sizeof *block->group);
        at += block->rows;
    }
    return PAT_OK;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static enum pat_status merge_lane(struct pat_grouping *grouping, struct lane *lane) {
    void *memory;
    PAT_TRY(pat_run__array(grouping->run, lane->table.count, sizeof *lane->whole, &memory));
    lane->whole = memory;
    for (uint32_t group = 0; group < lane->table.count; group++) {
        uint32_t whole;
        PAT_TRY(pat_grouping__find(grouping, lane->table.key + (size_t)group * grouping->dimensions, &whole));
        lane->whole[group] = whole;
        for (uint32_t m = 0; m < grouping->measures; m++) {
            pat_gather__merge(&grouping->measure[m], &grouping->gather[(size_t)whole * grouping->measures + m],
                              &lane->gather[(size_t)group * grouping->measures + m]);
        }
        int64_t *const known = &grouping->currency[whole];
        const int64_t own = lane->currency[group];
        if (own != 0 && *known != 0 && own != *known) return fail_currencies(grouping, grouping->run->error);
        if (own != 0) *known = own;
    }
    return PAT_OK;
}

/* From a thread's numbers to those of all. */
static enum pat_status renumber_part(void *context, const struct pat_part *part) {
    const struct walk *walk = context;
    const struct pat_grouping *grouping = walk->grouping;
    const uint32_t *whole = walk->lane[walk->part_lane[part->number]].whole;
    for (uint64_t i = grouping->part_start[part->number]; i < grouping->part_start[part->number + 1]; i++) {
        grouping->group_of[i] = whole[grouping->group_of[i]];
    }
    return PAT_OK;
}

/* Shown rows of each part, and room for the groups of all. */
static enum pat_status make_group_of(struct pat_grouping *grouping) {
    struct pat_run *run = grouping->run;
    const uint64_t words = pat_bits__words(grouping->of.rows);
    const uint32_t parts = pat_run__parts(grouping->of.rows);
    void *memory;
    PAT_TRY(pat_run__array(run, (uint64_t)parts + 1, sizeof *grouping->part_start, &memory));
    grouping->part_start = memory;
    for (uint32_t part = 0; part < parts; part++) {
        const uint64_t first = (uint64_t)part * (PAT_PART_ROWS / 64), left = words - first;
        grouping->part_start[part + 1] =
            grouping->part_start[part] +
            run->kernels->bits_count(grouping->of.bits + first, left < PAT_PART_ROWS / 64 ? left : PAT_PART_ROWS / 64);
    }
    PAT_TRY(pat_run__array_big(run, grouping->part_start[parts], sizeof *grouping->group_of, &memory));
    grouping->group_of = memory;
    return PAT_OK;
}

static enum pat_status walk_lanes(struct walk *walk) {
    struct pat_grouping *grouping = walk->grouping;
    PAT_TRY(pat_run__spread(grouping->run, grouping->of.rows, walk_part, walk));
    for (unsigned lane = 0; lane < pat_run__lanes(grouping->run); lane++) {
        PAT_TRY(merge_lane(grouping, &walk->lane[lane]));
    }
    return grouping->group_of == NULL ? PAT_OK : pat_run__spread(grouping->run, grouping->of.rows, renumber_part, walk);
}

enum pat_status pat_keys__walk(struct pat_grouping *grouping) {
    struct pat_run *run = grouping->run;
    const unsigned lanes = pat_run__lanes(run);
    const struct pat_arena *arena = run->arena;
    struct walk walk = {.grouping = grouping};
    void *memory;
    if (grouping->lists > 0) PAT_TRY(make_group_of(grouping));
    PAT_TRY(pat_run__array(run, pat_run__parts(grouping->of.rows), 1, &memory));
    walk.part_lane = memory;
    PAT_TRY(pat_run__array(run, lanes, sizeof(struct lane), &memory));
    walk.lane = memory;
    /* The limit of the question holds for each of them. */
    for (unsigned lane = 0; lane < lanes; lane++) {
        pat_arena_init(&walk.lane[lane].arena, arena->bytes_max);
        walk.lane[lane].table.dimensions = grouping->dimensions;
    }
    const enum pat_status status = walk_lanes(&walk);
    for (unsigned lane = 0; lane < lanes; lane++) pat_arena_deinit(&walk.lane[lane].arena);
    return status;
}
