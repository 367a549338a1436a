/* A question on its way: the day it is asked for, who is live then, what has been computed so far, what to say beside
 * the answer. Inside the analytics room only. */
#ifndef PAT_ANALYTICS_RUN_PRIVATE_H
#define PAT_ANALYTICS_RUN_PRIVATE_H

#include "analytics/analytics.h"

#include <stdbool.h>
#include <stdint.h>

/* Rows unpacked at a time: the int64 values of a block (32 KiB) stay in the first-level cache. A multiple of 64, so
 * that blocks start on a word of a bitmap. */
#define PAT_BLOCK_ROWS  4096u
#define PAT_BLOCK_WORDS (PAT_BLOCK_ROWS / 64u)

/* Rows of a part that one thread works on at a time: a few hundred microseconds, short enough for a thread that was
 * lent to go back in time and for the last part not to be waited for, long enough for the hand-over to cost nothing.
 * Whole blocks; parts of any two bitmaps or byte arrays over the rows lie in different cache lines. */
#define PAT_PART_ROWS (8u * PAT_BLOCK_ROWS)

/* Warnings of one answer: a filter with a thousand misspelt values says enough with the first ones. */
#define PAT_WARNINGS_MAX 20u

struct pat_bound;
struct pat_facts;
struct pat_kept;
struct pat_scores;
struct pat_view_rates;
struct pat_lifetime;

struct pat_run {
    const struct pat_job *job; /* NULL when only names are checked */
    const struct pat_view *view;
    const struct pat_kernels *kernels;
    struct pat_arena *arena;
    struct pat_error *error;
    struct pat_builder builder;
    struct pat_value result;
    const struct pat_rfm_spec *rfm;
    const struct pat_bound *population; /* its filter; NULL: none, or not bound yet */

    pat_day day;            /* D */
    struct pat_value as_of; /* its text */
    int64_t day_end;        /* first instant after D */
    pat_row customers;      /* rows of that table */
    uint64_t *live;         /* bitmap over them: live at D */
    uint64_t live_count;
    const uint64_t *shown; /* live ones that `where` selects; == live until a filter was run */

    const struct pat_kept *kept; /* NULL until pat_run__need, and then one of kept and facts may stay so */
    struct pat_facts *facts;     /* wins where both are there */
    struct pat_scores *scores;   /* NULL until then, too */
    unsigned facts_needed;       /* enum pat_fact bits that bound names ask for */
    bool scores_needed, lifecycle_needed, lifetime_needed, rates_needed;
    bool scores_by_row;                 /* with scores_needed: not only cells as a whole */
    struct pat_lifetime *lifetime;      /* predictions by row; NULL until then */
    const uint8_t *lifecycle;           /* enum pat_lifecycle by row; NULL until then */
    const struct pat_view_rates *rates; /* NULL until then */

    /* What `unpriced` has to count. */
    bool money_for_all;   /* base money decided over every live customer: a filter, an order */
    bool money_of_shown;  /* base money of the shown ones is in the answer */
    bool money_of_window; /* RFM ranks by M */
    bool money_of_facts;  /* base money of the facts asked for decided over all of them: a filter, an order */
    int64_t unpriced;     /* found otherwise: the facts themselves */

    /* For explain_plan (explain.c). */
    uint64_t *bytes_read; /* &step_bytes, or NULL when nobody asked */
    uint64_t step_bytes;  /* atomic within a pass */
    uint64_t step_ns;     /* when the step began */
    struct pat_value steps;

    struct pat_value warnings; /* arrays, NIL before the first entry */
    struct pat_value undated;
};

/* Sets `run` up for job: day, live customers. */
enum pat_status pat_run__begin(struct pat_run *run, const struct pat_job *job, struct pat_error *error) PAT_MUST_CHECK;
/* An empty map, as large as most answers. */
struct pat_value pat_run__new_result(struct pat_run *run);
/* Who is live. Begin does it but for questions about one row. */
enum pat_status pat_run__find_live(struct pat_run *run) PAT_MUST_CHECK;
/* The same of one customer, without the others. */
bool pat_run__lives(const struct pat_run *run, pat_row customer);
/* Adds what stands beside every answer and hands the result over. */
enum pat_status pat_run__finish(struct pat_run *run, struct pat_value *result) PAT_MUST_CHECK;

/* Two days of a question, the one given for an end that is open. */
void pat_run__days(const struct pat_run *run, const struct pat_day_param param[2], pat_day open_first,
                   pat_day open_last, pat_day *first, pat_day *last);
/* Asked between blocks. */
enum pat_status pat_run__stop(const struct pat_run *run) PAT_MUST_CHECK;
/* The same for a thread that does not own the run: says why in `error`. */
enum pat_status pat_run__stopped(const struct pat_run *run, struct pat_error *error) PAT_MUST_CHECK;
/* ---- several threads at one pass over rows (part.c) ---- */

/* Rows first .. end - 1, by one thread. Of the run it may read what was there before the pass, and calls only what
 * takes a const one: arena, builder, error and result are the asking thread's. It writes what lies by row or by part
 * without asking; memory of its lane lies in what the caller made before, pat_run__lanes of it. */
struct pat_part {
    const struct pat_run *run;
    uint32_t number;
    unsigned lane;
    uint64_t first, end;     /* `first` is a multiple of PAT_PART_ROWS */
    struct pat_error *error; /* for what fails here */
};
typedef enum pat_status pat_part_rows_cb(void *context, const struct pat_part *part);

/* Parts that a pass over `rows` rows has. */
static inline uint32_t pat_run__parts(uint64_t rows) {
    return (uint32_t)((rows + PAT_PART_ROWS - 1) / PAT_PART_ROWS);
}
unsigned pat_run__lanes(const struct pat_run *run);
/* Calls part_cb for all of `rows` rows. Fails with the first part, in the order of rows, that failed; parts behind it
 * may not have been called. Stops between parts when the question is to stop. */
enum pat_status pat_run__spread(struct pat_run *run, uint64_t rows, pat_part_rows_cb *part_cb,
                                void *context) PAT_MUST_CHECK;

/* Zeroed scratch; *out stays NULL only together with a failure. */
enum pat_status pat_run__array(struct pat_run *run, uint64_t count, size_t size, void **out) PAT_MUST_CHECK;
/* Scratch of huge pages, not zeroed, for arrays by row that are written whole. */
enum pat_status pat_run__array_big(struct pat_run *run, uint64_t count, size_t size, void **out) PAT_MUST_CHECK;
/* Everything on for n rows, tail bits zero. */
void pat_bits__fill(uint64_t *bits, uint64_t n);
static inline bool pat_bits__get(const uint64_t *bits, uint64_t i) {
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}
static inline void pat_bits__set(uint64_t *bits, uint64_t i) {
    bits[i / 64] |= (uint64_t)1 << (i % 64);
}
static inline uint64_t pat_bits__words(uint64_t n) {
    return (n + 63) / 64;
}

void pat_run__warn(struct pat_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Notes that a column without dates decided an answer for another day than today's. */
void pat_run__note_undated(struct pat_run *run, const char *field);

static inline void pat_run__put(struct pat_run *run, const char *key, struct pat_value value) {
    pat_build_put(&run->builder, &run->result, key, value);
}
/* "currency" and "digits" of the base, for answers with *_minor members. */
void pat_run__put_currency(struct pat_run *run, struct pat_value *map);

/* The instant `seconds` in the store's zone. */
struct pat_value pat_run__time(struct pat_run *run, int64_t seconds);
struct pat_value pat_run__minor_or_nil(int64_t value);

/* Least and greatest of 128-bit totals that an answer can carry; false when outside. */
bool pat_wide__fits(pat_int128 value);

#endif
